//! Mistakes in the shape of a file: unknown or missing fields, and values of the wrong type.
//!
//! A file of the wrong shape is repaired as far as possible, so that mistakes in its meaning are found in the same run. A broken place gets
//! a value that fits; mistakes about that value are not reported.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use sluice_config::Diagnostic;
use sluice_config::diagnostic::{Path, quoted};
use sluice_core::suggest::one_of;

use super::schema::{at, placeholder};
use super::words;

/// Maximum number of rounds. A repaired value can reveal another mistake; a file needs very few rounds.
const ROUNDS: usize = 32;

/// The message for an unknown field.
pub const UNKNOWN: &str = "an unknown field";

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The mistakes, and the places with repaired values.
#[derive(Debug, Default)]
pub struct Found {
    pub diagnostics: Vec<Diagnostic>,
    pub repaired: Vec<Path>,
}

impl Found {
    /// Whether a displayed place contains what the author wrote.
    pub fn is_authors(&self, path: &str) -> bool {
        !self.repaired.iter().any(|repaired| repaired.holds(path))
    }
}

/// Finds all mistakes of shape and repairs `value`.
pub fn check(schema: &Value, value: &mut Value) -> Found {
    let mut found = Found::default();
    let Ok(validator) = jsonschema::validator_for(schema) else { return found };
    for _ in 0..ROUNDS {
        let mut faults = Vec::new();
        for error in Validator::iter_errors(&validator, value) {
            read(schema, &error, &mut faults);
        }
        if faults.is_empty() {
            break;
        }
        for Fault { steps, diagnostic, repair } in faults {
            if found.is_authors(&diagnostic.path) {
                found.diagnostics.push(diagnostic);
            }
            let place = path(&steps);
            match repair {
                Repair::Remove(key) => {
                    if let Some(Value::Object(fields)) = lookup(value, &steps) {
                        fields.remove(&key);
                    }
                }
                Repair::Insert(key) => {
                    let mut inner = steps.clone();
                    inner.push(Step::Key(key.clone()));
                    let fitting = at(schema, &inner).map_or(Value::Null, |part| placeholder(schema, part, 0));
                    if let Some(Value::Object(fields)) = lookup(value, &steps) {
                        fields.insert(key.clone(), fitting);
                    }
                    found.repaired.push(place.key(&key));
                }
                Repair::Replace => {
                    let fitting = at(schema, &steps).map_or(Value::Null, |part| placeholder(schema, part, 0));
                    if let Some(broken) = lookup(value, &steps) {
                        *broken = fitting;
                    }
                    found.repaired.push(place);
                }
            }
        }
    }
    found
}

struct Fault {
    steps: Vec<Step>,
    diagnostic: Diagnostic,
    repair: Repair,
}

enum Repair {
    Remove(String),
    Insert(String),
    Replace,
}

/// Translates one of the validator's errors.
fn read(schema: &Value, error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
    let steps: Vec<Step> = error.instance_path().segments().map(step).collect();
    let place = path(&steps);
    let part = at(schema, &steps);
    let instance: &Value = error.instance();
    let mut fault = |path: Path, found: String, expected: String, repair: Repair| {
        let diagnostic = Diagnostic { path: path.to_string(), found, expected };
        faults.push(Fault { steps: steps.clone(), diagnostic, repair });
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = part.and_then(|part| part.get("properties")).and_then(Value::as_object);
            for name in unexpected {
                let names = known.into_iter().flat_map(|fields| fields.keys()).map(String::as_str);
                let expected = words::field(&steps, name).map_or_else(|| one_of(name, names), str::to_owned);
                fault(place.key(name), UNKNOWN.to_owned(), expected, Repair::Remove(name.clone()));
            }
        }
        ValidationErrorKind::Required { property: Value::String(name) } => {
            let mut inner = steps.clone();
            inner.push(Step::Key(name.clone()));
            let described = || at(schema, &inner).map_or("a value".to_owned(), describe);
            let expected = words::example(&inner).map_or_else(described, str::to_owned);
            fault(place.key(name), "nothing".to_owned(), expected, Repair::Insert(name.clone()));
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(name) => {
                    let name = name.to_string();
                    let known = part.filter(|part| part.get("type").and_then(Value::as_str) == Some(&name));
                    let written = words::value(&steps, instance, &name);
                    written.unwrap_or_else(|| known.map_or_else(|| type_in_words(&name).to_owned(), describe))
                }
                TypeKind::Multiple(_) => part.map_or("another type".to_owned(), describe),
            };
            let mut found = type_of(instance).to_owned();
            // Text that needs quotes.
            if expected.starts_with("text") && matches!(instance, Value::Number(_) | Value::Bool(_)) {
                found += " (to make it text, put it in quotes)";
            }
            fault(place, found, expected, Repair::Replace);
        }
        ValidationErrorKind::Enum { options } => {
            let names: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            // A value that is not text is reported as a mistake of type.
            if let Value::String(text) = instance {
                let meant = words::choice(&steps, text).filter(|meant| names.contains(meant));
                let expected = match meant {
                    Some(meant) => format!("{meant:?}, or {}", one_of("", names)),
                    None => one_of(text, names),
                };
                fault(place, quoted(text), expected, Repair::Replace);
            }
        }
        ValidationErrorKind::Maximum { limit } => {
            fault(place, instance.to_string(), format!("a number up to {limit}"), Repair::Replace);
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            // The author probably meant the branch that matched furthest.
            let depth = |branch: &&Vec<ValidationError<'static>>| {
                branch.iter().map(|error| error.instance_path().segments().count()).max().unwrap_or_default()
            };
            for error in context.iter().max_by_key(depth).into_iter().flatten() {
                read(schema, error, faults);
            }
        }
        _ => {
            let expected = format!("a value that the schema allows: {}", error.masked_with("this"));
            fault(place, type_of(instance).to_owned(), expected, Repair::Replace);
        }
    }
}

fn step(segment: LocationSegment<'_>) -> Step {
    match segment {
        LocationSegment::Property(key) => Step::Key(key.into_owned()),
        LocationSegment::Index(index) => Step::Index(index),
    }
}

fn path(steps: &[Step]) -> Path {
    steps.iter().fold(Path::root(), |path, step| match step {
        Step::Key(key) => path.key(key),
        Step::Index(index) => path.index(*index),
    })
}

fn lookup<'v>(value: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

fn describe(schema: &Value) -> String {
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return one_of("", names.iter().filter_map(Value::as_str));
    }
    let word = schema.get("type").and_then(Value::as_str).map_or("a value", type_in_words);
    match (schema.get("properties").and_then(Value::as_object), schema.get("default").and_then(Value::as_str)) {
        (Some(fields), _) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("{word} with {}", names.join(", "))
        }
        (None, Some(usual)) => format!("{word} such as {usual}"),
        (None, None) => word.to_owned(),
    }
}

fn type_in_words(name: &str) -> &'static str {
    match name {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "nothing",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
