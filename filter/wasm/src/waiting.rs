//! Requests of this worker that wait for another one. The worker's tick wakes them.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use sluice_shell::Role;

type Shared = RefCell<Box<dyn Role>>;

thread_local! {
    static WAITING: RefCell<Vec<Weak<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Adds a request that waits.
pub fn add(role: &Rc<Shared>) {
    WAITING.with_borrow_mut(|waiting| waiting.push(Rc::downgrade(role)));
}

/// The most requests that one tick wakes: each may get a response of its own.
const MOST: usize = 256;

/// Wakes the waiting requests, oldest first. The caller must enter its own context again afterwards.
pub fn wake_all() {
    let first = WAITING.with_borrow_mut(|waiting| waiting.drain(..waiting.len().min(MOST)).collect::<Vec<_>>());
    for role in first {
        // Envoy may have ended the request meanwhile.
        let Some(role) = role.upgrade() else { continue };
        role.borrow_mut().woken();
        if role.borrow().waits() {
            add(&role);
        }
    }
}
