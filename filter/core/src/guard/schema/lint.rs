//! The parts of a schema that the gateway cannot check, for the author of a gateway file. The command has checked a file before the wasm
//! module reads it, so the module goes without.

use crate::guard::steps::Steps;
use crate::suggest::one_of;

use super::keyword::{KEYWORDS, Shape, inside};
use super::tree::Json;
use super::{Check, DRAFT_7, DRAFT_2020_12, MOST_STEPS, Schema, format, hides};

/// The names of the formats.
const FORMATS: [&str; 9] = ["date", "date-time", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];

/// A part of a schema that the gateway cannot check.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The path to the keyword.
    pub path: Vec<Step>,
    /// The keyword or its value.
    pub found: String,
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
        let Some(hides) = hides(&self.0) else {
            let (path, found) = (vec![Step::Key("$schema".to_owned())], "another draft".to_owned());
            return Some(Flaw { path, found, expected: format!("https://{DRAFT_2020_12} or http://{DRAFT_7}#") });
        };
        let check = Check::new(&self.0, &steps, hides);
        let mut path = Vec::new();
        let (found, expected) = check.flaw(&self.0, &mut path)?;
        path.reverse();
        Some(Flaw { path, found, expected })
    }
}

impl<'s> Check<'s> {
    /// The found and the expected value at the first flaw. `path` leads to it, from the inside out.
    fn flaw(&self, schema: &'s Json, path: &mut Vec<Step>) -> Option<(String, String)> {
        for (word, says) in schema.fields()?.iter() {
            if let Some(expected) = self.wrong(word, says) {
                path.push(Step::Key(word.to_owned()));
                return Some((found(word, says), expected));
            }
            for (index, (name, schema)) in inside(word, says).into_iter().enumerate() {
                let Some(flaw) = self.flaw(schema, path) else { continue };
                match (name, says) {
                    (Some(name), _) => path.push(Step::Key(name.to_owned())),
                    (None, Json::Array(_)) => path.push(Step::Index(index)),
                    _ => {}
                }
                path.push(Step::Key(word.to_owned()));
                return Some(flaw);
            }
        }
        None
    }

    fn wrong(&self, word: &'s str, says: &'s Json) -> Option<String> {
        let Some(shape) = Shape::of(word) else { return Some(one_of(word, supported())) };
        if !shape.fits(says) {
            return Some(expected(shape).to_owned());
        }
        let compiles = |pattern| matches!(self.patterns.get(pattern), Ok(Some(_)));
        let pattern = || Some("a pattern that the gateway supports: shorter, or without lookaround".to_owned());
        match word {
            "$ref" if !matches!(self.referred(says), Ok(Some(_))) => {
                Some("a reference to a part of this schema, such as #/$defs/name".to_owned())
            }
            "format" if format::fits(says.text()?, "").is_none() => Some(format!("one of {}", FORMATS.join(", "))),
            "pattern" if !compiles(says.text()?) => pattern(),
            "patternProperties" if !says.fields()?.iter().all(|(name, _)| compiles(name)) => pattern(),
            "multipleOf" if says.number()?.is_multiple_of(says.number()?).is_none() => {
                Some("a number with at most 9 digits".to_owned())
            }
            _ => None,
        }
    }
}

/// The names of the keywords that the gateway supports.
fn supported() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().filter(|(_, shape)| *shape != Shape::Unsupported).map(|(name, _)| *name)
}

/// What a value of this shape is.
fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Schema => "a schema: an object, true or false",
        Shape::Schemas => "a list of schemas",
        Shape::Named => "a schema for each name",
        Shape::Items => "a schema, or a list of schemas",
        Shape::Dependencies => "for each name, a schema or a list of names",
        Shape::Names => "a list of names",
        Shape::NamesByName => "a list of names for each name",
        Shape::Count => "a whole number from 0",
        Shape::Number => "a number",
        Shape::Positive => "a number above 0",
        Shape::Bool => "true or false",
        Shape::Text => "a text",
        Shape::List => "a list of values",
        Shape::Type => "array, boolean, integer, null, number, object, string, or a list of them",
        Shape::Any | Shape::Unsupported => "a keyword that the gateway checks",
    }
}

fn found(word: &str, says: &Json) -> String {
    match says {
        _ if matches!(Shape::of(word), None | Some(Shape::Unsupported)) => format!("the keyword {word:?}"),
        Json::String(text) => format!("{text:?}"),
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "a boolean".to_owned(),
        Json::Number(_) => "a number".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_flaw_is_found_where_it_is() {
        for (schema, path, found, expected) in [
            (r#"{"minLenght":1}"#, "minLenght", r#"the keyword "minLenght""#, r#"did you mean "minLength"?"#),
            (r#"{"properties":{"a":{"minLength":-1}}}"#, "properties/a/minLength", "a number", "a whole number from 0"),
            (r#"{"allOf":[true,{"type":"text"}]}"#, "allOf/1/type", r#""text""#, "array, boolean, integer"),
            (r##"{"items":{"$ref":"#/$defs/a"}}"##, "items/$ref", r##""#/$defs/a""##, "such as #/$defs/name"),
            (r#"{"not":{"pattern":"(?=a)"}}"#, "not/pattern", r#""(?=a)""#, "without lookaround"),
            (r#"{"patternProperties":{"(?=a)":true}}"#, "patternProperties", "an object", "without lookaround"),
            (r#"{"format":"phone"}"#, "format", r#""phone""#, "one of date, date-time"),
            (r#"{"multipleOf":0}"#, "multipleOf", "a number", "above 0"),
            (r##"{"$dynamicRef":"#a"}"##, "$dynamicRef", r#"the keyword "$dynamicRef""#, "a keyword that the gateway"),
            (r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#, "$schema", "another draft", "2020-12"),
            (r#"{"$defs":{"a":{"$id":"x"}},"$ref":"a"}"#, "$ref", r#""a""#, "a reference to a part"),
        ] {
            let flaw = Schema::parse(schema).unwrap().flaw().unwrap();
            let step = |step: &Step| match step {
                Step::Key(key) => key.clone(),
                Step::Index(index) => index.to_string(),
            };
            assert_eq!(flaw.path.iter().map(step).collect::<Vec<_>>().join("/"), path, "{schema}");
            assert_eq!(flaw.found, found, "{schema}");
            assert!(flaw.expected.contains(expected), "{schema}: {}", flaw.expected);
        }
        let good = r##"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://example.com/a","title":"t",
            "properties":{"a":{"$ref":"#/definitions/b"}},"definitions":{"b":{"type":["string","null"],"format":"uuid"}}}"##;
        assert_eq!(Schema::parse(good).unwrap().flaw(), None);
    }
}
