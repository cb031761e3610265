//! Writes requests for Cohere's embeddings.

use serde::Serialize;

use crate::dialect::WrittenRequest;
use crate::dialect::fields::{drop_hint, wrong_word};
use crate::dialect::out::json;
use crate::embedding::{Encoding, Request};
use crate::error::ApiError;

/// The `input_type` if the client gives none.
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

/// Cohere's word for an encoding, in requests and responses.
pub(super) fn word(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Float => "float",
        Encoding::Base64 => "base64",
    }
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request<'_>, model: &str) -> Result<WrittenRequest, ApiError> {
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
    Ok(WrittenRequest { body, dropped })
}
