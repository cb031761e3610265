//! The order of the rows: each once, in an order from the seed, and then again in another order, until the time is over and each has run.

use std::sync::Mutex;
use std::time::Instant;

use sluice_tests::chance::Chance;

use super::lock;
use super::shapes::Row;

/// The remaining visits.
pub struct Schedule {
    rows: Vec<Row>,
    end: Instant,
    state: Mutex<State>,
}

struct State {
    /// The rest of a round.
    queue: Vec<Row>,
    chance: Chance,
    /// The number of visits given out.
    given: u64,
}

impl Schedule {
    /// A schedule until `end`.
    pub fn new(rows: Vec<Row>, seed: u64, end: Instant) -> Self {
        let chance = Chance::of(seed, u64::MAX);
        Self { rows, end, state: Mutex::new(State { queue: Vec::new(), chance, given: 0 }) }
    }

    /// The next row, with the number of its visit; `None` at the end.
    pub fn next(&self) -> Option<(u64, Row)> {
        let state = &mut *lock(&self.state);
        if state.given >= self.rows.len() as u64 && Instant::now() >= self.end {
            return None;
        }
        if state.queue.is_empty() {
            state.queue.clone_from(&self.rows);
            for left in (1..state.queue.len()).rev() {
                state.queue.swap(left, state.chance.below(left as u64 + 1) as usize);
            }
        }
        state.given += 1;
        state.queue.pop().map(|row| (state.given, row))
    }
}
