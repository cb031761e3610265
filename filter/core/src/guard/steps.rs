//! How much work it may be to look at what strangers send.
//!
//! Work is counted and never timed: the same text costs the same number of steps everywhere. A step is about one byte looked at, or
//! one state of an expression visited. The invariant: whoever takes steps stops at the first that is not allowed, so no text costs
//! more than what was allowed for it and one piece of work beyond it.

use std::cell::Cell;

/// No more steps are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent;

/// The steps of one piece of work.
#[derive(Debug)]
pub struct Steps {
    taken: Cell<u64>,
    allowed: Cell<u64>,
}

impl Steps {
    /// So many are allowed.
    pub fn at_most(allowed: u64) -> Self {
        Self { taken: Cell::new(0), allowed: Cell::new(allowed) }
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Whether more were taken than were allowed.
    pub fn are_spent(&self) -> bool {
        self.taken.get() > self.allowed.get()
    }

    /// Allows more.
    pub(super) fn allow(&self, more: u64) {
        self.allowed.set(self.allowed.get().saturating_add(more));
    }

    /// Takes some; an error when that is more than was allowed.
    pub(super) fn take(&self, steps: u64) -> Result<(), Spent> {
        self.taken.set(self.taken.get().saturating_add(steps));
        if self.are_spent() { Err(Spent) } else { Ok(()) }
    }
}

/// As many steps as there are bytes, or other things.
pub(super) fn steps(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
