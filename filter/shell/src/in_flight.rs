//! Maps the requests in flight on this worker to their state, which the two roles share.
//!
//! The gateway role registers a request's state under its stream's number, and sets the number as a property for the provider role of each
//! attempt. A worker is one thread, so this is a plain map. It has one entry for each request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::pipeline::property;
use sluice_core::pipeline::request_state::{RequestState, StreamTimeout};
use sluice_wire::time::Time;

use crate::stream::Stream;

/// A request state that both roles hold. Callbacks do not nest, so it is never borrowed twice.
pub type Shared = Rc<RefCell<RequestState>>;

/// A request in flight.
struct Entry<S> {
    state: Shared,
    request: S,
    /// The stream of its last attempt.
    attempt: Option<S>,
}

/// A worker's requests in flight.
pub struct InFlight<S>(RefCell<BTreeMap<u32, Entry<S>>>);

/// The property's value: the stream's number and the request's start time. A restarted VM reuses numbers, and an attempt that outlived the
/// old VM must not find another request's state.
fn number(id: u32, state: &RequestState) -> [u8; NUMBER] {
    let mut bytes = [0; NUMBER];
    let (first, second) = bytes.split_at_mut(size_of::<u32>());
    first.copy_from_slice(&id.to_le_bytes());
    second.copy_from_slice(&state.request.started.0.to_le_bytes());
    bytes
}

/// The length of the property's value.
const NUMBER: usize = size_of::<u32>() + size_of::<u64>();

/// A request whose stream has been silent for too long, or is not ended by its provider, or any request at shutdown.
pub struct Silent<S> {
    /// The gateway role's stream.
    pub request: S,
    /// The stream of its last attempt.
    pub attempt: Option<S>,
    /// Its state.
    pub state: Shared,
    /// The kind of timeout.
    pub timeout: StreamTimeout,
}

impl<S: Stream> InFlight<S> {
    /// Creates an empty registry.
    pub const fn empty() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    /// Registers a request's state for the provider role.
    pub fn connect(&self, request: S, state: RequestState) -> Shared {
        let told = request.set_property(property::REQUEST_STATE, &number(request.number(), &state));
        let state = Rc::new(RefCell::new(state));
        // If the property could not be set, the provider role rejects the request.
        if told.is_ok() {
            let line = Entry { state: state.clone(), request, attempt: None };
            self.0.borrow_mut().insert(request.number(), line);
        }
        state
    }

    /// Removes a finished request.
    pub fn disconnect(&self, request: S) {
        let mut lines = self.0.borrow_mut();
        if lines.get(&request.number()).is_some_and(|line| line.request == request) {
            lines.remove(&request.number());
        }
    }

    /// Finds the number and state of the request that an upstream filter belongs to, and registers the filter as its attempt.
    pub fn find(&self, attempt: S) -> Option<(u32, Shared)> {
        let told = attempt.property(property::REQUEST_STATE).ok()?;
        let id = u32::from_le_bytes(*told.first_chunk()?);
        let mut lines = self.0.borrow_mut();
        let line = lines.get_mut(&id)?;
        let is_it = number(id, &*line.state.try_borrow().ok()?) == *told;
        is_it.then(|| {
            line.attempt = Some(attempt);
            (id, line.state.clone())
        })
    }

    /// The gateway role's stream of a request in flight, by number and state: the number may have been reused.
    pub fn request(&self, number: u32, state: &Shared) -> Option<S> {
        let lines = self.0.borrow();
        lines.get(&number).filter(|line| Rc::ptr_eq(&line.state, state)).map(|line| line.request)
    }

    /// Removes a request's attempt whose filter is gone.
    pub fn leaves(&self, request: u32, attempt: S) {
        if let Some(line) = self.0.borrow_mut().get_mut(&request).filter(|line| line.attempt == Some(attempt)) {
            line.attempt = None;
        }
    }

    /// The requests that are silent for too long; all of them if the gateway `shuts_down`.
    pub fn silent(&self, now: Time, shuts_down: bool) -> Vec<Silent<S>> {
        let look = |line: &Entry<S>| {
            let mut state = line.state.try_borrow_mut().ok()?;
            state.progress.shut_down = shuts_down;
            let timeout = if shuts_down { StreamTimeout::Over } else { state.check_stream_timeout(now)? };
            Some(Silent { request: line.request, attempt: line.attempt, state: line.state.clone(), timeout })
        };
        self.0.borrow().values().filter_map(look).collect()
    }

    /// Leaves every request state borrowed for good.
    #[cfg(feature = "trap")]
    pub fn borrow_all(&self) {
        self.0.borrow().values().for_each(|line| std::mem::forget(line.state.borrow_mut()));
    }
}
