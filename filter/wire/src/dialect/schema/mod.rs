//! Fits the JSON Schemas of functions and responses to each provider: one transformation, driven by a table of [`Rules`]. A schema that
//! needs no change keeps its own bytes.
//!
//! | provider | functions | strict functions, and responses |
//! |---|---|---|
//! | OpenAI | `type` and `properties` at the top | `strict` is dropped and reported if OpenAI would reject the schema with it |
//! | Anthropic, also at clouds | the same | rejected keywords move into `description`; `additionalProperties: false` everywhere; `oneOf` becomes `anyOf`; a `$ref` stands alone |
//! | AWS Bedrock's Converse | the same | the same |
//! | Gemini | a `$ref` stands alone | the same |
//!
//! A `$ref` with siblings, where it must stand alone, is replaced by its definition and the siblings. If it is recursive, or its definition
//! would make the schema far larger, the siblings are removed.
//!
//! If the gateway checks a response, it uses the client's own schema.
//!
//! Sources: Anthropic's page "Structured outputs" (limitations of JSON Schema) and the transformations of its SDKs
//! (`src/anthropic/lib/_parse/_transform.py` of anthropics/anthropic-sdk-python); AWS' user guide, "Structured outputs"; Google's reference
//! of `responseJsonSchema` ("If `$ref` is set on a sub-schema, no other properties, except for those starting as a `$`, may be set");
//! OpenAI's page "Structured outputs" (supported schemas), and its 400s "object schema missing properties" and "schema must be a JSON
//! Schema of 'type: \"object\"'".

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::conversation::{Json, OutputFormat, Tool};

use super::fields::drop_hint;

mod strict;
mod transform;
mod tree;

#[cfg(test)]
mod tests;

use tree::Node;

/// The schemas that a provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The supported keywords; others move into the description. `None` if all are supported.
    pub words: Option<&'static [&'static str]>,
    /// Whether objects need `additionalProperties: false`, and `oneOf` becomes `anyOf`.
    pub closed: bool,
}

/// Gemini restricts only the siblings of a `$ref`.
pub const GEMINI: Rules = Rules { words: None, closed: false };

/// The keywords that Anthropic enforces.
pub const ANTHROPIC: Rules = Rules {
    words: Some(&[
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "definitions",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "format",
        "description",
        "title",
        "default",
    ]),
    closed: true,
};

/// Fits a schema to a provider. Adds removed keywords, each with the prefix `base`, to `dropped`.
pub fn fitted<'a>(schema: &'a Json, rules: &Rules, base: &str, dropped: &mut Vec<String>) -> Cow<'a, Json> {
    // Without a `$ref` and a list of keywords there is nothing to change.
    if rules.words.is_none() && !schema.text().contains("$ref") {
        return Cow::Borrowed(schema);
    }
    let Some(tree) = Node::read(&schema.0) else { return Cow::Borrowed(schema) };
    let (tree, changes) = transform::apply(tree, rules);
    if !changes.any {
        return Cow::Borrowed(schema);
    }
    let Ok(raw) = RawValue::from_string(tree.written()) else { return Cow::Borrowed(schema) };
    changes.gone.iter().for_each(|word| drop_hint(dropped, &format!("{base}.{word}")));
    Cow::Owned(Json(raw))
}

/// The path of a function's schema, by OpenAI's names.
pub const PARAMETERS: &str = "tools[].function.parameters";

/// The path of a response's schema.
pub const ANSWER: &str = "response_format.json_schema.schema";

/// Completes a function's schema with `type` and `properties`, which providers require. `None` if there is no schema, or an empty one.
pub fn object<'a>(schema: Option<&'a Json>) -> Option<Cow<'a, Json>> {
    let schema = schema?;
    let Some(Node::Object(entries)) = Node::read_top(&schema.0) else { return Some(Cow::Borrowed(schema)) };
    if entries.is_empty() {
        return None;
    }
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    // Alternatives and references are left for the provider to check.
    let elsewhere = ["anyOf", "oneOf", "allOf", "$ref"].into_iter().any(has);
    let is_object = entries.iter().any(|(key, value)| key == "type" && value.is_text("object"));
    let mut more = String::new();
    if !has("type") && !elsewhere {
        more.push_str(r#","type":"object""#);
    }
    if !has("properties") && (is_object || !more.is_empty()) {
        more.push_str(r#","properties":{}"#);
    }
    if more.is_empty() {
        return Some(Cow::Borrowed(schema));
    }
    let whole = schema.text().trim_end().strip_suffix('}').map(|text| format!("{}{more}}}", text.trim_end()));
    let json = whole.and_then(|whole| RawValue::from_string(whole).ok()).map(Json);
    Some(json.map_or(Cow::Borrowed(schema), Cow::Owned))
}

/// A function's schema for Anthropic's models: completed, and fitted if the function is strict.
pub fn anthropics<'a>(tool: &'a Tool, dropped: &mut Vec<String>) -> Option<Cow<'a, Json>> {
    let schema = object(tool.parameters.as_ref())?;
    if tool.strict != Some(true) {
        return Some(schema);
    }
    Some(match schema {
        Cow::Borrowed(schema) => fitted(schema, &ANTHROPIC, PARAMETERS, dropped),
        Cow::Owned(schema) => Cow::Owned(fitted(&schema, &ANTHROPIC, PARAMETERS, dropped).into_owned()),
    })
}

/// Returns `strict` for a function; turned off if OpenAI cannot enforce its schema.
pub fn strict_tool(tool: &Tool, dropped: &mut Vec<String>) -> Option<bool> {
    let keeps = tool.parameters.as_ref().is_none_or(|schema| strict::fits(&schema.0));
    unless_strict(tool.strict, keeps, "tools[].function.strict", dropped)
}

/// Returns `strict` for a response's schema, likewise.
pub fn strict_answer(output: &OutputFormat, dropped: &mut Vec<String>) -> Option<bool> {
    let OutputFormat::JsonSchema { schema, strict, .. } = output else { return None };
    unless_strict(*strict, strict::fits(&schema.0), "response_format.json_schema.strict", dropped)
}

fn unless_strict(strict: Option<bool>, fits: bool, name: &str, dropped: &mut Vec<String>) -> Option<bool> {
    if strict == Some(true) && !fits {
        drop_hint(dropped, name);
        return Some(false);
    }
    strict
}
