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

/// What the property says: the context's id, and when the journey began. A VM that was made anew counts its contexts from
/// the beginning, and an attempt that outlived the old one must not find another request's journey under its number.
fn number(id: u32, journey: &Journey) -> String {
    format!("{id}.{}", journey.started.0)
}

/// Puts a journey where the provider role finds it.
pub fn connect(id: u32, journey: Journey) -> Shared {
    let told = host::set_property(property::EXCHANGE, &number(id, &journey));
    let shared = Rc::new(RefCell::new(journey));
    // A journey that the provider role cannot find is refused there.
    if told.is_ok() {
        UNDER_WAY.with_borrow_mut(|journeys| journeys.insert(id, shared.clone()));
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
    let told = String::from_utf8(host::property(property::EXCHANGE).ok()?).ok()?;
    let id = told.split('.').next()?.parse().ok()?;
    let shared = UNDER_WAY.with_borrow(|journeys| journeys.get(&id).cloned())?;
    let is_it = number(id, &*shared.try_borrow().ok()?) == told;
    is_it.then_some(shared)
}
