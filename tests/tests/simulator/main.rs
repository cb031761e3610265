//! Compares the simulator with the providers' documentation: response formats, request checks, and each fault.

mod answers;
mod bedrock;
mod cohere;
mod control;
mod embeddings;
mod families;
mod faults;
mod gemini;
mod hosts;
mod ledger;
mod matrix;
mod requests;
mod responses;
mod services;

use serde_json::{Value, json};
use sluice_tests::client::{Answer, Client};
use sluice_tests::simulator::Simulator;

const OPENAI: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";

async fn start() -> (Simulator, Client) {
    let simulator = Simulator::start().await;
    let client = Client::new(simulator.port()).bearer("sk-test").anthropic("sk-test").gemini("sk-test");
    (simulator, client)
}

fn openai(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn anthropic(model: &str, text: &str) -> Value {
    json!({"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": text}]})
}

fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn streamed(body: Value) -> Value {
    with(body, json!({"stream": true}))
}

/// The same text in both formats.
fn both(model: &str, text: &str) -> [(&'static str, Value); 2] {
    [(OPENAI, openai(model, text)), (ANTHROPIC, anthropic(model, text))]
}

fn names(answer: &Answer) -> Vec<String> {
    answer.events().into_iter().filter_map(|event| event.name).collect()
}
