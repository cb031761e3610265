//! If client and provider use the same format, only the model's name changes: in request bodies, responses and streams. A twin of the
//! simulator gets the same requests directly. Both count alike, so their responses are equal.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::gateway::{Builder, Gateway, KEY, Key};
use sluice_tests::shared::{self, Fixture, Shared};
use sluice_tests::simulator::Simulator;

const BOUNDARY: &str = "x-boundary-of-the-test";

/// The client's and the provider's name for the model.
const OURS: &str = "an-alias";
const THEIRS: &str = "sim-of-theirs";

struct Twins {
    gateway: Gateway,
    behind: Simulator,
    beside: Simulator,
}

static TWINS: Shared<Twins> = Shared::new(1, || Box::pin(Twins::start()));

impl Fixture for Twins {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.behind, &self.beside]).await;
        true
    }
}

impl Twins {
    async fn start() -> Self {
        let (behind, beside) = (Simulator::start().await, Simulator::start().await);
        let all = json!(["chat", "responses", "completions", "embeddings"]);
        let provider = |kind: &str| json!({"kind": kind, "url": behind.base_url(), "key": {"env": "A_KEY"}});
        let mut openai = provider("openai");
        openai["speaks"] = all;
        let target = |provider: &str| json!({"targets": [{"provider": provider, "model": THEIRS}]});
        let file = json!({
            "providers": {"openai": openai, "anthropic": provider("anthropic")},
            "models": {OURS: target("openai"), "messages": target("anthropic")},
            "stored": "openai",
        });
        let keeps = json!(["/v1/*"]);
        let builder = Builder::default().with(file);
        let builder = builder.key(Key::new("keeps", KEY).set("endpoints", keeps)).key(Key::new("asks", "sk-asks"));
        Self { gateway: builder.start().await, behind, beside }
    }

    /// Sends a request to both, each with its own model name, and checks that nothing else changed in either direction.
    async fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        self.named(OURS, method, path, media_type, body).await
    }

    async fn named(&self, ours: &str, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let with =
            |client: Client| if media_type.is_empty() { client } else { client.header("content-type", media_type) };
        let (through, direct) = (self.gateway.anonymous(), Client::new(self.beside.port()));
        let (through, direct) = match path {
            "/v1/messages" => (through.anthropic(KEY), direct.anthropic("sk-theirs")),
            _ => (through.bearer(KEY), direct.bearer("sk-theirs")),
        };
        let (through, direct) = (with(through), with(direct));
        let answer = through.request(method, path, named(body, ours)).await.expect("an answer");
        let expected = direct.request(method, path, named(body, THEIRS)).await.expect("an answer");
        let context = format!("{method} {path}: {}", answer.text());
        assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "{context}");
        assert_eq!(
            (answer.header("content-type"), answer.complete),
            (expected.header("content-type"), true),
            "{context}"
        );
        let (got, wanted) = (self.behind.requests().pop(), self.beside.requests().pop());
        let (got, wanted) = (got.expect("a request"), wanted.expect("a request"));
        assert_eq!(
            (got.sha256(), &got.path, &got.method),
            (wanted.sha256(), &wanted.path, &wanted.method),
            "{context}"
        );
        assert_eq!(got.header("content-type"), wanted.header("content-type"), "{context}");
        answer
    }
}

/// Replaces the placeholder in a body by the model's name.
fn named(body: &[u8], name: &str) -> Vec<u8> {
    const MARK: &[u8] = b"<MODEL>";
    match body.windows(MARK.len()).position(|window| window == MARK) {
        Some(at) => [&body[..at], name.as_bytes(), &body[at + MARK.len()..]].concat(),
        None => body.to_vec(),
    }
}

/// A form with fields, and a file of these bytes.
fn form(fields: &[(&str, &str)], file: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{file}\"; filename=\"ä.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    [body, head.into_bytes(), bytes.to_vec(), format!("\r\n--{BOUNDARY}--\r\n").into_bytes()].concat()
}

/// Odd order, whitespace, escapes and numbers, and unknown fields where the provider accepts them.
const ODD: [(&str, &str); 5] = [
    (
        "/v1/chat/completions",
        "\n{ \"x_first\" : [1.0, 1e3, -0 ],\t\"messages\":[{\"content\":\"say \\u0068i ü\",\"role\":\"user\",\"x\":null}],\n \"temperature\" : 0.70, \"model\":  \"<MODEL>\"  , \"x_model\":{\"model\":\"an-alias\"}, \"seed\":12345678901234567 STREAM, \"stream_options\": OPTIONS}\n ",
    ),
    (
        "/v1/responses",
        "{\"input\" : [{\"role\":\"user\",\"content\":\"say \\u0068i ü\"}], \"metadata\":{\"model\":\"an-alias\"},\r\n \"temperature\":0.70 ,\"model\"\n:\t\"<MODEL>\" STREAM, \"top_p\":1e0}",
    ),
    (
        "/v1/completions",
        " {\"x\":[[]], \"prompt\":\"say \\u0068i ü\", \"model\":\"<MODEL>\", \"logit_bias\":{ \"5\": -1e2 }, \"max_tokens\":6e1 STREAM, \"stream_options\": OPTIONS} ",
    ),
    ("/v1/embeddings", "{ \"x\" : 1.50, \"input\":[\"\\u0068i\", \"ü\"],\"model\" :\"<MODEL>\", \"dimensions\": 12 }"),
    (
        "/v1/messages",
        "\n{ \"max_tokens\" : 64,\t\"messages\":[{\"content\":\"say \\u0068i ü\",\"role\":\"user\"}],\n \"model\":  \"<MODEL>\"  , \"temperature\":0.70 STREAM, \"context_management\":{\"edits\": []} }\n ",
    ),
];

#[tokio::test]
async fn what_models_are_asked_passes_but_for_their_names() {
    let twins = TWINS.lease().await;
    for (path, body) in ODD {
        for stream in [false, true] {
            if stream && !body.contains("STREAM") {
                continue;
            }
            let options = if stream { "{\"include_usage\" : true}" } else { "null" };
            let flag = if stream { ",\"stream\" : true" } else { "" };
            let body = body.replace(" STREAM", flag).replace("OPTIONS", options);
            let name = if path == "/v1/messages" { "messages" } else { OURS };
            for faults in ["ok", "extra", "extra+seed=5", "cached=1"] {
                for simulator in [&twins.behind, &twins.beside] {
                    simulator.clear();
                    simulator.always(faults);
                }
                let answer = twins.named(name, "POST", path, "", body.as_bytes()).await;
                assert_eq!(answer.status, 200, "{path} {faults}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_conversation_passes_too() {
    let twins = TWINS.lease().await;
    let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
    let bytes: Vec<u8> = [&b"\r\n--x-boundary"[..], &[0, 255, 13, 10, 13, 10]].concat();
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("/v1/images/generations", "", b"{\"prompt\":\"a c\\u0061t\", \"x\":[1.0],\"model\" : \"<MODEL>\", \"n\":2}".to_vec()),
        ("/v1/images/edits", &multipart, form(&[("prompt", "a dog"), ("model", "<MODEL>"), ("x", "")], "image", &bytes)),
        ("/v1/audio/speech", "", b"{ \"input\":\"hello\",\"voice\":\"alloy\", \"model\":\"<MODEL>\" }".to_vec()),
        ("/v1/audio/transcriptions", &multipart, form(&[("model", "<MODEL>")], "file", &bytes)),
        ("/v1/audio/translations", &multipart, form(&[("response_format", "text"), ("model", "<MODEL>")], "file", &bytes)),
        ("/v1/moderations", "", b"{\"input\":[\"flowers\", \"violence\"] , \"model\":\"<MODEL>\"}".to_vec()),
        (
            "/v1/rerank",
            "",
            b"{\"query\":\"black cat\",\"documents\":[\"a dog\",{\"text\":\"a cat\"}],\"top_n\":1,\"model\":\"<MODEL>\"}".to_vec(),
        ),
        // With a large file that contains a near miss of the boundary.
        ("/v1/audio/transcriptions", &multipart, form(&[("model", "<MODEL>")], "file", &b"\r\n--x-boundary-of-the-tes".repeat(60_000))),
        ("/v1/images/edits", &multipart, form(&[("model", "<MODEL>"), ("prompt", "<MODEL>")], "image", b"12345678")),
    ];
    for (number, (path, media_type, body)) in cases.iter().enumerate() {
        let answer = twins.ask("POST", path, media_type, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let line = twins.gateway.log_lines(number + 1).await.pop().expect("a line");
        let used = twins.behind.settled(1).await.pop().and_then(|request| request.used).unwrap_or_default();
        if line["estimated"].is_null() {
            assert_eq!(
                (&line["input_tokens"], &line["output_tokens"]),
                (&json!(used.input), &json!(used.output)),
                "{path}: {line}"
            );
        }
        // Audio, verdicts and rankings are not output tokens. Without the provider's count they are zero.
        assert!(line["estimated"].is_null() || line["output_tokens"] == 0, "{path}: {used:?}: {line}");
    }
}

#[tokio::test]
async fn what_a_provider_keeps_passes_for_keys_that_name_it() {
    let twins = TWINS.lease().await;
    let multipart = format!("multipart/form-data; boundary={BOUNDARY}");
    let content: Vec<u8> = [&b"{\"model\":\"an-alias\"}\r\n--x-boundary"[..], &[0, 255, 13, 10, 13, 10]].concat();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let file =
        twins.ask("POST", "/v1/files", &multipart, &form(&[("purpose", "user_data")], "file", &content)).await.json();
    let path = format!("/v1/files/{}", text(&file["id"]));
    assert_eq!(twins.ask("GET", "/v1/files?limit=2&order=asc", "", b"").await.json()["data"][0], file);
    assert_eq!(twins.ask("GET", &path, "", b"").await.json(), file);
    assert_eq!(twins.ask("GET", &format!("{path}/content"), "", b"").await.body, content);
    let line = json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": THEIRS, "messages": [{"role": "user", "content": "hi"}]}});
    let input = form(&[("purpose", "batch")], "file", line.to_string().as_bytes());
    let input = twins.ask("POST", "/v1/files", &multipart, &input).await.json();
    let batch = json!({"input_file_id": input["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch = twins.ask("POST", "/v1/batches", "", batch.to_string().as_bytes()).await.json();
    let of = format!("/v1/batches/{}", text(&batch["id"]));
    assert_eq!(twins.ask("GET", "/v1/batches", "", b"").await.status, 200);
    assert_eq!(twins.ask("GET", &of, "", b"").await.status, 200);
    assert_eq!(twins.ask("POST", &format!("{of}/cancel"), "", b"{ }").await.json()["status"], "cancelling");
    let stored = json!({"model": "<MODEL>", "input": "say hi"}).to_string();
    let answer = twins.ask("POST", "/v1/responses", "", stored.as_bytes()).await.json();
    let kept = format!("/v1/responses/{}", text(&answer["id"]));
    assert_eq!(twins.ask("GET", &kept, "", b"").await.json()["id"], answer["id"]);
    // A key without `endpoints` may use none of these, and cannot find out whether they exist.
    let asks = twins.gateway.with_key("sk-asks");
    let before = twins.behind.count();
    for (method, path) in
        [("GET", "/v1/files"), ("GET", &*path), ("DELETE", &*path), ("GET", &*kept), ("POST", "/v1/batches")]
    {
        let answer = asks.request(method, path, "").await.expect("an answer");
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    assert_eq!(twins.behind.count(), before);
    // A body reference needs the same permission as the object's own path.
    let goes_on =
        |name: &str| json!({"model": name, "input": "say more", "previous_response_id": answer["id"]}).to_string();
    let reads = json!([{"role": "user", "content": [{"type": "input_file", "file_id": file["id"]}]}]);
    let refers = [goes_on(OURS), json!({"model": OURS, "input": reads}).to_string()];
    for (body, field) in refers.iter().zip(["previous_response_id", "input[0].content[0].file_id"]) {
        let answer = asks.request("POST", "/v1/responses", body.clone()).await.expect("an answer");
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["param"]),
            (403, &json!("endpoint_not_allowed"), &json!(field))
        );
    }
    let escaped = refers[0].replace("previous_response_id", "previous\\u005fresponse_id");
    assert_eq!(asks.request("POST", "/v1/responses", escaped).await.expect("an answer").status, 403);
    assert_eq!(twins.behind.count(), before);
    let more = twins.ask("POST", "/v1/responses", "", goes_on("<MODEL>").as_bytes()).await.json();
    assert_eq!(more["previous_response_id"], answer["id"]);
    assert_eq!(twins.ask("DELETE", &kept, "", b"").await.status, 200);
    assert_eq!(twins.ask("DELETE", &path, "", b"").await.json()["deleted"], true);
    let missing = twins.gateway.client().request("GET", &path, "").await.expect("an answer");
    assert_eq!(missing.status, 404, "{}", missing.text());
}
