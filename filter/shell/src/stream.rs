//! What a filter can ask of Envoy, of one stream.

use sluice_core::callout::Call;
use sluice_core::store::SharedData;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::switchboard::Switchboard;

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

/// What Envoy knows of a stream besides its messages, by the names of its attributes.
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

/// A stream as one filter of it sees it, good until that filter is gone. Every call can fail, and none may panic.
///
/// A body is the bytes that Envoy has buffered of it, the portion at hand included.
pub trait Stream: Copy + PartialEq + 'static {
    /// Its number, which no other stream of this worker has at the same time.
    fn number(self) -> u32;

    /// The requests that this worker has under way.
    fn switchboard<T>(act: impl FnOnce(&Switchboard<Self>) -> T) -> T;

    /// The time now, by the clock.
    fn now(self) -> Time;

    /// Fills `bytes` with randomness fit for secrets.
    fn random(bytes: &mut [u8]) -> Result<(), Failed>;

    /// The memory that Envoy's workers share.
    fn shared(self) -> &'static dyn SharedData;

    /// Has the calls that follow be about this stream, from a callback that is not its own.
    fn enter(self) -> Result<(), Failed>;

    /// The stream that knows what became of an attempt whose filter, this one, Envoy is done with, if any does. `request` is the gateway
    /// role's, as long as it is there.
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

    /// As much of this part of the body as there is.
    fn body(self, of: Side, start: usize, length: usize) -> Result<Vec<u8>, Failed>;

    /// Replaces the first `drain` bytes of the body.
    fn replace_front(self, of: Side, drain: usize, with: &[u8]) -> Result<(), Failed>;

    /// What Envoy knows, as text; nothing of what it does not know.
    fn attribute(self, attribute: Attribute) -> Vec<u8>;

    /// `response.flags`
    fn response_flags(self) -> u64;

    /// A property that a filter of the same request has set.
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

    /// Cuts the answer, from a callback that is not the stream's own.
    fn cut(self) -> Result<(), Failed>;

    /// Sends a request of our own: what comes back is for the role at work now.
    fn call(self, call: &Call) -> Result<(), Failed>;

    /// Adds one to a counter.
    fn count(self, name: &'static str) -> Result<(), Failed>;

    /// Does what no filter should, for tests: see [`crate::trap`].
    #[cfg(feature = "trap")]
    fn defect(self, deed: &str) -> Result<(), Failed>;
}
