//! Clients that speak Anthropic's messages, as its own SDKs and coding agents do, before providers of both formats.

mod counting;
mod ends;
mod passing;
mod refusals;
mod translated;

use serde_json::{Value, json};
use sluice_tests::client::Answer;

use crate::{Pair, with};

const MESSAGES: &str = "/v1/messages";

/// A request with one message.
fn ask(pair: &Pair, model: &str, text: &str) -> Value {
    json!({"model": pair.name(model), "max_tokens": 256, "messages": [{"role": "user", "content": text}]})
}

/// The same as a stream.
fn streamed(pair: &Pair, model: &str, text: &str) -> Value {
    with(ask(pair, model, text), json!({"stream": true}))
}

/// The text of an answer, in one piece or streamed.
fn said(answer: &Answer) -> String {
    match answer.json()["content"].as_array() {
        Some(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        None => answer.streamed_text(),
    }
}

/// The names of a stream's events, each of which is its data's type; pings aside.
#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    let named = answer.events().into_iter().map(|event| {
        let name = event.name.clone().expect("a name");
        assert_eq!(event.json()["type"], *name, "{}", event.data);
        name
    });
    named.filter(|name| name != "ping").collect()
}

/// The status and type of an error in Anthropic's shape, whose request has a name.
#[track_caller]
fn refusal(answer: &Answer) -> (u16, String) {
    let context = format!("{} {:?} {}", answer.status, answer.headers, answer.text());
    assert!(answer.complete && answer.status >= 400, "no error: {context}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{context}");
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"), "{context}");
    let body = answer.json();
    assert_eq!(body["type"], "error", "{context}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{context}");
    (answer.status, body["error"]["type"].as_str().expect("a type").to_owned())
}
