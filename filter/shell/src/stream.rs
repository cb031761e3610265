//! The calls that a filter can make to Envoy for one stream.

use std::sync::Arc;

use sluice_core::callout::Call;
use sluice_core::metrics::Recorder;
use sluice_core::store::SharedData;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::in_flight::InFlight;

/// Envoy rejected the call, or could not carry it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// A message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's request.
    Request,
    /// The response.
    Response,
}

/// Envoy's attributes of a stream, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// `source.address`
    SourceAddress,
    /// `response.code_details`
    CodeDetails,
    /// `upstream.address`
    UpstreamAddress,
    /// `upstream.local_address`
    UpstreamLocalAddress,
    /// `upstream.transport_failure_reason`
    TransportFailureReason,
}

/// A stream, seen from one of its filters. Valid until Envoy destroys that filter. Every call can fail, and none may panic.
///
/// A body is the bytes that Envoy has buffered, including the current portion.
pub trait Stream: Copy + PartialEq + 'static {
    /// A number that is unique among this worker's current streams.
    fn number(self) -> u32;

    /// This worker's requests in flight.
    fn in_flight<T>(act: impl FnOnce(&InFlight<Self>) -> T) -> T;

    /// The wall-clock time.
    fn now(self) -> Time;

    /// Fills `bytes` with cryptographic randomness.
    fn random(bytes: &mut [u8]) -> Result<(), Failed>;

    /// The memory that Envoy's workers share.
    fn shared(self) -> &'static dyn SharedData;

    /// Makes the following calls apply to this stream, from a callback of another stream.
    fn enter(self) -> Result<(), Failed>;

    /// The stream that can report an attempt's end, in the `done` callback of the attempt's filter. `request` is the gateway role's stream,
    /// if the request still runs. `None` if neither can.
    fn survivor(self, request: Option<Self>) -> Option<Self>;

    /// Whether the response's headers have arrived, even if they have continued since.
    fn has_answer(self) -> bool;

    /// All headers.
    fn headers(self, of: Side) -> Result<HeaderMap, Failed>;

    /// The first header of that name.
    fn header(self, of: Side, name: &str) -> Result<Option<Vec<u8>>, Failed>;

    /// Replaces all headers.
    fn replace_headers(self, of: Side, headers: &HeaderMap) -> Result<(), Failed>;

    /// Sets a header, replacing any existing value. Where Envoy has no headers without a value, an empty value removes it.
    fn set_header(self, of: Side, name: &str, value: &str) -> Result<(), Failed>;

    /// Removes all values of a header.
    fn remove_header(self, of: Side, name: &str) -> Result<(), Failed>;

    /// At most `length` bytes of a body, from `start`.
    fn body(self, of: Side, start: usize, length: usize) -> Result<Vec<u8>, Failed>;

    /// Replaces the first `drain` bytes of the body.
    fn replace_front(self, of: Side, drain: usize, with: &[u8]) -> Result<(), Failed>;

    /// The text of an attribute; empty if Envoy does not know it.
    fn attribute(self, attribute: Attribute) -> Vec<u8>;

    /// `response.flags`
    fn response_flags(self) -> u64;

    /// A property of the request, which another filter may have set.
    fn property(self, name: &str) -> Result<Vec<u8>, Failed>;

    /// Sets a property: Envoy's filter state `wasm.<name>`.
    fn set_property(self, name: &str, value: &[u8]) -> Result<(), Failed>;

    /// Makes Envoy choose the route again.
    fn clear_route(self) -> Result<(), Failed>;

    /// Sends a local reply.
    fn reply(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<(), Failed>;

    /// Continues a waiting request.
    fn resume_request(self) -> Result<(), Failed>;

    /// Continues a waiting response. Its headers must have arrived.
    fn resume_response(self) -> Result<(), Failed>;

    /// Resets the response, from another stream's callback.
    fn cut(self) -> Result<(), Failed>;

    /// Sends a request to a cluster. [`Role::called`](crate::Role::called) receives the reply, with the same number.
    fn call(self, call: &Call) -> Result<u64, Failed>;

    /// The new metrics of this worker; `None` if no gateway configuration is active.
    fn recorder(self) -> Option<Arc<Recorder>>;

    /// Increments a counter.
    fn count(self, name: &'static str) -> Result<(), Failed>;

    /// For tests: a call that the filter never makes (see [`crate::trap`]).
    #[cfg(feature = "trap")]
    fn defect(self, deed: &str) -> Result<(), Failed>;
}
