//! Answers of Gemini's embeddings: `{"embeddings":[{"values":[…]}]}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialect::gemini::Gemini;
use crate::dialect::out::json;
use crate::dialect::{Dialect, Glance};
use crate::embedding::{Encoding, Response, Vector};
use crate::error::ApiError;
use crate::lenient::Filled;

/// An answer, its vectors as `T`.
#[derive(Deserialize)]
struct Seen<T> {
    embeddings: Option<T>,
    #[serde(default)]
    error: Filled,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

fn seen<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let seen: Seen<T> = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    if seen.error.0 > 0 {
        return Err(Gemini.read_error(200, None, body));
    }
    seen.embeddings.ok_or_else(empty)
}

fn empty() -> ApiError {
    ApiError::bad_answer("The provider's answer holds no embeddings.")
}

/// Reads an answer.
pub(super) fn read(body: &[u8]) -> Result<Response<'_>, ApiError> {
    let items: Vec<Item<'_>> = seen(body)?;
    if items.is_empty() {
        return Err(empty());
    }
    let vectors = items.into_iter().map(|item| Vector::read(item.values)).collect::<Result<_, _>>()?;
    Ok(Response { vectors, ..Response::default() })
}

/// Looks at an answer that passes unchanged.
pub(super) fn peek(body: &[u8]) -> Result<Glance, ApiError> {
    let items: Filled = seen(body)?;
    if items.0 == 0 { Err(empty()) } else { Ok(Glance { finished: true, ..Glance::default() }) }
}

#[derive(Serialize)]
struct Shown<'a> {
    embeddings: Vec<ItemShown<'a>>,
}

#[derive(Serialize)]
struct ItemShown<'a> {
    values: Vector<'a>,
}

/// Writes an answer; its vectors are numbers.
pub(super) fn write(response: &Response<'_>) -> Result<Vec<u8>, ApiError> {
    let vectors = response.encoded(Encoding::Float)?.into_iter();
    let shown = Shown { embeddings: vectors.map(|values| ItemShown { values }).collect() };
    let mut out = Vec::with_capacity(response.size().saturating_add(64));
    json(&mut out, &shown);
    Ok(out)
}
