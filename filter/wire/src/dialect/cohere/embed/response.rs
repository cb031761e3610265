//! Reads responses of Cohere's embeddings: vectors by type, usage in the billed units.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::Usage;
use crate::embedding::{Response, Vector};
use crate::error::ApiError;
use crate::json;
use crate::lenient::Text;

use super::super::error;
use super::super::usage::Units;

#[derive(Deserialize)]
struct ResponseIn<'a> {
    #[serde(borrow)]
    embeddings: Option<Types<'a>>,
    #[serde(default)]
    meta: Option<Meta>,
    /// The message of an error in place of a response.
    #[serde(borrow, default)]
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Types<'a> {
    #[serde(borrow)]
    float: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    base64: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    billed_units: Option<Units>,
}

impl<'a> ResponseIn<'a> {
    /// Returns the vectors, of whichever type is present, and the usage.
    fn of(body: &'a [u8]) -> Result<(Vec<&'a RawValue>, Option<Usage>), ApiError> {
        let seen: Self = json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let usage = seen.meta.and_then(|meta| meta.billed_units?.read());
        match seen.embeddings.and_then(|types| types.float.or(types.base64)) {
            Some(vectors) => Ok((vectors, usage)),
            None if !seen.message.is_empty() => Err(error::of(None, &seen.message.0)),
            None => Err(empty()),
        }
    }
}

fn empty() -> ApiError {
    ApiError::bad_answer("The provider's answer contains no embeddings.")
}

/// Reads a response.
pub(super) fn read(body: &[u8]) -> Result<Response<'_>, ApiError> {
    let (vectors, usage) = ResponseIn::of(body)?;
    if vectors.is_empty() {
        return Err(empty());
    }
    let vectors = vectors.into_iter().map(Vector::read).collect::<Result<_, _>>()?;
    Ok(Response { vectors, usage, ..Response::default() })
}

/// Reads only the usage of a response.
pub(super) fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Only {
        meta: Option<Meta>,
    }
    json::from_slice::<Only>(body).ok()?.meta?.billed_units?.read()
}
