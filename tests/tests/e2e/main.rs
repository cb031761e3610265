//! The gateway as clients and providers see it: the command, a real Envoy, and simulated providers.
//!
//! A test sees its gateway only from outside. Starting one takes seconds of CPU time, since Envoy compiles the whole module. So tests that
//! differ only in models and keys take turns on a shared gateway. Each has its own targets, since target health persists. Other tests have
//! their own gateway. Tests never sleep: they wait for conditions, and every wait has a timeout.

mod abandoned;
mod abuse;
mod admin;
mod anthropic_client;
mod availability;
mod bodies;
mod budgets;
mod cache;
mod catalogue;
mod changes;
mod clock;
mod connections;
mod crash;
mod credentials;
mod crowd;
mod doctor;
mod downstream;
mod drain;
mod endless;
mod ends;
mod exact;
mod faults;
mod first;
mod flapping;
mod following;
mod gateway;
mod generations;
mod guards;
mod hostcalls;
mod hosts;
mod judges;
mod keys;
mod limits;
mod lingering;
mod log;
mod matrix;
mod mesh;
mod metrics;
mod money;
mod names;
mod notes;
mod numbers;
mod pair;
mod passing;
mod policy;
mod pressure;
mod provider_keys;
mod recovery;
mod refusals;
mod relaxed;
mod reload;
mod retry;
mod returns;
mod rolling;
mod routing;
mod single;
mod streams;
mod till;
mod tracing;
mod translation;
mod turns;
mod upstash;
mod wires;
mod wrong_replies;

use std::future::poll_fn;
use std::task::Poll;

use pair::{Pair, TURNS, numbered};
use serde_json::{Value, json};
use single::Single;
use sluice_tests::client::Answer;
use sluice_tests::simulator::Recorded;

const CHAT: &str = "/v1/chat/completions";

/// A short total timeout. All tests that need one use the same, since Envoy starts with it.
const SHORT: &str = "4500ms";

/// The provider other than this one.
fn other(provider: &str) -> &'static str {
    if provider == "openai" { "anthropic" } else { "openai" }
}

/// A provider's name for its model.
fn model_of(provider: &str) -> &'static str {
    if provider == "openai" { "gpt-sim" } else { "claude-sim" }
}

/// A request with one message.
fn ask(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// Adds fields to a body.
fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// The headers of these requests that tell of Envoy or of its network.
fn of_envoy(requests: &[Recorded]) -> Vec<&str> {
    let names = requests.iter().flat_map(|request| &request.headers).map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("x-envoy") || name.starts_with("x-forwarded")).collect()
}

/// The model's text, streamed or not.
fn said(answer: &Answer) -> String {
    match answer.json()["choices"][0]["message"]["content"].as_str() {
        Some(text) => text.to_owned(),
        None => answer.streamed_text(),
    }
}

/// The status and code of an error: JSON in OpenAI's format, of exactly the stated length.
#[track_caller]
fn refusal(answer: &Answer) -> (u16, String) {
    let context = format!("{} {:?} {}", answer.status, answer.headers, answer.text());
    assert!(answer.complete && answer.status >= 400, "no error: {context}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{context}");
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()), "{context}");
    let body = answer.json();
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no error object: {context}"));
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{context}");
    for (name, required) in [("message", true), ("type", true), ("param", false), ("code", false)] {
        let value = error.get(name).unwrap_or_else(|| panic!("no `{name}`: {context}"));
        assert!(value.is_string() || (!required && value.is_null()), "`{name}` is {value}: {context}");
    }
    assert!(!body["error"]["message"].as_str().unwrap_or_default().is_empty(), "{context}");
    (answer.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// Runs all futures concurrently on this task.
async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |cx| {
        for (future, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                *done = Some(output);
            }
        }
        match running.iter().all(|(_, done)| done.is_some()) {
            true => Poll::Ready(running.iter_mut().filter_map(|(_, done)| done.take()).collect()),
            false => Poll::Pending,
        }
    })
    .await
}
