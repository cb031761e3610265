//! A client's request as a target's provider wants it, where that takes more than a splice at its front: in another format,
//! or in the same as a provider speaks it that departs from it, or puts it into another envelope.

use std::borrow::Cow;

use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::places::by_name;
use sluice_wire::dialect::quirk::{Edits, adapt, edited};
use sluice_wire::dialect::sealed;
use sluice_wire::dialect::translate::{self, ParsedRequest, Translated, by_own_names};
use sluice_wire::dialect::{Client, Provider};
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::footprint;
use sluice_wire::headers::HeaderMap;

use crate::peek::BodyPeek;
use crate::routing::target::Target;

/// Whether all of the body has to be looked at before the request can leave.
pub(super) fn is_needed(client: &Client, provider: &Provider, peek: &BodyPeek, target: &Target) -> bool {
    client.id() != provider.id || peek.wants.sealed || target.provider.quirks(provider).next().is_some()
}

/// A client's request, from which the body for each target is written.
pub(super) struct Source<'a> {
    /// Its format.
    pub client: &'static Client,
    /// What was seen of the body.
    pub peek: &'a BodyPeek,
    /// Its own headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// What was read of the body for an earlier target.
    pub snapshot: &'a mut ParsedRequest,
}

/// The request as a target's provider wants it; an error when the provider has no equivalent for it, or when it grows past `largest`
/// bytes.
pub(super) fn request(
    source: Source<'_>,
    provider: &Provider,
    target: &Target,
    largest: usize,
) -> Result<Translated, ApiError> {
    let Source { client, peek, headers, body, snapshot } = source;
    footprint::check_request(body)?;
    let (body, mut dropped, names) = if client.id() == provider.id {
        let splice = peek.splice(&target.model, target.provider.stream_usage);
        let spliced = splice.map_or(Cow::Borrowed(body), |splice| splice.apply(body).into());
        let (body, dropped) = without_others_seals(peek, client, spliced);
        (body, dropped, Names::default())
    } else if let Some(envelope) = provider.envelope.as_ref().filter(|envelope| envelope.of == client.id()) {
        let (body, mut dropped) = without_others_seals(peek, client, Cow::Borrowed(body));
        let written = (envelope.envelop)(&body, &target.model, headers)?;
        dropped.extend(written.dropped);
        (Cow::Owned(written.body), dropped, Names::default())
    } else {
        let written = translate::request_again(client, provider, (body, snapshot), &target.model)?;
        (Cow::Owned(written.body), written.dropped, written.names)
    };
    // What was written keeps to its provider's numbers already.
    let bounds = if client.id() == provider.id { provider.departs.bounds } else { &[] };
    let adapted = adapt(&body, target.provider.quirks(provider), bounds);
    let adapted = adapted.map_err(|error| if client.id() == provider.id { error } else { by_name(client, error) })?;
    dropped.extend(by_own_names(client, adapted.dropped));
    let body = if adapted.edits.is_empty() { body.into_owned() } else { edited(&body, &adapted.edits) };
    if body.len() > largest { Err(too_large(largest)) } else { Ok(Translated { body, dropped, names }) }
}

/// A body that passes, without what its provider would refuse of it: reasoning that another has sealed.
fn without_others_seals<'b>(peek: &BodyPeek, client: &Client, body: Cow<'b, [u8]>) -> (Cow<'b, [u8]>, Vec<String>) {
    let edits = if peek.wants.sealed { sealed::edits(&body) } else { Edits::new() };
    if edits.is_empty() {
        return (body, Vec::new());
    }
    let dropped = by_own_names(client, vec!["messages.reasoning_content".to_owned()]);
    (Cow::Owned(edited(&body, &edits)), dropped)
}

/// The request grows past what Envoy can be given.
pub(super) fn too_large(largest: usize) -> ApiError {
    let message = format!(
        "The request exceeds {} MiB after its translation for the provider (`memory.rewritten_body`). Send a smaller \
         request.",
        largest >> 20
    );
    ApiError::new(413, ErrorKind::TooLarge, message).with_code("request_too_large")
}
