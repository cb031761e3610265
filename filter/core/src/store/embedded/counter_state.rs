//! What is kept of one meter, and what is done to it. Values only: where they are kept is [`super::shard`]'s concern.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::mix::{hash, spread};
use crate::store::{Counter, CounterSnapshot, Debit, LimitWindow, Settled, day_and_month};

use super::concurrency_slots::ConcurrencySlots;
use super::rate::Rate;
use super::window::Window;

/// A moment, taken apart once for all meters.
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

/// A take that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CounterRefusal {
    pub(super) snapshot: CounterSnapshot,
    pub(super) retry_after: Option<Duration>,
}

/// What is kept of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CounterState {
    Window(Window),
    Rate(Rate),
    Places(ConcurrencySlots),
}

impl CounterState {
    /// A meter of which nothing is known: nothing was used.
    pub(super) fn empty(kind: LimitWindow, window: u64, now: &CounterTime) -> Self {
        match kind {
            LimitWindow::Minute => Self::Rate(Rate { at: now.micros, since: now.micros, ..Rate::default() }),
            LimitWindow::Concurrent => Self::Places(ConcurrencySlots::default()),
            LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => {
                Self::Window(Window { kind, number: window, used: 0 })
            }
        }
    }

    /// With this taken, or why it cannot be.
    pub(super) fn take(
        self,
        take: &Debit,
        lease: Duration,
        now: &CounterTime,
    ) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        match self {
            Self::Window(window) => window.take(take, now).map(|(state, snapshot)| (Self::Window(state), snapshot)),
            Self::Rate(rate) => rate.take(take, now).map(|(state, snapshot)| (Self::Rate(state), snapshot)),
            Self::Places(places) => {
                places.take(take, lease, now).map(|(state, snapshot)| (Self::Places(state), snapshot))
            }
        }
    }

    /// With what was used in place of what was reserved. Of a window so much of that is still `held`.
    pub(super) fn settle(self, part: &Settled, held: u64, now: &CounterTime) -> Self {
        match self {
            Self::Window(window) => Self::Window(window.settle(held, part.used)),
            Self::Rate(rate) => Self::Rate(rate.settle(part, now)),
            Self::Places(places) => Self::Places(places.settle(part, now)),
        }
    }

    /// How it stands.
    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        match self {
            Self::Window(window) => window.snapshot(now),
            Self::Rate(rate) => rate.snapshot(now),
            Self::Places(places) => places.snapshot(now),
        }
    }

    /// Whether nothing would change if it were forgotten.
    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        match self {
            Self::Window(window) => window.is_spent(now),
            Self::Rate(rate) => rate.is_spent(now),
            Self::Places(places) => places.is_spent(now),
        }
    }
}

/// What a record is found by: the meter and the window, in 64 bits. A page holds at most some thousands of records, of
/// which no two meet here by chance.
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
