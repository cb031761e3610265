//! The start parameters of a gateway's processes, fixed while they run. They decide whether a test can reuse the
//! processes of another.

use std::path::Path;

use serde_json::{Value, json};

use super::build::Build;

/// The command's parameters besides the gateway file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub concurrency: u32,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

/// Variables whose values several tests have in common.
const COMMON: [&str; 2] = ["A_KEY", "SLUICE_CACHE_KEY"];

impl Launch {
    /// Whether other tests may have the same arguments and variables, and these do not affect how the processes start and end.
    pub fn is_shareable(&self) -> bool {
        let build = Build::under_test();
        let trap = build.trap_module();
        let of_the_module = |word: &String| word == build.option() || Path::new(word) == trap;
        let is_common = |(name, _): &(String, String)| COMMON.contains(&&**name);
        self.environment.iter().all(is_common) && self.arguments.iter().all(of_the_module)
    }
}

/// All start parameters. Processes with equal parameters can load each other's gateway files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    launch: Launch,
    /// The parts of the gateway file in Envoy's bootstrap configuration.
    bootstrap: String,
}

impl Start {
    /// The parameters of a gateway with this file.
    pub fn of(launch: &Launch, file: &Value) -> Self {
        // The VM reads the rest, and each test has its own VM.
        let cluster = file.get("redis").map(|redis| json!([redis.get("url"), redis.get("token")]).to_string());
        Self { launch: launch.clone(), bootstrap: cluster.unwrap_or_default() }
    }

    /// Whether nearly all tests use these parameters.
    pub fn is_usual(&self) -> bool {
        self.launch.arguments.is_empty() && self.bootstrap.is_empty()
    }
}

/// Whether another gateway file can fully replace this one. Envoy reads some sections only at its start; it continues
/// health checks for a while; and a TLS listener would need a TLS client to end a test.
pub fn leaves_no_trace(file: &Value) -> bool {
    const TRACES: [&str; 5] = ["health_check", "memory", "otlp", "tls", "tracing"];
    match file {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| !TRACES.contains(&name.as_str()) && leaves_no_trace(value))
        }
        Value::Array(list) => list.iter().all(leaves_no_trace),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(part: &Value) -> Start {
        Start::of(&Launch { concurrency: 1, arguments: Vec::new(), environment: Vec::new() }, part)
    }

    #[test]
    fn what_envoy_reads_at_its_start_tells_starts_apart() {
        let usual =
            start(&json!({"teams": {"test": {"limits": {"requests_per_minute": 1}}}, "timeouts": {"total": "1h"}}));
        assert!(usual.is_usual() && usual == start(&json!({"timeouts": "fast"})));
        let redis = |when_down| start(&json!({"redis": {"url": "http://127.0.0.1:1", "when_down": when_down}}));
        assert!(redis("deny") == redis("local"));
        let others = [json!({"redis": {"url": "http://127.0.0.1:1"}}), json!({"redis": {"url": "http://127.0.0.1:2"}})];
        for (number, other) in others.iter().enumerate() {
            assert!(!start(other).is_usual(), "{other}");
            assert!(others[..number].iter().all(|earlier| start(earlier) != start(other)), "{other}");
        }
    }

    #[test]
    fn what_leaves_a_trace_is_found_wherever_it_stands() {
        assert!(leaves_no_trace(&json!({"admin": {}, "cache": {}, "keys": [{"budget": {"total": 1}}]})));
        for file in [
            json!({"tls": {}}),
            json!({"providers": {"a": {"availability": {"health_check": {}}}}}),
            json!({"keys": [{"memory": 1}]}),
        ] {
            assert!(!leaves_no_trace(&file), "{file}");
        }
    }
}
