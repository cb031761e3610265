//! A counter's state and the operations on it. Only values: [`super::shard`] stores them.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::mix::{hash, spread};
use crate::store::{Counter, CounterSnapshot, Debit, LimitWindow, Settled, day_and_month};

use super::concurrency_slots::ConcurrencySlots;
use super::rate::Rate;
use super::window::Window;

/// A point in time with its day and month, computed once for all counters.
#[derive(Debug, Clone, Copy)]
pub(super) struct CounterTime {
    /// Microseconds since 1970.
    pub(super) micros: u64,
    /// Days since 1970.
    pub(super) day: u64,
    /// Months since January 1970.
    pub(super) month: u64,
}

impl CounterTime {
    pub(super) fn of(now: Time) -> Self {
        let (day, month) = day_and_month(now);
        Self { micros: now.0 / 1_000, day, month }
    }

    pub(super) fn millis(&self) -> u64 {
        self.micros / 1_000
    }
}

/// The rejection of a debit that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CounterRefusal {
    pub(super) snapshot: CounterSnapshot,
    pub(super) retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CounterState {
    Window(Window),
    Rate(Rate),
    Slots(ConcurrencySlots),
}

impl CounterState {
    /// The state of a counter without usage.
    pub(super) fn empty(kind: LimitWindow, window: u64, now: &CounterTime) -> Self {
        match kind {
            LimitWindow::Minute => Self::Rate(Rate { at: now.micros, since: now.micros, ..Rate::default() }),
            LimitWindow::Concurrent => Self::Slots(ConcurrencySlots::default()),
            LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => {
                Self::Window(Window { kind, number: window, used: 0 })
            }
        }
    }

    /// The state with this debit, or why it does not fit.
    pub(super) fn debit(
        self,
        debit: &Debit,
        lease: Duration,
        now: &CounterTime,
    ) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        match self {
            Self::Window(window) => window.debit(debit, now).map(|(state, snapshot)| (Self::Window(state), snapshot)),
            Self::Rate(rate) => rate.debit(debit, now).map(|(state, snapshot)| (Self::Rate(state), snapshot)),
            Self::Slots(slots) => {
                slots.debit(debit, lease, now).map(|(state, snapshot)| (Self::Slots(state), snapshot))
            }
        }
    }

    /// Replaces the reserved amount with the used one. For a window, `held` is the part of the reservation that has not expired.
    pub(super) fn settle(self, part: &Settled, held: u64, now: &CounterTime) -> Self {
        match self {
            Self::Window(window) => Self::Window(window.settle(held, part.used)),
            Self::Rate(rate) => Self::Rate(rate.settle(part, now)),
            Self::Slots(slots) => Self::Slots(slots.settle(part, now)),
        }
    }

    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        match self {
            Self::Window(window) => window.snapshot(now),
            Self::Rate(rate) => rate.snapshot(now),
            Self::Slots(slots) => slots.snapshot(now),
        }
    }

    /// Whether dropping it would change nothing.
    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        match self {
            Self::Window(window) => window.is_spent(now),
            Self::Rate(rate) => rate.is_spent(now),
            Self::Slots(slots) => slots.is_spent(now),
        }
    }
}

/// Identifies a record: counter and window, hashed to 64 bits. A shard has at most some thousands of records, too few for a chance
/// collision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u64);

impl Id {
    pub(super) fn of(counter: &Counter, window: u64) -> Self {
        Self::of_name(&counter.name, window)
    }

    pub(super) fn of_name(name: &str, window: u64) -> Self {
        Self(spread(hash(name.as_bytes()) ^ spread(window)))
    }
}
