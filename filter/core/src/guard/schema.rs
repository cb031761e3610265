//! Validates JSON against a JSON Schema.
//!
//! Supports the keywords of draft 2020-12 that providers accept for structured output, and the ones that combine schemas. Unknown keywords
//! are ignored, and so is `format`, as the draft says. A complete library would double the module's size; the tests compare this validator
//! with one.
//!
//! A client writes the schema and a model the response, so both may be crafted to cost time. The invariant: all work takes steps. If the
//! steps run out, the check ends without a failure.

use std::cell::Cell;

use serde_json::{Map, Value};
use sluice_wire::json;

use super::steps::{Spent, Steps, steps};

mod equal;
mod pattern;
mod wrong;

use equal::{has_repeats, same};
use pattern::Patterns;
use wrong::{Expected, Step, Wrong};

/// The steps for all choices of one attempt: a schema that refers to itself could recurse without end.
pub const MOST_STEPS: u64 = 1 << 23;
/// The memory limit of a parsed schema or response. Larger ones are not parsed.
pub const LARGEST: usize = 16 << 20;
/// The steps to look up all keywords of one schema.
const FOR_A_SCHEMA: u64 = 32;
/// The maximum depth of JSON.
const DEEPEST: u32 = 128;

/// A JSON Schema from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

/// Why a value did not pass a check.
#[derive(Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It does not match; the position and the expected value.
    Wrong(String),
    /// The check would take too long.
    Spent,
}

/// Why a check ends early.
enum Stop<'s> {
    Wrong(Wrong<'s>),
    Spent,
}

/// A check of one value.
struct Check<'s> {
    root: &'s Value,
    steps: &'s Steps,
    patterns: Patterns<'s>,
    depth: Cell<u32>,
}

type Checked<'s> = Result<(), Stop<'s>>;
type Words = Map<String, Value>;

impl Schema {
    /// Parses a schema; `None` if the text is not a schema.
    pub fn parse(text: &str) -> Option<Self> {
        json::read(text).ok().filter(|value: &Value| value.is_object() || value.is_boolean()).map(Self)
    }

    /// Checks a value. The error names the position and the expected value: `at /items/0: expected a number`. All names in it come from the
    /// schema.
    pub fn check(&self, value: &Value, steps: &Steps) -> Result<(), Unmet> {
        let check = Check { root: &self.0, steps, patterns: Patterns::new(steps), depth: Cell::new(0) };
        check.value(&self.0, value).map_err(|stop| match stop {
            Stop::Wrong(wrong) => Unmet::Wrong(wrong.to_string()),
            Stop::Spent => Unmet::Spent,
        })
    }
}

impl From<Spent> for Stop<'_> {
    fn from(Spent: Spent) -> Self {
        Self::Spent
    }
}

fn expect(good: bool, expected: Expected<'_>) -> Checked<'_> {
    if good { Ok(()) } else { Err(Stop::Wrong(Wrong::new(expected))) }
}

impl<'s> Check<'s> {
    fn value(&self, schema: &'s Value, value: &Value) -> Checked<'s> {
        let words = match schema {
            Value::Bool(allowed) => return expect(*allowed, Expected::Nothing),
            Value::Object(words) => words,
            _ => return Ok(()),
        };
        self.steps.take(FOR_A_SCHEMA)?;
        if self.depth.get() >= DEEPEST {
            return Err(Stop::Spent);
        }
        self.depth.set(self.depth.get() + 1);
        let checked = self.words(words, value);
        self.depth.set(self.depth.get() - 1);
        checked
    }

    fn words(&self, words: &'s Words, value: &Value) -> Checked<'s> {
        if let Some(Value::String(reference)) = words.get("$ref") {
            self.steps.take(steps(reference.len()))?;
            let referred = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            referred.map_or(Ok(()), |schema| self.value(schema, value))?;
        }
        self.is_of_type(words, value)?;
        self.is_listed(words, value)?;
        self.combinations(words, value)?;
        match value {
            Value::Object(fields) => self.object(words, fields),
            Value::Array(items) => self.array(words, items),
            Value::String(text) => self.string(words, text),
            Value::Number(number) => number.as_f64().map_or(Ok(()), |number| is_in_range(words, number)),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn fits(&self, schema: &'s Value, value: &Value) -> Result<bool, Spent> {
        match self.value(schema, value) {
            Ok(()) => Ok(true),
            Err(Stop::Wrong(_)) => Ok(false),
            Err(Stop::Spent) => Err(Spent),
        }
    }

    fn combinations(&self, words: &'s Words, value: &Value) -> Checked<'s> {
        for schema in list(words, "allOf").unwrap_or_default() {
            self.value(schema, value)?;
        }
        if let Some(any) = list(words, "anyOf") {
            let mut fits = false;
            for schema in any {
                fits = fits || self.fits(schema, value)?;
            }
            expect(fits, Expected::AnyOf)?;
        }
        if let Some(one) = list(words, "oneOf") {
            let mut fitting = 0;
            for schema in one {
                fitting += u64::from(self.fits(schema, value)?);
            }
            expect(fitting == 1, Expected::OneOf)?;
        }
        if let Some(not) = words.get("not") {
            expect(!self.fits(not, value)?, Expected::Not)?;
        }
        let Some(condition) = words.get("if") else { return Ok(()) };
        let branch = words.get(if self.fits(condition, value)? { "then" } else { "else" });
        branch.map_or(Ok(()), |schema| self.value(schema, value))
    }

    fn object(&self, words: &'s Words, fields: &Map<String, Value>) -> Checked<'s> {
        for name in list(words, "required").unwrap_or_default().iter().filter_map(Value::as_str) {
            self.steps.take(to_look_up(name))?;
            expect(fields.contains_key(name), Expected::Field(name))?;
        }
        count(words, fields.len(), ("minProperties", "maxProperties"), "fields")?;
        let known = words.get("properties").and_then(Value::as_object);
        let mut patterns = Vec::new();
        for (pattern, schema) in words.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            patterns.extend(self.patterns.get(pattern)?.map(|pattern| (pattern, schema)));
        }
        for (name, value) in fields {
            self.steps.take(to_look_up(name))?;
            let own = known.and_then(|known| known.get_key_value(name));
            let place = own.map_or(Step::Any, |(name, _)| Step::Name(name));
            let mut schemas: Vec<&Value> = own.map(|(_, schema)| schema).into_iter().collect();
            for (pattern, schema) in &patterns {
                if pattern.matches(name, self.steps)? {
                    schemas.push(schema);
                }
            }
            // A name that the schema does not contain comes from the model and is not reported.
            let rest = words.get("additionalProperties").filter(|_| schemas.is_empty());
            for schema in schemas.into_iter().chain(rest) {
                self.value(schema, value).map_err(|stop| stop.below(place))?;
            }
        }
        Ok(())
    }

    fn array(&self, words: &'s Words, items: &[Value]) -> Checked<'s> {
        count(words, items.len(), ("minItems", "maxItems"), "items")?;
        if words.get("uniqueItems") == Some(&Value::Bool(true)) {
            expect(!has_repeats(items, self.steps)?, Expected::Unique)?;
        }
        let first = list(words, "prefixItems").unwrap_or_default();
        let rest = words.get("items");
        for (index, item) in items.iter().enumerate() {
            let Some(schema) = first.get(index).or(rest) else { break };
            self.value(schema, item).map_err(|stop| stop.below(Step::Index(index)))?;
        }
        Ok(())
    }

    fn is_of_type(&self, words: &'s Words, value: &Value) -> Checked<'s> {
        match words.get("type") {
            Some(Value::String(name)) => expect(is_a(name, value), Expected::Type(name)),
            Some(Value::Array(names)) => {
                self.steps.take(steps(names.len()))?;
                let good = names.iter().filter_map(Value::as_str).any(|name| is_a(name, value));
                expect(good, Expected::Types(names))
            }
            _ => Ok(()),
        }
    }

    fn is_listed(&self, words: &'s Words, value: &Value) -> Checked<'s> {
        if let Some(listed) = list(words, "enum") {
            let mut is_listed = false;
            for other in listed {
                is_listed = is_listed || same(other, value, self.steps)?;
            }
            expect(is_listed, Expected::Enum)?;
        }
        let Some(only) = words.get("const") else { return Ok(()) };
        expect(same(only, value, self.steps)?, Expected::Const)
    }

    fn string(&self, words: &'s Words, text: &str) -> Checked<'s> {
        if words.contains_key("minLength") || words.contains_key("maxLength") {
            self.steps.take(steps(text.len()))?;
            count(words, text.chars().count(), ("minLength", "maxLength"), "characters")?;
        }
        let Some(Value::String(pattern)) = words.get("pattern") else { return Ok(()) };
        // Patterns in another syntax and large ones are ignored.
        let Some(compiled) = self.patterns.get(pattern)? else { return Ok(()) };
        expect(compiled.matches(text, self.steps)?, Expected::Match(pattern))
    }
}

impl<'s> Stop<'s> {
    fn below(mut self, step: Step<'s>) -> Self {
        if let Self::Wrong(wrong) = &mut self {
            wrong.below(step);
        }
        self
    }
}

/// The steps to look up a name.
fn to_look_up(name: &str) -> u64 {
    steps(name.len()).saturating_add(1)
}

fn list<'s>(words: &'s Words, word: &str) -> Option<&'s [Value]> {
    words.get(word)?.as_array().map(Vec::as_slice)
}

fn is_a(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("object", Value::Object(_)) => true,
        ("array", Value::Array(_)) | ("string", Value::String(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    }
}

fn count<'s>(
    words: &Words,
    counted: usize,
    (least, most): (&'static str, &'static str),
    of: &'static str,
) -> Checked<'s> {
    let limit = |word: &str| words.get(word).and_then(Value::as_f64);
    let counted = counted as f64;
    expect(limit(least).is_none_or(|least| counted >= least), Expected::More(of, least))?;
    expect(limit(most).is_none_or(|most| counted <= most), Expected::Fewer(of, most))
}

fn is_in_range<'s>(words: &Words, number: f64) -> Checked<'s> {
    let holds = |word: &'static str, good: fn(f64, f64) -> bool| {
        let limit = words.get(word).and_then(Value::as_f64);
        expect(limit.is_none_or(|limit| good(number, limit)), Expected::Number(word))
    };
    holds("minimum", |number, limit| number >= limit)?;
    holds("maximum", |number, limit| number <= limit)?;
    holds("exclusiveMinimum", |number, limit| number > limit)?;
    holds("exclusiveMaximum", |number, limit| number < limit)?;
    holds("multipleOf", |number, step| {
        let times = number / step;
        step <= 0.0 || (times - times.round()).abs() < 1e-9
    })
}

#[cfg(test)]
mod tests;
