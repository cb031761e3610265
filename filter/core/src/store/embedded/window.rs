//! Limits per calendar window or for all time: a sum.
//!
//! Each day and each month has its own record, so nothing is ever reset. A settlement finds the window of its reservation as long as the
//! record is stored, and a clock slightly behind at midnight counts into yesterday.

use std::time::Duration;

use sluice_wire::calendar::first_day_of;

use crate::store::{CounterSnapshot, Debit, LimitWindow};

use super::counter_state::{CounterRefusal, CounterTime};

/// A day, a month, or all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// `Day`, `Month`, or else all time.
    pub(super) kind: LimitWindow,
    /// Days since 1970, or months since January 1970; 0 for all time.
    pub(super) number: u64,
    /// The used amount, including reservations.
    pub(super) used: u64,
}

impl Window {
    /// Number of the window that contains `now`.
    pub(super) fn number(kind: LimitWindow, now: &CounterTime) -> u64 {
        match kind {
            LimitWindow::Day => now.day,
            LimitWindow::Month => now.month,
            LimitWindow::Total | LimitWindow::Minute | LimitWindow::Concurrent => 0,
        }
    }

    pub(super) fn debit(mut self, debit: &Debit, now: &CounterTime) -> Result<(Self, CounterSnapshot), CounterRefusal> {
        let used = self.used.checked_add(debit.amount);
        // An amount that would overflow is rejected even by a soft limit: a saturated sum would lose some of the others' usage when this
        // amount is released.
        let Some(used) = used.filter(|used| !debit.hard || *used <= debit.limit) else {
            let snapshot = self.snapshot(now);
            let passes = self.kind != LimitWindow::Total && debit.amount <= debit.limit;
            return Err(CounterRefusal { snapshot, retry_after: passes.then_some(snapshot.reset) });
        };
        self.used = used;
        Ok((self, self.snapshot(now)))
    }

    /// Replaces the part of the reservation that is still held with the used amount.
    pub(super) fn settle(self, held: u64, used: u64) -> Self {
        Self { used: self.used.saturating_sub(held).saturating_add(used), ..self }
    }

    pub(super) fn snapshot(self, now: &CounterTime) -> CounterSnapshot {
        CounterSnapshot { used: self.used, reserved: 0, period: self.number, until: 0, reset: self.remaining(now) }
    }

    /// Whether the record can be dropped. The previous window is kept for clocks that are slightly behind.
    pub(super) fn is_spent(self, now: &CounterTime) -> bool {
        let passed = self.kind != LimitWindow::Total && self.number.saturating_add(1) < Self::number(self.kind, now);
        self.used == 0 || passed
    }

    /// Time until the window ends.
    fn remaining(self, now: &CounterTime) -> Duration {
        let end = match self.kind {
            LimitWindow::Day => self.number.saturating_add(1),
            LimitWindow::Month => first_day_of(self.number.saturating_add(1)),
            LimitWindow::Total | LimitWindow::Minute | LimitWindow::Concurrent => 0,
        };
        Duration::from_micros(end.saturating_mul(86_400_000_000).saturating_sub(now.micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Counter;
    use sluice_wire::time::Time;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_cannot_be_counted_is_refused_even_where_nothing_else_is() {
        let now = CounterTime::of(Time(0));
        let window = Window { kind: LimitWindow::Total, number: 0, used: 90 };
        let counter = Counter { name: "team=t/usd/total".into(), shard_key: "t".into(), kind: LimitWindow::Total };
        let debit = Debit { counter, amount: u64::MAX, limit: 100, hard: false };
        // Once this amount is released, a saturated sum would be less than before.
        assert!(window.debit(&debit, &now).is_err());
    }
}
