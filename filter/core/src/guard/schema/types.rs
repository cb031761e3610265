//! The types that a schema allows for a value, as a set: never too few.

use super::keyword::Shape;
use super::tree::Json;
use super::{Check, MOST_STEPS, Schema, Steps, hides};

/// A set of types.
pub type Types = u8;
/// The types.
pub const NULL: Types = 1;
/// `true` and `false`.
pub const BOOLEAN: Types = 2;
/// Integers too.
pub const NUMBER: Types = 4;
/// Texts.
pub const STRING: Types = 8;
/// Lists.
pub const ARRAY: Types = 16;
/// Objects.
pub const OBJECT: Types = 32;
/// All of them.
pub const ALL: Types = 63;

/// How many schemas deep the types are looked for.
const DEEPEST: u32 = 8;

impl Schema {
    /// The types that it allows.
    pub fn types(&self) -> Types {
        let steps = Steps::at_most(MOST_STEPS);
        hides(&self.0).map_or(ALL, |hides| Check::new(&self.0, &steps, hides).types(&self.0, DEEPEST))
    }
}

impl<'s> Check<'s> {
    fn types(&self, schema: &'s Json, depth: u32) -> Types {
        let words = match (schema, depth.checked_sub(1)) {
            (Json::Bool(false), _) => return 0,
            (Json::Object(words), Some(_)) => words,
            _ => return ALL,
        };
        let depth = depth.saturating_sub(1);
        super::counting(words, self.hides).fold(ALL, |types, (word, says)| {
            let sound = Shape::of(word).is_some_and(|shape| shape.fits(says));
            let each = || says.items().unwrap_or_default().iter();
            types
                & match word {
                    _ if !sound => ALL,
                    "type" => says.items().unwrap_or(std::slice::from_ref(says)).iter().map(named).fold(0, union),
                    "const" => of(says),
                    "enum" => each().map(of).fold(0, union),
                    "allOf" => each().map(|schema| self.types(schema, depth)).fold(ALL, |all, types| all & types),
                    "anyOf" | "oneOf" => each().map(|schema| self.types(schema, depth)).fold(0, union),
                    "$ref" => match self.referred(says) {
                        Ok(Some(schema)) => self.types(schema, depth),
                        _ => ALL,
                    },
                    _ => ALL,
                }
        })
    }
}

fn union(one: Types, other: Types) -> Types {
    one | other
}

fn named(name: &Json) -> Types {
    match name.text().unwrap_or_default() {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "number" | "integer" => NUMBER,
        "string" => STRING,
        "array" => ARRAY,
        "object" => OBJECT,
        _ => ALL,
    }
}

fn of(value: &Json) -> Types {
    match value {
        Json::Null => NULL,
        Json::Bool(_) => BOOLEAN,
        Json::Number(_) => NUMBER,
        Json::String(_) => STRING,
        Json::Array(_) => ARRAY,
        Json::Object(_) => OBJECT,
    }
}
