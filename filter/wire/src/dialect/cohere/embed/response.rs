//! Answers of Cohere's embeddings: the vectors by their types, the usage among what was billed.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::conversation::Usage;
use crate::dialect::Glance;
use crate::dialect::out::json;
use crate::embedding::{Encoding, Response, Vector};
use crate::error::ApiError;
use crate::lenient::{Filled, Text};

use super::super::error;
use super::super::usage::Units;
use super::request::word;

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

#[derive(Serialize)]
struct Shown<'a> {
    id: &'static str,
    embeddings: ByType<'a>,
    texts: [&'static str; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<MetaShown>,
    response_type: &'static str,
}

/// `{"float": […]}`.
struct ByType<'a>(Encoding, Vec<Vector<'a>>);

impl Serialize for ByType<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(word(self.0), &self.1)])
    }
}

#[derive(Serialize)]
struct MetaShown {
    billed_units: UnitsShown,
}

#[derive(Serialize)]
struct UnitsShown {
    input_tokens: u64,
}

/// Writes an answer, its vectors in `encoding`. The texts are not told again.
pub(super) fn write(response: &Response<'_>, encoding: Encoding) -> Result<Vec<u8>, ApiError> {
    let shown = Shown {
        id: "",
        embeddings: ByType(encoding, response.encoded(encoding)?),
        texts: [],
        meta: response.usage.map(|usage| MetaShown { billed_units: UnitsShown { input_tokens: usage.input } }),
        response_type: "embeddings_by_type",
    };
    let mut out = Vec::with_capacity(response.size().saturating_add(256));
    json(&mut out, &shown);
    Ok(out)
}
