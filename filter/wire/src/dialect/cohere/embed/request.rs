//! Requests for Cohere's embeddings.

use std::borrow::Cow;

use serde::Serialize;

use crate::dialect::Written;
use crate::dialect::fields::{Fields, drop_hint, missing, nothing_left, required, wrong_word};
use crate::dialect::out::json;
use crate::embedding::{Encoding, Input, Request};
use crate::error::ApiError;
use crate::lenient::Text;

/// What Cohere wants to hear when the client says nothing.
const USUAL_TYPE: &str = "search_document";
const TYPES: [&str; 4] = [USUAL_TYPE, "search_query", "classification", "clustering"];

/// "Maximum number of texts per call is 96." Source: Cohere's API reference, v2 embed, `texts`.
const MOST_TEXTS: usize = 96;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    texts: Vec<&'a str>,
    input_type: &'a str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
}

/// Cohere's word for an encoding, in requests and in answers.
pub(super) fn word(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Float => "float",
        Encoding::Base64 => "base64",
    }
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request<'_>, model: &str) -> Result<Written, ApiError> {
    let input_type = request.input_type.as_deref().unwrap_or(USUAL_TYPE);
    if !TYPES.contains(&input_type) {
        return Err(wrong_word("input_type", input_type, &TYPES.join(", ")));
    }
    let mut dropped = request.dropped.clone();
    if request.user.is_some() {
        drop_hint(&mut dropped, "user");
    }
    let shown = Body {
        model,
        texts: request.texts(MOST_TEXTS)?,
        input_type,
        embedding_types: [word(request.encoding)],
        output_dimension: request.dimensions,
    };
    let mut body = Vec::with_capacity(1024);
    json(&mut body, &shown);
    Ok(Written { body, dropped })
}

/// Reads a request of texts for vectors of one type.
pub(super) fn read(body: &[u8]) -> Result<Request<'_>, ApiError> {
    let mut fields = Fields::of(body)?;
    let texts: Vec<Text<'_>> = fields.take("", "texts")?.ok_or_else(|| missing("texts"))?;
    let types: Option<Vec<String>> = fields.take("", "embedding_types")?;
    let request = Request {
        model: Cow::Owned(required(&mut fields, "", "model")?),
        inputs: texts.into_iter().map(|text| Input::Text(text.0)).collect(),
        dimensions: fields.take("", "output_dimension")?,
        encoding: match types.unwrap_or_default().as_slice() {
            [] => Encoding::Float,
            [one] if one == word(Encoding::Float) => Encoding::Float,
            [one] if one == word(Encoding::Base64) => Encoding::Base64,
            other => return Err(wrong_word("embedding_types", &other.join(", "), "float, base64; one of them")),
        },
        input_type: Some(Cow::Owned(required(&mut fields, "", "input_type")?)),
        ..Request::default()
    };
    nothing_left(&fields, "")?;
    Ok(request)
}
