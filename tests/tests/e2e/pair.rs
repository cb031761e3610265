//! A gateway with an OpenAI and an Anthropic provider, which most tests share. Each test has its own models there, so no test's failures
//! affect another's targets.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::shared::{self, Fixture, Lease, Shared};
use sluice_tests::simulator::Simulator;

use crate::{ask, model_of};

/// The number of tests that a shared pair serves.
pub const TURNS: usize = 100;

/// A pair with default settings.
static PAIR: Shared<Pair> = Shared::new(2, || Box::pin(Pair::of(TURNS, |builder| builder)));

/// A pair with short timeouts, and circuits that stay closed.
static IMPATIENT: Shared<Pair> = Shared::new(1, || {
    Box::pin(Pair::of(TURNS, |builder| {
        let builder = builder.timeout("answer", "3s").timeout("first_token", "3s").timeout("idle", "3s");
        builder.with(json!({"circuit": {"failures": 1000}}))
    }))
});

/// A gateway with a provider of each kind, and the names of its models.
///
/// `openai` and `anthropic` have one target; `openai-first` and `anthropic-first` fall back to the other. Tests that share a pair use these
/// names and the providers' model names as [`numbered`] ones.
pub struct Pair {
    pub gateway: Gateway,
    pub openai: Simulator,
    pub anthropic: Simulator,
    /// The number of tests that used it before.
    turn: usize,
}

impl Pair {
    /// A shared pair.
    pub async fn lease() -> Lease<Self> {
        PAIR.lease().await
    }

    /// A shared pair with short timeouts and circuits that stay closed.
    pub async fn impatient() -> Lease<Self> {
        IMPATIENT.lease().await
    }

    /// A pair with settings for this test alone.
    pub async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of(1, settings).await
    }

    /// A pair for this many turns. Models of the settings have the same name in each turn, and are for one test only.
    pub async fn of(turns: usize, settings: impl FnOnce(Builder) -> Builder) -> Self {
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

    /// The simulator of a provider.
    pub fn simulator(&self, provider: &str) -> &Simulator {
        if provider == "openai" { &self.openai } else { &self.anthropic }
    }

    /// The name of a model in this turn.
    pub fn name(&self, model: &str) -> String {
        numbered(model, self.turn)
    }

    /// A provider's name for its model in this turn.
    pub fn model_of(&self, provider: &str) -> String {
        numbered(model_of(provider), self.turn)
    }

    /// The only target of a provider, as in the log and headers.
    pub fn target(&self, provider: &str) -> String {
        format!("{provider}/{}", self.model_of(provider))
    }

    /// A request with one message.
    pub fn ask(&self, model: &str, text: &str) -> Value {
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

/// A name in a turn: the plain name in the first.
pub fn numbered(name: &str, turn: usize) -> String {
    if turn == 0 { name.to_owned() } else { format!("{name}-turn{turn}") }
}

#[tokio::test]
async fn who_comes_next_sees_nothing_of_who_was_there() {
    const ALL: &str = "http.sluice.downstream_rq_total";
    let first = Pair::lease().await;
    first.openai.always("status=429+retry-after=60");
    let answer = first.gateway.chat(&first.ask("openai-first", "say hi")).await;
    assert_eq!(answer.header("x-sluice-attempts"), Some("2"));
    assert_eq!((first.gateway.quiet().await.len(), first.gateway.statistic(ALL).await), (1, 1));
    drop(first);
    let next = Pair::lease().await;
    assert_eq!((next.gateway.output(), next.gateway.statistic(ALL).await), (String::new(), 0));
    assert!(next.openai.requests().is_empty() && next.anthropic.requests().is_empty());
    // The first pair's target health does not affect this pair's targets.
    let answer = next.gateway.chat(&next.ask("openai-first", "say hi")).await;
    assert_eq!((answer.header("x-sluice-provider"), answer.header("x-sluice-attempts")), (Some("openai"), Some("1")));
    assert_eq!((next.gateway.quiet().await.len(), next.gateway.statistic(ALL).await), (1, 1));
}
