//! A body that is not as the pipeline reads it: compressed, behind a byte order mark, or without the model that its endpoint has for
//! a default. It is replaced before anything else looks at it, so that guardrails, limits, the cache and providers see one and the same.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::coding::{Coding, Unreadable};
use crate::dialect::pass_through::is_stored;
use crate::error::{ApiError, ErrorKind};

use super::super::journey::{Arrival, from_envoy};
use super::super::{Effect, LARGEST_BODY};
use super::Refused;

/// UTF-8's, which JSON text must not begin with, though a parser may ignore it (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The model of a moderation that names none (<https://platform.openai.com/docs/api-reference/moderations/create>).
const MODERATION: &[u8] = br#""model":"omni-moderation-latest","#;

/// Has the body replaced if it must be, and says how long it is then.
pub(super) fn unpack(arrival: &mut Arrival, body: &[u8], effects: &mut Vec<Effect>) -> Result<Option<usize>, Refused> {
    if let Some(coding) = arrival.coding.take() {
        let plain = decompress(coding, body, arrival)?;
        let size = plain.len();
        effects.push(Effect::RemoveHeader("content-encoding".into()));
        effects.push(Effect::ReplaceBody { drain: body.len(), with: plain });
        return Ok(Some(replaced(size, effects)));
    }
    // A provider's files may well begin so.
    if body.starts_with(BYTE_ORDER_MARK) && !is_stored(arrival.client) {
        let size = body.len().saturating_sub(BYTE_ORDER_MARK.len());
        effects.push(Effect::ReplaceBody { drain: BYTE_ORDER_MARK.len(), with: Vec::new() });
        return Ok(Some(replaced(size, effects)));
    }
    if arrival.client.name() == "moderations"
        && let Some(start) = place_for_model(body)
    {
        let with = [body.get(..start).unwrap_or_default(), MODERATION].concat();
        let size = body.len().saturating_add(MODERATION.len());
        effects.push(Effect::ReplaceBody { drain: start, with });
        return Ok(Some(replaced(size, effects)));
    }
    Ok(None)
}

/// Where an object that has fields, but none called `model`, takes one more.
fn place_for_model(body: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct Named {
        model: Option<IgnoredAny>,
        input: Option<IgnoredAny>,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    let start = body.iter().position(|byte| *byte == b'{')?;
    (named.model.is_none() && named.input.is_some()).then_some(start.saturating_add(1))
}

fn replaced(size: usize, effects: &mut Vec<Effect>) -> usize {
    effects.push(Effect::SetHeader("content-length", size.to_string().into()));
    size
}

/// The gate has room for the body in both forms, as long as both are here.
fn decompress(coding: Coding, body: &[u8], arrival: &mut Arrival) -> Result<Vec<u8>, Refused> {
    let mut share = arrival.share.sibling();
    let plain = coding.decode(body, LARGEST_BODY, |size| share.grow(size)).map_err(|unreadable| match unreadable {
        Unreadable::Damaged => damaged(coding).into(),
        Unreadable::TooLarge => Refused::from(from_envoy(413)),
        Unreadable::NoRoom(full) => full.into(),
    })?;
    drop(share);
    arrival.share.set(plain.len())?;
    Ok(plain)
}

fn damaged(coding: Coding) -> ApiError {
    let name = coding.name();
    let message = format!(
        "The request's body could not be decompressed: it has the content-encoding `{name}`, but is no {name} data, or is damaged or \
         incomplete."
    );
    ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("invalid_content_encoding")
}
