//! Reads the content of a message or of a call's result: a string, or an array of parts.

use serde_json::value::RawValue;

use crate::conversation::{Part, Source};
use crate::dialect::data_uri::source;
use crate::dialect::fields::{Fields, join};
use crate::dialect::fields::{drop_hint, missing};
use crate::dialect::fields::{object, required, wrong_word};
use crate::error::ApiError;
use crate::json;

use super::table::{TABLE, hosted, stored};

/// The kinds of parts allowed in a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// `input_text`.
    Text,
    /// `input_text`, `input_image`, `input_file`.
    Media,
    /// `output_text`, `refusal`: the model's output.
    Output,
}

/// Reads content at path `at`. Skips an empty text of the model.
pub(super) fn content(
    raw: &RawValue,
    at: &str,
    allowed: Allowed,
    dropped: &mut Vec<String>,
) -> Result<Vec<Part>, ApiError> {
    let wrong = |_| ApiError::invalid(at, format!("Invalid value for '{at}': expected a string or an array of parts."));
    if raw.get().starts_with('"') {
        let text: String = json::read(raw.get()).map_err(wrong)?;
        let silent = allowed == Allowed::Output && text.is_empty();
        return Ok(if silent { Vec::new() } else { vec![Part::Text { text, cache: None }] });
    }
    let parts: Vec<&RawValue> = json::read(raw.get()).map_err(wrong)?;
    let parts = parts.into_iter().enumerate();
    parts.map(|(index, raw)| part(raw, &format!("{at}[{index}]"), allowed, dropped)).collect()
}

fn part(raw: &RawValue, at: &str, allowed: Allowed, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    let mut fields = object(raw, at)?;
    let word = required(&mut fields, at, "type")?;
    let part = match (word.as_str(), allowed) {
        ("input_text", Allowed::Text | Allowed::Media) | ("output_text", Allowed::Output) => {
            Part::Text { text: required(&mut fields, at, "text")?, cache: None }
        }
        ("refusal", Allowed::Output) => Part::Refusal { text: required(&mut fields, at, "refusal")? },
        ("input_image", Allowed::Media) => image(&mut fields, at)?,
        ("input_file", Allowed::Media) => file(&mut fields, at, dropped)?,
        ("input_audio", _) => return Err(hosted(&join(at, "type"), &word)),
        (other, _) => {
            let words = match allowed {
                Allowed::Text => "input_text",
                Allowed::Media => "input_text, input_image, input_file",
                Allowed::Output => "output_text, refusal",
            };
            return Err(wrong_word(&join(at, "type"), other, words));
        }
    };
    TABLE.settle(&fields, at, "input[].content[].", dropped)?;
    Ok(part)
}

fn image(fields: &mut Fields<'_>, at: &str) -> Result<Part, ApiError> {
    nothing_stored(fields, at)?;
    let source = source(required(fields, at, "image_url")?, &join(at, "image_url"))?;
    Ok(Part::Image { source, detail: fields.take(at, "detail")?, cache: None })
}

fn file(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    nothing_stored(fields, at)?;
    let (data, url): (Option<String>, Option<String>) = (fields.take(at, "file_data")?, fields.take(at, "file_url")?);
    let (place, read) = match (data, url) {
        (Some(data), None) => (join(at, "file_data"), data),
        (None, Some(url)) => (join(at, "file_url"), url),
        (None, None) => return Err(missing(&join(at, "file_data"))),
        (Some(_), Some(_)) => {
            let message = format!("Set either '{at}.file_data' or '{at}.file_url', not both.");
            return Err(ApiError::invalid(join(at, "file_url"), message));
        }
    };
    let source = source(read, &place)?;
    if matches!(source, Source::Url(_)) != place.ends_with("url") {
        let message = format!("Invalid value for '{place}': use 'file_data' for a data URI, and 'file_url' for a URL.");
        return Err(ApiError::invalid(place, message));
    }
    if fields.take_raw("detail").is_some_and(|detail| detail.get() != r#""auto""#) {
        drop_hint(dropped, "input[].content[].detail");
    }
    Ok(Part::Document { source, name: fields.take(at, "filename")?, cache: None })
}

fn nothing_stored(fields: &mut Fields<'_>, at: &str) -> Result<(), ApiError> {
    if fields.take_raw("file_id").is_some() { Err(stored(&join(at, "file_id"))) } else { Ok(()) }
}
