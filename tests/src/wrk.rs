//! Generates load with `wrk`, an independent client. Each connection sends the next request after the last answer. On
//! stop, `wrk` disconnects in the middle of its pending requests.

use serde_json::Value;

use crate::client::Client;
use crate::gateway::process::Process;
use crate::until;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wrk.lua");

/// A running `wrk`; dropping it stops it.
#[derive(Debug)]
pub struct Wrk(Process);

/// The counts that `wrk` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The complete answers.
    pub answered: u64,
    /// The answers with a status of 400 or above.
    pub refused: u64,
    /// The failed connections, and the requests that took more than a minute.
    pub broken: u64,
}

impl Wrk {
    /// Posts this body with this client's headers on `connections` concurrent connections.
    ///
    /// # Panics
    /// If `wrk` is not installed.
    pub fn start(client: &Client, path: &str, body: &Value, connections: usize) -> Self {
        let connections = connections.to_string();
        let url = format!("http://127.0.0.1:{}", client.port());
        let options = ["--threads", "1", "--connections", &connections, "--duration", "1h", "--timeout", "1m"];
        let body = body.to_string();
        let headers = client.headers().iter().flat_map(|(name, value)| [name.as_str(), value]);
        let words = options.into_iter().chain(["--script", SCRIPT, &url, "--", path, &body]).chain(headers);
        Self(Process::of("wrk", &words.map(str::to_owned).collect::<Vec<_>>()))
    }

    /// Stops `wrk` in the middle of its requests.
    ///
    /// # Panics
    /// If `wrk` does not end, or prints no report.
    pub async fn stop(self) -> Report {
        self.0.interrupt();
        let report = until("wrk to report", || {
            self.0.output().iter().find_map(|line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object))
        })
        .await;
        let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {report}"));
        Report { answered: count("answered"), refused: count("refused"), broken: count("broken") }
    }
}
