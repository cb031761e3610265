//! Responses that were kept: told again, and forgotten.

use hyper::Method;
use serde_json::json;

use super::{authenticate, refuse};
use crate::simulator::call::Call;
use crate::simulator::control::Control;
use crate::simulator::reply::{Refusal, Reply};
use crate::simulator::wire::{Asked, Wire};

const PATH: &str = "/v1/responses/{id}";

/// `GET` and `DELETE /v1/responses/{id}`.
pub struct Kept;

impl Wire for Kept {
    fn serves(&self, call: &Call<'_>) -> bool {
        [Method::GET, Method::DELETE].iter().any(|method| call.matches(method, PATH).is_some())
    }

    fn authenticate(&self, call: &Call<'_>, control: &Control) -> Result<(), Refusal> {
        authenticate(call, control)
    }

    fn read(&self, call: &Call<'_>) -> Result<Asked, Refusal> {
        let id = call.captures(PATH).unwrap_or_default().concat();
        let kept = call.memory.get(&id).filter(|thing| thing.about["object"] == "response");
        let kept = kept.ok_or_else(|| Refusal::new(404, format!("Response with id '{id}' not found.")))?;
        if call.method == Method::DELETE {
            call.memory.forget(&id);
            return Ok(Asked::ready(Reply::json(200, &json!({"id": id, "object": "response", "deleted": true}))));
        }
        Ok(Asked::ready(Reply::json(200, &kept.about)))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refuse(refusal)
    }
}
