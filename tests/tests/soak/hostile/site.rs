//! The gateways under attack, one with its counters in Envoy's memory and one in Redis: keys of well-behaved and of hostile clients, their
//! limits and budgets, and models of good providers, of a hostile one, and of one whose clients disconnect.

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

/// Keys of well-behaved clients, all in the team `good`.
pub const GOOD: [&str; 5] = ["good-1", "good-2", "good-3", "good-4", "good-5"];

/// The keys of visits that need no specific key. Their memory shares, together with those of large bodies below, leave room in a worker: a
/// full worker rejects good streams, too.
pub const LARGE: [&str; 2] = ["crowd-1", "crowd-2"];

/// The keys of specific rows: with masked prompts, with a small rate limit, with few concurrent requests, with a small budget, or with
/// providers that send arbitrary counts.
const OTHERS: [&str; 5] = ["masked", "metered", "few", "broke", "counts"];

/// The teams whose accounts must equal the log.
pub const TEAMS: [&str; 4] = ["good", "crowd", "narrow", "counts"];

/// Models that fall silent, with a shorter timeout.
const SILENT: [&str; 2] = ["stream-that-stays-open-behind-its-end", "head-of-a-stream-that-says-nothing-more"];

/// The models of well-behaved clients: name, provider, the provider's model, and dollars per million tokens of a prompt and of a response.
/// The prices are odd, so that every cost is rounded. In the order of the site's providers.
pub const MODELS: [(&str, &str, &str, f64, f64); 3] = [
    ("gpt", "good-gpt", "gpt-sim+every=70", 1.37, 7.77),
    ("claude", "good-claude", "claude-sim+every=70", 3.000_001, 15.13),
    ("held", "good-held", "gpt-held+every=30+whole", 0.93, 8.13),
];

/// The number of concurrency limits and of total budgets that must be as before.
pub const LIMITED: (usize, usize) = (14, 14);

/// A gateway, its environment, and its address.
pub struct Scene {
    pub store: Store,
    pub site: Site,
    pub place: Place,
    /// Commands go directly to it, past the delay.
    pub redis: Option<Redis>,
    _webdis: Option<Webdis>,
    _confined: Option<Confined>,
}

/// A key's secret.
pub fn secret(key: &str) -> String {
    format!("sk-{key}")
}

impl Scene {
    /// Starts a gateway with its own good providers, and this hostile one.
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
        // A failed allocation of the native module ends Envoy.
        let confined = (!Build::under_test().has_vms()).then(|| Confined::to(books::room(store)));
        if let Some(confined) = &confined {
            builder = builder.argument("--envoy").argument(&confined.command().to_string_lossy());
        }
        let Way { builder, redis, webdis, detour } = Way::of(store, builder).await;
        let site = Site::start(builder, providers.into(), store.ending()).await;
        let place = Place { port: site.gateway.port(), redis: detour };
        Self { store, site, place, redis, _webdis: webdis, _confined: confined }
    }

    /// The names with limits and budgets.
    pub fn limited() -> impl Iterator<Item = (&'static str, &'static str)> {
        let keys = GOOD.into_iter().chain(LARGE).chain(OTHERS).map(|key| ("key", key));
        keys.chain(TEAMS.map(|team| ("team", team)))
    }
}

/// The connection to the store.
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
        // Redis may be slow, but it always responds.
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
        // A provider that keeps failing must still get requests.
        "circuit": {"failures": 1_000},
        "cache": {"memory": "64MiB", "largest": "8MiB"},
        // A busy worker delays its other streams, which must still complete.
        "timeouts": {"total": "50s", "answer": "40s", "first_token": "40s", "idle": "40s"},
    })
}

/// The models that clients can request.
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
