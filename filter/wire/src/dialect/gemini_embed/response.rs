//! Reads responses of Gemini's embeddings: `{"embeddings":[{"values":[…]}]}`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::gemini;
use crate::embedding::{Response, Vector};
use crate::error::ApiError;
use crate::json;
use crate::lenient::Filled;

#[derive(Deserialize)]
struct ResponseIn<'a> {
    #[serde(borrow)]
    embeddings: Option<Vec<Item<'a>>>,
    #[serde(default)]
    error: Filled,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

fn seen(body: &[u8]) -> Result<Vec<Item<'_>>, ApiError> {
    let seen: ResponseIn<'_> = json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    if seen.error.0 > 0 {
        return Err(gemini::read_error(200, body));
    }
    seen.embeddings.ok_or_else(empty)
}

fn empty() -> ApiError {
    ApiError::bad_answer("The provider's answer contains no embeddings.")
}

/// Reads a response.
pub(super) fn read(body: &[u8]) -> Result<Response<'_>, ApiError> {
    let items = seen(body)?;
    if items.is_empty() {
        return Err(empty());
    }
    let vectors = items.into_iter().map(|item| Vector::read(item.values)).collect::<Result<_, _>>()?;
    Ok(Response { vectors, ..Response::default() })
}
