//! The models that a caller may ask for, as OpenAI's or Anthropic's clients list them.

use std::rc::Rc;

use serde::Serialize;

use crate::config::file::Control;
use crate::config::{Caller, Gateway, Model};
use crate::dialect::Dialect;
use crate::dialect::anthropic::Anthropic;
use crate::error::{ApiError, ErrorKind};

use super::quoted;

/// A model as OpenAI describes one. When it was made is not known.
#[derive(Serialize)]
struct OpenAis<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// A model as Anthropic describes one (`src/anthropic/types/model_info.py` of its Python SDK): a release date that is not known
/// is the epoch.
#[derive(Serialize)]
struct Anthropics<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
}

impl<'a> From<&'a str> for OpenAis<'a> {
    fn from(id: &'a str) -> Self {
        Self { id, object: "model", created: 0, owned_by: "sluice" }
    }
}

impl<'a> From<&'a str> for Anthropics<'a> {
    fn from(id: &'a str) -> Self {
        Self { r#type: "model", id, display_name: id, created_at: "1970-01-01T00:00:00Z", lifecycle: "active" }
    }
}

/// All that the caller may ask for.
pub(super) fn list(gateway: &Gateway, caller: &Caller, client: &dyn Dialect) -> Vec<u8> {
    #[derive(Serialize)]
    struct OpenAisList<'a> {
        object: &'static str,
        data: Vec<OpenAis<'a>>,
    }
    #[derive(Serialize)]
    struct AnthropicsList<'a> {
        data: Vec<Anthropics<'a>>,
        has_more: bool,
        first_id: Option<&'a str>,
        last_id: Option<&'a str>,
    }
    let known = gateway.known_names(may_name_targets(caller));
    let may_ask = |name: &&str| {
        let found = gateway.find(name, may_name_targets(caller));
        found.is_some_and(|found| caller.may_ask(name, &found))
    };
    let names: Vec<&str> = known.iter().map(String::as_str).filter(may_ask).collect();
    if is_anthropics(client) {
        let (first_id, last_id) = (names.first().copied(), names.last().copied());
        let data = names.into_iter().map(Anthropics::from).collect();
        return json(&AnthropicsList { data, has_more: false, first_id, last_id });
    }
    json(&OpenAisList { object: "list", data: names.into_iter().map(OpenAis::from).collect() })
}

/// One of them.
pub(super) fn one(gateway: &Gateway, caller: &Caller, client: &dyn Dialect, name: &str) -> Result<Vec<u8>, ApiError> {
    resolve(gateway, caller, name)?;
    Ok(match is_anthropics(client) {
        true => json(&Anthropics::from(name)),
        false => json(&OpenAis::from(name)),
    })
}

/// The model of this name, if there is one and the caller may use it.
pub(super) fn resolve(gateway: &Gateway, caller: &Caller, name: &str) -> Result<Rc<Model>, ApiError> {
    let about_model = |status, kind, message: String| ApiError {
        param: Some("model".to_owned()),
        ..ApiError::new(status, kind, message)
    };
    let Some(found) = gateway.find(name, may_name_targets(caller)) else {
        let message = format!("The model {} does not exist. GET /v1/models lists those that do.", quoted(name));
        return Err(about_model(404, ErrorKind::NotFound, message).with_code("model_not_found"));
    };
    if !caller.may_ask(name, &found) {
        let message = format!("This key may not use the model {}. GET /v1/models lists those it may.", quoted(name));
        return Err(about_model(403, ErrorKind::Permission, message).with_code("model_not_allowed"));
    }
    Ok(found.model)
}

/// Who keeps what clients store.
pub(super) fn stored(gateway: &Gateway) -> Result<Rc<Model>, ApiError> {
    gateway.stored.clone().ok_or_else(|| {
        let message = "No provider keeps files, batches or responses here: `stored` in the gateway file can name one.";
        ApiError::new(404, ErrorKind::NotFound, message).with_code("unknown_url")
    })
}

pub(super) fn may_name_targets(caller: &Caller) -> bool {
    caller.control.contains(&Control::Targets)
}

fn is_anthropics(client: &dyn Dialect) -> bool {
    client.name() == Anthropic.name()
}

/// Strings and numbers into a `Vec` cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
