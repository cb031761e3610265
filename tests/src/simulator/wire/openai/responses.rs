//! OpenAI's responses: the path and the stored responses. [`kept`] serves stored responses, and later requests can
//! continue them.

mod answer;
pub mod count;
mod items;
pub mod kept;
mod request;
mod stream;

use serde_json::{Value, json};

use super::{authenticate, refuse};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::Faults;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Refusal, Reply};
use crate::simulator::wire::{Asked, Chat, Wire};

/// `/v1/responses`, also of a server that ignores unknown fields.
pub struct Responses;

const LENIENT: &str = "/vllm/v1/responses";

impl Wire for Responses {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v1/responses") || call.posts(LENIENT)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let body = call.json()?;
        read(call, &if call.posts(LENIENT) { request::known(body) } else { body })
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }
}

/// Reads a request, and stores its response.
pub fn read(call: &Call<'_>, body: &Value) -> Result<Asked, Refusal> {
    let before = match body["previous_response_id"].as_str() {
        None => Vec::new(),
        Some(id) => conversation(call, id).ok_or_else(|| {
            let message = format!("Previous response with id '{id}' not found.");
            Refusal { code: Some("previous_response_not_found"), ..Refusal::invalid(message) }
        })?,
    };
    let items = [before, items::given(&body["input"])?].concat();
    let mut prompt = request::read(body, &items)?;
    let id = call.memory.identifier("resp_");
    prompt.echo["id"] = json!(id);
    if body["store"] != false {
        // The response without faults: a test does not retrieve a failed response.
        let answer = prompt.answer(&Faults::of_model(&prompt.model).unwrap_or_default());
        let response = answer::whole(&prompt, &answer, &Faults::default());
        call.memory.keep(&id, response, Value::Array(items).to_string().into());
    }
    Ok(Asked::Chat(prompt, &Responses))
}

/// The conversation up to and including a response.
fn conversation(call: &Call<'_>, id: &str) -> Option<Vec<Value>> {
    let thing = call.memory.get(id).filter(|thing| thing.about["object"] == "response")?;
    let input = serde_json::from_slice::<Vec<Value>>(&thing.content).ok()?;
    Some([input, thing.about["output"].as_array()?.clone()].concat())
}

impl Chat for Responses {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        stream::write(prompt, answer, faults)
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        let code = refusal.code.unwrap_or("server_error");
        let error =
            json!({"type": "error", "code": code, "message": refusal.message, "param": null, "sequence_number": 0});
        Event::named("error", &error)
    }
}
