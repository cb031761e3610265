//! One message, request or response, during a callback: reads it for core and applies the effects.
//!
//! Two invariants hold whatever core decides. A message continues only if all its effects were applied: otherwise a provider might see the
//! client's own headers, or a client an unprocessed response. And no host call is made that crashes Envoy in the current callback: a second
//! reply, a reply after the stream's end, a body beyond Envoy's buffer limit, or the continuation of a response that has not arrived.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use sluice_core::pipeline::request_state::Ending;
use sluice_core::pipeline::transport::TransportReport;
use sluice_core::pipeline::{Effect, Flow, LARGEST_REWRITTEN, Reply, Unreadable, View, metric};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::stream::{Attribute, Failed, Side, Stream};

/// The most bytes of a body in Envoy's buffer after a replacement: the largest rewritten body, and later splices. Envoy's own limit is 66
/// MiB.
const MOST_BUFFERED: usize = LARGEST_REWRITTEN + (4 << 20);

/// A message of a stream.
#[derive(Clone, Copy)]
pub struct Message<S> {
    stream: S,
    side: Side,
    /// Bytes in the buffer.
    held: usize,
}

/// The status that a filter's callback returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterStatus {
    /// The message continues.
    Moves,
    /// The message waits.
    Waits,
    /// The filter has replied.
    Answered,
}

impl<S: Stream> View for Message<S> {
    fn now(&self) -> Time {
        self.stream.now()
    }

    fn headers(&self) -> Result<HeaderMap, Unreadable> {
        #[cfg(feature = "trap")]
        if crate::trap::refuses("reading the headers") {
            return Err(Unreadable);
        }
        self.stream.headers(self.side).map_err(|Failed| Unreadable)
    }

    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        self.stream.header(self.side, name).map_err(|Failed| Unreadable)
    }

    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable> {
        #[cfg(feature = "trap")]
        if crate::trap::refuses("reading the body") {
            return Err(Unreadable);
        }
        // A message without a body has no buffer.
        if range.is_empty() {
            return Ok(Vec::new());
        }
        // Envoy returns as many bytes as it has.
        let bytes = self.stream.body(self.side, range.start, range.len()).map_err(|Failed| Unreadable)?;
        if bytes.len() == range.len() { Ok(bytes) } else { Err(Unreadable) }
    }

    fn source(&self) -> Option<IpAddr> {
        let address = String::from_utf8(self.stream.attribute(Attribute::SourceAddress)).ok()?;
        address.parse().map(|address: SocketAddr| address.ip()).ok()
    }

    fn provider_left(&self) -> bool {
        // Envoy's response flags UR (remote reset), UC (connection termination) and UPE (protocol error, such as a truncated body), as bits
        // of `response.flags`.
        const LEFT: u64 = 0x10 | 0x40 | 0x80_0000;
        self.stream.response_flags() & LEFT != 0
    }

    fn transport_failure(&self) -> TransportReport {
        let text = |attribute| String::from_utf8_lossy(&self.stream.attribute(attribute)).into_owned();
        TransportReport {
            details: text(Attribute::CodeDetails),
            reason: text(Attribute::TransportFailureReason),
            address: text(Attribute::UpstreamAddress),
        }
    }

    fn shut_down(&self) -> bool {
        // If the client closed the connection, it is `downstream_remote_disconnect`.
        self.stream.attribute(Attribute::CodeDetails).starts_with(b"downstream_local_disconnect")
    }
}

impl<S: Stream> Message<S> {
    /// The client's request.
    pub const fn request(stream: S) -> Self {
        Self { stream, side: Side::Request, held: 0 }
    }

    /// The response.
    pub const fn response(stream: S) -> Self {
        Self { stream, side: Side::Response, held: 0 }
    }

    /// Whether the attempt that begins has a connection. A pooled connection is assigned before the filter's first callback; a new one
    /// takes at least one iteration of Envoy's event loop.
    pub fn is_connected(self) -> bool {
        !self.stream.attribute(Attribute::UpstreamLocalAddress).is_empty()
    }

    /// How an attempt ended, as far as Envoy reports it when the filter is done; the attempt's own response flags are not accessible. A
    /// response, or a request whose client left, has code details. An established connection has a local address, a failed one has a
    /// failure reason. So a lost connection looks like a timeout. `pooled`: the attempt began with a connection.
    pub fn ending(self, pooled: bool) -> Ending {
        match &*self.stream.attribute(Attribute::CodeDetails) {
            b"" if pooled => Ending::Forgotten,
            b"" if !self.is_connected() => Ending::Failed,
            b"" if !self.stream.attribute(Attribute::TransportFailureReason).is_empty() => Ending::Failed,
            b"" => Ending::Lost,
            b"via_upstream" => Ending::Failed,
            _ => Ending::Other,
        }
    }

    /// The message with this many bytes of its body in Envoy's buffer.
    pub const fn holding(self, held: usize) -> Self {
        Self { held, ..self }
    }

    /// Applies core's decision and returns the message's status. Fails if a host call failed: the message must not continue then. With a
    /// reply it does not continue anyway.
    pub fn apply(self, flow: Flow, effects: Vec<Effect>) -> Result<FilterStatus, Failed> {
        #[cfg(feature = "trap")]
        let (flow, effects) = crate::trap::meddle(flow, effects);
        let status = match flow {
            Flow::Continue => FilterStatus::Moves,
            Flow::Pause => FilterStatus::Waits,
            Flow::Reply(reply) => return Ok(self.answer(&reply, effects)),
        };
        effects.iter().try_for_each(|effect| self.carry_out(effect))?;
        Ok(status)
    }

    /// Sends a reply; failures of other effects no longer matter.
    pub fn answer(self, reply: &Reply, effects: Vec<Effect>) -> FilterStatus {
        for effect in &effects {
            let _ = self.carry_out(effect);
        }
        if self.send(reply).is_err() {
            complain(REPLY);
        }
        FilterStatus::Answered
    }

    /// Whether the response's headers have arrived. Before that, the response cannot be changed, and continuing it would crash Envoy.
    pub fn is_here(self) -> bool {
        self.stream.has_answer()
    }

    /// Applies core's decision about a waiting response, from another stream's callback. The response continues if all effects were
    /// applied, unless there is a reply.
    pub fn release(self, flow: Flow, effects: Vec<Effect>) -> Result<(), Failed> {
        let status = if self.is_here() { self.apply(flow, effects)? } else { return Err(Failed) };
        if status == FilterStatus::Moves { self.stream.resume_response() } else { Ok(()) }
    }

    fn carry_out(self, effect: &Effect) -> Result<(), Failed> {
        let done = match effect {
            #[cfg(feature = "trap")]
            effect if crate::trap::refuses(name_of(effect)) => Err(Failed),
            Effect::ReplaceHeaders(headers) => self.stream.replace_headers(self.side, headers),
            Effect::SetHeader(name, value) => self.stream.set_header(self.side, name, value),
            Effect::RemoveHeader(name) => self.stream.remove_header(self.side, name),
            Effect::ReplaceBody { drain, with } => self.replace_front(*drain, with),
            Effect::ClearRoute => self.stream.clear_route(),
            Effect::SetProperty(..) | Effect::Count(_) | Effect::Warn(_) => return note(self.stream, effect),
        };
        if done.is_err() {
            complain(name_of(effect));
        }
        done
    }

    fn replace_front(self, drain: usize, with: &[u8]) -> Result<(), Failed> {
        let buffered = self.held.saturating_sub(drain).saturating_add(with.len());
        if with.len() > LARGEST_REWRITTEN || buffered > MOST_BUFFERED {
            return Err(Failed);
        }
        self.stream.replace_front(self.side, drain, with)
    }

    fn send(self, reply: &Reply) -> Result<(), Failed> {
        #[cfg(feature = "trap")]
        if crate::trap::refuses(REPLY) {
            return Err(Failed);
        }
        let mut headers: HeaderMap = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push("content-type", &*reply.content_type);
        self.stream.reply(reply.status, &headers, &reply.body)
    }
}

/// Applies effects that concern no message: after the end of a request, or outside its callbacks. A reply would crash Envoy there.
pub fn apply_effects<S: Stream>(stream: S, effects: Vec<Effect>) {
    #[cfg(feature = "trap")]
    let (_, effects) = crate::trap::meddle(Flow::Continue, effects);
    for effect in &effects {
        let _ = note(stream, effect);
    }
}

fn note<S: Stream>(stream: S, effect: &Effect) -> Result<(), Failed> {
    let done = match effect {
        Effect::SetProperty(name, value) => stream.set_property(name, value.as_bytes()),
        Effect::Count(name) => {
            if let Some(recorder) = stream.recorder() {
                metric::count(name, &recorder);
            }
            // A failed count does not invalidate the decision.
            stream.count(name).or(Ok(()))
        }
        Effect::Warn(text) => {
            log::warn!("{text}");
            Ok(())
        }
        _ => Err(Failed),
    };
    if done.is_err() {
        complain(name_of(effect));
    }
    done
}

/// Logs names only: values may be secrets or prompts.
fn complain(what: &str) {
    log::error!("Envoy rejected an operation: {what}");
}

const REPLY: &str = "a local reply";

fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::ReplaceHeaders(_) => "replacing the headers",
        Effect::SetHeader(..) => "setting a header",
        Effect::RemoveHeader(_) => "removing a header",
        Effect::ReplaceBody { .. } => "replacing the body",
        Effect::SetProperty(..) => "setting a property",
        Effect::ClearRoute => "choosing the route anew",
        Effect::Count(_) => "counting",
        Effect::Warn(_) => "a warning",
    }
}
