//! Gemini's embeddings: a batch with one request per text in the body.

use serde_json::{Value, json};

use super::{EVENTS, Generate, Wire};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::vector::vector;
use crate::simulator::wire::Asked;

const PATH: &str = "/v1beta/models/{model}:batchEmbedContents";
/// The default number of dimensions.
const DIMENSIONS: usize = 8;
const GENERATE: &Generate = &EVENTS;

pub struct Batch;

impl Wire for Batch {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts(PATH)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        GENERATE.authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let body = call.json()?;
        let model = call.captures(PATH).unwrap_or_default().concat();
        let requests = body["requests"].as_array().filter(|requests| !requests.is_empty());
        let requests = requests
            .ok_or_else(|| Refusal::invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n"))?;
        let mut bytes = 0;
        let mut embeddings = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            let text = text(index, request, &model)?;
            bytes += text.len();
            let dimensions = request["outputDimensionality"].as_u64().map_or(DIMENSIONS, |count| count as usize);
            embeddings.push(json!({"values": vector(&text, dimensions)}));
        }
        let used = Usage { input: tokens(bytes), ..Usage::default() };
        Ok(Asked::Ready { reply: Reply::json(200, &json!({"embeddings": embeddings})), model: Some(model), used })
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        GENERATE.refuse(refusal)
    }

    fn hints_in_bodies(&self) -> bool {
        true
    }
}

fn text(index: usize, request: &Value, model: &str) -> Result<String, Refusal> {
    let place = format!("* BatchEmbedContentsRequest.requests[{index}]");
    let known = ["model", "content", "taskType", "title", "outputDimensionality"];
    for name in request.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.contains(&name.as_str()) {
            let message = "Invalid JSON payload received. Unknown name";
            return Err(Refusal::invalid(format!("{message} \"{name}\" at 'requests[{index}]': Cannot find field.")));
        }
    }
    if request["model"] != format!("models/{model}") {
        return Err(Refusal::invalid(format!("{place}.model: must be the model of the path\n")));
    }
    let parts = request["content"]["parts"].as_array().filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| Refusal::invalid(format!("{place}.content: must not be empty\n")))?;
    Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect())
}
