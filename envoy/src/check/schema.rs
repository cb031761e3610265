//! The JSON Schema of the gateway file, generated from its types. Editors use it for completion, and `check` uses it to validate the shape
//! of a file.

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Value, json};
use sluice_config::file::File;

/// The largest number up to which JSON has every whole number, whoever reads it.
const MOST_EXACT: u64 = (1 << 53) - 1;

/// Generates the schema.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(Plain);
    let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), "A Sluice gateway file".into());
    }
    schema
}

/// The schema as text, ready for a file.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// Simplifies the schema for people and editors: an optional field may be omitted but is never `null`, and a choice of names is an `enum`.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(fields) = schema.as_object_mut() else { return };
        // Validators ignore the format of numbers.
        let most = match fields.get("format").and_then(Value::as_str) {
            Some("uint8") => Some(u64::from(u8::MAX)),
            Some("uint32") => Some(u64::from(u32::MAX)),
            Some("uint" | "uint64") => Some(MOST_EXACT),
            _ => None,
        };
        if let Some(most) = most {
            fields.entry("maximum").or_insert_with(|| most.into());
        }
        if let Some(Value::Array(types)) = fields.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                fields.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(branches)) = fields.get_mut("anyOf") {
            branches.retain(|branch| branch != &json!({ "type": "null" }));
            if let [Value::Object(only)] = branches.as_slice() {
                let only = only.clone();
                fields.remove("anyOf");
                fields.extend(only);
            }
        }
        if fields.get("default") == Some(&Value::Null) {
            fields.remove("default");
        }
        if let Some(Value::Array(branches)) = fields.get("oneOf") {
            let names: Vec<Value> = branches.iter().filter_map(|branch| branch.get("const").cloned()).collect();
            if names.len() == branches.len() {
                let about: Vec<Value> =
                    branches.iter().map(|branch| branch.get("description").cloned().unwrap_or("".into())).collect();
                fields.remove("oneOf");
                fields.insert("type".to_owned(), "string".into());
                fields.insert("enum".to_owned(), names.into());
                fields.insert("enumDescriptions".to_owned(), about.into());
            }
        }
    }
}

/// Returns the part of `schema` for the value at a place, with references resolved.
pub fn at<'s>(root: &'s Value, steps: &[super::shape::Step]) -> Option<&'s Value> {
    steps.iter().try_fold(follow(root, root)?, |schema, step| below(root, schema, step))
}

fn below<'s>(root: &'s Value, schema: &'s Value, step: &super::shape::Step) -> Option<&'s Value> {
    let direct = match step {
        super::shape::Step::Key(key) => {
            let known = schema.get("properties").and_then(|fields| fields.get(key));
            known.or_else(|| schema.get("additionalProperties").filter(|rest| rest.is_object()))
        }
        super::shape::Step::Index(_) => schema.get("items"),
    };
    match direct {
        Some(found) => follow(root, found),
        None => branches(schema).find_map(|branch| below(root, follow(root, branch)?, step)),
    }
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten()
}

/// Follows a chain of references.
pub fn follow<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s Value> {
    let mut schema = schema;
    for _ in 0..16 {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => schema = root.pointer(reference.strip_prefix('#')?)?,
            None => return Some(schema),
        }
    }
    None
}

/// Returns a value that fits a schema's shape.
pub fn placeholder(root: &Value, schema: &Value, depth: usize) -> Value {
    let Some(schema) = follow(root, schema).filter(|_| depth < 16) else { return Value::Null };
    if let Some(first) = schema.get("enum").and_then(|names| names.get(0)).or_else(|| schema.get("const")) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let field = |name: &Value| {
                let name = name.as_str()?;
                Some((name.to_owned(), placeholder(root, schema.get("properties")?.get(name)?, depth + 1)))
            };
            Value::Object(required.filter_map(field).collect())
        }
        Some("array") => json!([]),
        Some("boolean") => false.into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(1.into()),
        Some("null") => Value::Null,
        Some(_) => "".into(),
        None => branches(schema).next().map_or(Value::Null, |branch| placeholder(root, branch, depth + 1)),
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::provider::kind::Kind;

    use super::*;

    #[test]
    fn optional_fields_are_plain_and_names_are_an_enum() {
        let schema = schema();
        let provider = &schema["$defs"]["Provider"]["properties"];
        assert_eq!(provider["url"]["type"], "string");
        assert_eq!(provider["key"]["$ref"], "#/$defs/Secret");
        let kinds = schema["$defs"]["Kind"]["enum"].as_array().unwrap();
        assert!(kinds.len() == Kind::all().len() && kinds[..2] == ["openai", "anthropic"], "{kinds:?}");
        assert_eq!(schema["$defs"]["Kind"]["enumDescriptions"][0], Kind::named("openai").unwrap().row().about);
        assert_eq!(provider["speaks"]["items"]["$ref"], "#/$defs/Format");
        assert_eq!(schema["$defs"]["Format"]["enum"][0], "chat");
    }
}
