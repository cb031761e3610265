//! The eligible targets of one request in their order: which ones were tried, and which one is next.

use std::rc::Rc;

use crate::routing::target::Target;

/// A queue of at most 16 targets; the configuration enforces that limit.
#[derive(Debug, Default)]
pub struct Queue {
    targets: Vec<Rc<Target>>,
    /// A bit for each target that was tried.
    asked: u32,
    current: usize,
    next: Option<usize>,
}

impl Queue {
    /// A queue of targets that have not been tried.
    pub fn new(targets: Vec<Rc<Target>>) -> Self {
        let next = (!targets.is_empty()).then_some(0);
        Self { targets, asked: 0, current: 0, next }
    }

    /// All targets.
    pub fn targets(&self) -> &[Rc<Target>] {
        &self.targets
    }

    /// Removes the first target. Only valid before the first attempt.
    pub fn drop_first(&mut self) {
        if !self.targets.is_empty() {
            self.targets.remove(0);
        }
        *self = Self::new(std::mem::take(&mut self.targets));
    }

    /// The next target.
    pub fn next(&self) -> Option<&Rc<Target>> {
        self.targets.get(self.next?)
    }

    /// Takes the next target. The first one that has not been tried becomes the next.
    pub fn begin(&mut self) -> Option<Rc<Target>> {
        let place = self.next?;
        let target = self.targets.get(place)?.clone();
        self.current = place;
        self.asked |= bit(place);
        self.elsewhere(|_| true);
        Some(target)
    }

    /// Makes the current target the next one again.
    pub fn again(&mut self) {
        self.next = Some(self.current);
    }

    /// Makes the first target that has not been tried and is `fit` the next one. Returns false, and ends the queue, if there is none.
    pub fn elsewhere(&mut self, fit: impl Fn(&Target) -> bool) -> bool {
        let left = |place: &usize| self.asked & bit(*place) == 0;
        let is_fit = |place: &usize| self.targets.get(*place).is_some_and(|target| fit(target));
        self.next = (0..self.targets.len()).filter(left).find(is_fit);
        self.next.is_some()
    }

    /// Skips the next target for good, and leaves no next one.
    pub fn skip_next(&mut self) {
        if let Some(place) = self.next.take() {
            self.asked |= bit(place);
        }
    }

    /// Leaves no next target.
    pub fn end(&mut self) {
        self.next = None;
    }
}

fn bit(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1u32.checked_shl(place)).unwrap_or_default()
}
