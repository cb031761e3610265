//! The way out: the client's request becomes the provider's.
//!
//! Envoy keeps what an earlier attempt did to the headers and forgets what it did to the body, so every attempt sets the
//! whole header map anew, from what the gateway role saw of the client's, and changes the client's own body.

use sluice_wire::dialect::Provider;
use sluice_wire::dialect::translate::{ParsedRequest, Translated};
use sluice_wire::headers::HeaderMap;

use crate::peek::Splice;
use crate::routing::target::Target;

use super::super::failure::Failure;
use super::super::request_state::{CANNOT_EXPRESS, RequestState};
use super::super::rewrite::{self, Source};
use super::super::{Effect, Event, Flow, Unreadable, View};

/// So many headers most requests get besides the client's own, or fewer.
const MORE: usize = 10;

/// So many bytes these have.
const ROOM: usize = 320;

/// How this attempt changes the body.
#[derive(Debug)]
pub(super) enum Outbound {
    /// Not at all.
    AsItIs,
    /// A few bytes at its front.
    Spliced(Splice),
    /// It was rewritten when the plan was made.
    Ready(Translated),
    /// It is to be rewritten when it is here.
    Rewrite,
}

impl Outbound {
    pub(super) fn choose(state: &mut RequestState, target: &Target, dialect: &Provider) -> Self {
        if !rewrite::is_needed(state.request.asks.client, dialect, &state.request.asks.peek, target) {
            match state.request.asks.peek.splice(&target.model, target.provider.stream_usage) {
                Some(splice) => Self::Spliced(splice),
                None => Self::AsItIs,
            }
        } else {
            match state.route.ready.take() {
                Some(mut written) => {
                    state.answer.dropped = std::mem::take(&mut written.dropped);
                    state.answer.names = std::mem::take(&mut written.names);
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
            // Headers wait for a body whose length is not known yet.
            (Event::RequestHeaders { .. }, Self::Rewrite) => Ok(Flow::Pause),
            (Event::RequestHeaders { .. }, outbound) => {
                let length = outbound.length(state.request.asks.peek.length);
                effects.push(Effect::ReplaceHeaders(headers(state, target, dialect, length, view)?));
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
                        let largest = state.worker.gateway.memory.rewritten;
                        let source = Source {
                            client: state.request.asks.client,
                            peek: &state.request.asks.peek,
                            headers: &state.request.forwarded,
                            body: &body,
                            snapshot: &mut ParsedRequest::default(),
                        };
                        let written = rewrite::request(source, dialect, target, largest)
                            .map_err(|error| Failure::ours(CANNOT_EXPRESS, error))?;
                        (state.answer.dropped, state.answer.names) = (written.dropped, written.names);
                        effects.push(Effect::ReplaceHeaders(headers(
                            state,
                            target,
                            dialect,
                            written.body.len(),
                            view,
                        )?));
                        effects.push(Effect::ReplaceBody { drain: size, with: written.body });
                    }
                }
                Ok(Flow::Continue)
            }
            _ => Ok(Flow::Continue),
        }
    }

    /// The length of the body that leaves.
    fn length(&self, original: usize) -> usize {
        match self {
            Self::AsItIs | Self::Rewrite => original,
            Self::Spliced(splice) => original.saturating_add_signed(splice.growth()),
            Self::Ready(written) => written.body.len(),
        }
    }
}

/// The client's request cannot be read.
fn not_read(Unreadable: Unreadable) -> Failure {
    Failure::not_carried_out()
}

/// All headers of the request to the provider; its credential is added by Envoy afterwards.
fn headers(
    state: &RequestState,
    target: &Target,
    dialect: &Provider,
    length: usize,
    view: &dyn View,
) -> Result<HeaderMap, Failure> {
    let provider = &target.provider;
    let stream = state.request.asks.peek.stream;
    // What belongs to the client's own format means nothing in another.
    let own = state.request.asks.client.manner.forwards;
    let same = own.is_empty() || dialect.id == state.request.asks.client.id();
    let forwarded = &state.request.forwarded;
    let mut out = HeaderMap::with_capacity(forwarded.len() + MORE, forwarded.size() + ROOM);
    out.extend(forwarded.iter().filter(|(name, _)| same || !own.iter().any(|own| own.as_bytes() == *name)));
    if let Some(envelope) = dialect.envelope.as_ref().filter(|envelope| envelope.of == state.request.asks.client.id()) {
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
    match &state.request.passage {
        None => {
            out.push(":path", provider.layout.path(dialect, &target.model, stream));
            out.push("content-type", "application/json");
            out.push("accept", if stream { dialect.stream_type } else { "application/json" });
        }
        Some(passage) => {
            out.push(":path", provider.layout.passed(&passage.path, &target.model));
            // What was read as JSON is to be read so by its provider too.
            let content_type = match state.request.asks.peek.is_json() {
                true => Some("application/json"),
                false => passage.content_type.as_deref(),
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
    // A compressed answer could not be read here.
    out.push("accept-encoding", "identity");
    // Where Envoy traces, it has put this attempt's own span there.
    if state.worker.gateway.tracing
        && let Some(parent) = view.header("traceparent").map_err(not_read)?
    {
        out.push("traceparent", parent);
    }
    for (name, value) in dialect.headers.sent {
        // Of a format's own headers the client's word counts.
        if out.get(name).is_none() {
            out.push(name, value);
        }
    }
    Ok(out)
}
