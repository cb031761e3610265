//! The same text for every provider: responses, counts and failures.

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client, Failure};
use sluice_tests::simulator::{Outcome, Simulator};

use crate::{anthropic, openai, start, streamed};

/// A provider's chat format.
struct Wire {
    name: &'static str,
    /// The path for a model, streamed or not.
    path: fn(&str, bool) -> String,
    /// The body for a model and a text, streamed or not.
    body: fn(&str, &str, bool) -> Value,
    /// The text of a non-streamed response.
    text: fn(&Value) -> &Value,
}

fn chat(model: &str, text: &str, stream: bool) -> Value {
    flagged(openai(model, text), stream)
}

fn flagged(body: Value, stream: bool) -> Value {
    if stream { streamed(body) } else { body }
}

fn hosted(version: &str, text: &str) -> Value {
    let mut body = anthropic("", text);
    body.as_object_mut().expect("an object").remove("model");
    body["anthropic_version"] = json!(version);
    body
}

fn gemini(_: &str, text: &str, _: bool) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn compatible(name: &'static str, path: fn(&str, bool) -> String) -> Wire {
    Wire { name, path, body: chat, text: |body| &body["choices"][0]["message"]["content"] }
}

fn wires() -> Vec<Wire> {
    vec![
        compatible("openai", |_, _| "/v1/chat/completions".into()),
        compatible("azure", |model, _| format!("/openai/deployments/{model}/chat/completions?api-version=2024-10-21")),
        compatible("groq", |_, _| "/groq/openai/v1/chat/completions".into()),
        compatible("mistral", |_, _| "/mistral/v1/chat/completions".into()),
        compatible("deepseek", |_, _| "/deepseek/chat/completions".into()),
        compatible("vllm", |_, _| "/vllm/v1/chat/completions".into()),
        compatible("plain", |_, _| "/plain/v1/chat/completions".into()),
        Wire {
            name: "responses",
            path: |_, _| "/v1/responses".into(),
            body: |model, text, stream| flagged(json!({"model": model, "input": text}), stream),
            text: |body| &body["output"][0]["content"][0]["text"],
        },
        Wire {
            name: "completions",
            path: |_, _| "/v1/completions".into(),
            body: |model, text, stream| flagged(json!({"model": model, "prompt": text}), stream),
            text: |body| &body["choices"][0]["text"],
        },
        Wire {
            name: "anthropic",
            path: |_, _| "/v1/messages".into(),
            body: |model, text, stream| flagged(anthropic(model, text), stream),
            text: |body| &body["content"][0]["text"],
        },
        Wire {
            name: "bedrock invoke",
            path: |model, stream| format!("/model/{model}/invoke{}", if stream { "-with-response-stream" } else { "" }),
            body: |_, text, _| hosted("bedrock-2023-05-31", text),
            text: |body| &body["content"][0]["text"],
        },
        Wire {
            name: "bedrock converse",
            path: |model, stream| format!("/model/{model}/converse{}", if stream { "-stream" } else { "" }),
            body: |_, text, _| json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
            text: |body| &body["output"]["message"]["content"][0]["text"],
        },
        Wire {
            name: "vertex anthropic",
            path: |model, stream| {
                let operation = if stream { "streamRawPredict" } else { "rawPredict" };
                format!("/v1/projects/p/locations/l/publishers/anthropic/models/{model}:{operation}")
            },
            body: |_, text, _| hosted("vertex-2023-10-16", text),
            text: |body| &body["content"][0]["text"],
        },
        Wire {
            name: "vertex google",
            path: |model, stream| {
                let operation = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                format!("/v1/projects/p/locations/l/publishers/google/models/{model}:{operation}")
            },
            body: gemini,
            text: |body| &body["candidates"][0]["content"]["parts"][0]["text"],
        },
        Wire {
            name: "gemini",
            path: |model, stream| {
                let operation = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                format!("/v1beta/models/{model}:{operation}")
            },
            body: gemini,
            text: |body| &body["candidates"][0]["content"]["parts"][0]["text"],
        },
        Wire {
            name: "cohere",
            path: |_, _| "/v2/chat".into(),
            body: chat,
            text: |body| &body["message"]["content"][0]["text"],
        },
    ]
}

impl Wire {
    async fn ask(&self, client: &Client, faults: &str, text: &str, stream: bool) -> Result<Answer, Failure> {
        let model = format!("sim{faults}");
        let body = (self.body)(&model, text, stream).to_string();
        client.request("POST", &(self.path)(&model, stream), body).await
    }

    /// The streamed response to a text of several words, with the script's faults.
    async fn stream(&self, (simulator, client): &(Simulator, Client), faults: &str) -> Answer {
        simulator.script(&[faults]);
        self.ask(client, "", "say one two three", true).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }
}

/// The outcome of the latest request, once it has one.
async fn outcome(simulator: &Simulator) -> Outcome {
    simulator.settled(1).await.pop().expect("a request").outcome
}

#[tokio::test]
async fn every_provider_says_and_counts_the_same() {
    let (simulator, client) = start().await;
    for wire in wires() {
        for text in ["say hello", "say 你好 and ééé"] {
            simulator.clear();
            let whole = wire.ask(&client, "", text, false).await.expect("an answer");
            let spoken = text.strip_prefix("say ").unwrap();
            assert_eq!((whole.status, (wire.text)(&whole.json())), (200, &json!(spoken)), "{}", wire.name);
            let stream = wire.ask(&client, "", text, true).await.expect("an answer");
            assert_eq!((stream.streamed_text().as_str(), stream.complete), (spoken, true), "{}", wire.name);
            for request in simulator.settled(2).await {
                let used = request.used.expect("an answer");
                let tokens = |text: &str| text.len().div_ceil(4) as u64;
                assert_eq!((used.input, used.output), (tokens(text), tokens(spoken)), "{}", wire.name);
            }
        }
    }
}

#[tokio::test]
async fn every_provider_fails_before_its_answer() {
    let (_simulator, client) = start().await;
    for wire in wires() {
        for stream in [false, true] {
            let status = async |faults: &str| {
                let answer = wire.ask(&client, faults, "say hello", stream).await.expect("an answer");
                (answer.status, answer.text())
            };
            for code in [400, 404, 429, 500, 503] {
                let (given, body) = status(&format!("+status={code}")).await;
                assert!(given == code && body.contains("\"message\""), "{} {code}: {given} {body}", wire.name);
            }
            assert_eq!(status("+context").await.0, 400, "{}", wire.name);
            let (given, body) = status("+error").await;
            let says = ["\"error\"", "\"message\"", "Exception"].iter().any(|word| body.contains(word));
            assert!(given == 200 && says, "{}: {given} {body}", wire.name);
            assert_eq!(status("+blank").await, (200, String::new()));
            assert!(status("+html").await.1.starts_with("<html>"));
            let reset = wire.ask(&client, "+reset", "say hello", stream).await;
            assert!(matches!(reset, Err(Failure::NoAnswer(_))), "{}", wire.name);
        }
    }
}

#[tokio::test]
async fn every_provider_fails_in_the_middle_of_its_stream() {
    let site = start().await;
    for wire in wires() {
        let plain = wire.stream(&site, "ok").await;
        for (fault, complete) in [("eof", true), ("close", false), ("reset", false)] {
            site.0.clear();
            let cut = wire.stream(&site, &format!("{fault}-after=1")).await;
            assert!(cut.body.len() < plain.body.len(), "{} {fault}", wire.name);
            assert_eq!((cut.status, cut.complete), (200, complete), "{} {fault}", wire.name);
            let ended = if complete { Outcome::Complete } else { Outcome::BrokenOff };
            assert_eq!(outcome(&site.0).await, ended, "{} {fault}", wire.name);
        }
        let unended = wire.stream(&site, "no-end").await;
        assert_eq!((unended.streamed_text().as_str(), unended.complete), ("one two three", true), "{}", wire.name);
        assert!(unended.body.len() < plain.body.len(), "{}: no terminator to leave out", wire.name);
        let malformed = wire.stream(&site, "malformed-after=1").await;
        assert_eq!(malformed.streamed_text(), "one two three", "{}", wire.name);
        assert!(malformed.text().contains("{\"id\":\"sim\","), "{}", wire.name);
        let failed = wire.stream(&site, "error-after=1").await;
        assert!(failed.complete && !failed.streamed_text().ends_with("three"), "{}", wire.name);
        let surplus = wire.stream(&site, "extra+headers").await;
        assert_eq!(surplus.streamed_text(), "one two three", "{}", wire.name);
        let zipped = wire.stream(&site, "gzip").await;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&zipped.body[..]), &mut text).unwrap();
        // Responses are numbered, so two bodies differ in their number.
        assert!(text.len() >= plain.body.len(), "{}", wire.name);
        assert_eq!(wire.stream(&site, "tokens=3+burst").await.streamed_text(), "00 01 02 ", "{}", wire.name);
    }
}

#[tokio::test]
async fn every_provider_can_stall() {
    let (simulator, client) = start().await;
    for wire in wires() {
        simulator.clear();
        let body = (wire.body)("sim+stall-after=1+whole", "say one two three", true).to_string();
        let path = (wire.path)("sim+stall-after=1+whole", true);
        let mut open = client.open("POST", &path, body).await.expect("an answer");
        assert!(open.next().await.expect("no error").is_some(), "{}", wire.name);
        drop(open);
        assert_eq!(outcome(&simulator).await, Outcome::Cancelled, "{}", wire.name);
    }
}

#[tokio::test]
async fn every_provider_sees_images() {
    let (_simulator, client) = start().await;
    let png = "iVBORw0KGgo=";
    let url = format!("data:image/png;base64,{png}");
    let parts = json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]);
    let said =
        |content: Value| json!({"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": content}]});
    let source = json!({"type": "base64", "media_type": "image/png", "data": png});
    let input = json!([{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": url}]);
    let blocks = json!([{"text": "look"}, {"image": {"format": "png", "source": {"bytes": png}}}]);
    for (path, body) in [
        ("/v1/chat/completions", said(parts.clone())),
        ("/v2/chat", said(parts)),
        ("/v1/messages", said(json!([{"type": "text", "text": "look"}, {"type": "image", "source": source}]))),
        ("/v1/responses", json!({"model": "m", "input": [{"role": "user", "content": input}]})),
        ("/model/m/converse", json!({"messages": [{"role": "user", "content": blocks}]})),
    ] {
        let answer = client.post(path, &body).await.text();
        assert!(answer.contains("You said: “look”, and showed image/png of 8 bytes."), "{path}: {answer}");
    }
}
