//! Selects the active gateway configuration of a VM: the one that receives new requests.
//!
//! Envoy creates a root context for each configuration, and retains it while requests that began under it last. All of them share the
//! worker's memory. Only the active one ticks: otherwise a thousand changes would leave a thousand timers, because Envoy's timer continues
//! even after its root context is gone. Envoy may also return silently to an older configuration, when a file is changed back while that
//! configuration has requests: so a configuration becomes active when it receives a request.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::pipeline::gauges;
use sluice_core::pipeline::worker::Worker;

use sluice_shell::Failed;

use crate::host;

/// A gateway configuration that Envoy has not dropped.
struct Living {
    /// Its root context.
    id: u32,
    worker: Rc<Worker>,
    /// Its tick period while it is active.
    period: Duration,
}

thread_local! {
    /// The active one is the last.
    static LIVING: RefCell<Vec<Living>> = const { RefCell::new(Vec::new()) };
}

/// The worker whose memory the next configuration takes over, if this VM had one.
pub fn predecessor() -> Option<Rc<Worker>> {
    LIVING.with_borrow(|living| living.last().map(|last| last.worker.clone()))
}

/// Makes the root context `id`, which is configured in its own callback, the active one.
pub fn begins(id: u32, worker: Rc<Worker>, period: Duration) -> Result<(), Failed> {
    host::tick_every(period)?;
    take_charge(&worker);
    LIVING.with_borrow_mut(|living| {
        // If the previous one uses another Redis, it sends its own settlements until Envoy drops it.
        living.retain(|other| other.id != id);
        if let Some(before) = living.last().filter(|before| before.worker.shares_outbox(&worker)) {
            rest(before.id, id);
        }
        living.push(Living { id, worker, period });
    });
    Ok(())
}

/// Makes the root context `id` active when it receives a request, in the callback of the context `request`.
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

/// Envoy has dropped the root context `id`, in its callback. Returns whether it is done: not while it is `patient` and has settlements that
/// no other configuration sends.
pub fn ends(id: u32, patient: bool) -> bool {
    LIVING.with_borrow_mut(|living| {
        let Some(place) = living.iter().position(|other| other.id == id) else { return true };
        let worker = living.get(place).map(|ending| ending.worker.clone());
        let others = || living.iter().filter(|other| other.id != id);
        let alone = worker.as_ref().is_some_and(|worker| {
            patient && worker.has_unsettled() && !others().any(|other| worker.shares_outbox(&other.worker))
        });
        if alone {
            let period = living.get(place).map(|ending| ending.period).unwrap_or_default();
            return host::tick_every(period).is_err();
        }
        let was_in_charge = place + 1 == living.len();
        living.remove(place);
        // Otherwise Envoy's timer would continue forever.
        let _ = host::tick_every(Duration::ZERO);
        if let Some(next) = living.last().filter(|_| was_in_charge) {
            next.take_charge(id);
        }
        true
    })
}

impl Living {
    /// Makes it active and starts its ticks, from a callback of the context `from`.
    fn take_charge(&self, from: u32) {
        take_charge(&self.worker);
        if host::enter(self.id).and_then(|()| host::tick_every(self.period)).is_err() {
            log::error!("Envoy rejected the timer ticks of an earlier configuration");
        }
        let _ = host::enter(from);
    }
}

fn take_charge(worker: &Worker) {
    worker.takes_charge(&host::Shared);
    gauges::report(&worker.config, worker.recorder());
}

/// Stops a root context's ticks, from a callback of the context `from`.
fn rest(id: u32, from: u32) {
    if host::enter(id).is_ok() {
        let _ = host::tick_every(Duration::ZERO);
    }
    let _ = host::enter(from);
}
