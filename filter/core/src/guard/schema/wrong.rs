//! Describes where a value does not match its schema, and what was expected.
//!
//! Branches of a schema may fail thousands of times before one matches, so text is formatted only at the end. Names and patterns come from
//! the client and are truncated.

use std::fmt::{self, Display, Formatter};

use super::tree::Json;

/// The maximum length of a name or pattern in a message.
const LONGEST: usize = 200;
/// JSON Schema has fewer types than this.
const MOST_TYPES: usize = 8;

/// A mismatch, with its path from the innermost step outwards.
pub(super) struct Wrong<'s> {
    path: Vec<Step<'s>>,
    expected: Expected<'s>,
}

/// A step into a value.
#[derive(Clone, Copy)]
pub(super) enum Step<'s> {
    /// A field that the schema names.
    Name(&'s str),
    /// Any other field.
    Any,
    Index(usize),
}

/// The expectation of the schema.
#[derive(Clone, Copy)]
pub(super) enum Expected<'s> {
    Nothing,
    Type(&'s str),
    Types(&'s [Json]),
    Enum,
    Const,
    AnyOf,
    OneOf,
    Not,
    Field(&'s str),
    /// The counted items, and the keyword.
    More(&'static str, &'s str),
    Fewer(&'static str, &'s str),
    Unique,
    Match(&'s str),
    Number(&'s str),
    Contains,
    Format(&'s str),
}

impl<'s> Wrong<'s> {
    pub(super) fn new(expected: Expected<'s>) -> Self {
        Self { path: Vec::new(), expected }
    }

    pub(super) fn below(&mut self, step: Step<'s>) {
        self.path.push(step);
    }
}

impl Display for Wrong<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() { "at the top level" } else { "at " })?;
        for step in self.path.iter().rev() {
            match step {
                Step::Name(name) => write!(f, "/{}", short(name))?,
                Step::Any => f.write_str("/*")?,
                Step::Index(index) => write!(f, "/{index}")?,
            }
        }
        write!(f, ": expected {}", self.expected)
    }
}

impl Display for Expected<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Type(name) => write!(f, "type `{}`", short(name)),
            Self::Types(names) => {
                let names: Vec<&str> = names.iter().filter_map(Json::text).take(MOST_TYPES).map(short).collect();
                write!(f, "one of the types `{}`", names.join("`, `"))
            }
            Self::Enum => f.write_str("a value of `enum`"),
            Self::Const => f.write_str("the value of `const`"),
            Self::AnyOf => f.write_str("a match for a schema of `anyOf`"),
            Self::OneOf => f.write_str("a match for exactly one schema of `oneOf`"),
            Self::Not => f.write_str("no match for the schema of `not`"),
            Self::Field(name) => write!(f, "the field `{}`", short(name)),
            Self::More(of, word) => write!(f, "more {of} (`{word}`)"),
            Self::Fewer(of, word) => write!(f, "fewer {of} (`{word}`)"),
            Self::Unique => f.write_str("items that are all different"),
            Self::Match(pattern) => write!(f, "a string that matches `{}`", short(pattern)),
            Self::Contains => f.write_str("the right number of items that match `contains`"),
            Self::Format(name) => write!(f, "a string in the format `{}`", short(name)),
            Self::Number(word) => write!(f, "a number that satisfies `{word}`"),
        }
    }
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}
