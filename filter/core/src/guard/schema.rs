//! Validates JSON against a JSON Schema.
//!
//! Supports the validation keywords of draft 2020-12 and draft 7 with references inside the schema, and exact numbers. A complete library
//! would double the module's size; the tests run the specification's test suite, and compare this validator with a library.
//!
//! A part of a schema that the gateway does not support makes a result uncertain, never wrong: a value is only rejected if it is wrong
//! whatever that part says.
//!
//! A client writes the schema and a model the response, so both may be crafted to cost time. The invariant: all work takes steps. If the
//! steps run out, the check ends without a failure.

use std::cell::{Cell, OnceCell};

use super::steps::{Spent, Steps, steps};

mod equal;
mod format;
mod keyword;
#[cfg(not(target_arch = "wasm32"))]
mod lint;
mod pattern;
mod reference;
mod tree;
pub mod types;
mod unevaluated;
mod wrong;

use equal::{has_repeats, same};
use keyword::{Shape, counting};
#[cfg(not(target_arch = "wasm32"))]
pub use lint::{Flaw, Step as FlawStep};
use pattern::Patterns;
use reference::Targets;
use tree::{Decimal, Fields, Json, Unread};
use wrong::{Expected, Step, Wrong};

/// The steps for all choices of one attempt: a schema that refers to itself could recurse without end.
pub const MOST_STEPS: u64 = 1 << 23;
/// The memory limit of a parsed schema or response. Larger ones are not parsed.
pub const LARGEST: usize = 16 << 20;
const DRAFT_2020_12: &str = "json-schema.org/draft/2020-12/schema";
const DRAFT_7: &str = "json-schema.org/draft-07/schema";
/// The steps to visit a schema, and each of its keywords.
const FOR_A_SCHEMA: u64 = 16;
const FOR_A_KEYWORD: u64 = 8;
/// The maximum depth of schemas that apply at once.
const DEEPEST: u32 = 128;

/// A JSON Schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Json);

/// Why a value did not pass a check.
#[derive(Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It does not match; the position and the expected value.
    Wrong(String),
    /// The check would take too long, or the schema has a part that the gateway does not support.
    Unknown,
}

/// Why a check ends early.
enum Stop<'s> {
    Wrong(Wrong<'s>),
    Spent,
}

/// Whether a value matches a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Unknown,
}

/// A check of one value.
struct Check<'s> {
    root: &'s Json,
    steps: &'s Steps,
    patterns: Patterns<'s>,
    depth: Cell<u32>,
    /// Whether a part of the schema could not be checked.
    unsure: Cell<bool>,
    /// Whether `$ref` hides the keywords next to it.
    hides: bool,
    targets: OnceCell<Targets<'s>>,
}

type Checked<'s> = Result<(), Stop<'s>>;

impl Schema {
    /// Parses a schema; `None` if the text is not a schema.
    pub fn parse(text: &str) -> Option<Self> {
        Json::read(text).ok().filter(|value| matches!(value, Json::Object(_) | Json::Bool(_))).map(Self)
    }

    /// A number that differs between schemas.
    pub fn digest(&self) -> u64 {
        equal::fingerprint(&self.0, &Steps::at_most(u64::MAX)).unwrap_or_default()
    }

    /// Checks a valid JSON text. The error names the position and the expected value: `at /items/0: expected a number`. All names in it come
    /// from the schema.
    pub fn check(&self, text: &str, steps: &Steps) -> Result<(), Unmet> {
        let value = Json::read(text).map_err(|unread| match unread {
            Unread::Invalid => Unmet::Wrong("it is not valid JSON".to_owned()),
            Unread::TooLarge => Unmet::Unknown,
        })?;
        let hides = hides(&self.0).ok_or(Unmet::Unknown)?;
        let check = Check::new(&self.0, steps, hides);
        match check.value(&self.0, &value) {
            Ok(()) if check.unsure.get() => Err(Unmet::Unknown),
            Ok(()) => Ok(()),
            Err(Stop::Wrong(wrong)) => Err(Unmet::Wrong(wrong.to_string())),
            Err(Stop::Spent) => Err(Unmet::Unknown),
        }
    }
}

/// Whether `$ref` hides the keywords next to it: in draft 7 it does, in 2020-12, the default, it does not. `None` for other drafts.
fn hides(schema: &Json) -> Option<bool> {
    let Some(declared) = schema.fields().and_then(|words| words.get("$schema")) else { return Some(false) };
    match declared.text()?.trim_end_matches('#').split_once("://")?.1 {
        DRAFT_2020_12 => Some(false),
        DRAFT_7 => Some(true),
        _ => None,
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
    fn new(root: &'s Json, steps: &'s Steps, hides: bool) -> Self {
        let (depth, unsure) = (Cell::new(0), Cell::new(false));
        Self { root, steps, patterns: Patterns::new(steps), depth, unsure, hides, targets: OnceCell::new() }
    }

    #[inline(never)]
    fn value(&self, schema: &'s Json, value: &Json) -> Checked<'s> {
        let words = match schema {
            Json::Bool(allowed) => return expect(*allowed, Expected::Nothing),
            Json::Object(words) => words,
            _ => return self.unsure(),
        };
        self.enter()?;
        let checked = self.words(words, value);
        self.leave();
        checked
    }

    /// Checks a part of a value.
    #[inline(never)]
    fn below(&self, place: Step<'s>, schema: &'s Json, value: &Json) -> Checked<'s> {
        self.value(schema, value).map_err(|stop| stop.below(place))
    }

    fn enter(&self) -> Result<(), Spent> {
        self.steps.take(FOR_A_SCHEMA)?;
        if self.depth.get() >= DEEPEST {
            return Err(Spent);
        }
        self.depth.set(self.depth.get() + 1);
        Ok(())
    }

    fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    fn words(&self, words: &'s Fields, value: &Json) -> Checked<'s> {
        if let Some(kind) = words.get("type").filter(|_| !self.hides || words.get("$ref").is_none()) {
            self.is_of_type(kind, value)?;
        }
        for (word, says) in counting(words, self.hides) {
            self.word(word, says, words, value)?;
        }
        Ok(())
    }

    /// Notes a part of the schema that cannot be checked.
    fn unsure(&self) -> Checked<'s> {
        self.unsure.set(true);
        Ok(())
    }

    fn expect(&self, fit: Fit, expected: Expected<'s>) -> Checked<'s> {
        if fit == Fit::Unknown { self.unsure() } else { expect(fit == Fit::Yes, expected) }
    }

    #[inline(never)]
    fn fits(&self, schema: &'s Json, value: &Json) -> Result<Fit, Spent> {
        let before = self.unsure.replace(false);
        let checked = self.value(schema, value);
        let unsure = self.unsure.replace(before);
        match checked {
            Ok(()) if unsure => Ok(Fit::Unknown),
            Ok(()) => Ok(Fit::Yes),
            Err(Stop::Wrong(_)) => Ok(Fit::No),
            Err(Stop::Spent) => Err(Spent),
        }
    }

    fn word(&self, word: &'s str, says: &'s Json, words: &'s Fields, value: &Json) -> Checked<'s> {
        self.steps.take(FOR_A_KEYWORD)?;
        let Some(shape) = Shape::of(word) else { return Ok(()) };
        if matches!(shape, Shape::Any) && word != "const" {
            return Ok(());
        }
        self.steps.take(says.items().map_or(0, |items| steps(items.len())))?;
        if !shape.fits(says) {
            return self.unsure();
        }
        match word {
            "$ref" => match self.referred(says)? {
                Some(schema) => self.value(schema, value),
                None => self.unsure(),
            },
            "const" => expect(same(says, value, self.steps)?, Expected::Const),
            "enum" => self.is_listed(says, value),
            "allOf" => says.items().unwrap_or_default().iter().try_for_each(|schema| self.value(schema, value)),
            "anyOf" => self.is_any(says, value),
            "oneOf" => self.is_exactly(says.items().unwrap_or_default(), value, 1, Expected::OneOf),
            "not" => self.is_exactly(std::slice::from_ref(says), value, 0, Expected::Not),
            "if" => self.branches(says, words, value),
            _ => match value {
                Json::Object(fields) => self.object(word, says, words, fields, value),
                Json::Array(items) => self.array(word, says, words, items, value),
                Json::String(text) => self.string(word, says, text),
                Json::Number(number) => self.number(word, says, number),
                Json::Null | Json::Bool(_) => Ok(()),
            },
        }
    }

    fn is_listed(&self, listed: &'s Json, value: &Json) -> Checked<'s> {
        for listed in listed.items().unwrap_or_default() {
            if same(listed, value, self.steps)? {
                return Ok(());
            }
        }
        expect(false, Expected::Enum)
    }

    fn is_any(&self, schemas: &'s Json, value: &Json) -> Checked<'s> {
        let mut any = Fit::No;
        for schema in schemas.items().unwrap_or_default() {
            match self.fits(schema, value)? {
                Fit::Yes => return Ok(()),
                Fit::Unknown => any = Fit::Unknown,
                Fit::No => {}
            }
        }
        self.expect(any, Expected::AnyOf)
    }

    /// Checks that exactly this number of schemas match.
    fn is_exactly(&self, schemas: &'s [Json], value: &Json, number: usize, expected: Expected<'s>) -> Checked<'s> {
        let mut fitting = Counted::default();
        for schema in schemas {
            fitting.add(self.fits(schema, value)?);
        }
        let number = Decimal::from(number);
        self.expect(fitting.within(&number, Some(&number)), expected)
    }

    fn branches(&self, condition: &'s Json, words: &'s Fields, value: &Json) -> Checked<'s> {
        let branch = match self.fits(condition, value)? {
            Fit::Yes => words.get("then"),
            Fit::No => words.get("else"),
            Fit::Unknown => return self.unsure(),
        };
        branch.map_or(Ok(()), |schema| self.value(schema, value))
    }

    fn object(&self, word: &'s str, says: &'s Json, words: &'s Fields, fields: &Fields, value: &Json) -> Checked<'s> {
        let named = says.fields().into_iter().flat_map(Fields::iter);
        match word {
            "required" => self.has_all(says, fields),
            "minProperties" => self.at_least(word, says, fields.len(), "fields"),
            "maxProperties" => self.at_most(word, says, fields.len(), "fields"),
            "properties" => {
                for (name, field) in fields.iter() {
                    self.steps.take(to_look_up(name))?;
                    if let Some((name, schema)) = says.fields().and_then(|known| known.entry(name)) {
                        self.below(Step::Name(name), schema, field)?;
                    }
                }
                Ok(())
            }
            "patternProperties" => {
                for (pattern, schema) in named {
                    let Some(pattern) = self.patterns.get(pattern)? else {
                        self.unsure()?;
                        continue;
                    };
                    for (name, field) in fields.iter() {
                        if pattern.matches(name, self.steps)? {
                            self.below(place(words, name), schema, field)?;
                        }
                    }
                }
                Ok(())
            }
            "additionalProperties" => {
                // A pattern that the gateway does not support may allow any other name.
                let Some(known) = self.known(words, fields)? else { return self.unsure() };
                let additional = fields.iter().zip(known).filter(|(_, known)| !known);
                additional.map(|(field, _)| field).try_for_each(|(_, field)| {
                    // A name that the schema does not contain comes from the model and is not reported.
                    self.below(Step::Any, says, field)
                })
            }
            "propertyNames" => fields.iter().try_for_each(|(name, _)| {
                self.steps.take(steps(name.len()))?;
                self.value(says, &Json::String(name.to_owned())).map_err(|stop| stop.below(place(words, name)))
            }),
            "dependentRequired" | "dependentSchemas" | "dependencies" => {
                for (name, then) in named {
                    self.steps.take(to_look_up(name))?;
                    match then {
                        _ if fields.get(name).is_none() => {}
                        Json::Array(_) => self.has_all(then, fields)?,
                        schema => self.value(schema, value)?,
                    }
                }
                Ok(())
            }
            "unevaluatedProperties" => self.unevaluated(says, words, value),
            _ => Ok(()),
        }
    }

    fn has_all(&self, names: &'s Json, fields: &Fields) -> Checked<'s> {
        names.items().unwrap_or_default().iter().filter_map(Json::text).try_for_each(|name| {
            self.steps.take(to_look_up(name))?;
            expect(fields.get(name).is_some(), Expected::Field(name))
        })
    }

    /// For each field, whether `properties` or `patternProperties` name it; `None` if the gateway cannot tell.
    fn known(&self, words: &'s Fields, fields: &Fields) -> Result<Option<Vec<bool>>, Spent> {
        let named = words.get("properties").and_then(Json::fields);
        let mut known = Vec::with_capacity(fields.len());
        for (name, _) in fields.iter() {
            self.steps.take(to_look_up(name))?;
            known.push(named.is_some_and(|named| named.get(name).is_some()));
        }
        let patterns = words.get("patternProperties").and_then(Json::fields);
        for (pattern, _) in patterns.into_iter().flat_map(Fields::iter) {
            let Some(pattern) = self.patterns.get(pattern)? else { return Ok(None) };
            for ((name, _), known) in fields.iter().zip(&mut known) {
                *known = *known || pattern.matches(name, self.steps)?;
            }
        }
        Ok(Some(known))
    }

    fn array(&self, word: &'s str, says: &'s Json, words: &'s Fields, items: &[Json], value: &Json) -> Checked<'s> {
        let each = |from, schemas: &mut dyn Iterator<Item = &'s Json>| self.each(items, from, schemas);
        match word {
            "minItems" => self.at_least(word, says, items.len(), "items"),
            "maxItems" => self.at_most(word, says, items.len(), "items"),
            "uniqueItems" if *says == Json::Bool(true) => expect(!has_repeats(items, self.steps)?, Expected::Unique),
            "prefixItems" => each(0, &mut says.items().unwrap_or_default().iter()),
            "items" => match says {
                Json::Array(schemas) => each(0, &mut schemas.iter()),
                schema => {
                    let first = words.get("prefixItems").and_then(Json::items).map_or(0, <[Json]>::len);
                    each(first, &mut std::iter::repeat(schema))
                }
            },
            "additionalItems" => {
                let Some(first) = words.get("items").and_then(Json::items) else { return Ok(()) };
                each(first.len(), &mut std::iter::repeat(says))
            }
            "contains" => {
                let mut fitting = Counted::default();
                for item in items {
                    fitting.add(self.fits(says, item)?);
                }
                let one = Decimal::from(1);
                let limit = |word| words.get(word).filter(|limit| Shape::Count.fits(limit)).and_then(Json::number);
                let least = limit("minContains").unwrap_or(&one);
                self.expect(fitting.within(least, limit("maxContains")), Expected::Contains)
            }
            "unevaluatedItems" => self.unevaluated(says, words, value),
            _ => Ok(()),
        }
    }

    /// Checks the items from a place on, each by its own schema.
    #[inline(never)]
    fn each(&self, items: &[Json], from: usize, schemas: &mut dyn Iterator<Item = &'s Json>) -> Checked<'s> {
        for ((index, item), schema) in items.iter().enumerate().skip(from).zip(schemas) {
            self.below(Step::Index(index), schema, item)?;
        }
        Ok(())
    }

    fn is_of_type(&self, kind: &'s Json, value: &Json) -> Checked<'s> {
        let names = kind.items().unwrap_or(std::slice::from_ref(kind));
        self.steps.take(steps(names.len()))?;
        if !Shape::Type.fits(kind) {
            return self.unsure();
        }
        let good = names.iter().filter_map(Json::text).any(|name| is_a(name, value));
        expect(good, kind.text().map_or(Expected::Types(names), Expected::Type))
    }

    fn string(&self, word: &'s str, says: &'s Json, text: &str) -> Checked<'s> {
        match word {
            "minLength" | "maxLength" => {
                self.steps.take(steps(text.len()))?;
                let length = text.chars().count();
                if word == "minLength" {
                    self.at_least(word, says, length, "characters")
                } else {
                    self.at_most(word, says, length, "characters")
                }
            }
            "pattern" => {
                let pattern = says.text().unwrap_or_default();
                let Some(compiled) = self.patterns.get(pattern)? else { return self.unsure() };
                expect(compiled.matches(text, self.steps)?, Expected::Match(pattern))
            }
            "format" => {
                self.steps.take(steps(text.len()))?;
                let name = says.text().unwrap_or_default();
                expect(format::fits(name, text).unwrap_or(true), Expected::Format(name))
            }
            _ => Ok(()),
        }
    }

    fn number(&self, word: &'s str, says: &'s Json, number: &Decimal) -> Checked<'s> {
        let Some(limit) = says.number() else { return Ok(()) };
        self.steps.take(steps(number.digits().saturating_add(limit.digits())))?;
        let good = match word {
            "minimum" => number >= limit,
            "maximum" => number <= limit,
            "exclusiveMinimum" => number > limit,
            "exclusiveMaximum" => number < limit,
            "multipleOf" => match number.is_multiple_of(limit) {
                Some(good) => good,
                None => return self.unsure(),
            },
            _ => true,
        };
        expect(good, Expected::Number(word))
    }

    fn at_least(&self, word: &'s str, limit: &Json, counted: usize, of: &'static str) -> Checked<'s> {
        expect(limit.number().is_none_or(|least| Decimal::from(counted) >= *least), Expected::More(of, word))
    }

    fn at_most(&self, word: &'s str, limit: &Json, counted: usize, of: &'static str) -> Checked<'s> {
        expect(limit.number().is_none_or(|most| Decimal::from(counted) <= *most), Expected::Fewer(of, word))
    }
}

/// How many values match, and how many more may match.
#[derive(Default)]
struct Counted {
    sure: usize,
    possible: usize,
}

impl Counted {
    fn add(&mut self, fit: Fit) {
        self.sure += usize::from(fit == Fit::Yes);
        self.possible += usize::from(fit != Fit::No);
    }

    fn within(&self, least: &Decimal, most: Option<&Decimal>) -> Fit {
        let [sure, possible] = [self.sure, self.possible].map(Decimal::from);
        if possible < *least || most.is_some_and(|most| sure > *most) {
            Fit::No
        } else if sure >= *least && most.is_none_or(|most| possible <= *most) {
            Fit::Yes
        } else {
            Fit::Unknown
        }
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

/// The place of a field in a message: its name only if the schema has it too.
fn place<'s>(words: &'s Fields, name: &str) -> Step<'s> {
    let known = words.get("properties").and_then(Json::fields).and_then(|known| known.entry(name));
    known.map_or(Step::Any, |(name, _)| Step::Name(name))
}

fn is_a(name: &str, value: &Json) -> bool {
    match (name, value) {
        ("null", Json::Null) | ("boolean", Json::Bool(_)) | ("object", Json::Object(_)) => true,
        ("array", Json::Array(_)) | ("string", Json::String(_)) | ("number", Json::Number(_)) => true,
        ("integer", Json::Number(number)) => number.is_integer(),
        _ => false,
    }
}

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
