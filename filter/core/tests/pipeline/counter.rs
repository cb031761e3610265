//! Counts core's host calls, its effects and its allocations.

use std::cell::RefCell;

use sluice_core::store::{Conflict, SharedData};

use crate::shared::Shared;

thread_local! {
    /// The counts by kind. Its capacity fits all kinds, so that counting does not allocate.
    static COUNTS: RefCell<Vec<(&'static str, u64)>> = RefCell::new(Vec::with_capacity(64));
}

pub(crate) fn count(kind: &'static str) {
    add(kind, 1);
}

fn add(kind: &'static str, more: u64) {
    COUNTS.with_borrow_mut(|counts| match counts.iter_mut().find(|(known, _)| *known == kind) {
        Some((_, count)) => *count += more,
        None => counts.push((kind, more)),
    });
}

/// The counts of this thread since the last call, by name: `view.body 3`.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn taken() -> Vec<String> {
    let mut counts: Vec<String> =
        COUNTS.with_borrow_mut(|counts| counts.drain(..).map(|(kind, count)| format!("{kind} {count}")).collect());
    counts.sort_unstable();
    counts
}

/// Runs a step of core and counts its allocations.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn measured<T>(step: impl FnOnce() -> T) -> T {
    let mut result = None;
    add("allocations", allocation_counter::measure(|| result = Some(step())).count_total);
    result.unwrap()
}

/// Runs a step of core.
#[cfg(target_arch = "wasm32")]
pub(crate) fn measured<T>(step: impl FnOnce() -> T) -> T {
    step()
}

/// Shared data that counts its calls.
pub(crate) struct Counted<'a>(pub &'a Shared);

impl SharedData for Counted<'_> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        count("shared.read");
        self.0.read(name)
    }
    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        count("shared.write");
        self.0.write(name, value, version)
    }
}
