//! `/v2/embed`: vectors of several texts, in each requested type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{LIMITS, authenticate, refuse};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::vector::vector;
use crate::simulator::wire::{Asked, Wire};

/// The default number of dimensions.
const DIMENSIONS: usize = 8;
const FIELDS: [&str; 9] = [
    "model",
    "input_type",
    "texts",
    "images",
    "inputs",
    "max_tokens",
    "output_dimension",
    "embedding_types",
    "truncate",
];
const INPUT_TYPES: [&str; 5] = ["search_document", "search_query", "classification", "clustering", "image"];

pub struct Embed;

impl Wire for Embed {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v2/embed")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let body = call.json()?;
        let mut names = body.as_object().into_iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(Refusal::new(422, format!("unknown field: parameter '{name}' is not a valid field")));
        }
        let model = body["model"].as_str().ok_or_else(|| Refusal::invalid("invalid request: model is required"))?;
        if !INPUT_TYPES.contains(&body["input_type"].as_str().unwrap_or("")) {
            return Err(Refusal::invalid("invalid request: valid input_type must be provided with the provided model"));
        }
        let texts = body["texts"].as_array().map_or(&[][..], Vec::as_slice);
        let texts = texts.iter().filter_map(Value::as_str).collect::<Vec<_>>();
        if !(1..=96).contains(&texts.len()) {
            return Err(Refusal::invalid("invalid request: total number of texts must be between 1 and 96"));
        }
        let dimensions = body["output_dimension"].as_u64().map_or(DIMENSIONS, |count| count as usize);
        let input = tokens(texts.iter().map(|text| text.len()).sum());
        let reply = json!({
            "id": "sim-embed",
            "embeddings": embeddings(&body["embedding_types"], &texts, dimensions)?,
            "texts": texts,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": input as f64}},
            "response_type": "embeddings_by_type",
        });
        let used = Usage { input, ..Usage::default() };
        Ok(Asked::Ready { reply: Reply::json(200, &reply), model: Some(model.to_owned()), used })
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &LIMITS
    }
}

fn embeddings(types: &Value, texts: &[&str], dimensions: usize) -> Result<Value, Refusal> {
    let vectors = texts.iter().map(|text| vector(text, dimensions)).collect::<Vec<_>>();
    let default = vec![json!("float")];
    let mut by_type = json!({});
    for kind in types.as_array().unwrap_or(&default) {
        let (name, values) = match kind.as_str() {
            Some("float") => ("float", json!(vectors)),
            Some("int8") => {
                let small = |vector: &Vec<f32>| vector.iter().map(|number| (number * 127.0) as i8).collect::<Vec<_>>();
                ("int8", json!(vectors.iter().map(small).collect::<Vec<_>>()))
            }
            Some("base64") => {
                let bytes =
                    |vector: &Vec<f32>| vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
                ("base64", json!(vectors.iter().map(|vector| STANDARD.encode(bytes(vector))).collect::<Vec<_>>()))
            }
            _ => return Err(Refusal::invalid(format!("invalid request: {kind} is not a valid embedding type"))),
        };
        by_type[name] = values;
    }
    Ok(by_type)
}
