//! Parameters that both of OpenAI's chat formats have and no other. Read from one format, they are written to the other, for OpenAI's
//! models. For all other targets, and for models that do not support them, they are dropped and reported.
//!
//! | by chat completions' name | in Responses | |
//! |---|---|---|
//! | `metadata` | `metadata` | in chat completions only with `store: true`: OpenAI rejects it otherwise |
//! | `store` | `store` | |
//! | `prompt_cache_key` | `prompt_cache_key` | |
//! | `safety_identifier` | `safety_identifier` | |
//! | `verbosity` | `text.verbosity` | for GPT-5 and newer: older models reject all but `medium` |
//!
//! Sources: `CompletionCreateParams` and `ResponseCreateParams` of OpenAI's Python SDK; OpenAI's 400s "The 'metadata' parameter is only
//! allowed when 'store' is enabled" and "Unsupported value: 'low' is not supported with the 'gpt-4o' model".

use serde::Serialize;

use crate::conversation::{Json, Request};
use crate::dialect::fields::{Fields, drop_hint};
use crate::dialect::models::openai::OpenAi;
use crate::error::ApiError;

use super::reasoning::Surface;

/// Their names in chat completions.
const NAMES: [&str; 4] = ["metadata", "store", "prompt_cache_key", "safety_identifier"];

/// The parameter with another path in Responses.
pub(in crate::dialect) const VERBOSITY: (&str, &str) = ("verbosity", "text.verbosity");

/// Reads them from the top level of a request. They count as dropped until a writer writes them.
pub(in crate::dialect) fn read(
    fields: &mut Fields<'_>,
    names: &[&'static str],
    request: &mut Request,
) -> Result<(), ApiError> {
    for name in NAMES.iter().chain(names) {
        if let Some(value) = fields.take::<Json>("", name)?.filter(|value| !matches!(value.text(), "{}" | "false")) {
            request.carried.push((name, value));
            drop_hint(&mut request.dropped, name);
        }
    }
    Ok(())
}

/// The parameters to forward, in the form that both formats share; two have different paths in the two formats.
#[derive(Default, Serialize)]
pub(in crate::dialect) struct Carried<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a Json>,
    #[serde(skip)]
    pub store: Option<&'a Json>,
    #[serde(skip)]
    pub verbosity: Option<&'a Json>,
}

impl<'a> Carried<'a> {
    /// The parameters that `model` supports. Removes them from `dropped`.
    pub fn of(request: &'a Request, model: &str, on: Surface, dropped: &mut Vec<String>) -> Self {
        let Some(model) = OpenAi::of(model) else { return Self::default() };
        let take = |name: &str| request.carried.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let store = take("store");
        let carried = Self {
            metadata: take("metadata").filter(|_| on == Surface::Responses || store.is_some()),
            store,
            prompt_cache_key: take("prompt_cache_key"),
            safety_identifier: take("safety_identifier"),
            verbosity: take(VERBOSITY.0).or(take(VERBOSITY.1)).filter(|_| model.verbosity),
        };
        let written = [
            (carried.metadata, "metadata"),
            (carried.store, "store"),
            (carried.prompt_cache_key, "prompt_cache_key"),
            (carried.safety_identifier, "safety_identifier"),
            (carried.verbosity, VERBOSITY.0),
            (carried.verbosity, VERBOSITY.1),
        ];
        let is_written = |name: &String| written.iter().any(|(value, known)| value.is_some() && known == name);
        dropped.retain(|name| !is_written(name));
        carried
    }
}
