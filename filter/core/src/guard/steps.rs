//! Bounds the work spent on untrusted texts.
//!
//! Work is counted, not timed: the same text takes the same number of steps everywhere. A step is about one byte read or one automaton
//! state visited. The invariant: every loop stops at the first step beyond the limit. So a text costs at most its limit plus one unit of
//! work.

use std::cell::Cell;

/// The step limit is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent;

/// The steps of one task.
#[derive(Debug)]
pub struct Steps {
    taken: Cell<u64>,
    allowed: Cell<u64>,
}

impl Steps {
    /// Steps with this limit.
    pub fn at_most(allowed: u64) -> Self {
        Self { taken: Cell::new(0), allowed: Cell::new(allowed) }
    }

    /// The steps taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Whether the limit is exceeded.
    pub fn are_spent(&self) -> bool {
        self.taken.get() > self.allowed.get()
    }

    /// Raises the limit.
    pub(super) fn allow(&self, more: u64) {
        self.allowed.set(self.allowed.get().saturating_add(more));
    }

    /// Takes steps; an error if that exceeds the limit.
    pub(super) fn take(&self, steps: u64) -> Result<(), Spent> {
        self.taken.set(self.taken.get().saturating_add(steps));
        if self.are_spent() { Err(Spent) } else { Ok(()) }
    }
}

/// A length as a number of steps.
pub(super) fn steps(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
