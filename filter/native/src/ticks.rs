//! Worker ticks. A filter has no timer, so the main thread periodically sends an event to one filter of each worker. That filter's hook
//! does the work for the whole worker.

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
    /// Sends events to one of the worker's filters. `None` if the worker has no filter.
    scheduler: Mutex<Option<FilterScheduler>>,
    /// Whether an event is pending that the worker has not handled.
    sent: AtomicBool,
    /// The period in milliseconds.
    period: AtomicU64,
    /// When the next event is due.
    due: Mutex<Option<Instant>>,
}

static WORKERS: Mutex<Vec<Arc<Worker>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: OnceCell<Arc<Worker>> = const { OnceCell::new() };
}

/// The period in milliseconds until a configuration sets one.
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

/// Sets the period of this worker's events.
pub fn every(period: Duration) {
    own(|worker| {
        let milliseconds = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        worker.period.store(milliseconds, Ordering::Relaxed);
    });
}

/// Handles a new filter, which receives the worker's events if no other does.
pub fn begins(filter: *mut abi::Filter) {
    own(|worker| {
        let mut scheduler = lock(&worker.scheduler);
        if scheduler.is_none() {
            *scheduler = FilterScheduler::new(filter);
            worker.sent.store(false, Ordering::Relaxed);
        }
    });
}

/// Handles a destroyed filter. If it received the worker's events, another one does from now on.
pub fn ends(filter: *mut abi::Filter) {
    own(|worker| {
        let mut scheduler = lock(&worker.scheduler);
        if scheduler.as_ref().is_some_and(|scheduler| scheduler.is_of(filter)) {
            *scheduler = filters::any().and_then(FilterScheduler::new);
            // Envoy drops an event of a filter that is gone.
            let pending = worker.sent.swap(false, Ordering::Relaxed);
            if let Some(next) = scheduler.as_ref().filter(|_| pending) {
                worker.sent.store(true, Ordering::Relaxed);
                next.commit();
            }
        }
    });
}

/// Marks the pending event as handled.
pub fn came() {
    own(|worker| worker.sent.store(false, Ordering::Relaxed));
}

/// Sends an event to each worker that is due. Returns the time until the next worker is due.
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
