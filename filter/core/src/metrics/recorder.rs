//! A worker's own counts, until its tick adds them to the shared data.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;

use super::instruments::{BUDGET, Group, Merge, Slot, worker};
use super::{instruments, labels, pages};

/// How often counts are added to the shared data.
const PERIOD: Duration = Duration::from_secs(1);

/// Rows without new counts are kept up to this number, so that they need not be allocated again.
const KEPT: usize = 1_024;

/// Values that are read when the counts are stored, and not counted.
pub trait Gauges: Send {
    /// Records the current values.
    fn record(&self, recorder: &Recorder, shared: &dyn SharedData, now: Time);
}

// Prints the name only: printing the contents would link formatting code for all that gauges read, and nothing logs them.
impl fmt::Debug for dyn Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

/// A worker's counts.
#[derive(Debug)]
pub struct Recorder {
    /// The worker's label.
    worker: String,
    rows: Mutex<Rows>,
    in_flight: AtomicUsize,
    gauges: Mutex<Option<Box<dyn Gauges>>>,
}

#[derive(Debug, Default)]
struct Rows {
    /// In the order of their keys.
    rows: Vec<Row>,
    /// A key under construction.
    key: Vec<u8>,
    /// The most time series, over all workers.
    limit: usize,
    flushed: Time,
}

/// The new counts of one row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) group: &'static Group,
    pub(super) values: Vec<u64>,
    pub(super) changed: bool,
    pub(super) admitted: Admitted,
}

/// Whether a row may be stored under its own labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Admitted {
    #[default]
    Unknown,
    /// Its time series are claimed, but it is not stored.
    Claimed,
    /// It is stored.
    Yes,
    /// The limit of time series is reached: its counts are stored under `other`, its gauges are dropped.
    No,
}

/// Adds to one row.
#[derive(Debug)]
pub struct Values<'a>(&'a mut [u64]);

impl Values<'_> {
    /// Adds to a counter.
    pub fn add(&mut self, slot: Slot, amount: u64) {
        if let Some(value) = self.0.get_mut(slot.at) {
            *value = value.saturating_add(amount);
        }
    }

    /// Sets a gauge.
    pub fn set(&mut self, slot: Slot, amount: u64) {
        if let Some(value) = self.0.get_mut(slot.at) {
            *value = amount;
        }
    }

    /// Records one value in a histogram.
    pub fn observe(&mut self, slot: Slot, amount: u64) {
        self.observe_each(slot, amount, 1);
    }

    /// Records the same value several times.
    pub fn observe_each(&mut self, slot: Slot, amount: u64, times: u64) {
        let bucket = slot.bounds.partition_point(|bound| *bound < amount);
        self.add(Slot { at: slot.at.saturating_add(bucket), bounds: &[] }, times);
        let sum = slot.at.saturating_add(slot.bounds.len()).saturating_add(1);
        self.add(Slot { at: sum, bounds: &[] }, amount.saturating_mul(times));
    }

    /// Adds the counts of a histogram's buckets, and the sum of their values.
    pub fn observe_all(&mut self, slot: Slot, buckets: &[u64], sum: u64) {
        for (bucket, times) in buckets.iter().enumerate().take(slot.bounds.len().saturating_add(1)) {
            self.add(Slot { at: slot.at.saturating_add(bucket), bounds: &[] }, *times);
        }
        let at = slot.at.saturating_add(slot.bounds.len()).saturating_add(1);
        self.add(Slot { at, bounds: &[] }, sum);
    }

    /// Records a duration in a histogram of seconds.
    pub fn observe_time(&mut self, slot: Slot, time: Duration) {
        self.observe(slot, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

fn find(rows: &[Row], key: &[u8]) -> Result<usize, usize> {
    rows.binary_search_by(|row| row.key.as_slice().cmp(key))
}

impl Recorder {
    /// Creates an empty recorder. `worker` must be unique among the workers of this Envoy.
    pub fn new(worker: String) -> Self {
        Self { worker, rows: Mutex::default(), in_flight: AtomicUsize::new(0), gauges: Mutex::default() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a configuration: the most time series that all workers may make (those beyond are counted as `other`), and its gauges.
    pub fn configure(&self, series: usize, gauges: Option<Box<dyn Gauges>>) {
        self.rows().limit = series;
        *self.gauges.lock().unwrap_or_else(PoisonError::into_inner) = gauges;
    }

    /// Changes the row of these label values.
    pub fn record(&self, group: &'static Group, labels: &[&str], change: impl FnOnce(&mut Values<'_>)) {
        let mut change = Some(change);
        self.change(group, labels, &mut |values| {
            if let Some(change) = change.take() {
                change(values);
            }
        });
    }

    /// The same, compiled once for all callers.
    #[inline(never)]
    fn change(&self, group: &'static Group, labels: &[&str], change: &mut dyn FnMut(&mut Values<'_>)) {
        let Rows { rows, key, limit, .. } = &mut *self.rows();
        labels::write(group, labels, key);
        let mut place = find(rows, key);
        // A flood of new label values between two ticks must not fill the memory. The bound is generous: each row has at least one time
        // series.
        if place.is_err() && rows.len() > (*limit).max(KEPT) {
            match group.merge {
                Merge::Add => {
                    *key = labels::other(group);
                    place = find(rows, key);
                }
                Merge::Latest => return,
                // There are as many as workers and targets.
                Merge::Current => {}
            }
        }
        let place = place.unwrap_or_else(|place| {
            let (values, admitted) = (vec![0; group.width()], Admitted::Unknown);
            rows.insert(place, Row { key: key.clone(), group, values, changed: false, admitted });
            place
        });
        if let Some(row) = rows.get_mut(place) {
            row.changed = true;
            let before = (group.id == BUDGET.id).then(|| row.values.clone());
            change(&mut Values(&mut row.values));
            if let Some(before) = before {
                let after = row.values.clone();
                pages::keep_most_used(&before, &after, &mut row.values);
            }
        }
    }

    /// Makes the row of these label values exist, without a count.
    pub fn begin(&self, group: &'static Group, labels: &[&str]) {
        self.change(group, labels, &mut |_| {});
    }

    /// Adds an event without labels.
    pub fn event(&self, slot: Slot) {
        self.record(&instruments::EVENTS, &[], |values| values.add(slot, 1));
    }

    /// Counts a request as in flight, until the result is dropped.
    pub fn enters(self: &Arc<Self>) -> RequestInFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        RequestInFlight(self.clone())
    }

    /// Whether a request is in flight.
    pub fn has_requests(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Adds the new counts to the shared data, at most once in each period. `backlog`: settlements that wait for Redis.
    pub fn tick(&self, backlog: usize, shared: &dyn SharedData, now: Time) {
        let next = self.rows().flushed.after(PERIOD);
        if !next.is_ahead(now, PERIOD) {
            self.flush(backlog, shared, now);
        }
    }

    /// Adds the new counts to the shared data.
    pub fn flush(&self, backlog: usize, shared: &dyn SharedData, now: Time) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.record(&instruments::WORKER, &[&self.worker], |values| {
            values.set(worker::IN_FLIGHT, number(self.in_flight.load(Ordering::Relaxed)));
            values.set(worker::BACKLOG, number(backlog));
        });
        if let Some(gauges) = &*self.gauges.lock().unwrap_or_else(PoisonError::into_inner) {
            gauges.record(self, shared, now);
        }
        let rows = &mut *self.rows();
        rows.flushed = now;
        let time = now.0 / 1_000_000;
        for row in rows.rows.iter_mut().filter(|row| row.changed && row.group.merge != Merge::Add) {
            Values(&mut row.values).set(Slot::time(row.group), time);
        }
        pages::add(shared, &mut rows.rows, rows.limit, now);
        if rows.rows.len() > KEPT {
            rows.rows.retain(|row| row.changed);
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct RequestInFlight(Arc<Recorder>);

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
