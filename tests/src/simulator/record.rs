//! Records every request and its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::prompt::Usage;

/// A received request.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method, such as `POST`.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The headers: names in lower case, values unchanged.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    /// The time at which the body was complete.
    pub at: SystemTime,
    /// How the answer ended.
    pub outcome: Outcome,
    /// The usage of the answer; `None` for no answer or an error. For a stream that was cancelled or truncated: all of
    /// the prompt, and the tokens of the text sent.
    pub used: Option<Usage>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is in progress.
    Answering,
    /// The whole answer was passed to the connection.
    Complete,
    /// A fault ended the answer.
    BrokenOff,
    /// The client disconnected first.
    Cancelled,
}

impl Recorded {
    pub fn new(parts: &Parts, body: &Bytes) -> Self {
        let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        Self {
            method: parts.method.to_string(),
            path: parts.uri.to_string(),
            headers: parts.headers.iter().map(header).collect(),
            body: body.clone(),
            at: SystemTime::now(),
            outcome: Outcome::Answering,
            used: None,
        }
    }

    /// The first header of this name (in lower case), if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body's SHA-256, in hexadecimal.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.body).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// For the control endpoint: header bytes as Latin-1, so that no byte is lost; the body as text.
    pub fn to_json(&self) -> Value {
        let latin1 = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        let headers = self.headers.iter().map(|(name, value)| json!([name, latin1(value)])).collect::<Vec<_>>();
        json!({
            "method": self.method,
            "path": self.path,
            "headers": headers,
            "body": String::from_utf8_lossy(&self.body),
            "body_sha256": self.sha256(),
            "at_ms": self.at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
            "used": self.used.map(|used| json!({
                "input": used.input, "cached": used.cached, "cache_written": used.cache_written,
                "output": used.output, "thinking": used.thinking,
            })),
            "outcome": match self.outcome {
                Outcome::Answering => "answering",
                Outcome::Complete => "complete",
                Outcome::BrokenOff => "broken-off",
                Outcome::Cancelled => "cancelled",
            },
        })
    }
}

/// The maximum number of kept requests, and of bytes in their bodies. The oldest are discarded first. The counts and
/// the usage include discarded requests.
const KEPT: usize = 4096;
const KEPT_BYTES: usize = 256 * 1024 * 1024;

/// The latest requests since the last clearing.
#[derive(Debug, Default)]
pub struct Records(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    /// The number of the oldest kept request, counted from the simulator's start.
    first: usize,
    list: VecDeque<Recorded>,
    bytes: usize,
    /// The number of the first request since the last clearing.
    cleared: usize,
    /// The number of answers in progress.
    answering: usize,
    /// The usage of the ended answers since the last clearing, and the number of answers for each usage.
    used: HashMap<Usage, u64>,
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the kept requests.
    pub fn latest(&self) -> Vec<Recorded> {
        self.lock().list.iter().cloned().collect()
    }

    /// A copy of all requests since the last clearing; or an error with the number of discarded ones.
    pub fn all(&self) -> Result<Vec<Recorded>, usize> {
        let list = self.lock();
        match list.first - list.cleared {
            0 => Ok(list.list.iter().cloned().collect()),
            dropped => Err(dropped),
        }
    }

    /// The number of requests since the last clearing.
    pub fn count(&self) -> usize {
        let list = self.lock();
        list.first - list.cleared + list.list.len()
    }

    pub fn clear(&self) {
        let mut list = self.lock();
        list.first += list.list.len();
        list.cleared = list.first;
        list.list.clear();
        list.bytes = 0;
        list.used.clear();
    }

    /// The usage of all answers since the last clearing, with counts; `None` while an answer is in progress.
    pub fn used(&self) -> Option<Vec<(Usage, u64)>> {
        let list = self.lock();
        (list.answering == 0).then(|| list.used.iter().map(|(used, count)| (*used, *count)).collect())
    }

    /// Adds a request; the returned value tracks its answer.
    pub fn add(self: &Arc<Self>, record: Recorded) -> Answering {
        let mut list = self.lock();
        list.bytes += record.body.len();
        list.list.push_back(record);
        while list.list.len() > KEPT || (list.bytes > KEPT_BYTES && list.list.len() > 1) {
            list.bytes -= list.list.pop_front().map_or(0, |oldest| oldest.body.len());
            list.first += 1;
        }
        list.answering += 1;
        let number = list.first + list.list.len() - 1;
        Answering { records: Arc::clone(self), number, outcome: Outcome::Cancelled, used: None, all: None }
    }
}

/// Tracks an answer. Dropped before an end was recorded, it records that the client disconnected.
#[derive(Debug)]
pub struct Answering {
    records: Arc<Records>,
    number: usize,
    outcome: Outcome,
    /// The usage so far.
    used: Option<Usage>,
    /// The usage of a stream after its end.
    all: Option<Usage>,
}

impl Answering {
    /// Records the start of an answer with this total usage. A whole answer uses all of it at once; a `cut` stream
    /// never reaches it.
    pub fn begin(&mut self, all: Usage, stream: bool, cut: bool) {
        let begun = Usage { output: 0, thinking: 0, ..all };
        self.all = Some(all).filter(|_| !(stream && cut));
        self.uses(Some(if stream { begun } else { all }));
    }

    /// Records the number of text tokens sent so far.
    pub fn said(&mut self, tokens: u64) {
        self.uses(self.used.map(|used| Usage { output: tokens, ..used }));
    }

    /// Records that the whole answer was passed to the connection.
    pub fn complete(&mut self) {
        self.uses(self.all.or(self.used));
        self.note(Outcome::Complete);
    }

    /// Records that a fault ended the answer.
    pub fn broken_off(&mut self) {
        self.note(Outcome::BrokenOff);
    }

    fn uses(&mut self, used: Option<Usage>) {
        self.used = used;
        self.change(|record| record.used = used);
    }

    fn note(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.change(|record| record.outcome = outcome);
    }

    fn change(&self, change: impl FnOnce(&mut Recorded)) {
        let mut list = self.records.lock();
        let place = self.number.checked_sub(list.first);
        if let Some(record) = place.and_then(|place| list.list.get_mut(place)) {
            change(record);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.note(self.outcome);
        let mut list = self.records.lock();
        list.answering -= 1;
        if let Some(used) = self.used.filter(|_| self.number >= list.cleared) {
            *list.used.entry(used).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn add(records: &Arc<Records>) -> Answering {
        let (parts, ()) = Request::new(()).into_parts();
        records.add(Recorded::new(&parts, &Bytes::new()))
    }

    #[test]
    fn what_was_used_is_known_of_requests_too_that_are_not_kept() {
        let records = Arc::<Records>::default();
        let usage = |output| Usage { input: 3, output, ..Usage::default() };
        let mut first = add(&records);
        first.begin(usage(9), true, false);
        first.said(4);
        for _ in 0..KEPT {
            add(&records).begin(usage(2), false, false);
        }
        assert_eq!((records.latest().len(), records.used()), (KEPT, None), "the first has not ended");
        drop(first);
        let mut used = records.used().expect("all have ended");
        used.sort_by_key(|(used, _)| used.output);
        assert_eq!(used, [(usage(2), KEPT as u64), (usage(4), 1)]);
    }

    #[test]
    fn all_are_counted_and_none_is_missing_where_all_are_listed() {
        let records = Arc::<Records>::default();
        for count in 1..=KEPT {
            add(&records);
            assert_eq!(records.count(), count);
        }
        assert_eq!(records.all().map(|all| all.len()), Ok(KEPT));
        add(&records);
        assert_eq!((records.all().map(|all| all.len()), records.count()), (Err(1), KEPT + 1));
        records.clear();
        assert_eq!((records.all().map(|all| all.len()), records.count()), (Ok(0), 0));
        add(&records);
        assert_eq!((records.all().map(|all| all.len()), records.count()), (Ok(1), 1));
    }

    #[test]
    fn what_was_used_before_a_clearing_is_forgotten() {
        let records = Arc::<Records>::default();
        let mut before = add(&records);
        before.begin(Usage::default(), false, false);
        records.clear();
        assert_eq!(records.used(), None);
        drop(before);
        assert_eq!(records.used(), Some(Vec::new()));
    }
}
