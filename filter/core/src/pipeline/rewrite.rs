//! Rewrites a client's request for a target's provider, where a splice at its front is not enough: into another format, another envelope,
//! or a provider's variant of the same format.

use std::borrow::Cow;

use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::field_paths::by_name;
use sluice_wire::dialect::foreign_reasoning;
use sluice_wire::dialect::quirk::{adapt, edited};
use sluice_wire::dialect::translate::{self, ParsedRequest, Translated, by_own_names};
use sluice_wire::dialect::{Client, Id, Provider, cache_marks};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::footprint;
use sluice_wire::headers::HeaderMap;

use crate::peek::BodyPeek;
use crate::routing::target::Target;

/// Whether the whole body is needed before the request can be forwarded.
pub(super) fn is_needed(client: &Client, provider: &Provider, peek: &BodyPeek, target: &Target) -> bool {
    client.id() != provider.id
        || peek.wants.foreign_reasoning
        || target.provider.quirks(provider).next().is_some()
        || (peek.caching.repeated.any() && cache_marks::apply_to(provider.id, &target.model))
}

/// The `prompt_cache_key` to add to the request.
pub(super) fn cache_key(provider: &Provider, peek: &BodyPeek, target: &Target) -> Option<String> {
    let accepts = target.provider.prompt_cache_key && matches!(provider.id, Id::OpenAiChat | Id::Responses);
    accepts.then(|| peek.caching.key()).flatten()
}

/// A client's request, the source of every target's body.
pub(super) struct Source<'a> {
    pub client: &'static Client,
    /// The scan of its body.
    pub peek: &'a BodyPeek,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The parsed body, reused between targets.
    pub snapshot: &'a mut ParsedRequest,
}

/// Writes the request for a target's provider. Fails if the provider has no equivalent, or if the body grows past `largest` bytes.
pub(super) fn request(
    source: Source<'_>,
    provider: &Provider,
    target: &Target,
    largest: usize,
) -> Result<Translated, ApiError> {
    let Source { client, peek, headers, body, snapshot } = source;
    footprint::check_request(body)?;
    let cache_key = cache_key(provider, peek, target);
    let (body, mut dropped, names) = if client.id() == provider.id {
        let splice = peek.splice(&target.model, target.provider.stream_usage, cache_key.as_deref());
        let spliced = splice.map_or(Cow::Borrowed(body), |splice| splice.apply(body).into());
        let (body, dropped) = without_foreign_reasoning(peek, client, spliced);
        (body, dropped, Names::default())
    } else if let Some(envelope) = provider.envelope.as_ref().filter(|envelope| envelope.of == client.id()) {
        let (body, mut dropped) = without_foreign_reasoning(peek, client, Cow::Borrowed(body));
        let written = (envelope.envelop)(&body, &target.model, headers)?;
        dropped.extend(written.dropped);
        (Cow::Owned(written.body), dropped, Names::default())
    } else {
        let written = translate::request_again(client, provider, (body, snapshot), &target.model)?;
        // A written body begins with a brace and a field.
        let body = match cache_key {
            Some(key) => edited(&written.body, &vec![(1..1, format!("\"prompt_cache_key\":\"{key}\","))]),
            None => written.body,
        };
        (Cow::Owned(body), written.dropped, written.names)
    };
    // A translated request already respects the provider's bounds.
    let bounds = if client.id() == provider.id { provider.departs.bounds } else { &[] };
    let adapted = adapt(&body, target.provider.quirks(provider), bounds);
    let adapted = adapted.map_err(|error| if client.id() == provider.id { error } else { by_name(client, error) })?;
    dropped.extend(by_own_names(client, adapted.dropped));
    let mut body = if adapted.edits.is_empty() { body.into_owned() } else { edited(&body, &adapted.edits) };
    let mut marks = 0;
    if peek.caching.repeated.any() {
        let at = (provider.id, target.model.as_str());
        let marked = cache_marks::marked(&body, at, peek.caching.repeated, provider.bytes_per_100_tokens);
        (body, marks) = marked.filter(|(marked, _)| marked.len() <= largest).unwrap_or((body, 0));
    }
    if body.len() > largest { Err(too_large(largest)) } else { Ok(Translated { body, dropped, names, marks }) }
}

/// Removes reasoning that another provider signed, which this provider would reject, and gives its own back as it was.
fn without_foreign_reasoning<'b>(
    peek: &BodyPeek,
    client: &Client,
    body: Cow<'b, [u8]>,
) -> (Cow<'b, [u8]>, Vec<String>) {
    if !peek.wants.foreign_reasoning {
        return (body, Vec::new());
    }
    let (edits, is_dropped) = foreign_reasoning::edits(&body);
    if edits.is_empty() {
        return (body, Vec::new());
    }
    let dropped = if is_dropped { vec!["messages.reasoning_content".to_owned()] } else { Vec::new() };
    (Cow::Owned(edited(&body, &edits)), by_own_names(client, dropped))
}

/// The error for a body that grows too large for Envoy.
pub(super) fn too_large(largest: usize) -> ApiError {
    let message = format!(
        "The request exceeds {} MiB after its translation for the provider (`memory.rewritten_body`). Send a smaller \
         request.",
        largest >> 20
    );
    ApiError::new(413, ErrorKind::TooLarge, message).with_code("request_too_large")
}
