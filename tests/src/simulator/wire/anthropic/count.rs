//! `/v1/messages/count_tokens`: counts a request's tokens without an answer.

use serde_json::json;

use super::{Messages, Wire, request};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::wire::{Asked, Trouble};

/// Fields of `/v1/messages` that the count rejects.
const REFUSED: [&str; 7] = ["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata"];

pub struct Count;

impl Wire for Count {
    fn serves(&self, call: &Call<'_>) -> bool {
        call.posts("/v1/messages/count_tokens")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        Messages.authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let mut body = call.json()?;
        if let Some(name) = REFUSED.into_iter().find(|name| !body[*name].is_null()) {
            return Err(Refusal::invalid(format!("{name}: Extra inputs are not permitted")));
        }
        body["max_tokens"] = json!(u64::MAX);
        let prompt = request::read(&body)?;
        let input = tokens(prompt.text_bytes).max(1);
        let reply = Reply::json(200, &json!({"input_tokens": input}));
        Ok(Asked::Ready { reply, model: Some(prompt.model), used: Usage::default() })
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        Messages.refuse(refusal)
    }

    fn trouble(&self, trouble: Trouble) -> Refusal {
        Messages.trouble(trouble)
    }

    fn limits(&self) -> &'static [(&'static str, &'static str)] {
        Messages.limits()
    }
}
