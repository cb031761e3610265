//! The targets of one request, in the order in which they are asked: which were, and which is next.

use std::rc::Rc;

use crate::routing::target::Target;

/// At most 16 targets, as the configuration has it.
#[derive(Debug, Default)]
pub struct Queue {
    targets: Vec<Rc<Target>>,
    /// A bit for each that was asked.
    asked: u32,
    current: usize,
    next: Option<usize>,
}

impl Queue {
    /// These, of which none was asked.
    pub fn new(targets: Vec<Rc<Target>>) -> Self {
        let next = (!targets.is_empty()).then_some(0);
        Self { targets, asked: 0, current: 0, next }
    }

    /// All of them.
    pub fn targets(&self) -> &[Rc<Target>] {
        &self.targets
    }

    /// Leaves out the first, before any was asked.
    pub fn drop_first(&mut self) {
        if !self.targets.is_empty() {
            self.targets.remove(0);
        }
        *self = Self::new(std::mem::take(&mut self.targets));
    }

    /// The one to be asked next.
    pub fn next(&self) -> Option<&Rc<Target>> {
        self.targets.get(self.next?)
    }

    /// The next one is asked; behind it comes the first that was not.
    pub fn begin(&mut self) -> Option<Rc<Target>> {
        let place = self.next?;
        let target = self.targets.get(place)?.clone();
        self.current = place;
        self.asked |= bit(place);
        self.elsewhere(|_| true);
        Some(target)
    }

    /// The one that was asked last is asked again.
    pub fn again(&mut self) {
        self.next = Some(self.current);
    }

    /// The first that was not asked and is fit is next; false when there is none, and then nobody is.
    pub fn elsewhere(&mut self, fit: impl Fn(&Target) -> bool) -> bool {
        let left = |place: &usize| self.asked & bit(*place) == 0;
        let is_fit = |place: &usize| self.targets.get(*place).is_some_and(|target| fit(target));
        self.next = (0..self.targets.len()).filter(left).find(is_fit);
        self.next.is_some()
    }

    /// The next one is not asked, now or later.
    pub fn pass_over(&mut self) {
        if let Some(place) = self.next.take() {
            self.asked |= bit(place);
        }
    }

    /// Nobody is next.
    pub fn end(&mut self) {
        self.next = None;
    }
}

fn bit(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1u32.checked_shl(place)).unwrap_or_default()
}
