//! Embeddings: OpenAI's client with each provider that offers them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sluice_tests::gateway::Gateway;
use sluice_tests::simulator::Simulator;

use super::page::Row;

/// The features, in the order of the page's columns.
pub const COLUMNS: [&str; 6] = ["one text", "several texts", "tokens", "base64", "dimensions", "usage"];

/// Name, kind, and the simulator's path.
const PROVIDERS: [(&str, &str, &str); 5] = [
    ("openai", "openai", "/v1"),
    ("azure", "azure", ""),
    ("mistral", "mistral", "/v1"),
    ("gemini", "gemini", "/v1beta"),
    ("cohere", "cohere", "/v2"),
];

/// The name of a provider, and of its model, in the gateway file.
fn id(name: &str) -> String {
    format!("embeddings-{name}")
}

/// The section of the gateway file with these providers.
pub fn file(simulator: &Simulator) -> Value {
    let (mut providers, mut models) = (Map::new(), Map::new());
    for (name, kind, path) in PROVIDERS {
        let url = simulator.url() + path;
        providers.insert(id(name), json!({"kind": kind, "url": url, "key": {"env": "A_KEY"}}));
        models.insert(id(name), json!({"targets": [{"provider": id(name), "model": "embed-sim"}]}));
    }
    json!({"providers": providers, "models": models})
}

/// The rows, and the errors.
pub async fn rows(gateway: &Gateway, simulator: &Simulator) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (name, _, _) in PROVIDERS {
        let mut cells = Vec::new();
        for column in COLUMNS {
            let cell = cell(gateway, simulator, name, column).await;
            cells.push(cell.unwrap_or_else(|why| {
                wrong.push(format!("embeddings, {name}, {column}: {why}"));
                "wrong".into()
            }));
        }
        rows.push((name, cells));
    }
    (rows, wrong)
}

fn request(column: &str) -> Value {
    match column {
        "several texts" => json!({"input": ["hello", "wörld", "hello"]}),
        "tokens" => json!({"input": [[1, 2, 3], [4]]}),
        "base64" => json!({"input": "hello", "encoding_format": "base64"}),
        "dimensions" => json!({"input": "hello", "dimensions": 256}),
        _ => json!({"input": "hello"}),
    }
}

/// The field that an error may name.
fn field(column: &str) -> &'static str {
    match column {
        "base64" => "encoding_format",
        "dimensions" => "dimensions",
        _ => "input",
    }
}

async fn cell(gateway: &Gateway, simulator: &Simulator, name: &str, column: &str) -> Result<String, String> {
    simulator.clear();
    let mut body = request(column);
    body["model"] = json!(id(name));
    let answer = gateway.client().post("/v1/embeddings", &body).await;
    let said = answer.json();
    let context = format!("{} {}", answer.status, answer.text());
    if answer.status == 400 {
        let param = said["error"]["param"].as_str().unwrap_or_default();
        return if param.starts_with(field(column)) {
            Ok(format!("refused: `{}`", field(column)))
        } else {
            Err(context)
        };
    }
    let data = said["data"].as_array().filter(|_| answer.status == 200).ok_or(&context)?;
    let vectors: Vec<Vec<f32>> = data.iter().map(|one| vector(&one["embedding"], column == "base64")).collect();
    let count = body["input"].as_array().map_or(1, Vec::len);
    let numbered = (0..).zip(data).all(|(index, one)| one["index"] == index && one["object"] == "embedding");
    let long = vectors.iter().all(|vector| !vector.is_empty() && (column != "dimensions" || vector.len() == 256));
    let distinct = column != "several texts" || (vectors[0] == vectors[2] && vectors[0] != vectors[1]);
    if vectors.len() != count || !numbered || !long || !distinct || said["model"] != "embed-sim" {
        return Err(context);
    }
    if column != "usage" {
        return Ok("yes".into());
    }
    let used = simulator.settled(1).await.pop().and_then(|request| request.used).ok_or("nothing used")?.input;
    let id = answer.header("x-request-id").unwrap_or_default();
    let log = gateway.quiet().await;
    let line = log.iter().find(|line| line["request_id"] == id).ok_or("no line")?;
    let right = said["usage"]["prompt_tokens"] == used && line["input_tokens"] == used;
    match (line["output_tokens"] == 0, line["estimated"] == true) {
        (true, false) if right => Ok("yes".into()),
        // Gemini does not count, and the client does not get the estimate.
        (true, true) if line["input_tokens"].as_u64() > Some(0) => Ok("estimated".into()),
        _ => Err(format!("{context}: used {used}: {line}")),
    }
}

fn vector(embedding: &Value, encoded: bool) -> Vec<f32> {
    if encoded {
        let bytes = STANDARD.decode(embedding.as_str().unwrap_or_default()).unwrap_or_default();
        return bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    }
    let numbers = embedding.as_array().map_or(&[][..], Vec::as_slice);
    numbers.iter().filter_map(|number| number.as_f64().map(|number| number as f32)).collect()
}
