//! The gateway as its clients and its providers see it: the command, a real Envoy, and simulated providers.
//!
//! A test knows its gateway from outside only. To start one costs seconds of a processor, since Envoy compiles the whole
//! module: tests that differ in no more than models and keys take turns at one that they share, each with targets of its
//! own, as what is learned of a target stays. Others have a gateway for themselves. Nothing sleeps: what takes time is
//! waited for, and no wait is without a bound.

mod abuse;
mod admin;
mod anthropic_client;
mod availability;
mod budgets;
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
use sluice_tests::shared::{self, Fixture, Lease, Shared};
use sluice_tests::simulator::Simulator;

const CHAT: &str = "/v1/chat/completions";

/// So many tests a shared pair serves.
const TURNS: usize = 100;

/// With settings as they are by default.
static PAIR: Shared<Pair> = Shared::new(2, || Box::pin(Pair::of(TURNS, |builder| builder)));

/// With little patience, and circuits that stay closed.
static IMPATIENT: Shared<Pair> = Shared::new(1, || {
    Box::pin(Pair::of(TURNS, |builder| {
        let builder = builder.timeout("answer", "700ms").timeout("first_token", "700ms").timeout("idle", "400ms");
        builder.with(json!({"circuit": {"failures": 1000}}))
    }))
});

/// A gateway before a provider of each kind, and what its models are called.
///
/// `openai` and `anthropic` have one target; `openai-first` and `anthropic-first` fall back to the other. These names, and
/// those that the providers know, are [`numbered`] for those who share it.
struct Pair {
    gateway: Gateway,
    openai: Simulator,
    anthropic: Simulator,
    /// How many had it before.
    turn: usize,
}

impl Pair {
    /// One that is shared.
    async fn lease() -> Lease<Self> {
        PAIR.lease().await
    }

    /// One of little patience, whose circuits stay closed.
    async fn impatient() -> Lease<Self> {
        IMPATIENT.lease().await
    }

    /// One with settings, for this test alone.
    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(1, settings).await
    }

    /// For so many turns.
    async fn of(turns: usize, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder().provider("openai", Kind::OpenAi, &openai).provider(
            "anthropic",
            Kind::Anthropic,
            &anthropic,
        );
        let builder = (0..turns).fold(builder, |builder, turn| {
            let [gpt, claude] = ["openai", "anthropic"].map(|provider| numbered(model_of(provider), turn));
            let (gpt, claude) = (("openai", &*gpt), ("anthropic", &*claude));
            let add = |builder: Builder, name, targets: &[_]| builder.model(&numbered(name, turn), targets);
            let builder = add(add(builder, "openai", &[gpt]), "anthropic", &[claude]);
            add(add(builder, "openai-first", &[gpt, claude]), "anthropic-first", &[claude, gpt])
        });
        Self { gateway: settings(builder).start().await, openai, anthropic, turn: 0 }
    }

    /// The simulator that stands for a provider.
    fn simulator(&self, provider: &str) -> &Simulator {
        if provider == "openai" { &self.openai } else { &self.anthropic }
    }

    /// What one of its models is called in this turn.
    fn name(&self, model: &str) -> String {
        numbered(model, self.turn)
    }

    /// What a provider calls its model in this turn.
    fn model_of(&self, provider: &str) -> String {
        numbered(model_of(provider), self.turn)
    }

    /// The only target of one of its providers, as the log and headers name it.
    fn target(&self, provider: &str) -> String {
        format!("{provider}/{}", self.model_of(provider))
    }

    /// A request with one message.
    fn ask(&self, model: &str, text: &str) -> Value {
        ask(&self.name(model), text)
    }
}

impl Fixture for Pair {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.openai, &self.anthropic]).await;
        self.turn += 1;
        self.turn < TURNS
    }
}

/// A gateway before one provider, `openai`, for tests whose keys are their own.
struct Single {
    gateway: Gateway,
    provider: Simulator,
}

impl Single {
    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let provider = Simulator::start().await;
        let builder = Gateway::builder().provider("openai", Kind::OpenAi, &provider);
        Self { gateway: settings(builder).start().await, provider }
    }
}

impl Fixture for Single {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.provider]).await;
        true
    }
}

/// What a name is in a turn: in the first one itself.
fn numbered(name: &str, turn: usize) -> String {
    if turn == 0 { name.to_owned() } else { format!("{name}-{turn}") }
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
