//! Where the two roles meet: the journeys of the requests that this worker has under way, by the gateway context's id.
//!
//! The gateway role connects a journey and tells Envoy its number as a property; the provider role of every attempt looks
//! it up. A VM serves one thread, so this is a plain map. It holds as many journeys as the worker has requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::exchange::journey::Journey;
use sluice_core::exchange::{Time, property};

use crate::host;

/// A journey that both roles hold. Callbacks do not nest, so it is never borrowed twice.
pub type Shared = Rc<RefCell<Journey>>;

thread_local! {
    static UNDER_WAY: RefCell<BTreeMap<u32, Shared>> = const { RefCell::new(BTreeMap::new()) };
}

/// Puts a journey where the provider role finds it.
pub fn connect(id: u32, journey: Journey) -> Shared {
    let shared = Rc::new(RefCell::new(journey));
    UNDER_WAY.with_borrow_mut(|journeys| journeys.insert(id, shared.clone()));
    if host::set_property(property::EXCHANGE, &id.to_string()).is_err() {
        // The provider role will find nothing, and refuse.
        disconnect(id);
    }
    shared
}

/// Forgets a journey whose request is over.
pub fn disconnect(id: u32) {
    UNDER_WAY.with_borrow_mut(|journeys| journeys.remove(&id));
}

/// The requests whose streams have been silent for too long, by the gateway context's id.
pub fn stalled(now: Time) -> Vec<u32> {
    UNDER_WAY.with_borrow(|journeys| {
        let stalls = |shared: &Shared| shared.try_borrow_mut().is_ok_and(|mut journey| journey.stalls(now));
        journeys.iter().filter(|(_, shared)| stalls(shared)).map(|(id, _)| *id).collect()
    })
}

/// The journey of the request that an upstream filter works for.
pub fn find() -> Option<Shared> {
    let id = String::from_utf8(host::property(property::EXCHANGE).ok()?).ok()?.parse().ok()?;
    UNDER_WAY.with_borrow(|journeys| journeys.get(&id).cloned())
}
