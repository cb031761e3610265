//! The parts of a schema that the gateway cannot check, for the author of a gateway file.

use crate::guard::steps::Steps;

use super::keyword::{Shape, inside};
use super::tree::Json;
use super::{Check, MOST_STEPS, Schema, format, hides};

/// A part of a schema that the gateway cannot check.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The path to the keyword.
    pub path: Vec<Step>,
    /// The supported value.
    pub expected: String,
}

/// A step into a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Key(String),
    /// An item.
    Index(usize),
}

impl Schema {
    /// The first of these parts; `None` if the gateway checks all of the schema.
    pub fn flaw(&self) -> Option<Flaw> {
        let steps = Steps::at_most(MOST_STEPS);
        let at_root = |word: &str, expected: &str| {
            Some(Flaw { path: vec![Step::Key(word.to_owned())], expected: expected.to_owned() })
        };
        let Some(hides) = hides(&self.0) else {
            return at_root("$schema", "draft 2020-12 (https://json-schema.org/draft/2020-12/schema) or draft 7");
        };
        let check = Check::new(&self.0, &steps, hides);
        let mut path = Vec::new();
        let expected = check.flaw(&self.0, &mut path)?;
        path.reverse();
        Some(Flaw { path, expected })
    }
}

impl<'s> Check<'s> {
    /// What the first flaw should be instead. `path` leads to it, from the inside out.
    fn flaw(&self, schema: &'s Json, path: &mut Vec<Step>) -> Option<String> {
        for (word, says) in schema.fields()?.iter() {
            if let Some(expected) = self.wrong(word, says) {
                path.push(Step::Key(word.to_owned()));
                return Some(expected);
            }
            for (index, (name, schema)) in inside(word, says).into_iter().enumerate() {
                let Some(expected) = self.flaw(schema, path) else { continue };
                match (name, says) {
                    (Some(name), _) => path.push(Step::Key(name.to_owned())),
                    (None, Json::Array(_)) => path.push(Step::Index(index)),
                    _ => {}
                }
                path.push(Step::Key(word.to_owned()));
                return Some(expected);
            }
        }
        None
    }

    fn wrong(&self, word: &'s str, says: &'s Json) -> Option<String> {
        let Some(shape) = Shape::of(word) else { return Some("a keyword of JSON Schema".to_owned()) };
        if !shape.fits(says) {
            return Some(shape.expected().to_owned());
        }
        let compiles = |pattern| matches!(self.patterns.get(pattern), Ok(Some(_)));
        let pattern = || Some("a pattern that the gateway supports: shorter, or without lookaround".to_owned());
        match word {
            "$ref" if !matches!(self.referred(says), Ok(Some(_))) => {
                Some("a reference to a part of this schema, such as #/$defs/name".to_owned())
            }
            "format" if format::fits(says.text()?, "").is_none() => {
                Some(format!("one of {}", format::KNOWN.join(", ")))
            }
            "pattern" if !compiles(says.text()?) => pattern(),
            "patternProperties" if !says.fields()?.iter().all(|(name, _)| compiles(name)) => pattern(),
            "multipleOf" if !says.number()?.divides() => Some("a number with at most 9 digits".to_owned()),
            _ => None,
        }
    }
}
