//! The gateway as its clients and its providers see it: the command, a real Envoy, and simulated providers.
//!
//! Every test has a gateway of its own, which it knows from outside only. Nothing sleeps: what takes time is waited for,
//! and no wait is without a bound.

mod abuse;
mod admin;
mod anthropic_client;
mod availability;
mod budgets;
mod cache;
mod catalogue;
mod crash;
mod credentials;
mod crowd;
mod exact;
mod faults;
mod gateway;
mod guards;
mod hosts;
mod keys;
mod limits;
mod log;
mod matrix;
mod money;
mod passing;
mod provider_keys;
mod recovery;
mod relaxed;
mod reload;
mod retry;
mod routing;
mod streams;
mod tracing;
mod translation;
mod upstash;
mod wires;

use std::future::poll_fn;
use std::task::Poll;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::simulator::Simulator;

const CHAT: &str = "/v1/chat/completions";

/// A gateway before a provider of each kind, and what its models are called.
///
/// `openai` and `anthropic` have one target; `openai-first` and `anthropic-first` fall back to the other.
struct Pair {
    gateway: Gateway,
    openai: Simulator,
    anthropic: Simulator,
}

impl Pair {
    async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// The same with settings.
    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder()
            .provider("openai", Kind::OpenAi, &openai)
            .provider("anthropic", Kind::Anthropic, &anthropic)
            .model("openai", &[("openai", "gpt-sim")])
            .model("anthropic", &[("anthropic", "claude-sim")])
            .model("openai-first", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
            .model("anthropic-first", &[("anthropic", "claude-sim"), ("openai", "gpt-sim")]);
        let gateway = settings(builder).start().await;
        Self { gateway, openai, anthropic }
    }

    /// The simulator that stands for a provider.
    fn simulator(&self, provider: &str) -> &Simulator {
        if provider == "openai" { &self.openai } else { &self.anthropic }
    }
}

/// The provider that is not this one.
fn other(provider: &str) -> &'static str {
    if provider == "openai" { "anthropic" } else { "openai" }
}

/// What a provider calls its model.
fn model_of(provider: &str) -> &'static str {
    if provider == "openai" { "gpt-sim" } else { "claude-sim" }
}

/// A request with one message.
fn ask(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// The same with other fields.
fn with(mut body: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// What the model said, in one piece or streamed.
fn said(answer: &Answer) -> String {
    match answer.json()["choices"][0]["message"]["content"].as_str() {
        Some(text) => text.to_owned(),
        None => answer.streamed_text(),
    }
}

/// The status and the code of an error, which is JSON in OpenAI's shape and exactly as long as it says.
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

/// Runs all side by side on this task.
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
