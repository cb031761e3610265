//! Writes requests for Gemini's embeddings. Settings for all texts are repeated in each.

use serde::Serialize;

use crate::dialect::WrittenRequest;
use crate::dialect::fields::{drop_hint, wrong_word};
use crate::dialect::out::json;
use crate::embedding::Request;
use crate::error::ApiError;

use super::bare;

/// The tasks of vectors: our names and Gemini's.
pub(super) const TASKS: [(&str, &str); 4] = [
    ("search_document", "RETRIEVAL_DOCUMENT"),
    ("search_query", "RETRIEVAL_QUERY"),
    ("classification", "CLASSIFICATION"),
    ("clustering", "CLUSTERING"),
];

/// `batchEmbedContents` takes at most this many requests. Source: Gemini API, "Embeddings".
const MOST_TEXTS: usize = 100;

#[derive(Serialize)]
struct Body<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

/// Writes `request` for the provider's `model`.
pub(super) fn write(request: &Request<'_>, model: &str) -> Result<WrittenRequest, ApiError> {
    let task = |word: &str| {
        let known = TASKS.iter().find_map(|(ours, task)| (*ours == word).then_some(*task));
        known.ok_or_else(|| wrong_word("input_type", word, &TASKS.map(|(ours, _)| ours).join(", ")))
    };
    let task_type = request.input_type.as_deref().map(task).transpose()?;
    let mut dropped = request.dropped.clone();
    if request.user.is_some() {
        drop_hint(&mut dropped, "user");
    }
    let name = format!("models/{}", bare(model));
    let one = |text| One {
        model: &name,
        content: Content { parts: [Part { text }] },
        task_type,
        output_dimensionality: request.dimensions,
    };
    let shown = Body { requests: request.texts(MOST_TEXTS)?.into_iter().map(one).collect() };
    let mut body = Vec::with_capacity(1024);
    json(&mut body, &shown);
    Ok(WrittenRequest { body, dropped })
}
