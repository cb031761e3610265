//! `/v1/responses/input_tokens`: counts a request's tokens without an answer.

use hyper::Method;
use serde_json::json;

use super::{items, request};
use crate::simulator::call::Call;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::wire::Asked;
use crate::simulator::wire::openai::Endpoint;

/// Fields of `/v1/responses` that the count rejects.
const REFUSED: [&str; 5] = ["stream", "temperature", "max_output_tokens", "store", "metadata"];

pub static COUNT: Endpoint = Endpoint { method: Method::POST, path: "/v1/responses/input_tokens", answer: count };

fn count(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    if let Some(name) = REFUSED.into_iter().find(|name| !body[*name].is_null()) {
        return Err(Refusal::invalid(format!("Unknown parameter: '{name}'.")));
    }
    let prompt = request::read(&body, &items::given(&body["input"])?)?;
    let count = json!({"object": "response.input_tokens", "input_tokens": tokens(prompt.text_bytes).max(1)});
    Ok(Asked::Ready { reply: Reply::json(200, &count), model: Some(prompt.model), used: Usage::default() })
}
