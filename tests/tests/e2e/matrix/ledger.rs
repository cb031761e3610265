//! Compares the usage in clients' responses with the simulator's and with the access log.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;
use sluice_tests::simulator::{Recorded, Usage};

use super::client::Told;

/// The usage of one response.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The tag in the request's text.
    pub tag: String,
    /// The number of the request with this tag.
    pub round: usize,
    /// The request id in the log.
    pub id: String,
    pub told: Told,
}

/// All responses of the matrix.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

impl Ledger {
    pub fn add(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }

    /// The errors by tag.
    pub fn wrong(&self, requests: &[Recorded], log: &[Value]) -> Vec<(String, String)> {
        let used = by_tag(requests);
        let lines: HashMap<&str, &Value> =
            log.iter().filter_map(|line| Some((line["request_id"].as_str()?, line))).collect();
        let entries = self.0.lock().unwrap();
        let check = |entry: &Entry| {
            let used = used.get(&entry.tag).and_then(|all| all.get(entry.round)).copied().flatten();
            let line = lines.get(entry.id.as_str()).copied().unwrap_or(&Value::Null);
            let why = check(entry.told, used.unwrap_or_default(), line)?;
            Some((entry.tag.clone(), why))
        };
        entries.iter().filter_map(check).collect()
    }
}

fn by_tag(requests: &[Recorded]) -> HashMap<String, Vec<Option<Usage>>> {
    let mut used = HashMap::<String, Vec<_>>::new();
    for request in requests {
        let text = String::from_utf8_lossy(&request.body);
        let tag = text.split_once("[~").and_then(|(_, rest)| rest.split_once(']')).map(|(tag, _)| format!("~{tag}"));
        if let Some(tag) = tag {
            used.entry(tag).or_default().push(request.used);
        }
    }
    used
}

/// Cached tokens and thoughts must equal the provider's report; they are zero if the provider has no field for them.
fn check(told: Told, used: Usage, line: &Value) -> Option<String> {
    let logged = |name: &str| line[name].as_u64();
    let right = (told.input, told.output) == (used.input, used.output)
        && logged("input_tokens") == Some(used.input)
        && logged("output_tokens") == Some(used.output)
        && logged("cached_tokens") == Some(told.cached)
        && told.cached == used.cached
        && told.reasoning.is_none_or(|reasoning| logged("reasoning_tokens") == Some(reasoning))
        && [0, used.thinking].contains(&logged("reasoning_tokens").unwrap_or(u64::MAX))
        && line["estimated"].is_null()
        && line["attempts"] == 1;
    (!right).then(|| format!("told {told:?}, used {used:?}, logged {line}"))
}
