//! The response headers for the client.

use sluice_wire::dialect::Provider;
use sluice_wire::headers::HeaderMap;

use crate::routing::target::Target;

use super::super::request_state::{RequestState, attempt_headers};
use super::super::{Context, Effect};
use super::Attempt;

/// The usual number of added headers.
const MORE: usize = 4;

/// Their usual size, in bytes.
const ROOM: usize = 256;

impl Attempt {
    /// Sets the client's response headers: who served, and only those of the provider's headers that concern the client.
    pub(super) fn answer_headers(
        &self,
        headers: &HeaderMap,
        content: Body,
        state: &RequestState,
        cx: &mut Context<'_>,
    ) {
        let tier = state.lower_tier().map(|tier| ("x-sluice-tier", tier.to_string()));
        let dropped = (!state.answer.dropped.is_empty()).then(|| ("x-sluice-dropped", state.answer.dropped.join(", ")));
        let told =
            attempt_headers(&state.progress.attempts).chain(tier).chain(dropped).chain(state.request.masked_header());
        let mut out = HeaderMap::with_capacity(headers.len() + MORE, headers.size() + ROOM);
        out.extend(headers.iter().filter(|(name, _)| passes_to_client(name, content, self.dialect)));
        out.extend(served_by(&self.target));
        out.extend(told);
        if let Body::New(kind) = content {
            out.push("content-type", kind);
            out.extend((self.dialect.headers.rate_limits)(headers, cx.now().seconds()));
        }
        cx.effects.push(Effect::ReplaceHeaders(out));
    }
}

/// The headers that name the serving target, on every response to an attempt.
pub(super) fn served_by(target: &Target) -> [(&'static str, &str); 2] {
    [("x-sluice-provider", &target.provider.name), ("x-sluice-model", &target.model)]
}

/// Media types are case-insensitive and may have parameters.
pub(super) fn is_of(content_type: &str, wanted: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

/// The treatment of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// It passes unchanged.
    Unchanged,
    /// Its events pass, except hidden ones: the length is unknown.
    Stream,
    /// It is rewritten, as this content type.
    New(&'static str),
}

/// Whether a provider's response header passes to the client. With an unchanged body: headers about the body or retries, and those that
/// clients of the format read ([`Headers::answers`](sluice_wire::dialect::provider::Headers::answers)). With a rewritten body: only those
/// that remain true. All others concern only the gateway's operator.
pub(super) fn passes_to_client(name: &[u8], content: Body, format: &Provider) -> bool {
    match content {
        Body::New(..) => matches!(name, b":status" | b"date" | b"cache-control"),
        Body::Unchanged if name == b"content-length" => true,
        Body::Unchanged | Body::Stream => {
            always_passes(name) || format.headers.answers.iter().any(|known| known.as_bytes() == name)
        }
    }
}

fn always_passes(name: &[u8]) -> bool {
    matches!(
        name,
        b":status"
            | b"accept-ranges"
            | b"cache-control"
            | b"content-disposition"
            | b"content-language"
            | b"content-range"
            | b"content-type"
            | b"date"
            | b"etag"
            | b"last-modified"
            | b"retry-after"
            | b"retry-after-ms"
            | b"x-should-retry"
    )
}
