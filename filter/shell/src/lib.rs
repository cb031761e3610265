//! The filter's roles, over whichever of Envoy's filter interfaces: a callback becomes an event of `sluice-core`, and its effects
//! become calls to Envoy.
//!
//! Two modules use it: a wasm module, and a native one that Envoy loads as a dynamic module. Each implements [`Stream`], the list of
//! requests that a filter can make of Envoy, and calls a [`Role`] in Envoy's callbacks. This crate decides nothing.

pub mod admin;
pub mod gateway;
pub mod in_flight;
pub mod message;
pub mod provider;
pub mod silence;
pub mod stream;
#[cfg(feature = "trap")]
pub mod trap;

use sluice_core::callout::Called;

pub use message::FilterStatus;
pub use stream::{Failed, Side, Stream};

/// One filter of one request, in one of the roles. A callback that a role does not need does nothing.
///
/// Sizes are of the body that Envoy has buffered, the portion at hand included.
pub trait Role {
    /// The request's headers are here; `end` means that no body follows.
    fn request_headers(&mut self, end: bool) -> FilterStatus;

    /// A portion of the request's body is here; `end` means that nothing follows.
    fn request_body(&mut self, size: usize, end: bool) -> FilterStatus;

    /// The request ends with trailers.
    fn request_trailers(&mut self) -> FilterStatus;

    /// The answer's headers are here; `end` means that no body follows.
    fn response_headers(&mut self, _end: bool) -> FilterStatus {
        FilterStatus::Moves
    }

    /// A portion of the answer's body is here; `end` means that nothing follows.
    fn response_body(&mut self, _size: usize, _end: bool) -> FilterStatus {
        FilterStatus::Moves
    }

    /// The answer ends with trailers.
    fn response_trailers(&mut self) -> FilterStatus {
        FilterStatus::Moves
    }

    /// What came back of a call.
    fn called(&mut self, _called: &Called) {}

    /// Envoy is done with the stream. After an attempt, Envoy has not chosen the next attempt's cluster yet.
    fn done(&mut self) {}

    /// Envoy is about to write the access log.
    fn log(&mut self) {}

    /// A callback panicked, in the answer if `answered`. The request ends. If the role does not answer it, Envoy does.
    fn fail(&mut self, answered: bool);
}

/// A role of a stream, as its module calls it.
#[cfg(not(feature = "trap"))]
pub fn role<S: Stream>(_stream: S, _name: &'static str, make: impl Fn() -> Box<dyn Role>) -> Box<dyn Role> {
    make()
}

/// A role of a stream, as its module calls it, with the defects that tests ask for.
#[cfg(feature = "trap")]
pub fn role<S: Stream>(stream: S, name: &'static str, make: impl Fn() -> Box<dyn Role> + 'static) -> Box<dyn Role> {
    Box::new(trap::Probe::new(stream, name, make))
}
