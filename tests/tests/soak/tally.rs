//! The access log, read as it grows, and its sums.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use sluice_tests::money::micro;

/// The fields of a line that the test needs.
#[derive(Debug, Deserialize)]
struct Line {
    /// Only in lines of the administration interface.
    admin: Option<Value>,
    request_id: Option<String>,
    key: Option<String>,
    team: Option<String>,
    model: Option<String>,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    tried: Vec<Tried>,
    #[serde(default)]
    estimated: bool,
    cost_usd: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tried {
    provider: String,
    failure: Option<String>,
}

/// The sums.
#[derive(Debug)]
pub struct Tally {
    reader: BufReader<File>,
    /// The beginning of a line that is not complete yet.
    rest: String,
    /// The requests' ids.
    pub ids: HashSet<String>,
    /// The lines of requests.
    pub lines: u64,
    /// The number of requests by `key=alice`, `team=research`, or `model=chat`.
    pub requests: BTreeMap<String, u64>,
    /// Their cost in micro-dollars, by the same names.
    pub costs: BTreeMap<String, u64>,
    pub attempts: u64,
    /// The requests to more than one provider.
    pub fallbacks: u64,
    /// The requests for the model `fallback` whose first target was skipped, since it was known to be broken or full.
    pub passed_over: u64,
    pub estimated: u64,
    /// The failure reasons of attempts.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    pub fn of(log: &Path) -> Self {
        let reader = BufReader::new(File::open(log).expect("the access log"));
        Self {
            reader,
            rest: String::new(),
            ids: HashSet::new(),
            lines: 0,
            requests: BTreeMap::new(),
            costs: BTreeMap::new(),
            attempts: 0,
            fallbacks: 0,
            passed_over: 0,
            estimated: 0,
            failures: BTreeMap::new(),
        }
    }

    /// Reads the lines written so far.
    pub fn read(&mut self) {
        while self.reader.read_line(&mut self.rest).expect("the access log is text") > 0 {
            if self.rest.ends_with('\n') {
                let line = std::mem::take(&mut self.rest);
                self.add(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
            }
        }
    }

    fn add(&mut self, line: Line) {
        if line.admin.is_some() {
            return;
        }
        self.lines += 1;
        self.ids.extend(line.request_id);
        self.attempts += line.attempts;
        self.estimated += u64::from(line.estimated);
        let first = line.tried.first().map(|tried| tried.provider.as_str());
        self.fallbacks += u64::from(line.tried.iter().any(|tried| Some(tried.provider.as_str()) != first));
        let fallback = line.model.as_deref() == Some("fallback") && line.key.as_deref() == Some("wide");
        self.passed_over += u64::from(fallback && first.is_some_and(|first| first != "one"));
        for failure in line.tried.into_iter().filter_map(|tried| tried.failure) {
            *self.failures.entry(failure).or_default() += 1;
        }
        let cost = line.cost_usd.as_deref().map(micro);
        let whose = [("key", line.key), ("team", line.team), ("model", line.model)];
        for scope in whose.into_iter().filter_map(|(of, name)| Some(format!("{of}={}", name?))) {
            if let Some(cost) = cost {
                let sum = self.costs.entry(scope.clone()).or_default();
                // A provider may send any count.
                *sum = sum.saturating_add(cost);
            }
            *self.requests.entry(scope).or_default() += 1;
        }
    }
}
