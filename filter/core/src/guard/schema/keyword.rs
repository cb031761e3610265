//! The keywords of JSON Schema that the gateway knows, and the values that they take.

use super::tree::{Fields, Json};

/// The value of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Schema,
    Schemas,
    /// Schemas by name.
    Named,
    /// One schema, or one for each item.
    Items,
    /// For each name, a schema or a list of names.
    Dependencies,
    Names,
    /// For each name, a list of names.
    NamesByName,
    Count,
    Number,
    Positive,
    Bool,
    Text,
    List,
    Type,
    Any,
    /// The gateway does not support the keyword.
    Unsupported,
}

pub(super) const KEYWORDS: [(&str, Shape); 62] = [
    ("$anchor", Shape::Text),
    ("$comment", Shape::Any),
    ("$defs", Shape::Named),
    ("$dynamicAnchor", Shape::Text),
    ("$dynamicRef", Shape::Unsupported),
    ("$id", Shape::Text),
    ("$recursiveAnchor", Shape::Unsupported),
    ("$recursiveRef", Shape::Unsupported),
    ("$ref", Shape::Text),
    ("$schema", Shape::Text),
    ("$vocabulary", Shape::Unsupported),
    ("additionalItems", Shape::Schema),
    ("additionalProperties", Shape::Schema),
    ("allOf", Shape::Schemas),
    ("anyOf", Shape::Schemas),
    ("const", Shape::Any),
    ("contains", Shape::Schema),
    ("contentEncoding", Shape::Any),
    ("contentMediaType", Shape::Any),
    ("contentSchema", Shape::Any),
    ("default", Shape::Any),
    ("definitions", Shape::Named),
    ("dependencies", Shape::Dependencies),
    ("dependentRequired", Shape::NamesByName),
    ("dependentSchemas", Shape::Named),
    ("deprecated", Shape::Any),
    ("description", Shape::Any),
    ("else", Shape::Schema),
    ("enum", Shape::List),
    ("examples", Shape::Any),
    ("exclusiveMaximum", Shape::Number),
    ("exclusiveMinimum", Shape::Number),
    ("format", Shape::Text),
    ("if", Shape::Schema),
    ("items", Shape::Items),
    ("maxContains", Shape::Count),
    ("maxItems", Shape::Count),
    ("maxLength", Shape::Count),
    ("maxProperties", Shape::Count),
    ("maximum", Shape::Number),
    ("minContains", Shape::Count),
    ("minItems", Shape::Count),
    ("minLength", Shape::Count),
    ("minProperties", Shape::Count),
    ("minimum", Shape::Number),
    ("multipleOf", Shape::Positive),
    ("not", Shape::Schema),
    ("oneOf", Shape::Schemas),
    ("pattern", Shape::Text),
    ("patternProperties", Shape::Named),
    ("prefixItems", Shape::Schemas),
    ("properties", Shape::Named),
    ("propertyNames", Shape::Schema),
    ("readOnly", Shape::Any),
    ("required", Shape::Names),
    ("then", Shape::Schema),
    ("title", Shape::Any),
    ("type", Shape::Type),
    ("unevaluatedItems", Shape::Schema),
    ("unevaluatedProperties", Shape::Schema),
    ("uniqueItems", Shape::Bool),
    ("writeOnly", Shape::Any),
];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

impl Shape {
    /// The shape of a keyword; `None` if the gateway does not know it.
    #[inline(never)]
    pub(super) fn of(keyword: &str) -> Option<Self> {
        KEYWORDS.iter().find(|(name, _)| *name == keyword).map(|(_, shape)| *shape)
    }

    /// Whether a value has this shape. Does not look into schemas.
    #[inline(never)]
    pub(super) fn fits(self, value: &Json) -> bool {
        let number = value.number();
        let fields =
            |each: fn(&Json) -> bool| value.fields().is_some_and(|fields| fields.iter().all(|(_, value)| each(value)));
        match self {
            Self::Schema => is_schema(value),
            Self::Schemas => value.items().is_some_and(|items| !items.is_empty() && items.iter().all(is_schema)),
            Self::Named => fields(is_schema),
            Self::Items => is_schema(value) || value.items().is_some_and(|items| items.iter().all(is_schema)),
            Self::Dependencies => fields(|value| is_schema(value) || are_names(value)),
            Self::Names => are_names(value),
            Self::NamesByName => fields(are_names),
            Self::Count => number.is_some_and(|number| number.is_integer() && !number.is_negative()),
            Self::Number => number.is_some(),
            Self::Positive => number.is_some_and(|number| number.is_positive()),
            Self::Bool => matches!(value, Json::Bool(_)),
            Self::Text => value.text().is_some(),
            Self::List => value.items().is_some(),
            Self::Type => value.items().unwrap_or(std::slice::from_ref(value)).iter().all(is_type),
            Self::Any => true,
            Self::Unsupported => false,
        }
    }
}

fn is_schema(value: &Json) -> bool {
    matches!(value, Json::Object(_) | Json::Bool(_))
}

fn are_names(value: &Json) -> bool {
    value.items().is_some_and(|items| items.iter().all(|item| item.text().is_some()))
}

fn is_type(value: &Json) -> bool {
    value.text().is_some_and(|name| TYPES.contains(&name))
}

/// The schemas directly inside a keyword's value, each with the name or index that leads to it.
pub(super) fn inside<'s>(keyword: &str, value: &'s Json) -> Vec<(Option<&'s str>, &'s Json)> {
    let shape = Shape::of(keyword);
    let holds =
        matches!(shape, Some(Shape::Schema | Shape::Schemas | Shape::Named | Shape::Items | Shape::Dependencies));
    match (shape, value) {
        (Some(Shape::Named | Shape::Dependencies), Json::Object(fields)) => {
            fields.iter().map(|(name, schema)| (Some(name), schema)).filter(|(_, schema)| is_schema(schema)).collect()
        }
        (_, Json::Array(items)) if holds => items.iter().map(|schema| (None, schema)).collect(),
        _ if holds => vec![(None, value)],
        _ => Vec::new(),
    }
}

/// The keywords of a schema that count: up to draft 7, a reference hides all others.
pub(super) fn counting(words: &Fields, hides: bool) -> impl Iterator<Item = (&str, &Json)> {
    let alone = hides && words.get("$ref").is_some();
    words.iter().filter(move |(name, _)| !alone || *name == "$ref")
}
