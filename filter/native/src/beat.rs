//! Ticks of workers. Envoy gives a filter no timer: its main thread sends an event to one filter of each worker, in the name of all.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::abi;
use crate::calls::FilterScheduler;
use crate::domain::lock;
use crate::filters;

/// A worker.
struct Worker {
    /// Reaches one of its filters, while it has any.
    scheduler: Mutex<Option<FilterScheduler>>,
    /// An event is under way.
    sent: AtomicBool,
    /// How many milliseconds to wait between two.
    period: AtomicU64,
    /// When the next is due.
    due: Mutex<Option<Instant>>,
}

static WORKERS: Mutex<Vec<Arc<Worker>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: OnceCell<Arc<Worker>> = const { OnceCell::new() };
}

/// Until the worker's gateway says how often.
const USUAL: u64 = 25;

fn own(act: impl FnOnce(&Worker)) {
    OWN.with(|own| {
        act(own.get_or_init(|| {
            let worker = Arc::new(Worker {
                scheduler: Mutex::default(),
                sent: AtomicBool::default(),
                period: AtomicU64::new(USUAL),
                due: Mutex::default(),
            });
            lock(&WORKERS).push(worker.clone());
            worker
        }));
    });
}

/// How often the worker at work is to be ticked.
pub fn every(period: Duration) {
    own(|worker| {
        let milliseconds = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        worker.period.store(milliseconds, Ordering::Relaxed);
    });
}

/// A filter begins, to which events of its worker may be sent.
pub fn begins(filter: *mut abi::Filter) {
    own(|worker| {
        let mut scheduler = lock(&worker.scheduler);
        if scheduler.is_none() {
            *scheduler = FilterScheduler::new(filter);
            worker.sent.store(false, Ordering::Relaxed);
        }
    });
}

/// A filter is gone: events of its worker are sent to another one.
pub fn ends(filter: *mut abi::Filter) {
    own(|worker| {
        let mut scheduler = lock(&worker.scheduler);
        if scheduler.as_ref().is_some_and(|scheduler| scheduler.is_of(filter)) {
            *scheduler = filters::any().and_then(FilterScheduler::new);
            worker.sent.store(false, Ordering::Relaxed);
        }
    });
}

/// An event has come to the worker at work.
pub fn came() {
    own(|worker| worker.sent.store(false, Ordering::Relaxed));
}

/// Sends each worker that is due an event. How long to wait until the next one is.
pub fn send_all(now: Instant) -> Option<Duration> {
    lock(&WORKERS).iter().map(|worker| worker.send(now)).min()
}

impl Worker {
    fn send(&self, now: Instant) -> Duration {
        let mut due = lock(&self.due);
        if let Some(due) = due.filter(|due| *due > now) {
            return due - now;
        }
        let period = Duration::from_millis(self.period.load(Ordering::Relaxed));
        *due = Some(now + period);
        if let Some(scheduler) = &*lock(&self.scheduler)
            && !self.sent.swap(true, Ordering::Relaxed)
        {
            scheduler.commit();
        }
        period
    }
}
