//! The filter's roles, independent of Envoy's filter interface: turns callbacks into events of `sluice-core`, and its effects into calls to
//! Envoy.
//!
//! Two modules use it: a wasm module, and a native one that Envoy loads as a dynamic module. Each implements [`Stream`], the calls that a
//! filter can make, and calls a [`Role`] in Envoy's callbacks. This crate makes no decisions.

pub mod admin;
mod asked;
pub mod gateway;
pub mod idle_timeout;
pub mod in_flight;
pub mod message;
pub mod provider;
pub mod stream;
#[cfg(feature = "trap")]
pub mod trap;

use sluice_core::callout::Called;

pub use message::FilterStatus;
pub use stream::{Failed, Side, Stream};

/// One filter of one request, in one of the roles. Callbacks that a role does not need do nothing.
///
/// Sizes are those of the body that Envoy has buffered, including the current portion.
pub trait Role {
    /// Request headers; `end` means that no body follows.
    fn request_headers(&mut self, end: bool) -> FilterStatus;

    /// A portion of the request's body; `end` means that no more follows.
    fn request_body(&mut self, size: usize, end: bool) -> FilterStatus;

    /// Request trailers, which end the request.
    fn request_trailers(&mut self) -> FilterStatus;

    /// Response headers; `end` means that no body follows.
    fn response_headers(&mut self, _end: bool) -> FilterStatus {
        FilterStatus::Moves
    }

    /// A portion of the response's body; `end` means that no more follows.
    fn response_body(&mut self, _size: usize, _end: bool) -> FilterStatus {
        FilterStatus::Moves
    }

    /// Response trailers, which end the response.
    fn response_trailers(&mut self) -> FilterStatus {
        FilterStatus::Moves
    }

    /// The reply to the call with this number.
    fn called(&mut self, _number: u64, _called: &Called) {}

    /// Whether the request waits for another one: then [`Role::woken`] follows at the worker's next tick.
    fn waits(&self) -> bool {
        false
    }

    /// The worker's tick.
    fn woken(&mut self) {}

    /// Envoy is done with the stream. After an attempt, Envoy has not chosen the next attempt's cluster yet.
    fn done(&mut self) {}

    /// Envoy is about to write the access log.
    fn log(&mut self) {}

    /// A callback panicked, in the response if `answered`. Ends the request. If the role does not reply, Envoy does.
    fn fail(&mut self, answered: bool);
}

/// Creates a stream's role.
#[cfg(not(feature = "trap"))]
pub fn role<S: Stream>(_stream: S, _name: &'static str, make: impl Fn() -> Box<dyn Role>) -> Box<dyn Role> {
    make()
}

/// Creates a stream's role with the defects that tests request.
#[cfg(feature = "trap")]
pub fn role<S: Stream>(stream: S, name: &'static str, make: impl Fn() -> Box<dyn Role> + 'static) -> Box<dyn Role> {
    Box::new(trap::Probe::new(stream, name, make))
}
