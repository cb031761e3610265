//! Whether OpenAI can keep to a schema: what it does not know makes a request with `strict` a 400, where without it the schema is
//! only what the model is shown.
//!
//! Every object says `additionalProperties: false` and requires all that it names; the words below are not known.
//! Source: OpenAI's page "Structured outputs" (supported schemas).

use serde_json::value::RawValue;

use super::tree::Node;

/// Words that OpenAI does not keep to.
const UNKNOWN: &[&str] = &[
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "prefixItems",
];

/// Whether it fits.
pub(super) fn fits(schema: &RawValue) -> bool {
    Node::read(schema).is_some_and(|schema| schema_fits(&schema))
}

fn schema_fits(schema: &Node<'_>) -> bool {
    let Node::Object(entries) = schema else { return true };
    let get = |name: &str| entries.iter().find(|(word, _)| word == name).map(|(_, value)| value);
    let is_object = get("properties").is_some() || get("type").is_some_and(|of| of.is_text("object"));
    if is_object && !object_fits(get("properties"), get("required"), get("additionalProperties")) {
        return false;
    }
    entries.iter().all(|(word, value)| match (&**word, value) {
        ("properties" | "$defs" | "definitions", Node::Object(named)) => named.iter().all(|(_, of)| schema_fits(of)),
        ("anyOf", Node::Array(schemas)) => schemas.iter().all(schema_fits),
        ("items", schema) => schema_fits(schema),
        (word, _) => !UNKNOWN.contains(&word),
    })
}

fn object_fits(named: Option<&Node<'_>>, required: Option<&Node<'_>>, more: Option<&Node<'_>>) -> bool {
    if !matches!(more, Some(Node::Raw(raw)) if &**raw == "false") {
        return false;
    }
    let Some(Node::Object(named)) = named else { return named.is_none() };
    let required: Vec<String> = match required {
        Some(Node::Array(required)) => required.iter().filter_map(Node::as_text).collect(),
        _ => Vec::new(),
    };
    named.iter().all(|(name, _)| required.iter().any(|known| *known == **name))
}
