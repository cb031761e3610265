//! The lists of models. Both providers use the same path: Anthropic's clients send their version header.

use hyper::Method;
use serde_json::{Value, json};

use super::{Asked, Wire, anthropic, openai};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::reply::{Refusal, Reply};

pub struct OpenAi;

pub struct Anthropic;

fn asks(call: &Call<'_>) -> bool {
    call.method == Method::GET && call.path == "/v1/models"
}

fn list(models: &Value) -> Asked {
    Asked::ready(Reply::json(200, models))
}

impl Wire for OpenAi {
    fn serves(&self, call: &Call<'_>) -> bool {
        asks(call) && !call.headers.contains_key("anthropic-version")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        openai::authenticate(call, control)
    }

    fn read(&self, _: &Call<'_>) -> Result<Asked, Refusal> {
        let model = json!({"id": "gpt-sim", "object": "model", "created": 1_780_000_000, "owned_by": "simulator"});
        Ok(list(&json!({"object": "list", "data": [model]})))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        openai::refuse(refusal)
    }
}

impl Wire for Anthropic {
    fn serves(&self, call: &Call<'_>) -> bool {
        asks(call) && call.headers.contains_key("anthropic-version")
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        anthropic::authenticate(call, control)
    }

    fn read(&self, _: &Call<'_>) -> Result<Asked, Refusal> {
        let created = "2026-01-01T00:00:00Z";
        let model = json!({"type": "model", "id": "claude-sim", "display_name": "Claude Sim", "created_at": created});
        Ok(list(&json!({"data": [model], "has_more": false, "first_id": "claude-sim", "last_id": "claude-sim"})))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        anthropic::refuse(refusal)
    }
}
