//! Shared memories for tests: with a write in between, with no write succeeding, with several threads at once.

use std::cell::{Cell, RefCell};

use super::{Conflict, SharedData};

mod shared;

pub(crate) use shared::Shared;

/// A memory that another writer changes right before one of the calls.
pub(crate) struct Interrupted<'a, F> {
    memory: &'a Shared,
    calls: Cell<usize>,
    other: RefCell<Option<(usize, F)>>,
}

impl<'a, F: FnOnce(&Shared)> Interrupted<'a, F> {
    pub(crate) fn new(memory: &'a Shared, before: usize, other: F) -> Self {
        Self { memory, calls: Cell::new(0), other: RefCell::new(Some((before, other))) }
    }

    /// Whether that call was reached.
    pub(crate) fn happened(&self) -> bool {
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

/// A memory in which every write fails.
pub(crate) struct Contended<'a>(pub(crate) &'a Shared);

impl SharedData for Contended<'_> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.read(name)
    }

    fn write(&self, _: &str, _: &[u8], _: u32) -> Result<(), Conflict> {
        Err(Conflict)
    }
}

/// A memory for several threads; yields to the others before each call.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
pub(crate) struct Threaded(std::sync::Mutex<Shared>);

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

/// Overwrites a value unconditionally.
pub(crate) fn damage(memory: &Shared, name: &str, bytes: &[u8]) {
    memory.write(name, bytes, 0).unwrap();
}
