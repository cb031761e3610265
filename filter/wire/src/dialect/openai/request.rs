//! Reads the fields that requests of OpenAI's formats share. Errors are 400s that name the field by its path,
//! `messages[2].content[0].type`.

use serde::Serialize;

use crate::dialect::fields::{Fields, drop_hint, object};
use crate::error::ApiError;
use crate::json;

use super::table::Table;

/// Reads `n`, the number of choices.
pub(in crate::dialect) fn count(fields: &mut Fields<'_>) -> Result<Option<u64>, ApiError> {
    let n: Option<u64> = fields.take("", "n")?;
    if n == Some(0) {
        return Err(ApiError::invalid("n", "Invalid value for 'n': expected at least 1."));
    }
    Ok(n)
}

/// Reads `stop`: one string or several.
pub(in crate::dialect) fn stop(fields: &mut Fields<'_>) -> Result<Vec<String>, ApiError> {
    let Some(raw) = fields.take_raw("stop") else { return Ok(Vec::new()) };
    let read =
        if raw.get().starts_with('"') { json::read(raw.get()).map(|text| vec![text]) } else { json::read(raw.get()) };
    read.map_err(|_| ApiError::invalid("stop", "Invalid value for 'stop': expected a string or an array of strings."))
}

/// `stream_options.include_usage`.
pub(in crate::dialect) fn include_usage(
    fields: &mut Fields<'_>,
    table: &Table,
    dropped: &mut Vec<String>,
) -> Result<bool, ApiError> {
    let at = "stream_options";
    let Some(raw) = fields.take_raw(at) else { return Ok(false) };
    let mut options = object(raw, at)?;
    let include = options.take(at, "include_usage")?.unwrap_or_default();
    table.settle(&options, at, "stream_options.", dropped)?;
    Ok(include)
}

/// OpenAI's limit for `user`, in characters; coding agents send longer ones.
const LONGEST_USER: usize = 64;

/// Returns `user` for OpenAI, or drops it if it is too long: OpenAI would reject the request, while without `user` it only knows less about
/// the end user.
pub(in crate::dialect) fn user<'a>(user: Option<&'a str>, dropped: &mut Vec<String>) -> Option<&'a str> {
    let short = user.filter(|user| user.chars().nth(LONGEST_USER).is_none());
    if short.is_none() && user.is_some() {
        drop_hint(dropped, "user");
    }
    short
}

/// Stream parameters for a provider. A stream always requests usage, since the gateway accounts for it.
#[derive(Serialize)]
pub(in crate::dialect) struct Streaming {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Streaming {
    pub fn of(stream: bool) -> Self {
        let stream_options = stream.then_some(StreamOptions { include_usage: true });
        Self { stream: stream.then_some(true), stream_options }
    }
}
