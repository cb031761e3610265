//! Requests for Gemini's embeddings. What holds for all texts stands in each of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::dialect::Written;
use crate::dialect::fields::{Fields, drop_hint, missing, nothing_left, wrong_word};
use crate::dialect::out::json;
use crate::embedding::{Input, Request};
use crate::error::ApiError;
use crate::lenient::Text;

use super::bare;

/// What vectors are for: in our words, and in Gemini's.
const TASKS: [(&str, &str); 4] = [
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
pub(super) fn write(request: &Request<'_>, model: &str) -> Result<Written, ApiError> {
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
    Ok(Written { body, dropped })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OneSeen<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    content: ContentSeen<'a>,
    #[serde(borrow, default)]
    task_type: Text<'a>,
    #[serde(default)]
    output_dimensionality: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentSeen<'a> {
    #[serde(borrow)]
    parts: Vec<PartSeen<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartSeen<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

/// Reads a request whose texts ask for the same; parts of one content are one text.
pub(super) fn read(body: &[u8]) -> Result<Request<'_>, ApiError> {
    let mut fields = Fields::of(body)?;
    let seen: Vec<OneSeen<'_>> = fields.take("", "requests")?.ok_or_else(|| missing("requests"))?;
    nothing_left(&fields, "")?;
    let Some(first) = seen.first() else { return Err(missing("requests[0]")) };
    let shared = |one: &OneSeen<'_>| (one.model.0.to_string(), one.task_type.0.to_string(), one.output_dimensionality);
    let (model, task, dimensions) = shared(first);
    if seen.iter().any(|one| shared(one) != (model.clone(), task.clone(), dimensions)) {
        let message = "'requests' must ask for the same model, task and dimensions.";
        return Err(ApiError::unsupported("requests", message));
    }
    let input_type = match task.as_str() {
        "" => None,
        task => {
            let known = TASKS.iter().find_map(|(ours, known)| (*known == task).then_some(*ours));
            let path = "requests[0].taskType";
            Some(known.ok_or_else(|| wrong_word(path, task, &TASKS.map(|(_, task)| task).join(", ")))?)
        }
    };
    let input =
        |one: OneSeen<'_>| Input::Text(Cow::Owned(one.content.parts.into_iter().map(|part| part.text.0).collect()));
    Ok(Request {
        model: Cow::Owned(bare(&model).to_owned()),
        inputs: seen.into_iter().map(input).collect(),
        dimensions,
        input_type: input_type.map(Cow::Borrowed),
        ..Request::default()
    })
}
