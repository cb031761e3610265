//! The gateway under test, its simulated providers, and its administration interface.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Builder, Gateway, Key};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::until;
use tempfile::TempDir;

/// The administrator's key.
const ADMIN: &str = "sk-sluice-admin-of-the-soak";

/// A running gateway.
pub struct Site {
    pub gateway: Gateway,
    pub providers: Vec<Simulator>,
    pub log: PathBuf,
    admin: Port,
    // The gateway writes its log there as long as it runs.
    _directory: TempDir,
}

impl Site {
    /// Starts a gateway with an administrator, and with an access log. The log stays at `SLUICE_SOAK_LOG`, with this suffix.
    pub async fn start(builder: Builder, providers: Vec<Simulator>, ending: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Set to keep the log for inspection.
        let kept = std::env::var("SLUICE_SOAK_LOG").ok().map(|file| PathBuf::from(file + ending));
        let log = kept.unwrap_or_else(|| directory.path().join("access.log"));
        let admin = Port::reserve();
        let section =
            json!({"listen": format!("127.0.0.1:{}", admin.number()), "sha256": Key::new("admin", ADMIN).sha256()});
        let builder = builder.argument("--access-log").argument(&log.to_string_lossy());
        let gateway = builder.with(json!({"admin": section})).start().await;
        until("the administration interface to accept connections", || {
            std::net::TcpStream::connect(("127.0.0.1", admin.number())).ok()
        })
        .await;
        Self { gateway, providers, log, admin, _directory: directory }
    }

    /// Reads a resource of the administration interface.
    pub async fn read(&self, path: &str) -> Value {
        let client = Client::new(self.admin.number()).bearer(ADMIN);
        let answer = client.request("GET", &format!("/admin/v1{path}"), "").await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The state of all limits and budgets of these names: `("key", "alice")`.
    pub async fn limits(&self, of: impl IntoIterator<Item = (&str, &str)>) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for (of, name) in of {
            let limits = self.read(&format!("/limits?of={of}&name={name}")).await["limits"].take();
            for limit in limits.as_array().into_iter().flatten() {
                if !all.contains(limit) {
                    all.push(limit.clone());
                }
            }
        }
        all
    }

    /// A team's accounts.
    pub async fn usage(&self, team: &str) -> Value {
        self.read(&format!("/usage?by=team&name={team}")).await["total"].take()
    }

    /// All of Envoy's counters and gauges.
    pub async fn statistics(&self) -> BTreeMap<String, u64> {
        let text = self.gateway.envoy("/stats").await;
        let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }
}
