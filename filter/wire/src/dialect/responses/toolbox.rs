//! Converts a request's tools to functions: those in `tools`, and those that items add.
//!
//! | tool | as a function |
//! |---|---|
//! | `function` | unchanged |
//! | `namespace` | its functions as `{namespace}__{name}`; those of the namespace `functions`, which means none, under their own names |
//! | `custom` | a function with one text argument and the grammar in its description |
//! | `tool_search` executed by the client | a function with its parameters |
//! | any other | runs at OpenAI: dropped and reported if there are functions |
//!
//! Calls are converted back to the form that the client declared: see [`Guises`].
//!
//! Source: the types of OpenAI's Python SDK (`NamespaceTool`, `CustomTool`, `ToolSearchTool`, `ResponseFunctionToolCall.namespace`), and
//! the requests and responses of Codex 0.171 (`additional_tools`; it rejects a call without its `namespace` as "unsupported call").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::conversation::{Form, Guise, Guises, Json, Tool, ToolChoice};
use crate::dialect::fields::{Fields, drop_hint, join, missing, nothing_left, object, required, wrong_word};
use crate::dialect::text_argument;
use crate::error::ApiError;
use crate::order;

use super::table::{TABLE, hosted};

/// The function name for tool search.
pub(super) const SEARCH: &str = "tool_search";

/// No client has as many hosted tools; the names of further ones are not reported.
const MOST_NAMED: usize = 16;

/// The namespace whose functions keep their own names.
const NO_NAMESPACE: &str = "functions";

#[derive(Debug, Default)]
pub(super) struct Toolbox {
    pub tools: Vec<Tool>,
    pub guises: Guises,
    /// The index of each function in `tools`, by name; of equal names the last.
    places: BTreeMap<String, usize>,
    /// Tools that run at OpenAI: the path and type of each.
    hosted: Vec<(String, String)>,
}

impl Toolbox {
    /// Adds the tools at `at.tools`; returns the names of their functions.
    pub fn put_all(
        &mut self,
        fields: &mut Fields<'_>,
        at: &str,
        dropped: &mut Vec<String>,
    ) -> Result<Vec<String>, ApiError> {
        let tools: Vec<&RawValue> = fields.take(at, "tools")?.unwrap_or_default();
        let mut functions = Vec::new();
        for (index, raw) in tools.into_iter().enumerate() {
            let at = format!("{}[{index}]", join(at, "tools"));
            self.put(raw, &at, None, dropped, &mut functions)?;
        }
        Ok(functions)
    }

    /// The function that represents a tool, also if the tool was only in an earlier turn.
    pub fn function(&self, namespace: Option<&str>, name: &str) -> String {
        match self.guises.named(namespace, name) {
            Some(guise) => guise.function.clone(),
            None => flat(namespace, name),
        }
    }

    fn put(
        &mut self,
        raw: &RawValue,
        at: &str,
        namespace: Option<&str>,
        dropped: &mut Vec<String>,
        functions: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let mut fields = object(raw, at)?;
        let kind = required(&mut fields, at, "type")?;
        let (tool, form) = match (kind.as_str(), namespace) {
            ("function", _) => (function(&mut fields, at)?, Form::Function),
            ("custom", _) => (custom(&mut fields, at)?, Form::Text),
            ("namespace", None) => return self.namespace(&mut fields, at, dropped, functions),
            (SEARCH, None) => match fields.take::<String>(at, "execution")?.as_deref() {
                Some("client") => (search(&mut fields, at)?, Form::Search),
                _ => return self.runs_there(at, kind),
            },
            _ => return self.runs_there(at, kind),
        };
        TABLE.settle(&fields, at, "tools[].", dropped)?;
        functions.push(self.add(tool, namespace, form));
        Ok(())
    }

    fn runs_there(&mut self, at: &str, kind: String) -> Result<(), ApiError> {
        self.hosted.push((join(at, "type"), kind));
        Ok(())
    }

    fn namespace(
        &mut self,
        fields: &mut Fields<'_>,
        at: &str,
        dropped: &mut Vec<String>,
        functions: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let name = required(fields, at, "name")?;
        let about: Option<String> = fields.take(at, "description")?;
        let tools: Vec<&RawValue> = fields.take(at, "tools")?.unwrap_or_default();
        nothing_left(fields, at)?;
        let first = self.tools.len();
        for (index, raw) in tools.into_iter().enumerate() {
            self.put(raw, &format!("{at}.tools[{index}]"), Some(&name), dropped, functions)?;
        }
        // The namespace's description goes to its first function only.
        if let (Some(tool), Some(about)) = (self.tools.get_mut(first), about.filter(|about| !about.trim().is_empty())) {
            let own = tool.description.take().map(|own| format!("\n\n{own}"));
            tool.description = Some(format!("{about}{}", own.unwrap_or_default()));
        }
        Ok(())
    }

    /// Adds a tool as a function; returns its name.
    fn add(&mut self, mut tool: Tool, namespace: Option<&str>, form: Form) -> String {
        let name = std::mem::take(&mut tool.name);
        if namespace.is_none() && form == Form::Function && self.guises.of(&name).is_none() {
            tool.name.clone_from(&name);
            self.places.insert(name.clone(), self.tools.len());
            self.tools.push(tool);
            return name;
        }
        let known = self.guises.named(namespace, &name).map(|guise| guise.function.clone());
        let function = known.unwrap_or_else(|| self.free(flat(namespace, &name)));
        tool.name.clone_from(&function);
        let namespace = namespace.map(str::to_owned);
        self.guises.add(Guise { function: function.clone(), name, namespace, form });
        // A tool that an item repeats replaces the earlier one.
        let place = *self.places.entry(function.clone()).or_insert(self.tools.len());
        match self.tools.get_mut(place) {
            Some(before) => *before = tool,
            None => self.tools.push(tool),
        }
        function
    }

    /// A name that no other function has.
    fn free(&self, name: String) -> String {
        // Starts at the number of tools, so that a free name is found at once.
        let others = (self.tools.len().saturating_add(1)..).map(|number| format!("{name}_{number}"));
        std::iter::once(name.clone()).chain(others).find(|name| !self.places.contains_key(name)).unwrap_or_default()
    }

    /// Drops tools that run at OpenAI. Fails if there are no functions: the model could not do the task.
    pub fn leave_out_hosted(&self, dropped: &mut Vec<String>) -> Result<(), ApiError> {
        if let (Some((place, kind)), true) = (self.hosted.first(), self.tools.is_empty()) {
            return Err(hosted(place, kind));
        }
        let kinds: BTreeSet<String> = order::gathered(self.hosted.iter().map(|(_, kind)| shown(kind)));
        kinds.iter().take(MOST_NAMED).for_each(|kind| drop_hint(dropped, &format!("tools.{kind}")));
        Ok(())
    }

    /// Reads the allowed tools and removes the others.
    pub fn allow(&mut self, choice: &mut Fields<'_>) -> Result<ToolChoice, ApiError> {
        let at = "tool_choice";
        let mode = match required(choice, at, "mode")?.as_str() {
            "auto" => ToolChoice::Auto,
            "required" => ToolChoice::Required,
            other => return Err(wrong_word("tool_choice.mode", other, "auto, required")),
        };
        let allowed: Vec<&RawValue> = choice.take(at, "tools")?.ok_or_else(|| missing("tool_choice.tools"))?;
        let (mut names, mut elsewhere) = (BTreeSet::new(), None);
        for (index, raw) in allowed.into_iter().enumerate() {
            let at = format!("tool_choice.tools[{index}]");
            let mut fields = object(raw, &at)?;
            let kind = required(&mut fields, &at, "type")?;
            if !matches!(kind.as_str(), "function" | "custom") {
                elsewhere.get_or_insert((join(&at, "type"), kind));
                continue;
            }
            let name = self.chosen(&mut fields, &at)?;
            nothing_left(&fields, &at)?;
            if !self.places.contains_key(&name) {
                let message = format!("'{at}.name' names a function that is not in 'tools'.");
                return Err(ApiError::invalid(join(&at, "name"), message));
            }
            names.insert(name);
        }
        if let (Some((place, kind)), true) = (elsewhere, names.is_empty()) {
            return Err(hosted(&place, &kind));
        }
        self.tools.retain(|tool| names.contains(&tool.name));
        Ok(mode)
    }

    /// The function named in a tool choice.
    pub fn chosen(&self, fields: &mut Fields<'_>, at: &str) -> Result<String, ApiError> {
        let (namespace, name): (Option<String>, String) =
            (fields.take(at, "namespace")?, required(fields, at, "name")?);
        Ok(self.function(namespace.as_deref(), &name))
    }
}

/// Whether a tool of this type runs at OpenAI. A tool search may run there or at the client.
pub(super) fn runs_there(kind: &str) -> bool {
    !matches!(kind, "function" | "custom" | "namespace" | SEARCH)
}

/// Joins namespace and name, in the form that OpenAI's models and Codex use.
fn flat(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        None | Some(NO_NAMESPACE) => name.to_owned(),
        Some(namespace) => format!("{}__{}", namespace.trim_end_matches('_'), name.trim_start_matches('_')),
    }
}

/// Sanitizes a type for messages.
fn shown(kind: &str) -> String {
    kind.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(64).collect()
}

fn function(fields: &mut Fields<'_>, at: &str) -> Result<Tool, ApiError> {
    Ok(Tool {
        name: required(fields, at, "name")?,
        description: fields.take(at, "description")?,
        parameters: fields.take::<Json>(at, "parameters")?,
        strict: fields.take(at, "strict")?,
        cache: None,
    })
}

/// A tool search, whose name is its type.
fn search(fields: &mut Fields<'_>, at: &str) -> Result<Tool, ApiError> {
    Ok(Tool {
        name: SEARCH.to_owned(),
        description: fields.take(at, "description")?,
        parameters: fields.take::<Json>(at, "parameters")?,
        strict: None,
        cache: None,
    })
}

/// A tool with a text input.
fn custom(fields: &mut Fields<'_>, at: &str) -> Result<Tool, ApiError> {
    let name = required(fields, at, "name")?;
    let mut description: Option<String> = fields.take(at, "description")?;
    if let Some(raw) = fields.take_raw("format") {
        let at = join(at, "format");
        let mut format = object(raw, &at)?;
        match required(&mut format, &at, "type")?.as_str() {
            "text" => {}
            "grammar" => {
                let syntax = required(&mut format, &at, "syntax")?;
                let grammar = required(&mut format, &at, "definition")?;
                let own = description.map(|own| format!("{own}\n\n")).unwrap_or_default();
                let must = format!("The text in `{}` must match this {} grammar:", text_argument::NAME, shown(&syntax));
                description = Some(format!("{own}{must}\n{grammar}"));
            }
            other => return Err(wrong_word(&join(&at, "type"), other, "text, grammar")),
        }
        nothing_left(&format, &at)?;
    }
    let parameters = Json::parse(text_argument::SCHEMA).ok();
    Ok(Tool { name, description, parameters, strict: None, cache: None })
}
