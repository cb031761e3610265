//! Where the two roles meet: the journeys of the requests that this worker has under way, by the gateway context's id.
//!
//! The gateway role connects a journey and tells Envoy its number as a property; the provider role of every attempt looks
//! it up. A VM serves one thread, so this is a plain map. It holds as many journeys as the worker has requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::exchange::journey::{Journey, Silence};
use sluice_core::exchange::property;
use sluice_wire::time::Time;

use crate::host;

/// A journey that both roles hold. Callbacks do not nest, so it is never borrowed twice.
pub type Shared = Rc<RefCell<Journey>>;

/// A request that is under way.
struct Line {
    journey: Shared,
    /// The context of its last attempt.
    attempt: Option<u32>,
}

thread_local! {
    static UNDER_WAY: RefCell<BTreeMap<u32, Line>> = const { RefCell::new(BTreeMap::new()) };
}

/// What the property says: the context's id, and when the journey began. A VM that was made anew counts its contexts from
/// the beginning, and an attempt that outlived the old one must not find another request's journey under its number.
fn number(id: u32, journey: &Journey) -> [u8; NUMBER] {
    let mut bytes = [0; NUMBER];
    let (first, second) = bytes.split_at_mut(size_of::<u32>());
    first.copy_from_slice(&id.to_le_bytes());
    second.copy_from_slice(&journey.request.started.0.to_le_bytes());
    bytes
}

/// The length of a journey's number.
const NUMBER: usize = size_of::<u32>() + size_of::<u64>();

/// Puts a journey where the provider role finds it.
pub fn connect(id: u32, journey: Journey) -> Shared {
    let told = host::set_property(property::EXCHANGE, &number(id, &journey));
    let shared = Rc::new(RefCell::new(journey));
    // A journey that the provider role cannot find is refused there.
    if told.is_ok() {
        let line = Line { journey: shared.clone(), attempt: None };
        UNDER_WAY.with_borrow_mut(|lines| lines.insert(id, line));
    }
    shared
}

/// Forgets a journey whose request is over.
pub fn disconnect(id: u32) {
    UNDER_WAY.with_borrow_mut(|lines| lines.remove(&id));
}

/// A request whose stream has been silent for too long, or that its provider does not end.
pub struct Silent {
    /// The gateway context.
    pub request: u32,
    /// The context of its last attempt.
    pub attempt: Option<u32>,
    /// The journey.
    pub journey: Shared,
    /// What becomes of it.
    pub silence: Silence,
}

/// All such requests.
pub fn silent(now: Time) -> Vec<Silent> {
    let look = |(request, line): (&u32, &Line)| {
        let silence = line.journey.try_borrow_mut().ok()?.falls_silent(now)?;
        Some(Silent { request: *request, attempt: line.attempt, journey: line.journey.clone(), silence })
    };
    UNDER_WAY.with_borrow(|lines| lines.iter().filter_map(look).collect())
}

/// Has every journey in use for as long as it lasts.
#[cfg(feature = "trap")]
pub fn borrow_all() {
    UNDER_WAY.with_borrow(|lines| lines.values().for_each(|line| std::mem::forget(line.journey.borrow_mut())));
}

/// The journey of the request that an upstream filter, the context `attempt`, works for.
pub fn find(attempt: u32) -> Option<Shared> {
    let told = host::property(property::EXCHANGE).ok()?;
    let id = u32::from_le_bytes(*told.first_chunk()?);
    UNDER_WAY.with_borrow_mut(|lines| {
        let line = lines.get_mut(&id)?;
        let is_it = number(id, &*line.journey.try_borrow().ok()?) == *told;
        is_it.then(|| {
            line.attempt = Some(attempt);
            line.journey.clone()
        })
    })
}
