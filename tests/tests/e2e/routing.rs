//! Where requests go: by a model's strategy, by what they need, and by what their clients ask for.

mod control;
mod strategies;
mod weights;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::simulator::Simulator;

/// A gateway before three providers of the same kind: `a`, `b` and `c`. A client's translation is not what is tested here.
struct Three {
    gateway: Gateway,
    a: Simulator,
    b: Simulator,
    c: Simulator,
}

impl Three {
    async fn start(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (a, b, c) = (Simulator::start().await, Simulator::start().await, Simulator::start().await);
        let builder = Gateway::builder().provider("a", Kind::OpenAi, &a).provider("b", Kind::OpenAi, &b).provider(
            "c",
            Kind::OpenAi,
            &c,
        );
        Self { gateway: settings(builder).start().await, a, b, c }
    }
}

/// A model `name` with these targets of `Three`, all called `sim`, and with other fields.
fn model(name: &str, targets: Value, more: Value) -> Value {
    json!({"models": {name: crate::with(more, json!({"targets": targets}))}})
}

/// One of `Three`'s targets.
fn target(provider: &str, more: Value) -> Value {
    crate::with(json!({"provider": provider, "model": "sim"}), more)
}

/// Those of `a` and `b`.
fn two() -> Value {
    json!([target("a", json!({})), target("b", json!({}))])
}

/// Who served an answer, which is a good one.
#[track_caller]
fn server(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.complete), (200, true), "{answer:?}");
    answer.header("x-sluice-provider").expect("a provider").to_owned()
}

/// How often each served.
fn counts(servers: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    servers.into_iter().fold(BTreeMap::new(), |mut counts, server| {
        *counts.entry(server).or_default() += 1;
        counts
    })
}
