//! The client side of Gemini's embeddings, used by tests only: reads what the provider side writes, and writes what it reads.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::dialect::client::{Asks, Client, EmbeddingsClient, PeekSpec};
use crate::dialect::fields::{Fields, missing, nothing_left, wrong_word};
use crate::dialect::openai;
use crate::dialect::out::json;
use crate::embedding::{Encoding, Input, Request, Response, Vector};
use crate::error::ApiError;
use crate::lenient::Text;

use super::bare;
use super::request::TASKS;

/// The client side of Gemini's embeddings.
pub static CLIENT: Client = Client {
    provider: &super::PROVIDER,
    shape: PeekSpec::CHAT,
    own_names: &[],
    runs_tool: |_| false,
    manner: &openai::MANNER,
    asks: Asks::Embeddings(EmbeddingsClient { read_request: read, write_response: |response, _| write(response) }),
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestIn<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    content: ContentIn<'a>,
    #[serde(borrow, default)]
    task_type: Text<'a>,
    #[serde(default)]
    output_dimensionality: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentIn<'a> {
    #[serde(borrow)]
    parts: Vec<PartIn<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartIn<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

/// Reads a request whose texts share their settings; the parts of one content are joined into one text.
fn read(body: &[u8]) -> Result<Request<'_>, ApiError> {
    let mut fields = Fields::of(body)?;
    let seen: Vec<RequestIn<'_>> = fields.take("", "requests")?.ok_or_else(|| missing("requests"))?;
    nothing_left(&fields, "")?;
    let Some(first) = seen.first() else { return Err(missing("requests[0]")) };
    let shared =
        |one: &RequestIn<'_>| (one.model.0.to_string(), one.task_type.0.to_string(), one.output_dimensionality);
    let (model, task, dimensions) = shared(first);
    if seen.iter().any(|one| shared(one) != (model.clone(), task.clone(), dimensions)) {
        let message = "All 'requests' must have the same model, task and dimensions.";
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
        |one: RequestIn<'_>| Input::Text(Cow::Owned(one.content.parts.into_iter().map(|part| part.text.0).collect()));
    Ok(Request {
        model: Cow::Owned(bare(&model).to_owned()),
        inputs: seen.into_iter().map(input).collect(),
        dimensions,
        input_type: input_type.map(Cow::Borrowed),
        ..Request::default()
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    embeddings: Vec<ItemShown<'a>>,
}

#[derive(Serialize)]
struct ItemShown<'a> {
    values: Vector<'a>,
}

/// Writes a response; its vectors are arrays of numbers.
fn write(response: &Response<'_>) -> Result<Vec<u8>, ApiError> {
    let vectors = response.encoded(Encoding::Float)?.into_iter();
    let shown = Shown { embeddings: vectors.map(|values| ItemShown { values }).collect() };
    let mut out = Vec::with_capacity(response.size().saturating_add(64));
    json(&mut out, &shown);
    Ok(out)
}
