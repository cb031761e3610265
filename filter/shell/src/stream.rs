//! The requests that a filter can make of Envoy for one stream.

use sluice_core::callout::Call;
use sluice_core::store::SharedData;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::in_flight::Switchboard;

/// Envoy refused, or could not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// A message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What the client sent.
    Request,
    /// What is answered.
    Response,
}

/// Facts that Envoy knows of a stream besides its messages, by the names of Envoy's attributes.
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

/// A stream, for one of its filters. It is valid until Envoy destroys that filter. Every call can fail, and no call may panic.
///
/// A body is the bytes that Envoy has buffered of it, the portion at hand included.
pub trait Stream: Copy + PartialEq + 'static {
    /// A number that no other stream of this worker has at the same time.
    fn number(self) -> u32;

    /// The requests that this worker has under way.
    fn in_flight<T>(act: impl FnOnce(&Switchboard<Self>) -> T) -> T;

    /// The time now, by the clock.
    fn now(self) -> Time;

    /// Fills `bytes` with randomness fit for secrets.
    fn random(bytes: &mut [u8]) -> Result<(), Failed>;

    /// The memory that Envoy's workers share.
    fn shared(self) -> &'static dyn SharedData;

    /// Makes the following calls apply to this stream, from a callback of another stream.
    fn enter(self) -> Result<(), Failed>;

    /// The stream to ask about an attempt's end, in the `done` callback of the attempt's filter. `request` is the stream of the gateway role,
    /// if the request still runs. `None` if neither can answer.
    fn survivor(self, request: Option<Self>) -> Option<Self>;

    /// Whether the headers of the answer have come, even where they have moved on since.
    fn has_answer(self) -> bool;

    /// All headers.
    fn headers(self, of: Side) -> Result<HeaderMap, Failed>;

    /// The first header of that name, if there is one.
    fn header(self, of: Side, name: &str) -> Result<Option<Vec<u8>>, Failed>;

    /// Replaces all headers.
    fn replace_headers(self, of: Side, headers: &HeaderMap) -> Result<(), Failed>;

    /// Sets a header, whatever there was. Where Envoy has no headers without a value, an empty one removes it.
    fn set_header(self, of: Side, name: &str, value: &str) -> Result<(), Failed>;

    /// Removes every header of that name.
    fn remove_header(self, of: Side, name: &str) -> Result<(), Failed>;

    /// The bytes of a body from `start`, at most `length` of them.
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

    /// Makes Envoy choose the route anew.
    fn clear_route(self) -> Result<(), Failed>;

    /// Answers the request from here.
    fn reply(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<(), Failed>;

    /// Lets a request that waited move on.
    fn resume_request(self) -> Result<(), Failed>;

    /// Lets an answer that waited move on. Its headers must be here.
    fn resume_response(self) -> Result<(), Failed>;

    /// Cuts the answer off, from a callback of another stream.
    fn cut(self) -> Result<(), Failed>;

    /// Sends a request to a cluster. The answer goes to [`Role::called`](crate::Role::called).
    fn call(self, call: &Call) -> Result<(), Failed>;

    /// Adds one to a counter.
    fn count(self, name: &'static str) -> Result<(), Failed>;

    /// For tests: makes a call that the filter never makes (see [`crate::trap`]).
    #[cfg(feature = "trap")]
    fn defect(self, deed: &str) -> Result<(), Failed>;
}
