//! An answer's headers, as its client reads them.

use sluice_wire::dialect::Provider;
use sluice_wire::headers::HeaderMap;

use crate::routing::target::Target;

use super::super::request_state::{RequestState, attempt_headers};
use super::super::{Context, Effect};
use super::Attempt;

/// So many headers of ours most answers have, or fewer.
const MORE: usize = 4;

/// So many bytes these have.
const ROOM: usize = 256;

impl Attempt {
    /// The answer's headers for the client: who served, and nothing of the provider's that is not the client's business.
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

/// Headers that say who served, on every answer that an attempt led to.
pub(super) fn served_by(target: &Target) -> [(&'static str, &str); 2] {
    [("x-sluice-provider", &target.provider.name), ("x-sluice-model", &target.model)]
}

/// Media types are compared without case, and may have parameters.
pub(super) fn is_of(content_type: &str, wanted: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

/// What becomes of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// It passes as it is.
    Unchanged,
    /// Its events pass, but for those the client must not see: how long it will be is not known.
    Stream,
    /// It is written anew, as this type.
    New(&'static str),
}

/// Of an answer that passes unchanged those headers pass that say something of its body, or of when to come back, and those that
/// clients of its format read ([`Headers::answers`](sluice_wire::dialect::provider::Headers::answers)); of one written anew only those whose meaning survives. All else is between the
/// provider and the gateway's operator.
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
