//! One message, request or answer, as Envoy shows it during a callback: what core may read of it, and what becomes of it.
//!
//! Two invariants, for whatever core decides. A message moves on only when all that was decided of it was done: else a provider
//! would see the client's own headers, or a client an answer that nobody has changed. And no host call is made that Envoy does not
//! survive in the callback at hand: a second reply, a reply when the stream is over, a body beyond Envoy's buffer limit, or an
//! answer told to move on that is not here.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use sluice_core::exchange::request_state::Ending;
use sluice_core::exchange::transport::Said;
use sluice_core::exchange::{Effect, Flow, LARGEST_REWRITTEN, Reply, Unreadable, View};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::stream::{Attribute, Failed, Side, Stream};

/// The most bytes of a body in Envoy's buffer once a part of it was replaced: the largest rewritten one, and what is spliced into it
/// afterwards. Envoy's own limit is 66 MiB.
const MOST_BUFFERED: usize = LARGEST_REWRITTEN + (4 << 20);

/// A message of a stream.
#[derive(Clone, Copy)]
pub struct Message<S> {
    stream: S,
    side: Side,
    /// Bytes in the buffer.
    held: usize,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterStatus {
    /// It moves on.
    Moves,
    /// It waits.
    Waits,
    /// A reply of ours takes its place.
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
        // Of a message without a body there is no buffer.
        if range.is_empty() {
            return Ok(Vec::new());
        }
        // Envoy gives what there is.
        let bytes = self.stream.body(self.side, range.start, range.len()).map_err(|Failed| Unreadable)?;
        if bytes.len() == range.len() { Ok(bytes) } else { Err(Unreadable) }
    }

    fn source(&self) -> Option<IpAddr> {
        let address = String::from_utf8(self.stream.attribute(Attribute::SourceAddress)).ok()?;
        address.parse().map(|address: SocketAddr| address.ip()).ok()
    }

    fn provider_left(&self) -> bool {
        // Envoy's response flags UR (remote reset), UC (connection termination) and UPE (protocol error, which a body cut short is),
        // as `response.flags` has them.
        const LEFT: u64 = 0x10 | 0x40 | 0x80_0000;
        self.stream.response_flags() & LEFT != 0
    }

    fn transport_failure(&self) -> Said {
        let text = |attribute| String::from_utf8_lossy(&self.stream.attribute(attribute)).into_owned();
        Said {
            details: text(Attribute::CodeDetails),
            reason: text(Attribute::TransportFailureReason),
            address: text(Attribute::UpstreamAddress),
        }
    }

    fn shut_down(&self) -> bool {
        // Of a connection that the client closed it is `downstream_remote_disconnect`.
        self.stream.attribute(Attribute::CodeDetails).starts_with(b"downstream_local_disconnect")
    }
}

impl<S: Stream> Message<S> {
    /// What the client sent.
    pub const fn request(stream: S) -> Self {
        Self { stream, side: Side::Request, held: 0 }
    }

    /// What is answered.
    pub const fn response(stream: S) -> Self {
        Self { stream, side: Side::Response, held: 0 }
    }

    /// Whether the attempt that begins has a connection. One from the pool is given to it before its filter sees anything, and one that
    /// is made takes a turn of Envoy's loop at least.
    pub fn is_connected(self) -> bool {
        !self.stream.attribute(Attribute::UpstreamLocalAddress).is_empty()
    }

    /// How an attempt has ended, as far as Envoy says it when its filter is done: the attempt's own response flags are not to be seen. Of
    /// an answer there are details, and of a request that its client left. A connection that came about has a local address, and one that
    /// did not a reason. So what is lost looks like what took too long. `pooled`: whether its connection was there when it began.
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

    /// The same with so many bytes of its body in Envoy's buffer.
    pub const fn holding(self, held: usize) -> Self {
        Self { held, ..self }
    }

    /// Carries out what core decided, and says what becomes of the message. It must not move on when Envoy refused any of it; where a
    /// reply takes its place, nothing of it moves on anyway.
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

    /// Answers the request; what else was decided of the message does not matter any more.
    pub fn answer(self, reply: &Reply, effects: Vec<Effect>) -> FilterStatus {
        for effect in &effects {
            let _ = self.carry_out(effect);
        }
        if self.send(reply).is_err() {
            complain(REPLY);
        }
        FilterStatus::Answered
    }

    /// Whether an answer's headers are here. Without them it could not be changed, and must not be told to move on: Envoy would
    /// crash.
    pub fn is_here(self) -> bool {
        self.stream.has_answer()
    }

    /// Carries out what core decided of an answer that waits, from a callback that is not its stream's own. It moves on if all of it was
    /// done, unless a reply takes its place.
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

/// Carries out what concerns no message: when a request is over, or of a request whose callback this is not. Envoy does not survive a
/// reply there.
pub fn tell<S: Stream>(stream: S, effects: Vec<Effect>) {
    #[cfg(feature = "trap")]
    let (_, effects) = crate::trap::meddle(Flow::Continue, effects);
    for effect in &effects {
        let _ = note(stream, effect);
    }
}

fn note<S: Stream>(stream: S, effect: &Effect) -> Result<(), Failed> {
    let done = match effect {
        Effect::SetProperty(name, value) => stream.set_property(name, value.as_bytes()),
        // What is not counted was not decided wrongly.
        Effect::Count(name) => stream.count(name).or(Ok(())),
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

/// Names only: values may be secrets or prompts.
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
