//! Turns the client's request into the provider's.
//!
//! Between attempts, Envoy retains changes to the headers and drops changes to the body. So every attempt sets all headers anew, from the
//! client's headers that the gateway role saw, and changes the client's original body.

use sluice_wire::dialect::Provider;
use sluice_wire::dialect::translate::{ParsedRequest, Translated};
use sluice_wire::headers::HeaderMap;

use crate::peek::Splice;
use crate::routing::target::Target;
use crate::trace::context::TRACE_PARENT;

use super::super::failure::Failure;
use super::super::request_state::{CANNOT_EXPRESS, RequestState};
use super::super::rewrite::{self, Source};
use super::super::{Effect, Event, Flow, Unreadable, View};

/// The usual number of added headers.
const MORE: usize = 10;

/// Their usual size, in bytes.
const ROOM: usize = 320;

/// How this attempt changes the body.
#[derive(Debug)]
pub(super) enum Outbound {
    /// Unchanged.
    AsItIs,
    /// Splices a few bytes at its front.
    Spliced(Splice),
    /// It was rewritten during planning.
    Ready(Translated),
    /// Rewrites it once it is complete.
    Rewrite,
}

impl Outbound {
    pub(super) fn choose(state: &mut RequestState, target: &Target, dialect: &Provider) -> Self {
        if !rewrite::is_needed(state.request.scanned.client, dialect, &state.request.scanned.peek, target) {
            let peek = &state.request.scanned.peek;
            let cache_key = rewrite::cache_key(dialect, peek, target);
            match peek.splice(&target.model, target.provider.stream_usage, cache_key.as_deref()) {
                Some(splice) => Self::Spliced(splice),
                None => Self::AsItIs,
            }
        } else {
            match state.route.ready.take() {
                Some(mut written) => {
                    state.answer.dropped = std::mem::take(&mut written.dropped);
                    state.answer.names = std::mem::take(&mut written.names);
                    state.answer.marks = written.marks;
                    Self::Ready(written)
                }
                None => Self::Rewrite,
            }
        }
    }

    pub(super) fn step(
        &mut self,
        event: Event,
        state: &mut RequestState,
        target: &Target,
        dialect: &'static Provider,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Failure> {
        match (event, &mut *self) {
            // The headers wait until the length of the rewritten body is known.
            (Event::RequestHeaders { .. }, Self::Rewrite) => Ok(Flow::Pause),
            (Event::RequestHeaders { .. }, outbound) => {
                let length = outbound.length(state.request.scanned.peek.length);
                effects.push(Effect::ReplaceHeaders(headers(state, target, dialect, length)));
                Ok(Flow::Continue)
            }
            (Event::RequestBody { end: false, .. }, Self::AsItIs) => Ok(Flow::Continue),
            (Event::RequestBody { end: false, .. }, _) => Ok(Flow::Pause),
            (Event::RequestBody { size, .. }, outbound) => {
                match std::mem::replace(outbound, Self::AsItIs) {
                    Self::AsItIs => {}
                    Self::Spliced(splice) => {
                        let with = match state.request.head.get(..splice.drain) {
                            Some(head) => splice.apply(head),
                            None => splice.apply(&view.body(0..splice.drain).map_err(not_read)?),
                        };
                        effects.push(Effect::ReplaceBody { drain: splice.drain, with });
                    }
                    Self::Ready(written) => effects.push(Effect::ReplaceBody { drain: size, with: written.body }),
                    Self::Rewrite => {
                        let body = view.body(0..size).map_err(not_read)?;
                        let largest = state.worker.config.memory.rewritten;
                        let source = Source {
                            client: state.request.scanned.client,
                            peek: &state.request.scanned.peek,
                            headers: &state.request.forwarded,
                            body: &body,
                            snapshot: &mut ParsedRequest::default(),
                        };
                        let written = rewrite::request(source, dialect, target, largest)
                            .map_err(|error| Failure::ours(CANNOT_EXPRESS, error))?;
                        (state.answer.dropped, state.answer.names) = (written.dropped, written.names);
                        state.answer.marks = written.marks;
                        effects.push(Effect::ReplaceHeaders(headers(state, target, dialect, written.body.len())));
                        effects.push(Effect::ReplaceBody { drain: size, with: written.body });
                    }
                }
                Ok(Flow::Continue)
            }
            _ => Ok(Flow::Continue),
        }
    }

    /// The length of the outgoing body.
    fn length(&self, original: usize) -> usize {
        match self {
            Self::AsItIs | Self::Rewrite => original,
            Self::Spliced(splice) => original.saturating_add_signed(splice.growth()),
            Self::Ready(written) => written.body.len(),
        }
    }
}

/// A host call failed to read the client's request.
fn not_read(Unreadable: Unreadable) -> Failure {
    Failure::not_carried_out()
}

/// All headers of the provider's request; Envoy adds its credential afterwards.
fn headers(state: &RequestState, target: &Target, dialect: &Provider, length: usize) -> HeaderMap {
    let provider = &target.provider;
    let stream = state.request.scanned.peek.stream;
    // Headers of the client's own format mean nothing in another.
    let own = state.request.scanned.client.manner.forwards;
    let same = own.is_empty() || dialect.id == state.request.scanned.client.id();
    let forwarded = &state.request.forwarded;
    let mut out = HeaderMap::with_capacity(forwarded.len() + MORE, forwarded.size() + ROOM);
    out.extend(forwarded.iter().filter(|(name, _)| same || !own.iter().any(|own| own.as_bytes() == *name)));
    if let Some(envelope) =
        dialect.envelope.as_ref().filter(|envelope| envelope.of == state.request.scanned.client.id())
    {
        for (name, value) in forwarded.iter() {
            let own = own.iter().find(|own| own.as_bytes() == name);
            let value = own.zip(str::from_utf8(value).ok());
            if let Some((name, value)) =
                value.and_then(|(name, value)| Some((name, (envelope.header_beside)(name, value)?)))
            {
                out.push(name, value);
            }
        }
    }
    out.push(":scheme", if provider.tls { "https" } else { "http" });
    out.push(":authority", &provider.authority);
    match &state.request.pass_through {
        None => {
            out.push(":path", provider.layout.path(dialect, &target.model, stream));
            out.push("content-type", "application/json");
            out.push("accept", if stream { dialect.stream_type } else { "application/json" });
        }
        Some(pass_through) => {
            out.push(":path", provider.layout.passed(&pass_through.path, &target.model));
            // A body that was parsed as JSON must have that type at the provider too.
            let content_type = match state.request.scanned.peek.is_json() {
                true => Some("application/json"),
                false => pass_through.content_type.as_deref(),
            };
            if let Some(content_type) = content_type {
                out.push("content-type", content_type);
            }
            out.push("accept", "*/*");
        }
    }
    if length > 0 {
        out.push("content-length", length.to_string());
    }
    // A compressed response could not be read here.
    out.push("accept-encoding", "identity");
    if let (Some(trace), Some(attempt)) = (state.request.trace, state.progress.attempts.last()) {
        out.push(TRACE_PARENT, trace.header(attempt.span));
    }
    for (name, value) in dialect.headers.sent {
        // The client's value of a format's own header takes precedence.
        if out.get(name).is_none() {
            out.push(name, value);
        }
    }
    out
}
