//! An agent's conversation over two targets and several gateways: which part of its prompts comes from the providers' caches.

use std::env;

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::Simulator;

const TURNS: usize = 40;

/// The number of gateways: `SLUICE_TEST_ENVOYS`.
fn envoys() -> usize {
    env::var("SLUICE_TEST_ENVOYS").ok().and_then(|number| number.parse().ok()).unwrap_or(2)
}

/// Two providers that cache prompts, and gateways that know nothing of each other. Their models `sticky` and `free` have the same targets.
struct Site {
    kind: Kind,
    gateways: Vec<Gateway>,
    providers: [Simulator; 2],
}

impl Site {
    async fn start(kind: Kind) -> Self {
        let provider = || async { Simulator::builder().prompt_cache().start().await.expect("a free port") };
        let providers = [provider().await, provider().await];
        // Each model has names of its own at the providers, so that its prompts are cached apart.
        let names = match kind {
            Kind::OpenAi => ["gpt-sim", "gpt-sim-2"],
            Kind::Anthropic => ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"],
        };
        let model = |name: &str, sticky: Value| {
            let targets = ["a", "b"].map(|provider| json!({"provider": provider, "model": name}));
            crate::with(sticky, json!({"targets": targets, "strategy": "weighted", "prompt_cache": "auto"}))
        };
        let builder = Gateway::builder()
            .provider("a", kind, &providers[0])
            .provider("b", kind, &providers[1])
            .with(json!({"models": {
                "sticky": model(names[0], json!({"sticky": "conversation"})), "free": model(names[1], json!({}))
            }}))
            .with(
                json!({"prices": {"unpriced": {"input": 3, "output": 15, "cached_input": 0.3, "cache_write": 3.75}}}),
            );
        let mut gateways = Vec::new();
        for _ in 0..envoys() {
            gateways.push(builder.clone().start().await);
        }
        Self { kind, gateways, providers }
    }

    /// Sends each turn to the next gateway. Returns the cached part of all input.
    async fn replay(&self, model: &str) -> f64 {
        self.providers.iter().for_each(Simulator::clear);
        for turn in 1..=TURNS {
            let gateway = &self.gateways[turn % self.gateways.len()];
            let answer = match self.kind {
                Kind::OpenAi => gateway.chat(&of_openai(model, turn)).await,
                Kind::Anthropic => gateway.message(&of_anthropic(model, turn)).await,
            };
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let (mut input, mut cached) = (0, 0);
        for provider in &self.providers {
            for (usage, times) in provider.used().await {
                input += usage.input * times;
                cached += usage.cached * times;
            }
        }
        let share = cached as f64 / input as f64;
        println!("{model} at {:?}, {} Envoys: {:.1}% cached", self.kind, self.gateways.len(), share * 100.0);
        share
    }

    async fn check(&self) {
        let (sticky, free) = (self.replay("sticky").await, self.replay("free").await);
        assert!(sticky > 0.9, "{sticky}");
        assert!(free < sticky, "{free} without, {sticky} with");
        let mut saved = 0.0;
        for gateway in &self.gateways {
            for line in gateway.quiet().await {
                let is_sticky = line["model"] == "sticky";
                assert_eq!(line["sticky"].as_str(), is_sticky.then_some("kept"), "{line}");
                saved += line["prompt_cache_saved_usd"].as_str().map_or(0.0, |text| text.parse().expect("a number"));
            }
        }
        assert!(saved > 0.0);
    }
}

fn rules() -> String {
    "Read before you write, and test what you change. ".repeat(200)
}

/// A file that the agent reads in a turn.
fn page(turn: usize) -> String {
    format!("page {turn}: {}", "and so on, line by line; ".repeat(50))
}

fn of_anthropic(model: &str, turns: usize) -> Value {
    let call = |turn: usize| json!({"type": "tool_use", "id": format!("toolu_{turn}"), "name": "read", "input": {}});
    let result =
        |turn: usize| json!({"type": "tool_result", "tool_use_id": format!("toolu_{turn}"), "content": page(turn)});
    let steps = (1..turns).flat_map(|turn| {
        [json!({"role": "assistant", "content": [call(turn)]}), json!({"role": "user", "content": [result(turn)]})]
    });
    let messages: Vec<Value> =
        std::iter::once(json!({"role": "user", "content": "Read it all."})).chain(steps).collect();
    json!({"model": model, "max_tokens": 100, "system": rules(), "messages": messages,
        "tools": [{"name": "read", "input_schema": {"type": "object"}}]})
}

fn of_openai(model: &str, turns: usize) -> Value {
    let call = |turn: usize| {
        let function = json!({"name": "read", "arguments": "{}"});
        json!({"role": "assistant", "content": null, "tool_calls": [{"id": format!("call_{turn}"), "type": "function", "function": function}]})
    };
    let steps = (1..turns).flat_map(|turn| {
        [call(turn), json!({"role": "tool", "tool_call_id": format!("call_{turn}"), "content": page(turn)})]
    });
    let first = [json!({"role": "system", "content": rules()}), json!({"role": "user", "content": "Read it all."})];
    let messages: Vec<Value> = first.into_iter().chain(steps).collect();
    let tool = json!({"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}});
    json!({"model": model, "messages": messages, "tools": [tool]})
}

#[tokio::test]
async fn a_provider_that_caches_by_itself_serves_a_conversation_from_its_cache() {
    Site::start(Kind::OpenAi).await.check().await;
}

#[tokio::test]
async fn a_provider_that_caches_what_is_marked_serves_a_conversation_from_its_cache() {
    Site::start(Kind::Anthropic).await.check().await;
}
