//! The results of a soak, counted and printed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::client::{Done, Outcome};
use crate::memory::{Sample, is_flat, quarters};
use crate::tally::Tally;

/// The maximum number of stored violations.
const SHOWN: usize = 5;

/// The clients' results, and the samples taken meanwhile.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: BTreeMap<String, u64>,
    /// Violations.
    wrong: Vec<String>,
    /// The durations of complete responses.
    took: Vec<Duration>,
    /// The gateway's ids of the requests with a response.
    pub ids: HashSet<String>,
    pub length: Duration,
    pub outages: usize,
    pub samples: Vec<Sample>,
}

impl Report {
    pub fn add(&mut self, done: Done) {
        self.ids.extend(done.id);
        let name = match done.outcome {
            Outcome::Whole | Outcome::Streamed => {
                self.took.push(done.took);
                if done.outcome == Outcome::Whole { "answered" } else { "streamed" }.to_owned()
            }
            Outcome::BrokenOff => "broken off, and said so".to_owned(),
            Outcome::Cut => "cut".to_owned(),
            Outcome::LeftMidway => "left midway".to_owned(),
            Outcome::LeftEarly => "left early".to_owned(),
            Outcome::Refused(status, code) => format!("{status} {code}"),
            Outcome::Wrong(why) => {
                if self.wrong.len() < SHOWN {
                    self.wrong.push(why);
                }
                "WRONG".to_owned()
            }
        };
        *self.outcomes.entry(name).or_default() += 1;
    }

    /// Merges two reports.
    pub fn with(mut self, other: Self) -> Self {
        for (name, count) in other.outcomes {
            *self.outcomes.entry(name).or_default() += count;
        }
        self.wrong.extend(other.wrong);
        self.took.extend(other.took);
        self.ids.extend(other.ids);
        self
    }

    /// The number of requests sent.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// The violations, and memory growth if the run was long enough.
    pub fn complaints(&self, telling: bool) -> Vec<String> {
        let shown = self.wrong.iter().take(SHOWN).cloned();
        let (resident, allocated) = self.memory();
        let grown = [("resident", resident), ("allocated", allocated)].into_iter();
        let grown = grown.filter(|(_, quarters)| telling && !is_flat(*quarters));
        shown.chain(grown.map(|(what, quarters)| format!("{what} memory has grown: {quarters:?}"))).collect()
    }

    fn memory(&self) -> ((u64, u64), (u64, u64)) {
        (quarters(&self.samples, |sample| sample.resident), quarters(&self.samples, |sample| sample.allocated))
    }

    pub fn print(&mut self, tally: &Tally, statistics: &BTreeMap<String, u64>) {
        let requests = self.requests();
        let rate = requests as f64 / self.length.as_secs_f64();
        println!("{requests} requests, {rate:.0} a second; {} lines in the log", tally.lines);
        list(&self.outcomes);
        self.took.sort_unstable();
        let at = |percent: usize| self.took.get(self.took.len() * percent / 100).copied().unwrap_or_default();
        println!("complete answers: p50 {:.0?}, p99 {:.0?}", at(50), at(99));
        let Tally { attempts, fallbacks, passed_over, estimated, .. } = tally;
        println!("{attempts} attempts; {fallbacks} requests went to another provider, {estimated} are estimated");
        println!("{} outages; {passed_over} requests of `fallback` passed its first target over", self.outages);
        println!("failed attempts:");
        list(&tally.failures);
        println!("counters:");
        let ours =
            statistics.iter().filter_map(|(name, count)| Some((name.strip_prefix("wasmcustom.")?.to_owned(), *count)));
        list(&ours.collect());
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ((resident, resident_last), (allocated, allocated_last)) = self.memory();
        println!(
            "memory in MiB, second and last quarter: {:.1} and {:.1} resident, {:.1} and {:.1} allocated",
            mib(resident),
            mib(resident_last),
            mib(allocated),
            mib(allocated_last)
        );
        let all: Vec<String> = self.samples.iter().map(|sample| format!("{:.0}", mib(sample.resident))).collect();
        println!("resident: {}", all.join(" "));
    }
}

fn list(counts: &BTreeMap<String, u64>) {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (name, count) in counts {
        println!("  {count:>8} {name}");
    }
}
