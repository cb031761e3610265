//! Bodies that the pipeline cannot read as they came: compressed, behind a byte order mark, or without a model at an endpoint that has a
//! default model. The gateway replaces such a body first, so guardrails, limits, the cache and providers all see the same bytes.

use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_wire::coding::{Coding, Unreadable};
use sluice_wire::dialect::Id;
use sluice_wire::dialect::pass_through::is_stored;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::json;

use super::super::request_state::{RequestHead, from_envoy};
use super::super::{Effect, LARGEST_BODY, View};
use super::Refused;

/// UTF-8's byte order mark, which JSON text must not begin with, though a parser may ignore it (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How long a worker may decompress one body. The worker serves no other request meanwhile. 32 MiB of text take less than a second;
/// a hostile body could take half a minute.
const PATIENCE: Duration = Duration::from_secs(2);
/// A body that yields this many bytes per millisecond may take twice as long, for the sake of busy machines.
const SLOWEST: usize = 4 << 10;

/// The model of a moderation that names none (<https://platform.openai.com/docs/api-reference/moderations/create>).
const MODERATION: &str = "\"omni-moderation-latest\"";

/// Replaces the body if the pipeline cannot read it, and returns its new length. Each of the three reasons applies once at most, so a
/// body is read four times at most.
pub(super) fn unpack(
    head: &mut RequestHead,
    body: &[u8],
    view: &dyn View,
    effects: &mut Vec<Effect>,
) -> Result<Option<usize>, Refused> {
    if let Some(coding) = head.coding.take() {
        effects.push(Effect::RemoveHeader("content-encoding".into()));
        // Without a body the header has no effect, and Envoy has nothing to replace.
        if !body.is_empty() {
            let plain = decompress(coding, body, head, view)?;
            return Ok(Some(replace(body.len()..body.len(), body, plain, effects)));
        }
    }
    // A client's file may begin with a mark, and the provider stores the file unchanged.
    let mark = if is_stored(head.client) { 0 } else { marks(body) };
    if mark > 0 {
        return Ok(Some(replace(mark..mark, body, Vec::new(), effects)));
    }
    if head.client.id() == Id::Moderations
        && let Some((place, model)) = default_model(body)
    {
        let with = [body.get(..place.start).unwrap_or_default(), model.as_bytes()].concat();
        return Ok(Some(replace(place, body, with, effects)));
    }
    Ok(None)
}

/// The length of all byte order marks at the front of a body. Several programs in a row may each have added one.
fn marks(body: &[u8]) -> usize {
    body.chunks(BYTE_ORDER_MARK.len()).take_while(|chunk| *chunk == BYTE_ORDER_MARK).count() * BYTE_ORDER_MARK.len()
}

/// The text that gives an object without a model its model, and its place: a new field, or a name instead of `null`.
fn default_model(body: &[u8]) -> Option<(Range<usize>, String)> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default, deserialize_with = "even_null")]
        model: Option<&'a RawValue>,
    }
    fn even_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
        Deserialize::deserialize(deserializer).map(Some)
    }
    let named: Named<'_> = json::from_slice(body).ok()?;
    if let Some(model) = named.model {
        let start = (model.get().as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        return (model.get() == "null")
            .then(|| (start..start.saturating_add(model.get().len()), MODERATION.to_owned()));
    }
    let start = body.iter().position(|byte| *byte == b'{')?.saturating_add(1);
    let next = body.get(start..)?.iter().find(|byte| !byte.is_ascii_whitespace())?;
    let comma = if *next == b'}' { "" } else { "," };
    Some((start..start, format!("\"model\":{MODERATION}{comma}")))
}

/// Replaces the front of `body`, up to the end of `part`.
fn replace(part: Range<usize>, body: &[u8], with: Vec<u8>, effects: &mut Vec<Effect>) -> usize {
    let size = body.len().saturating_sub(part.end).saturating_add(with.len());
    effects.push(Effect::SetHeader("content-length", size.to_string().into()));
    effects.push(Effect::ReplaceBody { drain: part.end, with });
    size
}

/// Decompresses a body. Both forms count at the memory limiter as long as both exist.
fn decompress(coding: Coding, body: &[u8], head: &mut RequestHead, view: &dyn View) -> Result<Vec<u8>, Refused> {
    let mut permit = head.permit.sibling();
    let (began, produced) = (view.now(), Cell::new(0));
    let earned = || Duration::from_millis(u64::try_from(produced.get() / SLOWEST).unwrap_or_default());
    let goes_on = || view.now().since(began) < PATIENCE.saturating_add(earned().min(PATIENCE));
    let admit = |size| {
        produced.set(size);
        permit.grow(size)
    };
    let plain = coding.decode(body, LARGEST_BODY, &goes_on, admit).map_err(|unreadable| match unreadable {
        Unreadable::Damaged => damaged(coding).into(),
        Unreadable::TooSlow => slow(coding).into(),
        Unreadable::TooLarge => Refused::from(from_envoy(413)),
        Unreadable::NoRoom(exhausted) => exhausted.into(),
    })?;
    drop(permit);
    head.permit.set(plain.len())?;
    Ok(plain)
}

fn damaged(coding: Coding) -> ApiError {
    let name = coding.name();
    let message = format!(
        "The gateway could not decompress the request body. Its content-encoding is `{name}`, but the body is not \
         {name} data, is damaged or incomplete, or has too many parts."
    );
    ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("invalid_content_encoding")
}

fn slow(coding: Coding) -> ApiError {
    let name = coding.name();
    let message =
        format!("The request body takes too long to decompress. Send it without the content-encoding `{name}`.");
    ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("invalid_content_encoding")
}
