//! Routing: by a model's strategy, by required capabilities, and by client overrides.

mod control;
mod conversations;
mod sticky;
mod strategies;
mod weights;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Builder, Gateway, KEY, Key, Kind};
use sluice_tests::shared::{self, Fixture, Lease, Shared};
use sluice_tests::simulator::Simulator;

/// A gateway with three providers of the same kind: `a`, `b` and `c`. These tests do not need translation.
struct Three {
    gateway: Gateway,
    a: Simulator,
    b: Simulator,
    c: Simulator,
}

/// A gateway with the models and keys of all tests here that need no other settings.
static THREE: Shared<Three> = Shared::new(2, || {
    Box::pin(Three::start(|builder| {
        let builder = builder.concurrency(2).key(Key::new("test", KEY));
        weights::settings(strategies::settings(control::settings(builder)))
    }))
});

impl Three {
    /// The shared gateway.
    async fn lease() -> Lease<Self> {
        THREE.lease().await
    }

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

impl Fixture for Three {
    async fn renew(&mut self) -> bool {
        shared::renew(&mut self.gateway, &[&self.a, &self.b, &self.c]).await;
        true
    }
}

/// A model with these targets of `Three`, and with additional fields. Its targets have its own name, so their health affects no other
/// model.
fn model(name: &str, targets: &[Value], more: Value) -> Value {
    let targets: Vec<Value> =
        targets.iter().map(|target| crate::with(json!({"model": name}), target.clone())).collect();
    json!({"models": {name: crate::with(more, json!({"targets": targets}))}})
}

/// A target of `Three`.
fn target(provider: &str, more: Value) -> Value {
    crate::with(json!({"provider": provider}), more)
}

/// The targets of `a` and `b`.
fn two() -> [Value; 2] {
    ["a", "b"].map(|provider| target(provider, json!({})))
}

/// The prices of a model's targets at `a` and `b`: input and output of each.
fn prices(name: &str, a: (f64, f64), b: (f64, f64)) -> Value {
    let price = |(input, output): (f64, f64)| json!({"input": input, "output": output});
    json!({"prices": {"models": {format!("a/{name}"): price(a), format!("b/{name}"): price(b)}}})
}

/// The provider of a successful response.
#[track_caller]
fn server(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.complete), (200, true), "{answer:?}");
    answer.header("x-sluice-provider").expect("a provider").to_owned()
}

/// The number of responses from each provider.
fn counts(servers: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    servers.into_iter().fold(BTreeMap::new(), |mut counts, server| {
        *counts.entry(server).or_default() += 1;
        counts
    })
}
