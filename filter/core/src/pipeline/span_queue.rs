//! One worker's spans that the trace collector has not accepted yet.
//!
//! A worker adds the spans of each finished request; its tick sends them in batches. While the collector does not accept them, the oldest
//! are dropped and counted. No request waits for the collector. A worker that ends loses its unsent spans.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::callout::{Call, Called, Endpoint};
use crate::otlp::Attributes;

use super::outgoing::Outgoing;
use super::{Effect, TRACING_CLUSTER, metric};

/// The most bytes that wait.
const MOST: usize = 2 << 20;

/// A batch ends at this many bytes, and is sent without delay when as many wait.
const ENOUGH: usize = 256 << 10;

/// The longest time that spans wait for others to be sent with them.
const DELAY: Duration = Duration::from_secs(1);

/// The time until a batch is sent again.
const PAUSE: Duration = Duration::from_secs(5);

/// The collector's time to accept a batch.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The spans.
#[derive(Debug, Default)]
pub struct SpanQueue(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    collector: Option<Endpoint>,
    /// The spans of each request, oldest first.
    waiting: VecDeque<String>,
    /// Their bytes.
    bytes: usize,
    /// Since when the oldest waits.
    since: Time,
    batch: Option<Batch>,
    /// Whether the batch is being sent.
    is_in_flight: bool,
    /// Nothing is sent before this time.
    silent_until: Time,
    /// Whether the collector did not accept the last batch.
    fails: bool,
}

/// The body of a request to the collector.
#[derive(Debug)]
struct Batch {
    body: Vec<u8>,
    requests: usize,
}

impl SpanQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // These values are never left half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the collector, or none.
    pub fn configure(&self, collector: Option<&Endpoint>) {
        self.lock().collector = collector.cloned();
    }

    /// Adds the spans of a request, separated by commas.
    pub fn add(&self, spans: String, now: Time, effects: &mut Vec<Effect>) {
        let queue = &mut *self.lock();
        if queue.waiting.is_empty() {
            queue.since = now;
        }
        queue.bytes = queue.bytes.saturating_add(spans.len());
        queue.waiting.push_back(spans);
        while queue.bytes > MOST {
            let dropped = match queue.batch.take_if(|_| !queue.is_in_flight) {
                Some(batch) => batch.requests,
                None => {
                    let oldest = queue.waiting.pop_front().unwrap_or_default();
                    queue.bytes = queue.bytes.saturating_sub(oldest.len().max(1));
                    1
                }
            };
            count(dropped, effects);
        }
    }
}

impl Outgoing for SpanQueue {
    fn flush(&self, now: Time) -> Option<Call> {
        self.lock().flush(now)
    }

    /// This is rare: built for size.
    #[cold]
    fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        let queue = &mut *self.lock();
        queue.is_in_flight = false;
        let why = match called.status {
            Some(200..=299) => {
                queue.batch = None;
                if std::mem::replace(&mut queue.fails, false) {
                    effects.push(Effect::Warn("the trace collector accepts spans again".to_owned()));
                }
                return queue.flush(now);
            }
            Some(status) => format!("status {status}"),
            None => "no reply".to_owned(),
        };
        // Source: <https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes>.
        if !matches!(called.status, None | Some(429 | 502 | 503 | 504)) {
            count(queue.batch.take().map_or(0, |batch| batch.requests), effects);
        }
        queue.silent_until = now.after(PAUSE);
        if !std::mem::replace(&mut queue.fails, true) {
            effects.push(Effect::Warn(format!("the trace collector does not accept spans ({why}): check `tracing`")));
        }
        None
    }

    /// Its batch is sent again.
    fn forget_call(&self) {
        self.lock().is_in_flight = false;
    }
}

impl Queue {
    /// Rarely does anything: built for size.
    #[cold]
    fn flush(&mut self, now: Time) -> Option<Call> {
        let collector = self.collector.as_ref()?;
        if self.is_in_flight || self.silent_until.is_ahead(now, PAUSE) {
            return None;
        }
        if self.batch.is_none() {
            let is_due = self.bytes >= ENOUGH || !self.since.after(DELAY).is_ahead(now, DELAY);
            if !is_due || self.waiting.is_empty() {
                return None;
            }
            self.batch = Some(Batch::of(&mut self.waiting, &mut self.bytes));
            self.since = now;
        }
        let body = self.batch.as_ref()?.body.clone();
        self.is_in_flight = true;
        Some(collector.post(TRACING_CLUSTER, body, TIMEOUT))
    }
}

impl Batch {
    /// Takes spans from the front of the queue.
    #[cold]
    fn of(waiting: &mut VecDeque<String>, bytes: &mut usize) -> Self {
        let mut body = String::with_capacity((*bytes).min(ENOUGH).saturating_add(512));
        body.push_str(r#"{"resourceSpans":[{"resource":{"attributes":["#);
        let mut resource = Attributes::new(&mut body);
        resource.text("service.name", "sluice");
        resource.text("service.version", env!("CARGO_PKG_VERSION"));
        body.push_str(r#"]},"scopeSpans":[{"scope":{"name":"sluice"},"spans":["#);
        let mut requests: usize = 0;
        while let Some(spans) = waiting.pop_front() {
            *bytes = bytes.saturating_sub(spans.len());
            body.push_str(if requests == 0 { "" } else { "," });
            body.push_str(&spans);
            requests = requests.saturating_add(1);
            if body.len() >= ENOUGH {
                break;
            }
        }
        body.push_str("]}]}]}");
        Self { body: body.into_bytes(), requests }
    }
}

fn count(dropped: usize, effects: &mut Vec<Effect>) {
    effects.extend((0..dropped).map(|_| Effect::Count(metric::SPANS_DROPPED)));
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const START: Time = Time(1_800_000_000_000_000_000);

    fn queue() -> SpanQueue {
        let queue = SpanQueue::default();
        queue.configure(Some(&Endpoint {
            authority: "c:4318".to_owned(),
            tls: false,
            path: "/x/v1/traces".to_owned(),
        }));
        queue
    }

    fn replied(status: Option<u16>) -> Called {
        Called { status, body: Vec::new() }
    }

    /// The spans in a call.
    fn spans(call: &Call) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "sluice");
        body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
    }

    #[test]
    fn spans_leave_together_once_the_first_has_waited() {
        let (queue, effects) = (queue(), &mut Vec::new());
        assert_eq!(queue.flush(START), None);
        queue.add("1,2".to_owned(), START, effects);
        queue.add("3".to_owned(), START.after(DELAY / 2), effects);
        assert_eq!(queue.flush(START.after(DELAY / 2)), None);
        let call = queue.flush(START.after(DELAY)).unwrap();
        assert_eq!((&*call.cluster, call.headers.text(":path")), (TRACING_CLUSTER, Some("/x/v1/traces")));
        assert_eq!((call.headers.text(":authority"), call.headers.text(":scheme")), (Some("c:4318"), Some("http")));
        assert_eq!(spans(&call), [1, 2, 3]);
        let later = START.after(DELAY * 3);
        queue.add("4".to_owned(), START.after(DELAY), effects);
        assert_eq!(queue.flush(later), None, "one call at a time");
        let next = queue.on_reply(&replied(Some(200)), later, effects).unwrap();
        assert_eq!(spans(&next), [4]);
        assert_eq!(queue.on_reply(&replied(Some(202)), later.after(DELAY), effects), None);
        assert_eq!(*effects, []);
    }

    #[test]
    fn a_batch_that_may_be_sent_again_is_and_others_are_dropped() {
        for (status, again) in
            [(None, true), (Some(503), true), (Some(429), true), (Some(401), false), (Some(400), false)]
        {
            let (queue, effects) = (queue(), &mut Vec::new());
            queue.add("1".to_owned(), START, effects);
            queue.add("2".to_owned(), START, effects);
            let now = START.after(DELAY);
            queue.flush(now).unwrap();
            assert_eq!(queue.on_reply(&replied(status), now, effects), None);
            let dropped = effects.iter().filter(|effect| **effect == Effect::Count(metric::SPANS_DROPPED)).count();
            assert_eq!(dropped, if again { 0 } else { 2 }, "{status:?}");
            assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Warn(_))).count(), 1);
            queue.add("3".to_owned(), now, effects);
            assert_eq!(queue.flush(now.after(PAUSE / 2)), None);
            let next = queue.flush(now.after(PAUSE)).unwrap();
            assert_eq!(spans(&next), if again { vec![1, 2] } else { vec![3] }, "{status:?}");
        }
    }

    #[test]
    fn while_the_collector_is_down_the_oldest_are_dropped_and_counted() {
        let (queue, effects) = (queue(), &mut Vec::new());
        queue.add("0".to_owned(), START, effects);
        let now = START.after(DELAY);
        queue.flush(now).unwrap();
        queue.on_reply(&replied(None), now, effects);
        effects.clear();
        let long = |number: usize| format!("\"{number}{}\"", "x".repeat(64 << 10));
        (0..64).for_each(|number| queue.add(long(number), now, effects));
        let held = queue.lock().waiting.len();
        assert!(held < 32 && effects.len() == 1 + 64 - held, "{held} held, {effects:?}");
        let call = queue.flush(now.after(PAUSE)).unwrap();
        assert!(call.body.len() < ENOUGH + (80 << 10));
        assert_eq!(spans(&call)[0], serde_json::from_str::<Value>(&long(64 - held)).unwrap());
    }

    #[test]
    fn a_batch_without_a_reply_is_sent_again_and_without_a_collector_none_is() {
        let (queue, effects) = (queue(), &mut Vec::new());
        queue.add("1".to_owned(), START, effects);
        let call = queue.flush(START.after(DELAY));
        queue.forget_call();
        assert!(call.is_some() && queue.flush(START.after(DELAY)) == call);
        queue.forget_call();
        queue.configure(None);
        assert_eq!(queue.flush(START.after(DELAY)), None);
    }
}
