//! Where the two roles meet: the journeys of the requests that this worker has under way, by the gateway role's stream.
//!
//! The gateway role connects a journey and tells Envoy its number as a property; the provider role of every attempt looks
//! it up. A worker is one thread, so this is a plain map. It holds as many journeys as the worker has requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::exchange::property;
use sluice_core::exchange::request_state::{RequestState, Silence};
use sluice_wire::time::Time;

use crate::stream::Stream;

/// A journey that both roles hold. Callbacks do not nest, so it is never borrowed twice.
pub type Shared = Rc<RefCell<RequestState>>;

/// A request that is under way.
struct Entry<S> {
    journey: Shared,
    request: S,
    /// Of its last attempt.
    attempt: Option<S>,
}

/// The requests that a worker has under way.
pub struct Switchboard<S>(RefCell<BTreeMap<u32, Entry<S>>>);

/// What the property says: the stream's number, and when the journey began. A VM that was made anew counts from the beginning, and
/// an attempt that outlived the old one must not find another request's journey under its number.
fn number(id: u32, journey: &RequestState) -> [u8; NUMBER] {
    let mut bytes = [0; NUMBER];
    let (first, second) = bytes.split_at_mut(size_of::<u32>());
    first.copy_from_slice(&id.to_le_bytes());
    second.copy_from_slice(&journey.request.started.0.to_le_bytes());
    bytes
}

/// The length of a journey's number.
const NUMBER: usize = size_of::<u32>() + size_of::<u64>();

/// A request whose stream has been silent for too long, or that its provider does not end.
pub struct Silent<S> {
    /// The gateway role's stream.
    pub request: S,
    /// The stream of its last attempt.
    pub attempt: Option<S>,
    /// The journey.
    pub journey: Shared,
    /// What becomes of it.
    pub silence: Silence,
}

impl<S: Stream> Switchboard<S> {
    /// One without requests.
    pub const fn empty() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    /// Puts a journey where the provider role finds it.
    pub fn connect(&self, request: S, journey: RequestState) -> Shared {
        let told = request.set_property(property::EXCHANGE, &number(request.number(), &journey));
        let journey = Rc::new(RefCell::new(journey));
        // A journey that the provider role cannot find is refused there.
        if told.is_ok() {
            let line = Entry { journey: journey.clone(), request, attempt: None };
            self.0.borrow_mut().insert(request.number(), line);
        }
        journey
    }

    /// Forgets a journey whose request is over.
    pub fn disconnect(&self, request: S) {
        let mut lines = self.0.borrow_mut();
        if lines.get(&request.number()).is_some_and(|line| line.request == request) {
            lines.remove(&request.number());
        }
    }

    /// The request that an upstream filter works for, by its number, and its journey. The filter is its attempt from now on.
    pub fn find(&self, attempt: S) -> Option<(u32, Shared)> {
        let told = attempt.property(property::EXCHANGE).ok()?;
        let id = u32::from_le_bytes(*told.first_chunk()?);
        let mut lines = self.0.borrow_mut();
        let line = lines.get_mut(&id)?;
        let is_it = number(id, &*line.journey.try_borrow().ok()?) == *told;
        is_it.then(|| {
            line.attempt = Some(attempt);
            (id, line.journey.clone())
        })
    }

    /// The gateway role's stream of a request that is under way, by its number and its journey: the number may be another's by now.
    pub fn request(&self, number: u32, journey: &Shared) -> Option<S> {
        let lines = self.0.borrow();
        lines.get(&number).filter(|line| Rc::ptr_eq(&line.journey, journey)).map(|line| line.request)
    }

    /// Forgets a request's attempt whose filter is gone.
    pub fn leaves(&self, request: u32, attempt: S) {
        if let Some(line) = self.0.borrow_mut().get_mut(&request).filter(|line| line.attempt == Some(attempt)) {
            line.attempt = None;
        }
    }

    /// All requests that have been silent for too long by now.
    pub fn silent(&self, now: Time) -> Vec<Silent<S>> {
        let look = |line: &Entry<S>| {
            let silence = line.journey.try_borrow_mut().ok()?.falls_silent(now)?;
            Some(Silent { request: line.request, attempt: line.attempt, journey: line.journey.clone(), silence })
        };
        self.0.borrow().values().filter_map(look).collect()
    }

    /// Has every journey in use for as long as it lasts.
    #[cfg(feature = "trap")]
    pub fn borrow_all(&self) {
        self.0.borrow().values().for_each(|line| std::mem::forget(line.journey.borrow_mut()));
    }
}
