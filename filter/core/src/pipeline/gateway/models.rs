//! Lists the models that a caller may use, in OpenAI's or Anthropic's format: by name, and in pages on request.

use std::rc::Rc;

use serde::Serialize;
use sluice_wire::calendar;
use sluice_wire::dialect::{Client, Id};
use sluice_wire::error::{ApiError, ErrorKind};

use crate::compiled::CompiledConfig;
use crate::keys::caller::Caller;
use crate::keys::spec::Permission;
use crate::routing::spec::ModelKind;
use crate::routing::target::Model;

use super::{endpoint, quoted};

/// The default size of Anthropic's pages, and the largest one (<https://platform.claude.com/docs/en/api/models/list>). OpenAI's list
/// contains all models (<https://platform.openai.com/docs/api-reference/models/list>), unless its client requests fewer.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;

/// A model's facts: its kind, its release date (or when this gateway file was loaded), and its longest prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct About {
    kind: Option<ModelKind>,
    created: Option<u64>,
    context_length: Option<u64>,
}

impl About {
    /// The first target that states a fact decides it; the longest prompt is the maximum of all targets.
    fn of(model: &Model, config: &CompiledConfig) -> Self {
        let likely = || model.targets.first().map(|target| ModelKind::likely(&target.model));
        let stated = || model.targets.iter().map(|target| target.capabilities);
        Self {
            kind: stated().find_map(|stated| stated.kind).or_else(likely),
            created: stated().find_map(|stated| stated.created).or(config.since),
            context_length: stated().filter_map(|stated| stated.max_input).max(),
        }
    }
}

/// A model in OpenAI's format, with further facts.
#[derive(Serialize)]
struct OpenAis<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ModelKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
}

/// A model in Anthropic's format (`src/anthropic/types/model_info.py` of its Python SDK), with further facts. An unknown release date is
/// the epoch.
#[derive(Serialize)]
struct Anthropics<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    lifecycle: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ModelKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
}

impl<'a> OpenAis<'a> {
    fn new(id: &'a str, about: About) -> Self {
        let About { kind, created, context_length } = about;
        Self { id, object: "model", created: created.unwrap_or_default(), owned_by: "sluice", kind, context_length }
    }
}

impl<'a> Anthropics<'a> {
    fn new(id: &'a str, about: About) -> Self {
        let created_at = calendar::moment(about.created.unwrap_or_default());
        let About { kind, context_length: max_input_tokens, .. } = about;
        Self { r#type: "model", id, display_name: id, created_at, lifecycle: "active", kind, max_input_tokens }
    }
}

/// A model's name as a page boundary, and the query parameter that gave it.
#[derive(Debug)]
struct Cursor {
    parameter: &'static str,
    name: String,
}

/// The requested part of a list: `limit`, and the names around it.
#[derive(Debug, Default)]
struct Page {
    limit: Option<usize>,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

impl Page {
    fn read(query: &str) -> Result<Self, ApiError> {
        let mut page = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = endpoint::percent_decoded(value);
            let cursor = |parameter| Some(Cursor { parameter, name: value.clone() });
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                    let message = format!("Invalid 'limit': expected a number from 1 to {LARGEST_PAGE}.");
                    page.limit = Some(limit.ok_or_else(|| ApiError::invalid("limit", message))?);
                }
                "after" if !value.is_empty() => page.after = cursor("after"),
                "after_id" if !value.is_empty() => page.after = cursor("after_id"),
                "before" if !value.is_empty() => page.before = cursor("before"),
                "before_id" if !value.is_empty() => page.before = cursor("before_id"),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The requested part of `names`, and whether more follow in that direction.
    fn of<'n>(&self, names: &'n [String], limit: usize) -> Result<(&'n [String], bool), ApiError> {
        let place = |Cursor { parameter, name: cursor }: &Cursor| {
            let message = || format!("Invalid '{parameter}': the model {} does not exist.", quoted(cursor));
            names.iter().position(|name| name == cursor).ok_or_else(|| ApiError::invalid(*parameter, message()))
        };
        let from = self.after.as_ref().map(place).transpose()?.map_or(0, |at| at + 1);
        let to = self.before.as_ref().map(place).transpose()?.unwrap_or(names.len());
        let all = names.get(from..to).unwrap_or_default();
        let size = all.len().min(self.limit.unwrap_or(limit));
        let backwards = self.before.is_some() && self.after.is_none();
        let part = if backwards { all.get(all.len() - size..) } else { all.get(..size) };
        Ok((part.unwrap_or_default(), size < all.len()))
    }
}

/// Lists the caller's models, or the page that `query` requests.
pub(super) fn list(
    config: &CompiledConfig,
    caller: &Caller,
    client: &Client,
    query: &str,
) -> Result<Vec<u8>, ApiError> {
    #[derive(Serialize)]
    struct OpenAisList<'a> {
        object: &'static str,
        data: Vec<OpenAis<'a>>,
        has_more: bool,
        first_id: Option<&'a str>,
        last_id: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct AnthropicsList<'a> {
        data: Vec<Anthropics<'a>>,
        has_more: bool,
        first_id: Option<&'a str>,
        last_id: Option<&'a str>,
    }
    let known = config.known_names(may_name_targets(caller));
    let may_ask = |name: &&str| {
        let found = config.find(name, may_name_targets(caller));
        found.is_some_and(|found| caller.may_ask(name, &found.name))
    };
    let names: Vec<String> = known.into_iter().filter(|name| may_ask(&name.as_str())).collect();
    let about = |name: &str| {
        let found = config.find(name, may_name_targets(caller));
        found.map(|found| About::of(&found.model, config)).unwrap_or_default()
    };
    let page = Page::read(query)?;
    let most = if is_anthropics(client) { PAGE } else { names.len() };
    let (names, has_more) = page.of(&names, most)?;
    let (first_id, last_id) = (names.first().map(String::as_str), names.last().map(String::as_str));
    if is_anthropics(client) {
        let data = names.iter().map(|name| Anthropics::new(name, about(name))).collect();
        return Ok(json(&AnthropicsList { data, has_more, first_id, last_id }));
    }
    let data = names.iter().map(|name| OpenAis::new(name, about(name))).collect();
    Ok(json(&OpenAisList { object: "list", data, has_more, first_id, last_id }))
}

/// Returns one model.
pub(super) fn one(config: &CompiledConfig, caller: &Caller, client: &Client, name: &str) -> Result<Vec<u8>, ApiError> {
    let about = About::of(&*resolve(config, caller, name)?, config);
    Ok(match is_anthropics(client) {
        true => json(&Anthropics::new(name, about)),
        false => json(&OpenAis::new(name, about)),
    })
}

/// Finds a model by name, if the caller may use it.
pub(super) fn resolve(config: &CompiledConfig, caller: &Caller, name: &str) -> Result<Rc<Model>, ApiError> {
    let about_model = |status, kind, message: String| ApiError {
        param: Some("model".to_owned()),
        ..ApiError::new(status, kind, message)
    };
    let Some(found) = config.find(name, may_name_targets(caller)) else {
        let message = format!("The model {} does not exist. GET /v1/models lists the available models.", quoted(name));
        return Err(about_model(404, ErrorKind::NotFound, message).with_code("model_not_found"));
    };
    if !caller.may_ask(name, &found.name) {
        let message = format!(
            "This key may not use the model {}. GET /v1/models lists the models that it may use.",
            quoted(name)
        );
        return Err(about_model(403, ErrorKind::Permission, message).with_code("model_not_allowed"));
    }
    Ok(found.model)
}

/// The provider of stored objects, as a model.
pub(super) fn stored(config: &CompiledConfig) -> Result<Rc<Model>, ApiError> {
    config.stored.clone().ok_or_else(|| {
        let message = "The gateway has no provider that stores files, batches or responses. Ask the gateway's \
                       operator to name one under `stored` in the gateway file.";
        ApiError::new(404, ErrorKind::NotFound, message).with_code("unknown_url")
    })
}

pub(super) fn may_name_targets(caller: &Caller) -> bool {
    caller.control.contains(&Permission::Targets)
}

fn is_anthropics(client: &Client) -> bool {
    client.id() == Id::Anthropic
}

/// Serializing strings and numbers into a `Vec` cannot fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    sluice_wire::json::written(value)
}
