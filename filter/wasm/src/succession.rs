//! Which of a VM's gateway configurations is in charge: the one that new requests come under.
//!
//! Envoy makes a root context for each configuration, and keeps it for as long as requests that began under it last. All of them
//! have the same worker's memory. One of them ticks and no other, or a thousand changes would leave a thousand timers: Envoy has a
//! timer go on even when its root context is no more. Envoy may also come back to an older one without a word, when a file is
//! changed back while requests of that configuration last: so whoever is given a request is in charge from then on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::exchange::worker::Worker;

use sluice_shell::Failed;

use crate::host;

/// A gateway configuration that Envoy has not given up.
struct Living {
    /// Its root context.
    id: u32,
    worker: Rc<Worker>,
    /// How often it ticks when it is in charge.
    period: Duration,
}

thread_local! {
    /// The one in charge is the last.
    static LIVING: RefCell<Vec<Living>> = const { RefCell::new(Vec::new()) };
}

/// The worker whose memory the next configuration takes over, if there was one in this VM.
pub fn predecessor() -> Option<Rc<Worker>> {
    LIVING.with_borrow(|living| living.last().map(|last| last.worker.clone()))
}

/// The root context `id` has a configuration, from its own callback: it is in charge.
pub fn begins(id: u32, worker: Rc<Worker>, period: Duration) -> Result<(), Failed> {
    host::tick_every(period)?;
    worker.takes_charge(&host::Shared);
    LIVING.with_borrow_mut(|living| {
        // Of another Redis it has to tell by itself until Envoy gives it up.
        living.retain(|other| other.id != id);
        if let Some(before) = living.last().filter(|before| before.worker.shares_outbox(&worker)) {
            rest(before.id, id);
        }
        living.push(Living { id, worker, period });
    });
    Ok(())
}

/// The root context `id` is given a request, in the callback of the context `request`.
pub fn serves(id: u32, request: u32) {
    LIVING.with_borrow_mut(|living| {
        let Some(place) = living.iter().rposition(|other| other.id == id) else { return };
        if place + 1 == living.len() {
            return;
        }
        if let Some(before) = living.last() {
            rest(before.id, request);
        }
        let back = living.remove(place);
        back.take_charge(request);
        living.push(back);
    });
}

/// Envoy has given up the root context `id`, in whose callback this is. Whether it is done: if it is `patient`, not while it alone
/// has something to tell Redis.
pub fn ends(id: u32, patient: bool) -> bool {
    LIVING.with_borrow_mut(|living| {
        let Some(place) = living.iter().position(|other| other.id == id) else { return true };
        let worker = living.get(place).map(|ending| ending.worker.clone());
        let others = || living.iter().filter(|other| other.id != id);
        let alone = worker.as_ref().is_some_and(|worker| {
            patient && worker.has_to_tell() && !others().any(|other| worker.shares_outbox(&other.worker))
        });
        if alone {
            let period = living.get(place).map(|ending| ending.period).unwrap_or_default();
            return host::tick_every(period).is_err();
        }
        let was_in_charge = place + 1 == living.len();
        living.remove(place);
        // Else Envoy has its timer go on for ever.
        let _ = host::tick_every(Duration::ZERO);
        if let Some(next) = living.last().filter(|_| was_in_charge) {
            next.take_charge(id);
        }
        true
    })
}

impl Living {
    /// Has it tick, from a callback of the context `from`.
    fn take_charge(&self, from: u32) {
        self.worker.takes_charge(&host::Shared);
        if host::enter(self.id).and_then(|()| host::tick_every(self.period)).is_err() {
            log::error!("Envoy rejected the timer ticks of an earlier configuration");
        }
        let _ = host::enter(from);
    }
}

/// Has a root context tick no more, from a callback of the context `from`.
fn rest(id: u32, from: u32) {
    if host::enter(id).is_ok() {
        let _ = host::tick_every(Duration::ZERO);
    }
    let _ = host::enter(from);
}
