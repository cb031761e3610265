//! Responses. Vectors are copied verbatim if both sides use the same encoding.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::Usage;
use crate::dialect::ResponseSummary;
use crate::dialect::openai::error;
use crate::dialect::openai::usage::UsageIn;
use crate::dialect::out::json;
use crate::embedding::{Encoding, Response, Vector};
use crate::error::ApiError;
use crate::json;
use crate::lenient::{Count, Filled, Text, maybe};
use crate::order;

/// A response with items `T`.
#[derive(Deserialize)]
struct ResponseIn<'a, T> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Text<'a>,
    data: Option<T>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

impl<'a, T: Deserialize<'a>> ResponseIn<'a, T> {
    fn of(body: &'a [u8]) -> Result<Self, ApiError> {
        let seen: Self = json::from_slice(body).map_err(|error| match failure(body) {
            Some(failure) => failure,
            None => ApiError::unreadable(&error),
        })?;
        if seen.error.is_some() {
            return Err(error::read(200, body));
        }
        Ok(seen)
    }
}

/// The error in a response whose other fields are invalid.
fn failure(body: &[u8]) -> Option<ApiError> {
    #[derive(Deserialize)]
    struct Only {
        error: Filled,
    }
    let only: Only = json::from_slice(body).ok()?;
    (only.error.0 > 0).then(|| error::read(200, body))
}

fn empty() -> ApiError {
    ApiError::bad_answer("The provider's answer contains no embeddings.")
}

/// Reads a response. Sorts the vectors by index; without indexes they are in order.
pub(super) fn read(body: &[u8]) -> Result<Response<'_>, ApiError> {
    let seen = ResponseIn::<Vec<Item<'_>>>::of(body)?;
    let mut items = seen.data.unwrap_or_default();
    if items.is_empty() {
        return Err(empty());
    }
    if items.iter().all(|item| item.index.0.is_some()) {
        order::by_numbers(&mut items, |item| (item.index.0.unwrap_or(u64::MAX), 0));
    }
    let vectors = items.into_iter().map(|item| Vector::read(item.embedding)).collect::<Result<_, _>>()?;
    Ok(Response { model: seen.model.0, vectors, usage: seen.usage.and_then(|usage| usage.read()) })
}

/// The encoding of a response's first vector; `None` if there is none.
pub(super) fn encoding(body: &[u8]) -> Option<Encoding> {
    const NAME: &[u8] = b"\"embedding\"";
    // `"embedding"` also occurs as a value: the `object` of every item.
    let values = memchr::memmem::find_iter(body, NAME).filter_map(|at| body.get(at.saturating_add(NAME.len())..));
    let first = values.filter_map(|rest| rest.trim_ascii_start().strip_prefix(b":")).next()?;
    match first.trim_ascii_start().first()? {
        b'"' => Some(Encoding::Base64),
        b'[' => Some(Encoding::Float),
        _ => None,
    }
}

/// Inspects a response that passes unchanged.
pub(super) fn peek(body: &[u8]) -> Result<ResponseSummary, ApiError> {
    let seen = ResponseIn::<Filled>::of(body)?;
    if seen.data.is_none_or(|data| data.0 == 0) {
        return Err(empty());
    }
    let model = (!seen.model.is_empty()).then(|| seen.model.0.into_owned());
    let usage = seen.usage.and_then(|usage| usage.read());
    Ok(ResponseSummary { model, usage, finished: true, ..ResponseSummary::default() })
}

#[derive(Serialize)]
struct Shown<'a> {
    object: &'static str,
    data: Vec<ItemShown<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageShown>,
}

#[derive(Serialize)]
struct ItemShown<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
struct UsageShown {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for UsageShown {
    fn from(usage: Usage) -> Self {
        Self { prompt_tokens: usage.input, total_tokens: usage.input.saturating_add(usage.output) }
    }
}

/// Writes a response with vectors in `encoding`.
pub(super) fn write(response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
    let vectors = response.encoded(encoding)?.into_iter().enumerate();
    let shown = Shown {
        object: "list",
        data: vectors.map(|(index, embedding)| ItemShown { object: "embedding", index, embedding }).collect(),
        model: &response.model,
        usage: response.usage.map(UsageShown::from),
    };
    let mut out = Vec::with_capacity(response.size().saturating_add(256));
    json(&mut out, &shown);
    Ok(out)
}
