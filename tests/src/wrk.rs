//! Load made by `wrk`: a client of others' making, which sends the next request when it has the answer to the last, and
//! leaves in the middle of those that are under way when it is told to end.

use serde_json::Value;

use crate::client::Client;
use crate::gateway::process::Process;
use crate::until;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wrk.lua");

/// A running `wrk`; it ends when this is dropped.
#[derive(Debug)]
pub struct Wrk(Process);

/// What it has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Answers that it has read to their end.
    pub answered: u64,
    /// Of these, those with a status of 400 or above.
    pub refused: u64,
    /// Connections that failed, and requests that took more than a minute.
    pub broken: u64,
}

impl Wrk {
    /// Posts this body with the headers of this client, on so many connections at the same time.
    ///
    /// # Panics
    /// When there is no `wrk`.
    pub fn start(client: &Client, path: &str, body: &Value, connections: usize) -> Self {
        let connections = connections.to_string();
        let url = format!("http://127.0.0.1:{}", client.port());
        let options = ["--threads", "1", "--connections", &connections, "--duration", "1h", "--timeout", "1m"];
        let body = body.to_string();
        let headers = client.headers().iter().flat_map(|(name, value)| [name.as_str(), value]);
        let words = options.into_iter().chain(["--script", SCRIPT, &url, "--", path, &body]).chain(headers);
        Self(Process::of("wrk", &words.map(str::to_owned).collect::<Vec<_>>()))
    }

    /// Tells it to end, in the middle of its requests.
    ///
    /// # Panics
    /// When it does not, or has nothing to report.
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
