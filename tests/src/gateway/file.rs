//! Renders the gateway file of a test.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::build::Build;
use super::start::{Launch, Start, leaves_no_trace};
use super::{Gateway, KEY};
use crate::clock::Clock;
use crate::port::Port;
use crate::redis::{Store, Webdis};
use crate::simulator::Simulator;

/// A provider's wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `openai`
    OpenAi,
    /// `anthropic`
    Anthropic,
}

/// A server that can act as a provider.
pub trait Upstream {
    /// The URL, with the API version in its path.
    fn base_url(&self) -> String;
}

impl Upstream for Simulator {
    fn base_url(&self) -> String {
        Simulator::base_url(self)
    }
}

impl Upstream for Port {
    fn base_url(&self) -> String {
        Port::base_url(self)
    }
}

impl Upstream for str {
    fn base_url(&self) -> String {
        self.to_owned()
    }
}

/// A virtual key.
#[derive(Debug, Clone)]
pub struct Key {
    secret: String,
    fields: Map<String, Value>,
}

impl Key {
    /// A key of the team `test`, for all models, without an expiry.
    pub fn new(id: &str, secret: &str) -> Self {
        let fields = [("id", json!(id)), ("sha256", json!(sha256(secret))), ("team", json!("test"))];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { secret: secret.into(), fields }
    }

    /// Sets the team.
    #[must_use]
    pub fn team(self, team: &str) -> Self {
        self.set("team", json!(team))
    }

    /// Restricts the key to these models.
    #[must_use]
    pub fn models(self, models: &[&str]) -> Self {
        self.set("models", json!(models))
    }

    /// Sets the expiry (RFC 3339).
    #[must_use]
    pub fn expires(self, when: &str) -> Self {
        self.set("expires", json!(when))
    }

    /// Sets the rate limits.
    #[must_use]
    pub fn limits(self, limits: Value) -> Self {
        self.set("limits", limits)
    }

    /// Sets the budget.
    #[must_use]
    pub fn budget(self, budget: Value) -> Self {
        self.set("budget", budget)
    }

    /// Rotates the key: the previous secret stays valid until then.
    #[must_use]
    pub fn previous(self, secret: &str, until: &str) -> Self {
        self.set("previous", json!({"sha256": sha256(secret), "until": until}))
    }

    /// The key's record, as stored in Redis.
    pub fn record(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// SHA-256 of the secret, 64 hexadecimal digits.
    pub fn sha256(&self) -> String {
        sha256(&self.secret)
    }

    /// Sets a field without a method of its own.
    #[must_use]
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.into(), value);
        self
    }
}

/// SHA-256 of a secret, 64 hexadecimal digits.
pub fn sha256(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// A gateway that has not started yet.
#[derive(Debug, Clone)]
pub struct Builder {
    providers: Vec<Provider>,
    models: Map<String, Value>,
    keys: Vec<Key>,
    timeouts: Map<String, Value>,
    more: Value,
    pub(super) launch: Launch,
    /// A shared Redis.
    pub(super) store: Option<Store>,
    /// Whether the gateway needs processes of its own, not shared with other tests.
    alone: bool,
}

#[derive(Debug, Clone)]
struct Provider {
    name: String,
    kind: Kind,
    url: String,
    /// The credential's field and value.
    credential: (String, Value),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            models: Map::new(),
            keys: Vec::new(),
            timeouts: Map::new(),
            more: json!({}),
            launch: Launch { concurrency: 1, arguments: Vec::new(), environment: Vec::new() },
            store: None,
            alone: false,
        }
    }
}

impl Builder {
    /// Adds a provider with the key `sk-NAME`, in a file.
    #[must_use]
    pub fn provider(mut self, name: &str, kind: Kind, upstream: &(impl Upstream + ?Sized)) -> Self {
        let credential = ("key".to_owned(), json!({"file": format!("{name}.key")}));
        self.providers.push(Provider { name: name.into(), kind, url: upstream.base_url(), credential });
        self
    }

    /// Replaces the last provider's key with another credential: `aws`, `google`, `entra`, or a key from another
    /// source.
    #[must_use]
    pub fn credential(mut self, field: &str, value: Value) -> Self {
        if let Some(provider) = self.providers.last_mut() {
            provider.credential = (field.to_owned(), value);
        }
        self
    }

    /// Sets a variable in the environment of `sluice run`, besides defaults such as [`A_KEY`](super::A_KEY). The
    /// processes are then not shared with other tests.
    #[must_use]
    pub fn environment(mut self, variable: &str, value: &str) -> Self {
        self.launch.environment.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Gives Envoy this clock.
    #[must_use]
    pub fn clock(self, clock: &Clock) -> Self {
        self.environment("SLUICE_ENVOY", &clock.envoy())
    }

    /// Adds a model with its targets: provider, and the provider's model name.
    #[must_use]
    pub fn model(mut self, name: &str, targets: &[(&str, &str)]) -> Self {
        let target = |(provider, model): &(&str, &str)| json!({"provider": provider, "model": model});
        self.models.insert(name.into(), json!({"targets": targets.iter().map(target).collect::<Vec<_>>()}));
        self
    }

    /// Adds a key. The first key replaces the default key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Sets a timeout: `total`, `answer`, `first_token`, or `idle`.
    #[must_use]
    pub fn timeout(mut self, name: &str, time: &str) -> Self {
        self.timeouts.insert(name.into(), json!(time));
        self
    }

    /// Merges other sections into the gateway file.
    #[must_use]
    pub fn with(mut self, more: Value) -> Self {
        merge(&mut self.more, more);
        self
    }

    /// Sets the price of a provider's model: US dollars per million tokens of input, and of output.
    #[must_use]
    pub fn price(self, model: &str, input: f64, output: f64) -> Self {
        self.with(json!({"prices": {"models": {model: {"input": input, "output": output}}}}))
    }

    /// Keeps the counters in the Redis behind this Webdis, with a long timeout: Redis syncs every write to the disk
    /// here, which is slow on a busy machine.
    #[must_use]
    pub fn redis(self, webdis: &Webdis) -> Self {
        self.with(json!({"redis": {"url": webdis.url(), "timeout": "10s"}}))
    }

    /// Keeps the counters in a shared Redis.
    #[must_use]
    pub fn store(mut self, store: &Store) -> Self {
        self.store = Some(store.clone());
        self.with(json!({"redis": store.section()})).redis(store.webdis())
    }

    /// Sets the number of Envoy's workers; one by default.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.launch.concurrency = workers;
        self
    }

    /// Runs this module instead of the released one.
    #[must_use]
    pub fn module(self, module: &Path) -> Self {
        self.argument(Build::under_test().option()).argument(&module.display().to_string())
    }

    /// Adds an argument to `sluice run`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.launch.arguments.push(argument.into());
        self
    }

    /// Gives the gateway processes of its own: the test is about their start, or about everything they did since.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Starts the gateway and waits until it accepts connections.
    ///
    /// # Panics
    /// If the gateway does not start, with its output.
    pub async fn start(self) -> Gateway {
        Gateway::start(self).await
    }

    /// Whether other tests can use the processes before and after. The file must not name its own port or directory
    /// elsewhere.
    pub(super) fn is_shareable(&self) -> bool {
        let redis = match self.more.get("redis") {
            // The store mode cannot change while Envoy runs.
            Some(redis) => self.store.is_some() && redis.get("mode").is_none_or(|mode| mode != "relaxed"),
            None => true,
        };
        !self.alone && redis && self.launch.is_shareable() && leaves_no_trace(&self.more)
    }

    /// The parameters that are fixed when the processes start.
    pub(super) fn all_at_the_start(&self) -> Start {
        Start::of(&self.launch, &self.more)
    }

    pub(super) fn first_key(&self) -> String {
        self.keys.first().map_or_else(|| KEY.to_owned(), |key| key.secret.clone())
    }

    /// Renders the gateway file; writes the provider keys beside it.
    pub(super) fn render(&self, port: u16, directory: &Path) -> Value {
        let mut providers = Map::new();
        for Provider { name, kind, url, credential: (field, value) } in &self.providers {
            let key = directory.join(format!("{name}.key"));
            std::fs::write(key, format!("sk-{name}")).expect("a file in the temporary directory");
            let kind = match kind {
                Kind::OpenAi => "openai",
                Kind::Anthropic => "anthropic",
            };
            providers.insert(name.clone(), json!({"kind": kind, "url": url, field: value}));
        }
        let default = [Key::new("test", KEY)];
        let keys = if self.keys.is_empty() { &default[..] } else { &self.keys };
        let team = |key: &Key| Some((key.fields.get("team")?.as_str()?.to_owned(), json!({})));
        let teams = keys.iter().filter_map(team).collect::<Map<_, _>>();
        let mut file = json!({
            "listen": format!("127.0.0.1:{port}"),
            "providers": providers,
            "models": self.models,
            "teams": teams,
            "keys": keys.iter().map(|key| &key.fields).collect::<Vec<_>>(),
        });
        if !self.timeouts.is_empty() {
            file["timeouts"] = Value::Object(self.timeouts.clone());
        }
        merge(&mut file, self.more.clone());
        file
    }
}

/// Merges objects; any other value is replaced.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_what_the_test_said() {
        let directory = tempfile::tempdir().unwrap();
        let builder = Gateway::builder()
            .provider("one", Kind::Anthropic, "http://127.0.0.1:1/v1")
            .model("chat", &[("one", "claude-sim")])
            .timeout("idle", "1s")
            .price("one/claude-sim", 3.0, 15.0)
            .with(json!({"teams": {"test": {"budget": {"total": 1}}}, "prices": {"unpriced": {}}}));
        let file = builder.render(8080, directory.path());
        assert_eq!(file["listen"], "127.0.0.1:8080");
        assert_eq!(file["providers"]["one"]["kind"], "anthropic");
        assert_eq!(file["models"]["chat"]["targets"], json!([{"provider": "one", "model": "claude-sim"}]));
        assert_eq!(file["timeouts"], json!({"idle": "1s"}));
        assert_eq!(file["teams"], json!({"test": {"budget": {"total": 1}}}));
        let prices = json!({"unpriced": {}, "models": {"one/claude-sim": {"input": 3.0, "output": 15.0}}});
        assert_eq!(file["prices"], prices);
        assert_eq!(file["keys"][0]["sha256"], sha256(KEY));
        let key = file["providers"]["one"]["key"]["file"].as_str().unwrap();
        let secret = std::fs::read_to_string(directory.path().join(key));
        assert_eq!(secret.unwrap(), "sk-one");
    }

    #[test]
    fn hashes_are_64_digits() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
