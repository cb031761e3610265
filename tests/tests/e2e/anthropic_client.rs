//! Clients of Anthropic's messages format, such as its SDKs and coding agents, with providers of both formats.

mod calls;
mod counting;
mod ends;
mod passing;
mod refusals;
mod translated;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{KEY, Key};
use sluice_tests::shared::Shared;

use crate::money::{Price, priced};
use crate::{Pair, TURNS, with};

const MESSAGES: &str = "/v1/messages";

const OPENAI: Price = Price { input: 3.33, output: 14.77 };
const ANTHROPIC: Price = Price { input: 5.21, output: 25.93 };

/// A pair with prices, restricted keys, and models with `delivery: whole`.
static KEYED: Shared<Pair> = Shared::new(1, || {
    let (gpt, claude) = (("openai", "gpt-whole"), ("anthropic", "claude-whole"));
    let whole = json!({"delivery": "whole"});
    Box::pin(Pair::of(TURNS, move |builder| {
        priced(builder, TURNS, OPENAI, ANTHROPIC)
            .model("openai-first-whole", &[gpt, claude])
            .model("anthropic-first-whole", &[claude, gpt])
            .with(json!({"models": {"openai-first-whole": whole, "anthropic-first-whole": whole}}))
            .price("openai/gpt-whole", OPENAI.input, OPENAI.output)
            .price("anthropic/claude-whole", ANTHROPIC.input, ANTHROPIC.output)
            .key(Key::new("test", KEY))
            .key(Key::new("narrow", "sk-narrow").models(&["openai"]))
            .key(Key::new("payer", "sk-payer").budget(json!({"total": 1})))
            .key(Key::new("slow", "sk-slow").limits(json!({"requests_per_minute": 1})))
            .key(Key::new("poor", "sk-poor").budget(json!({"total": 0.000_001})))
    }))
});

/// A request with one message.
fn ask(pair: &Pair, model: &str, text: &str) -> Value {
    json!({"model": pair.name(model), "max_tokens": 256, "messages": [{"role": "user", "content": text}]})
}

/// A streaming request with one message.
fn streamed(pair: &Pair, model: &str, text: &str) -> Value {
    with(ask(pair, model, text), json!({"stream": true}))
}

/// The text of a response, streamed or not.
fn said(answer: &Answer) -> String {
    match answer.json()["content"].as_array() {
        Some(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        None => answer.streamed_text(),
    }
}

/// The names of a stream's events, without pings. Each name equals the type in its data.
#[track_caller]
fn names(answer: &Answer) -> Vec<String> {
    let named = answer.events().into_iter().map(|event| {
        let name = event.name.clone().expect("a name");
        assert_eq!(event.json()["type"], *name, "{}", event.data);
        name
    });
    named.filter(|name| name != "ping").collect()
}

/// The status and type of an error in Anthropic's format with a request id.
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
