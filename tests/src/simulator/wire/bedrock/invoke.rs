//! Bedrock's `InvokeModel` and `InvokeModelWithResponseStream` for Anthropic's models. Bodies are in Anthropic's
//! format, with the version in the body and the model in the path. Each frame of a stream holds one event in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{HEADERS, LIMITS, authenticate, exception_event, refuse, trouble};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::fault::Faults;
use crate::simulator::order;
use crate::simulator::prompt::{Answer, Prompt};
use crate::simulator::reply::{Event, Framing, Refusal, Reply};
use crate::simulator::wire::anthropic::{answer, request};
use crate::simulator::wire::{Asked, Chat, Trouble, Wire};

const WHOLE: &str = "/model/{id}/invoke";
const STREAM: &str = "/model/{id}/invoke-with-response-stream";

/// Both operations.
pub struct Invoke;

impl Wire for Invoke {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts(WHOLE) || call.posts(STREAM)
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let streamed = call.captures(STREAM);
        let stream = streamed.is_some();
        let model = streamed.or_else(|| call.captures(WHOLE)).unwrap_or_default().concat();
        let body = call.json()?;
        if body.get("stream").is_some() {
            let message = "Malformed input request: #: extraneous key [stream] is not permitted, please reformat your input and try again.";
            return Err(Refusal::invalid(message));
        }
        Ok(Asked::Chat(request::hosted(body, &model, "bedrock-2023-05-31", stream)?, &Invoke))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }

    fn trouble(&self, about: Trouble) -> Refusal {
        trouble(about)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        &LIMITS
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &HEADERS
    }
}

impl Chat for Invoke {
    fn whole(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Reply {
        Reply::json(200, &answer::whole(prompt, answer, faults))
    }

    fn stream(&self, prompt: &Prompt, answer: &Answer, faults: &Faults) -> Vec<Event> {
        let chunk = |event: Event| {
            let data = match event.name {
                Some("message_stop") => order::write(&stop(answer)),
                _ => event.data,
            };
            Event::named("chunk", &json!({"bytes": STANDARD.encode(data), "p": "abcdef"})).bringing(event.tokens)
        };
        answer::stream(prompt, answer, faults).into_iter().map(chunk).collect()
    }

    fn framing(&self) -> Framing {
        Framing::Frames
    }

    fn error_event(&self, refusal: &Refusal) -> Event {
        exception_event(refusal)
    }
}

/// The last event, to which Bedrock adds its own counts.
fn stop(answer: &Answer) -> Value {
    let mut stop = json!({"type": "message_stop"});
    if let Some(usage) = answer.usage {
        stop["amazon-bedrock-invocationMetrics"] = json!({
            "inputTokenCount": usage.input - usage.cached - usage.cache_written, "outputTokenCount": usage.output,
            "invocationLatency": 300, "firstByteLatency": 100,
            "cacheReadInputTokenCount": usage.cached, "cacheWriteInputTokenCount": usage.cache_written,
        });
    }
    stop
}
