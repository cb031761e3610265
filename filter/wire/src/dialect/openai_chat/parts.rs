//! Reads the content of a message: a text, or an array of parts.

use serde_json::value::RawValue;

use crate::conversation::{CacheMark, Part, Source};
use crate::dialect::data_uri::source;
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{missing, nothing_left};
use crate::dialect::fields::{object, required, wrong_word};
use crate::dialect::openai::table::refused;
use crate::error::ApiError;
use crate::json;

use super::table::TABLE;

/// The kinds of parts allowed in a message, besides text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    media: bool,
    refusal: bool,
}

impl Allowed {
    pub const TEXT: Self = Self { media: false, refusal: false };
    /// Images and files.
    pub const MEDIA: Self = Self { media: true, refusal: false };
    /// Refusals.
    pub const REFUSAL: Self = Self { media: false, refusal: true };
}

/// Reads `content` at path `at`.
pub(super) fn content(
    raw: &RawValue,
    at: &str,
    allowed: Allowed,
    dropped: &mut Vec<String>,
) -> Result<Vec<Part>, ApiError> {
    let wrong = |error: serde_json::Error| ApiError::invalid(at, format!("Invalid value for '{at}': {error}."));
    if raw.get().starts_with('"') {
        let text = json::read(raw.get()).map_err(wrong)?;
        return Ok(vec![Part::Text { text, cache: None }]);
    }
    if !raw.get().starts_with('[') {
        return Err(ApiError::invalid(
            at,
            format!("Invalid value for '{at}': expected a string or an array of parts."),
        ));
    }
    let parts: Vec<&RawValue> = json::read(raw.get()).map_err(wrong)?;
    parts.into_iter().enumerate().map(|(index, raw)| part(raw, &format!("{at}[{index}]"), allowed, dropped)).collect()
}

fn part(raw: &RawValue, at: &str, allowed: Allowed, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let mut fields = object(raw, at)?;
    let word = required(&mut fields, at, "type")?;
    let cache = cache_mark(&mut fields, at)?;
    let part = match word.as_str() {
        "text" => Part::Text { text: required(&mut fields, at, "text")?, cache },
        "refusal" if allowed.refusal && cache.is_none() => {
            Part::Refusal { text: required(&mut fields, at, "refusal")? }
        }
        "image_url" if allowed.media => image(&mut fields, at, cache)?,
        "file" if allowed.media => file(&mut fields, at, cache)?,
        "input_audio" => return Err(refused(&join(at, "type"))),
        other => {
            let words = match (allowed.media, allowed.refusal) {
                (true, _) => "text, image_url, file",
                (_, true) => "text, refusal",
                _ => "text",
            };
            return Err(wrong_word(&join(at, "type"), other, words));
        }
    };
    TABLE.settle(&fields, at, "messages[].content[].", dropped)?;
    Ok(part)
}

fn image(fields: &mut Fields<'_>, at: &str, cache: Option<CacheMark>) -> Result<Part, ApiError> {
    let place = join(at, "image_url");
    let mut image = object(fields.take_raw("image_url").ok_or_else(|| missing(&place))?, &place)?;
    let source = source(required(&mut image, &place, "url")?, &join(&place, "url"))?;
    let detail = image.take(&place, "detail")?;
    nothing_left(&image, &place)?;
    Ok(Part::Image { source, detail, cache })
}

fn file(fields: &mut Fields<'_>, at: &str, cache: Option<CacheMark>) -> Result<Part, ApiError> {
    let place = join(at, "file");
    let mut file = object(fields.take_raw("file").ok_or_else(|| missing(&place))?, &place)?;
    if file.take_raw("file_id").is_some() {
        return Err(refused(&join(&place, "file_id")));
    }
    let path = join(&place, "file_data");
    let source = source(required(&mut file, &place, "file_data")?, &path)?;
    if matches!(source, Source::Url(_)) {
        return Err(ApiError::invalid(&path, format!("Invalid value for '{path}': expected a base64 data URI.")));
    }
    let name = file.take(&place, "filename")?;
    nothing_left(&file, &place)?;
    Ok(Part::Document { source, name, cache })
}

/// Takes `cache_control`.
pub(super) fn cache_mark(fields: &mut Fields<'_>, at: &str) -> Result<Option<CacheMark>, ApiError> {
    let Some(raw) = fields.take_raw("cache_control") else { return Ok(None) };
    let place = join(at, "cache_control");
    let mut mark = object(raw, &place)?;
    match required(&mut mark, &place, "type")?.as_str() {
        "ephemeral" => {}
        other => return Err(wrong_word(&join(&place, "type"), other, "ephemeral")),
    }
    let ttl = mark.take(&place, "ttl")?;
    nothing_left(&mark, &place)?;
    Ok(Some(CacheMark { ttl }))
}

/// Puts a mark for the whole message on its last part that can have one. Keeps an existing mark. Returns whether there was such a part.
pub(super) fn mark_last(parts: &mut [Part], mark: Option<CacheMark>) -> bool {
    let last = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolResult { cache, .. } => Some(cache),
        _ => None,
    });
    match last {
        Some(cache) => {
            if cache.is_none() {
                *cache = mark;
            }
            true
        }
        None => false,
    }
}
