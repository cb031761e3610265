//! The gateways under attack, one with its counters in Envoy's memory and one in Redis: keys of good will and of bad, their
//! limits and budgets, and models of good providers, of a hostile one, and of one that is there to be left.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Builder, Gateway, Key, Kind};
use sluice_tests::redis::{Redis, Webdis};
use sluice_tests::simulator::Simulator;

use super::books;
use super::place::{Detour, Place};
use super::provider::Provider;
use super::shapes::{Store, models};
use crate::memory::Confined;
use crate::site::Site;

/// Keys of good will, all of the team `good`.
pub const GOOD: [&str; 5] = ["good-1", "good-2", "good-3", "good-4", "good-5"];

/// Who comes when it does not matter who. What these, and those who come with large bodies below, may hold all together leaves
/// room in a worker: a worker that is full refuses good streams, too.
pub const LARGE: [&str; 2] = ["crowd-1", "crowd-2"];

/// Those who come for certain rows: whose prompts are masked, who may ask a little, have few places, little money, or providers
/// that count as they like.
const OTHERS: [&str; 5] = ["masked", "metered", "few", "broke", "counts"];

/// The teams whose accounts have to be as the log says.
pub const TEAMS: [&str; 4] = ["good", "crowd", "narrow", "counts"];

/// Models that fall silent, for which less is waited.
const SILENT: [&str; 2] = ["stream-that-stays-open-behind-its-end", "head-of-a-stream-that-says-nothing-more"];

/// What clients of good will ask for, who serves it, by what name, and what that costs: dollars for a million tokens of a
/// prompt and of an answer, so odd that every cost is rounded. In the order of the site's providers.
pub const MODELS: [(&str, &str, &str, f64, f64); 3] = [
    ("gpt", "good-gpt", "gpt-sim+every=70", 1.37, 7.77),
    ("claude", "good-claude", "claude-sim+every=70", 3.000_001, 15.13),
    ("held", "good-held", "gpt-held+every=30+whole", 0.93, 8.13),
];

/// Their places among concurrent requests, and total budgets, that have to be as they were.
pub const LIMITED: (usize, usize) = (14, 14);

/// A gateway, what it stands before, and how it is found.
pub struct Scene {
    pub store: Store,
    pub site: Site,
    pub place: Place,
    /// So that what is asked of it is asked of its providers alone.
    pub redis: Option<Redis>,
    _webdis: Option<Webdis>,
    _confined: Option<Confined>,
}

/// A key's secret.
pub fn secret(key: &str) -> String {
    format!("sk-{key}")
}

impl Scene {
    /// Starts one before its own good providers, and this hostile one.
    pub async fn start(store: Store, hostile: &Provider) -> Self {
        let providers = [(); 4].map(|()| Simulator::start());
        let [gpt, claude, held, prey] = providers;
        let providers = [gpt.await, claude.await, held.await, prey.await];
        let [gpt, claude, held, prey] = &providers;
        let builder = Gateway::builder()
            .provider("good-gpt", Kind::OpenAi, gpt)
            .provider("good-claude", Kind::Anthropic, claude)
            .provider("good-held", Kind::OpenAi, held)
            .provider("prey", Kind::OpenAi, prey)
            .environment("A_KEY", "sk-theirs")
            .with(file(hostile));
        let builder = MODELS.into_iter().fold(keys(builder), |builder, (_, provider, model, input, output)| {
            builder.price(&format!("{provider}/{model}"), input, output)
        });
        let mut builder = builder.concurrency(store.workers());
        // Where the native module cannot have memory, Envoy ends.
        let confined = (!Build::under_test().has_vms()).then(|| Confined::to(books::room(store)));
        if let Some(confined) = &confined {
            builder = builder.argument("--envoy").argument(&confined.command().to_string_lossy());
        }
        let Way { builder, redis, webdis, detour } = Way::of(store, builder).await;
        let site = Site::start(builder, providers.into(), store.ending()).await;
        let place = Place { port: site.gateway.port(), redis: detour };
        Self { store, site, place, redis, _webdis: webdis, _confined: confined }
    }

    /// Whose limits and budgets there are.
    pub fn limited() -> impl Iterator<Item = (&'static str, &'static str)> {
        let keys = GOOD.into_iter().chain(LARGE).chain(OTHERS).map(|key| ("key", key));
        keys.chain(TEAMS.map(|team| ("team", team)))
    }
}

/// To where the counters are kept.
struct Way {
    builder: Builder,
    redis: Option<Redis>,
    webdis: Option<Webdis>,
    detour: Option<Arc<Detour>>,
}

impl Way {
    async fn of(store: Store, builder: Builder) -> Self {
        if store == Store::Memory {
            return Self { builder, redis: None, webdis: None, detour: None };
        }
        let redis = Redis::start().await;
        let webdis = Webdis::start(&redis).await;
        let detour = Arc::new(Detour::to(webdis.port()).await);
        // Slow it may be, but it answers.
        let section = json!({"redis": {"url": detour.url(), "timeout": "10s"}});
        Self { builder: builder.with(section), redis: Some(redis), webdis: Some(webdis), detour: Some(detour) }
    }
}

fn keys(builder: Builder) -> Builder {
    let plenty = || json!({"concurrent_requests": 200, "tokens_per_day": 1_000_000_000_000_u64});
    let key = |id: &str, team: &str| Key::new(id, &secret(id)).team(team);
    let good = GOOD.map(|id| key(id, "good").limits(plenty()).budget(json!({"total": 1_000})));
    let large = LARGE.map(|id| key(id, "crowd").limits(plenty()).budget(json!({"total": 1_000_000})));
    let others = [
        key("masked", "crowd").limits(plenty()),
        key("metered", "narrow").limits(json!({"requests_per_minute": 6})),
        key("few", "narrow").limits(json!({"concurrent_requests": 3})).budget(json!({"total": 1_000})),
        key("broke", "narrow").budget(json!({"total": 0.01})),
        key("counts", "counts").limits(plenty()).budget(json!({"total": 1_000_000})),
    ];
    good.into_iter().chain(large).chain(others).fold(builder, Builder::key)
}

fn file(hostile: &Provider) -> Value {
    let plenty = json!({"concurrent_requests": 1_000, "tokens_per_day": 1_000_000_000_000_u64});
    let guard = |of: Value, what: Value| {
        let mut guard = what;
        guard["match"] = of;
        guard
    };
    let all = json!(["private_key", "credit_card", "iban", "email", "phone", "ip_address", "us_ssn", "api_key", "jwt"]);
    let masks =
        json!({"detect": all, "patterns": {"far": "BEGIN [\\s\\S]{0,100}END"}, "on": ["prompts"], "action": "mask"});
    let holds = json!({"detect": ["email"], "on": ["answers"]});
    let model = |model: &str| json!({"model": model});
    let mut providers = Map::new();
    for kind in ["openai", "anthropic", "gemini", "bedrock"] {
        let provider = json!({"kind": kind, "url": hostile.url(), "key": {"env": "A_KEY"}});
        providers.insert(format!("bad-{kind}"), provider);
    }
    json!({
        "providers": providers,
        "models": asked(),
        "teams": {
            "good": {"limits": plenty, "budget": {"total": 10_000}},
            "crowd": {"limits": plenty, "budget": {"total": 1_000_000}},
            "narrow": {"limits": plenty, "budget": {"total": 10_000}},
            "counts": {"limits": plenty, "budget": {"total": 1_000_000}},
        },
        "prices": {"unpriced": {"input": 0.9, "output": 1.9}},
        "guards": {
            "masks": guard(json!({"key": "masked"}), masks),
            "one": guard(model("held"), holds.clone()),
            "two": guard(model("prey-held"), holds.clone()),
            "three": guard(model("held-flood"), holds),
        },
        // A provider that fails again and again is to be asked all the same.
        "circuit": {"failures": 1_000},
        "cache": {"memory": "64MiB", "largest": "8MiB"},
        // A worker that is busy keeps its other streams waiting, and those are to come to their end.
        "timeouts": {"total": "50s", "answer": "40s", "first_token": "40s", "idle": "40s"},
    })
}

/// What can be asked for.
fn asked() -> Map<String, Value> {
    let target = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
    let mut all = Map::new();
    for (name, kind) in models() {
        all.insert(name.into(), target(&format!("bad-{kind}"), name));
    }
    for (name, model) in all.iter_mut().filter(|(name, _)| name.starts_with("answer-for-a-schema")) {
        model["check_structured_output"] = json!(!name.is_empty());
    }
    for name in SILENT {
        all[name]["timeouts"] = json!({"first_token": "5s", "idle": "5s"});
    }
    all["kept"]["cache"] = json!({"ttl": "10s", "scope": "key"});
    all.insert("prey".into(), target("prey", "gpt-sim+tokens=100+every=5"));
    all.insert("prey-held".into(), target("prey", "gpt-sim+tokens=30+every=5"));
    for (name, provider, model, ..) in MODELS {
        all.insert(name.into(), target(provider, model));
    }
    all
}
