//! What of a meter has not been told to Redis yet, where counts are exchanged with it.
//!
//! It is not counted apart: each change of a cell, whatever made it, is also a change of what is to be told, so that the
//! two cannot differ. What is told is set aside until Redis has confirmed it; then what all Envoys counted takes the place
//! of what the cell had, and only what is still to be told comes on top.

use super::counter_state::{CounterState, CounterTime};

/// In the unit of the cell: for a rate its level's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PendingSync {
    /// What Redis does not know. Never anything for places, of which it is told how many there are.
    pub(super) untold: i64,
    /// What it is being told. For places one more than how many it was told last; 0 when it knows of none.
    pub(super) telling: i64,
}

impl PendingSync {
    /// After `before` became `after`.
    pub(super) fn with(self, before: &CounterState, after: &CounterState, last: u64, now: &CounterTime) -> Self {
        let change = match (before, after) {
            (CounterState::Window(before), CounterState::Window(after)) => {
                i128::from(after.used) - i128::from(before.used)
            }
            (CounterState::Rate(before), CounterState::Rate(after)) => after.change_since(*before, now),
            _ => return self,
        };
        let untold = i128::from(self.aged(before, last, now)).saturating_add(change);
        Self { untold: saturated(untold), ..self }
    }

    /// At this moment, when the last exchange was at `last`, in microseconds. In an outage of Redis what was counted of a
    /// rate drains away, and is not told as if it had come at once.
    pub(super) fn aged(self, state: &CounterState, last: u64, now: &CounterTime) -> i64 {
        match state {
            CounterState::Rate(rate) if self.untold > 0 => {
                let drained = rate.drains_after(last, now);
                saturated((i128::from(self.untold) - i128::try_from(drained).unwrap_or(i128::MAX)).max(0))
            }
            _ => self.untold,
        }
    }
}

pub(super) fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}
