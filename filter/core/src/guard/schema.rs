//! Whether JSON is what a JSON Schema says.
//!
//! Of the words of draft 2020-12, those that providers take for structured output, and those that say how they go together. Words
//! that are not known here object to nothing, and neither does `format`, as the draft has it. A library that knows all of them makes
//! the module twice as large; the tests hold this one against it.

use std::cell::Cell;
use std::fmt::Write;

use regex::Regex;
use serde_json::{Map, Value};

/// Steps after which an answer is taken for good: a schema that refers to itself could go on for ever.
const MOST_STEPS: u32 = 200_000;
/// As deep as JSON may be.
const DEEPEST: u32 = 128;

/// A JSON Schema, as a client has sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

/// What is wrong, and where it was seen, from the innermost outwards.
struct Wrong {
    path: Vec<String>,
    expected: String,
}

/// One check of one value.
struct Check<'s> {
    root: &'s Value,
    steps: Cell<u32>,
    depth: Cell<u32>,
}

type Checked = Result<(), Wrong>;

impl Schema {
    /// A schema; `None` when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_boolean()).map(Self)
    }

    /// Whether a value is what it says; the error is where it is not, and what was expected there: `at /items/0: expected a
    /// number`. Names in it are the schema's.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let check = Check { root: &self.0, steps: Cell::new(0), depth: Cell::new(0) };
        check.value(&self.0, value).map_err(|Wrong { path, expected }| {
            let mut place = String::new();
            for step in path.iter().rev() {
                let _ = write!(place, "/{step}");
            }
            format!("at {}: expected {expected}", if place.is_empty() { "its top" } else { &place })
        })
    }
}

fn expect(good: bool, expected: impl FnOnce() -> String) -> Checked {
    if good { Ok(()) } else { Err(Wrong { path: Vec::new(), expected: expected() }) }
}

impl Wrong {
    fn below(mut self, step: impl ToString) -> Self {
        self.path.push(step.to_string());
        self
    }
}

impl Check<'_> {
    fn value(&self, schema: &Value, value: &Value) -> Checked {
        let words = match schema {
            Value::Bool(allowed) => return expect(*allowed, || "nothing".to_owned()),
            Value::Object(words) => words,
            _ => return Ok(()),
        };
        self.steps.set(self.steps.get().saturating_add(1));
        if self.steps.get() > MOST_STEPS || self.depth.get() >= DEEPEST {
            return Ok(());
        }
        self.depth.set(self.depth.get() + 1);
        let checked = self.words(words, value);
        self.depth.set(self.depth.get() - 1);
        checked
    }

    fn words(&self, words: &Map<String, Value>, value: &Value) -> Checked {
        if let Some(Value::String(reference)) = words.get("$ref")
            && let Some(schema) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer))
        {
            self.value(schema, value)?;
        }
        is_of_type(words, value)?;
        is_listed(words, value)?;
        self.combinations(words, value)?;
        match value {
            Value::Object(fields) => self.object(words, fields),
            Value::Array(items) => self.array(words, items),
            Value::String(text) => string(words, text),
            Value::Number(number) => number.as_f64().map_or(Ok(()), |number| is_in_range(words, number)),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        self.value(schema, value).is_ok()
    }

    fn combinations(&self, words: &Map<String, Value>, value: &Value) -> Checked {
        for schema in list(words, "allOf").unwrap_or_default() {
            self.value(schema, value)?;
        }
        if let Some(any) = list(words, "anyOf") {
            expect(any.iter().any(|schema| self.fits(schema, value)), || "one of `anyOf`".to_owned())?;
        }
        if let Some(one) = list(words, "oneOf") {
            let fitting = one.iter().filter(|schema| self.fits(schema, value)).count();
            expect(fitting == 1, || "exactly one of `oneOf`".to_owned())?;
        }
        if let Some(not) = words.get("not") {
            expect(!self.fits(not, value), || "what `not` excludes not to be there".to_owned())?;
        }
        let branch = words.get("if").map(|schema| if self.fits(schema, value) { "then" } else { "else" });
        branch.and_then(|branch| words.get(branch)).map_or(Ok(()), |schema| self.value(schema, value))
    }

    fn object(&self, words: &Map<String, Value>, fields: &Map<String, Value>) -> Checked {
        for name in list(words, "required").unwrap_or_default().iter().filter_map(Value::as_str) {
            expect(fields.contains_key(name), || format!("the field `{name}`"))?;
        }
        count(words, fields.len(), ("minProperties", "maxProperties"), "fields")?;
        let known = words.get("properties").and_then(Value::as_object);
        let patterns = words.get("patternProperties").and_then(Value::as_object);
        let patterns: Vec<(Regex, &Value)> = patterns
            .into_iter()
            .flatten()
            .filter_map(|(text, schema)| Some((Regex::new(text).ok()?, schema)))
            .collect();
        for (name, value) in fields {
            let own = known.and_then(|known| known.get(name));
            let mut others =
                patterns.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, schema)| *schema).peekable();
            // A name that the schema does not have is the model's own: it is not told.
            let rest = words.get("additionalProperties").filter(|_| own.is_none() && others.peek().is_none());
            let place = if own.is_some() { name } else { "*" };
            for schema in own.into_iter().chain(others).chain(rest) {
                self.value(schema, value).map_err(|wrong| wrong.below(place))?;
            }
        }
        Ok(())
    }

    fn array(&self, words: &Map<String, Value>, items: &[Value]) -> Checked {
        count(words, items.len(), ("minItems", "maxItems"), "items")?;
        if words.get("uniqueItems") == Some(&Value::Bool(true)) {
            let repeats = |(index, item): (usize, &Value)| items.iter().take(index).any(|other| same(other, item));
            expect(!items.iter().enumerate().any(repeats), || "no two items that are the same".to_owned())?;
        }
        let first = list(words, "prefixItems").unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let Some(schema) = first.get(index).or_else(|| words.get("items")) else { continue };
            self.value(schema, item).map_err(|wrong| wrong.below(index))?;
        }
        Ok(())
    }
}

fn list<'s>(words: &'s Map<String, Value>, word: &str) -> Option<&'s [Value]> {
    words.get(word)?.as_array().map(Vec::as_slice)
}

fn is_of_type(words: &Map<String, Value>, value: &Value) -> Checked {
    let is = |name: &str| match (name, value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("object", Value::Object(_)) => true,
        ("array", Value::Array(_)) | ("string", Value::String(_)) | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    };
    match words.get("type") {
        Some(Value::String(name)) => expect(is(name), || format!("type `{name}`")),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            expect(names.iter().any(|name| is(name)), || format!("one of the types `{}`", names.join("`, `")))
        }
        _ => Ok(()),
    }
}

fn is_listed(words: &Map<String, Value>, value: &Value) -> Checked {
    if let Some(listed) = list(words, "enum") {
        expect(listed.iter().any(|other| same(other, value)), || "one of `enum`".to_owned())?;
    }
    words.get("const").map_or(Ok(()), |only| expect(same(only, value), || "what `const` says".to_owned()))
}

fn string(words: &Map<String, Value>, text: &str) -> Checked {
    count(words, text.chars().count(), ("minLength", "maxLength"), "characters")?;
    // An expression of another syntax than ours says nothing here.
    let pattern = words.get("pattern").and_then(Value::as_str).and_then(|pattern| Regex::new(pattern).ok());
    pattern.map_or(Ok(()), |pattern| expect(pattern.is_match(text), || format!("a text that matches `{pattern}`")))
}

fn count(words: &Map<String, Value>, counted: usize, (least, most): (&str, &str), of: &str) -> Checked {
    let limit = |word: &str| words.get(word).and_then(Value::as_f64);
    let counted = counted as f64;
    expect(limit(least).is_none_or(|least| counted >= least), || format!("more {of} (`{least}`)"))?;
    expect(limit(most).is_none_or(|most| counted <= most), || format!("fewer {of} (`{most}`)"))
}

fn is_in_range(words: &Map<String, Value>, number: f64) -> Checked {
    let holds = |word: &str, good: fn(f64, f64) -> bool| {
        let limit = words.get(word).and_then(Value::as_f64);
        expect(limit.is_none_or(|limit| good(number, limit)), || format!("another number (`{word}`)"))
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

/// Equality as JSON Schema has it: `1` and `1.0` are the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            let same_in = |(name, one): (&String, &Value)| others.get(name).is_some_and(|other| same(one, other));
            ones.len() == others.len() && ones.iter().all(same_in)
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
