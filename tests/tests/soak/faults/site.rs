//! The gateway under test: three providers, models with every strategy, and keys with every kind of limit.

use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::simulator::Simulator;

use crate::site::Site;

/// The providers, in this order everywhere.
pub const PROVIDERS: [(&str, Kind); 3] = [("one", Kind::OpenAi), ("two", Kind::OpenAi), ("claude", Kind::Anthropic)];

/// Their models, and US dollars per million tokens of prompts and of responses. The prices are odd, so that every cost is rounded.
const TARGETS: [(&str, &str, f64, f64); 4] = [
    ("one", "gpt-a", 1.37, 7.77),
    ("two", "gpt-b", 0.93, 8.13),
    ("claude", "claude-c", 3.000_001, 15.13),
    ("two", "gpt-small", 0.11, 0.37),
];

/// The models that clients request.
pub const MODELS: [&str; 10] =
    ["fallback", "weighted", "cheapest", "fastest", "least-busy", "pinned", "whole", "claude-whole", "routed", "tiers"];

/// Targets by their qualified names, for the key that may request them.
pub const QUALIFIED: [&str; 3] = ["one/gpt-a", "two/gpt-b", "claude/claude-c"];

/// The ids of the clients' keys, and each one's share of a hundred clients.
pub const KEYS: [(u64, &str); 5] = [(45, "wide"), (20, STEERING), (10, "few"), (10, "slow"), (15, "other")];

/// The teams of the keys.
pub const TEAMS: [&str; 2] = ["wide", "narrow"];

/// The key with routing permissions.
pub const STEERING: &str = "steering";

/// The limit on concurrent requests of the key `few`.
pub const FEW: usize = 3;

/// A key's secret.
pub fn secret(key: &str) -> String {
    format!("sk-{key}")
}

/// Starts a gateway with three healthy providers.
pub async fn start() -> Site {
    let mut providers = Vec::new();
    let mut builder = Gateway::builder().concurrency(2);
    for (name, kind) in PROVIDERS {
        let simulator = Simulator::start().await;
        builder = builder.provider(name, kind, &simulator);
        providers.push(simulator);
    }
    for (provider, model, input, output) in TARGETS {
        builder = builder.price(&format!("{provider}/{model}"), input, output);
    }
    Site::start(keys(builder).with(file()), providers, "").await
}

/// The names with limits and budgets.
pub fn limited() -> impl Iterator<Item = (&'static str, &'static str)> {
    let keys = KEYS.map(|(_, key)| ("key", key));
    let others = TEAMS.map(|team| ("team", team));
    let providers = PROVIDERS.map(|(name, _)| ("provider", name));
    keys.into_iter().chain(others).chain(MODELS.map(|model| ("model", model))).chain(providers)
}

fn keys(builder: Builder) -> Builder {
    let key = |id: &str, team: &str| Key::new(id, &secret(id)).team(team);
    let control = json!(["route", "fallback", "timeout", "targets"]);
    builder
        .key(key("wide", "wide").budget(json!({"total": 900})))
        .key(key(STEERING, "wide").set("control", control).limits(json!({"concurrent_requests": 10})))
        .key(key("few", "narrow").limits(json!({"concurrent_requests": FEW})))
        .key(key("slow", "narrow").limits(json!({"tokens_per_minute": 300_000})))
        .key(key("other", "narrow").limits(json!({"requests_per_minute": 5_000})))
}

fn target(name: &str, more: Value) -> Value {
    let (provider, model) = name.split_once('/').expect("a provider and its model");
    let mut target = json!({"provider": provider, "model": model});
    for (field, value) in more.as_object().into_iter().flatten() {
        target[field] = value.clone();
    }
    target
}

fn file() -> Value {
    let plain = |names: [&str; 3]| names.map(|name| target(name, json!({})));
    let all = || plain(QUALIFIED);
    let plenty = json!({"concurrent_requests": 1_000, "tokens_per_day": 1_000_000_000_000_u64});
    json!({
        // Short, so that requests without a response end soon.
        "timeouts": {"total": "6s", "answer": "1500ms", "first_token": "1s", "idle": "1s"},
        "circuit": {"failures": 5, "open": "500ms", "longest": "3s", "ramp": "1s"},
        "providers": {"two": {"limits": {"concurrent_requests": 12}}},
        "teams": {
            "wide": {"limits": plenty, "budget": {"total": 1_000, "monthly": 1_000}},
            "narrow": {"limits": plenty, "budget": {"total": 1_000}},
        },
        "limits": [{"per": ["key", "model"], "limits": {"concurrent_requests": 10}}],
        "models": {
            "fallback": {"targets": all(), "budget": {"total": 1_000}},
            "weighted": {"strategy": "weighted", "sticky": "user", "targets": [
                target("one/gpt-a", json!({"weight": 3})), target("claude/claude-c", json!({"weight": 2})),
                target("two/gpt-b", json!({"weight": 1})),
            ]},
            "cheapest": {"strategy": "cheapest", "targets": all()},
            "fastest": {"strategy": "fastest", "targets": all()},
            "least-busy": {"strategy": "least_busy", "targets": all()},
            "pinned": {"strategy": "pinned", "targets": all()},
            "whole": {"delivery": "whole", "targets": all(), "limits": {"concurrent_requests": 14}},
            "claude-whole": {
                "delivery": "whole", "targets": plain(["claude/claude-c", "one/gpt-a", "two/gpt-b"]),
                "timeouts": {"answer": "1s"}, "retry": {"wait": "0s"},
            },
            "routed": {"targets": all(), "routes": [
                {"match": {"needs": ["tools"]}, "targets": ["claude", "two/gpt-b"]},
                {"match": {"team": "narrow"}, "strategy": "fastest"},
            ]},
            "tiers": {"allow_lower_tier": true, "targets": [
                target("one/gpt-a", json!({})), target("two/gpt-small", json!({"tier": 2})),
            ]},
        },
    })
}
