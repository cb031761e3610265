//! Answers of Cohere's embeddings: the vectors by their types, the usage among what was billed.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::Usage;
use crate::dialect::Glance;
use crate::dialect::lenient::{Filled, Text};
use crate::embedding::{Response, Vector};
use crate::error::ApiError;

use super::super::error;
use super::super::usage::Units;

/// An answer, its vectors as `T`.
#[derive(Deserialize)]
struct Seen<'a, T> {
    embeddings: Option<Types<T>>,
    #[serde(default)]
    meta: Option<Meta>,
    /// The words of an error that stands there instead of an answer.
    #[serde(borrow, default)]
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Types<T> {
    float: Option<T>,
    base64: Option<T>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    billed_units: Option<Units>,
}

impl<'a, T: Deserialize<'a>> Seen<'a, T> {
    /// The vectors of the type that is there, and the usage.
    fn of(body: &'a [u8]) -> Result<(T, Option<Usage>), ApiError> {
        let seen: Self = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let usage = seen.meta.and_then(|meta| meta.billed_units?.read());
        match seen.embeddings.and_then(|types| types.float.or(types.base64)) {
            Some(vectors) => Ok((vectors, usage)),
            None if !seen.message.is_empty() => Err(error::of(None, &seen.message.0)),
            None => Err(empty()),
        }
    }
}

fn empty() -> ApiError {
    ApiError::bad_answer("The provider's answer holds no embeddings.")
}

/// Reads an answer.
pub(super) fn read(body: &[u8]) -> Result<Response<'_>, ApiError> {
    let (vectors, usage) = Seen::<Vec<&RawValue>>::of(body)?;
    if vectors.is_empty() {
        return Err(empty());
    }
    let vectors = vectors.into_iter().map(Vector::read).collect::<Result<_, _>>()?;
    Ok(Response { vectors, usage, ..Response::default() })
}

/// Looks at an answer that passes unchanged.
pub(super) fn peek(body: &[u8]) -> Result<Glance, ApiError> {
    let (vectors, usage) = Seen::<Filled>::of(body)?;
    if vectors.0 == 0 {
        return Err(empty());
    }
    Ok(Glance { usage, finished: true, ..Glance::default() })
}

/// The usage in an answer of which nothing else is wanted.
pub(super) fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Only {
        meta: Option<Meta>,
    }
    serde_json::from_slice::<Only>(body).ok()?.meta?.billed_units?.read()
}
