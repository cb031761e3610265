//! Checks whether OpenAI can enforce a schema. With `strict`, an unsupported keyword is a 400; without it, the model only sees the schema.
//!
//! Every object must have `additionalProperties: false` and require all its properties; the keywords below are not supported. Source:
//! OpenAI's page "Structured outputs" (supported schemas).

use serde_json::value::RawValue;

use super::tree::Node;

/// Keywords that OpenAI cannot enforce.
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

/// Whether OpenAI can enforce it.
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
