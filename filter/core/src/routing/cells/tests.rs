//! Memories to test with, and what holds for every kind of cell.

use std::cell::{Cell, RefCell};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::exchange::fake::Shared;
use crate::store::Conflict;

/// Noon of some day, in seconds.
const NOON: u64 = 1_801_396_800;

/// So many milliseconds after noon.
pub(super) fn at(millis: i64) -> Time {
    Time((NOON * 1_000).saturating_add_signed(millis) * 1_000_000)
}

pub(super) fn target() -> Cells {
    Cells::of("openai", "gpt-5")
}

/// A memory in which somebody else does something right before one of the calls.
pub(super) struct Interrupted<'a, F> {
    memory: &'a Shared,
    calls: Cell<usize>,
    other: RefCell<Option<(usize, F)>>,
}

impl<'a, F: FnOnce(&Shared)> Interrupted<'a, F> {
    pub(super) fn new(memory: &'a Shared, before: usize, other: F) -> Self {
        Self { memory, calls: Cell::new(0), other: RefCell::new(Some((before, other))) }
    }

    /// Whether it came so far.
    pub(super) fn happened(&self) -> bool {
        self.other.borrow().is_none()
    }

    fn call(&self) {
        let call = self.calls.replace(self.calls.get() + 1);
        let due = self.other.borrow_mut().take_if(|(before, _)| *before == call);
        if let Some((_, other)) = due {
            other(self.memory);
        }
    }
}

impl<F: FnOnce(&Shared)> SharedData for Interrupted<'_, F> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.call();
        self.memory.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        self.call();
        self.memory.write(name, value, version)
    }
}

/// A memory to which no write ever gets through.
pub(super) struct Contended<'a>(pub(super) &'a Shared);

impl SharedData for Contended<'_> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.read(name)
    }

    fn write(&self, _: &str, _: &[u8], _: u32) -> Result<(), Conflict> {
        Err(Conflict)
    }
}

/// A memory for several threads, which lets the others run between any two calls.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
pub(super) struct Threaded(std::sync::Mutex<Shared>);

#[cfg(not(target_arch = "wasm32"))]
impl SharedData for Threaded {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        std::thread::yield_now();
        self.0.lock().unwrap().read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        std::thread::yield_now();
        self.0.lock().unwrap().write(name, value, version)
    }
}

/// Overwrites a value, whatever there is.
pub(super) fn damage(memory: &Shared, name: &str, bytes: &[u8]) {
    memory.write(name, bytes, 0).unwrap();
}

#[test]
fn no_two_cells_have_the_same_name_nor_one_of_the_store() {
    let targets = [Cells::of("a", "b/c"), Cells::of("a-b", "c"), Cells::of("a", "b"), Cells::of("b", "a")];
    let names: Vec<&str> = targets.iter().flat_map(|cells| [&*cells.circuit, &*cells.speed, &*cells.load]).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name}");
        assert!(!["sluice.page.", "sluice.accounts.", "sluice.names."].iter().any(|store| name.starts_with(store)));
    }
}

#[test]
fn numbers_come_back_as_they_were_and_from_nothing_else() {
    let format = b"numbers\x01";
    let written = bytes(format, &[0, 7, u64::MAX]);
    assert_eq!(parse(format, &written), Some([0, 7, u64::MAX]));
    assert_eq!(parse::<2>(format, &written), None);
    assert_eq!(parse::<3>(b"numbers\x02", &written), None);
    for length in 0..written.len() {
        assert_eq!(parse::<3>(format, &written[..length]), None, "{length}");
    }
    assert_eq!(parse::<3>(format, &[&written[..], b"x"].concat()), None);
}

#[test]
fn what_a_clock_says_a_little_early_is_now_and_what_it_says_much_too_early_never_was() {
    assert_eq!(age(at(1_500), at(1_000)), Some(Duration::from_millis(500)));
    assert_eq!(age(at(1_000), at(1_500)), Some(Duration::ZERO));
    assert_eq!(age(at(1_000), at(2_001)), None);
    assert_eq!(age(Time(u64::MAX), Time(u64::MAX)), Some(Duration::ZERO));
}
