//! Usage of a counter that Redis does not have yet, where counts are exchanged with it.
//!
//! It is not counted separately: every change of a counter's state also changes its pending sync, so the two cannot diverge. Amounts that
//! are sent are set aside until Redis confirms them. Then the count of all Envoys replaces the local one, and only unsent amounts are added
//! to it.

use super::counter_state::{CounterState, CounterTime};

/// In the unit of the counter's state; for a rate, of its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PendingSync {
    /// Not sent yet. Always 0 for concurrency slots, whose current number is sent instead.
    pub(super) unsent: i64,
    /// Sent but not confirmed. For concurrency slots, one more than the number last sent; 0 when Redis has none.
    pub(super) sending: i64,
}

impl PendingSync {
    /// The pending sync after `before` became `after`.
    pub(super) fn with(self, before: &CounterState, after: &CounterState, last: u64, now: &CounterTime) -> Self {
        let change = match (before, after) {
            (CounterState::Window(before), CounterState::Window(after)) => {
                i128::from(after.used) - i128::from(before.used)
            }
            (CounterState::Rate(before), CounterState::Rate(after)) => after.change_since(*before, now),
            _ => return self,
        };
        let unsent = i128::from(self.aged(before, last, now)).saturating_add(change);
        Self { unsent: saturated(unsent), ..self }
    }

    /// The unsent amount at `now`, if the last exchange was at `last`, in microseconds. During an outage of Redis, usage of a rate drains
    /// instead of being sent as one burst afterwards.
    pub(super) fn aged(self, state: &CounterState, last: u64, now: &CounterTime) -> i64 {
        match state {
            CounterState::Rate(rate) if self.unsent > 0 => {
                let drained = rate.drains_after(last, now);
                saturated((i128::from(self.unsent) - i128::try_from(drained).unwrap_or(i128::MAX)).max(0))
            }
            _ => self.unsent,
        }
    }
}

pub(super) fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}
