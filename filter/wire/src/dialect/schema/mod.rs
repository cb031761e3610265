//! JSON Schemas of functions and answers, as each provider takes them. There is one transformation, and a table of [`Rules`] that
//! drives it. A schema that needs no change keeps its own bytes.
//!
//! | provider | functions | strict functions, and answers |
//! |---|---|---|
//! | OpenAI | `type` and `properties` at the top | `strict` is left out of schemas that OpenAI would not take with it, and named |
//! | Anthropic, also at clouds | the same | words that it refuses go into `description`; `additionalProperties: false` everywhere; `oneOf` is `anyOf`; a `$ref` stands alone |
//! | AWS Bedrock's Converse | the same | the same |
//! | Gemini | a `$ref` stands alone | the same |
//!
//! A `$ref` that has to stand alone, and does not, becomes what it points to, with what stands beside it. Where that is the schema that
//! it stands in, or far more than was there, what stands beside it is left out.
//!
//! The answer is held against the client's own schema wherever that is checked at all.
//!
//! Sources: Anthropic's page "Structured outputs" (limitations of JSON Schema) and what its SDKs make of schemas
//! (`src/anthropic/lib/_parse/_transform.py` of anthropics/anthropic-sdk-python); AWS' user guide, "Structured outputs";
//! Google's reference of `responseJsonSchema` ("If `$ref` is set on a sub-schema, no other properties, except for those starting as
//! a `$`, may be set"); OpenAI's page "Structured outputs" (supported schemas), and its 400s "object schema missing properties" and "schema
//! must be a JSON Schema of 'type: \"object\"'".

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

/// What a provider's schemas take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What is not one of these words goes into the description; `None` where all are taken.
    pub words: Option<&'static [&'static str]>,
    /// Objects have `additionalProperties: false`, and one of several is any of them.
    pub closed: bool,
}

/// Of Gemini's schemas only what stands beside a `$ref` is restricted.
pub const GEMINI: Rules = Rules { words: None, closed: false };

/// What Anthropic keeps to.
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

/// A schema as a provider takes it. What went is on the list, `base` before each word.
pub fn fitted<'a>(schema: &'a Json, rules: &Rules, base: &str, dropped: &mut Vec<String>) -> Cow<'a, Json> {
    // Without a `$ref` there is nothing to do for those who take everything else.
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

/// The name of functions' schemas, by OpenAI's name for it.
pub const PARAMETERS: &str = "tools[].function.parameters";

/// The name of an answer's schema.
pub const ANSWER: &str = "response_format.json_schema.schema";

/// A function's schema as an object's, which providers want it to be: with its `type` and `properties`. `None` of a function that has
/// none, or an empty one.
pub fn object<'a>(schema: Option<&'a Json>) -> Option<Cow<'a, Json>> {
    let schema = schema?;
    let Some(Node::Object(entries)) = Node::read_top(&schema.0) else { return Some(Cow::Borrowed(schema)) };
    if entries.is_empty() {
        return None;
    }
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    // An alternative of objects, or a name for one, is left for the provider to judge.
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

/// A function's schema for Anthropic's models: as an object's, and where the function is strict, in Anthropic's words.
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

/// Whether OpenAI is told to keep to a function's schema: only where its schema is one that OpenAI can keep to.
pub fn strict_tool(tool: &Tool, dropped: &mut Vec<String>) -> Option<bool> {
    let keeps = tool.parameters.as_ref().is_none_or(|schema| strict::fits(&schema.0));
    unless_strict(tool.strict, keeps, "tools[].function.strict", dropped)
}

/// The same for an answer's schema.
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
