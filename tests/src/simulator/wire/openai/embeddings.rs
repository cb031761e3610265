//! OpenAI's embeddings: the path, the request and the answer. Inputs may be token ids; vectors are numbers or base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Endpoint;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::vector::vector;
use crate::simulator::wire::Asked;

/// The default number of dimensions.
const DIMENSIONS: usize = 8;

/// `/v1/embeddings`.
pub static EMBEDDINGS: Endpoint = Endpoint::post("/v1/embeddings", |call| answer(&call.json()?));

/// Reads a request's body and answers it.
pub fn answer(body: &Value) -> Result<Asked, Refusal> {
    let model = body["model"].as_str().ok_or_else(|| Refusal::invalid("you must provide a model parameter"))?;
    let dimensions = match &body["dimensions"] {
        Value::Null => DIMENSIONS,
        given => {
            given.as_u64().filter(|count| *count > 0).ok_or_else(|| Refusal::invalid("Invalid 'dimensions'."))? as usize
        }
    };
    let inputs = inputs(&body["input"])?;
    let input = inputs.iter().map(|input| input.tokens).sum();
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let embedding = encode(&vector(&input.text, dimensions), &body["encoding_format"])?;
        Ok(json!({"object": "embedding", "index": index, "embedding": embedding}))
    });
    let reply = json!({
        "object": "list",
        "data": data.collect::<Result<Vec<_>, Refusal>>()?,
        "model": model,
        "usage": {"prompt_tokens": input, "total_tokens": input},
    });
    let used = Usage { input, ..Usage::default() };
    Ok(Asked::Ready { reply: Reply::json(200, &reply), model: Some(model.to_owned()), used })
}

fn encode(vector: &[f32], format: &Value) -> Result<Value, Refusal> {
    match format.as_str() {
        Some("base64") => {
            let bytes = vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
            Ok(json!(STANDARD.encode(bytes)))
        }
        None | Some("float") => Ok(json!(vector)),
        Some(other) => Err(Refusal::invalid(format!("Invalid value: '{other}' for 'encoding_format'."))),
    }
}

struct Input {
    text: String,
    tokens: u64,
}

/// Reads the input: a text, a list of tokens, or several of either.
fn inputs(input: &Value) -> Result<Vec<Input>, Refusal> {
    let one = |input: &Value| match input {
        Value::String(text) if !text.is_empty() => Some(Input { text: text.clone(), tokens: tokens(text.len()) }),
        Value::Array(given) if !given.is_empty() && given.iter().all(Value::is_u64) => {
            Some(Input { text: input.to_string(), tokens: given.len() as u64 })
        }
        _ => None,
    };
    let several = || input.as_array()?.iter().map(one).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty());
    let found = one(input).map(|input| vec![input]).or_else(several);
    found.ok_or_else(|| {
        Refusal::invalid(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
        )
    })
}
