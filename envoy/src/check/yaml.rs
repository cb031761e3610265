//! Parses a YAML file into a JSON value, with the line of each place.
//!
//! It reads YAML 1.2's core schema without features that a gateway file does not need: merge keys, custom tags, several documents.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};
use sluice_config::Diagnostic;
use sluice_config::diagnostic::{Path, quoted};

/// Aliases may expand a file, up to this number of values.
const VALUES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 64;

/// A parsed file.
pub struct Document {
    pub value: Value,
    /// Duplicate keys in a mapping.
    pub diagnostics: Vec<Diagnostic>,
    pub lines: Lines,
}

/// The line of each place in a file.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, usize>);

/// Why a file is not valid YAML, or uses an unsupported feature.
#[derive(Debug)]
pub struct Fault {
    pub line: usize,
    pub diagnostic: Diagnostic,
}

impl Document {
    /// Parses a file.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut composer = Composer {
            parser: Parser::new_from_str(text),
            document: Self { value: Value::Null, diagnostics: Vec::new(), lines: Lines::default() },
            anchors: HashMap::new(),
            values: 0,
            seen: 1,
        };
        composer.stream()?;
        Ok(composer.document)
    }

    /// The line of a place.
    pub fn line(&self, path: &str) -> usize {
        self.lines.of(path)
    }
}

impl Lines {
    /// The line of a place, or of its nearest parent in the file.
    pub fn of(&self, path: &str) -> usize {
        let mut place = path;
        loop {
            if let Some(line) = self.0.get(place) {
                return *line;
            }
            match place.rfind(['.', '[']) {
                Some(end) => place = &place[..end],
                None => return 1,
            }
        }
    }
}

fn fault(line: usize, found: impl Into<String>, expected: &str) -> Fault {
    Fault { line, diagnostic: Diagnostic { path: String::new(), found: found.into(), expected: expected.to_owned() } }
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        fault(error.marker().line(), format!("text that is not YAML ({})", error.info()), "a gateway file in YAML")
    }
}

struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    document: Document,
    /// Anchored values, and how many values each contains.
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    /// The most recent line.
    seen: usize,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        let next = self.parser.next_event().transpose()?;
        let (event, span) = next.ok_or_else(|| fault(self.seen, "the end of the file", "a gateway file"))?;
        self.seen = span.start.line();
        Ok((event, span))
    }

    fn stream(&mut self) -> Result<(), Fault> {
        let mut documents = 0;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd if documents == 0 => return Err(fault(1, "an empty file", "a gateway file")),
                Event::StreamEnd => return Ok(()),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                _ if documents > 0 => {
                    return Err(fault(span.start.line(), "a second document", "one gateway file in one document"));
                }
                event => {
                    self.document.value = self.value(event, &Path::root(), 0)?;
                    documents += 1;
                }
            }
        }
    }

    fn value(&mut self, event: Event<'t>, path: &Path, depth: usize) -> Result<Value, Fault> {
        self.document.lines.0.entry(path.to_string()).or_insert(self.seen);
        self.count(1)?;
        if depth > DEPTH_MAX {
            return Err(fault(self.seen, format!("more than {DEPTH_MAX} levels"), "a gateway file"));
        }
        let before = self.values;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(anchor, _) => (self.sequence(path, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(path, depth)?, anchor),
            Event::Alias(id) => {
                let Some((value, size)) = self.anchors.get(&id).cloned() else {
                    return Err(fault(self.seen, "an alias of a value that contains the alias", "a gateway file"));
                };
                self.count(size)?;
                (value, 0)
            }
            _ => return Err(fault(self.seen, "no value", "a gateway file in YAML")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before));
        }
        Ok(value)
    }

    fn count(&mut self, more: usize) -> Result<(), Fault> {
        self.values += more;
        if self.values > VALUES_MAX {
            return Err(fault(self.seen, format!("more than {VALUES_MAX} values"), "a gateway file"));
        }
        Ok(())
    }

    fn sequence(&mut self, path: &Path, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, _) => items.push(self.value(event, &path.index(items.len()), depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, path: &Path, depth: usize) -> Result<Value, Fault> {
        let mut fields = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(fields)),
                Event::Scalar(key, ..) => Cow::into_owned(key),
                _ => return Err(fault(span.start.line(), "a key that is not plain text", "a key of plain text")),
            };
            let path = path.key(&key);
            let line = span.start.line();
            let again = fields.contains_key(&key);
            if again {
                let first = self.document.lines.0.get(path.as_str()).copied().unwrap_or(line);
                self.document.diagnostics.push(Diagnostic {
                    path: path.to_string(),
                    found: format!("{} again in line {line}, first in line {first}", quoted(&key)),
                    expected: "each key once".to_owned(),
                });
            } else {
                self.document.lines.0.insert(path.to_string(), line);
            }
            let (event, _) = self.next()?;
            let value = self.value(event, &path, depth + 1)?;
            if !again {
                fields.insert(key, value);
            }
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Fault> {
        match tag {
            None if style == ScalarStyle::Plain => Ok(plain(text)),
            None => Ok(text.into()),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(text.into()),
            Some(tag) => Err(fault(self.seen, format!("the tag {tag}"), "no tag")),
        }
    }
}

/// Below it, a float has every whole number.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Resolves an unquoted scalar. A number with nothing but zeros after the point is whole: `60.0` and `1e+06` are `60` and `1000000`. Numbers
/// that JSON cannot represent stay text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts_a_number = digits.strip_prefix('.').unwrap_or(digits).starts_with(|c: char| c.is_ascii_digit());
    if !starts_a_number {
        return text.into();
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    match text.parse::<f64>() {
        // Tools that fill in templates write whole numbers this way.
        Ok(number) if number.fract() == 0.0 && number.abs() < MOST_EXACT => (number as i64).into(),
        Ok(number) => Number::from_f64(number).map_or_else(|| text.into(), Value::from),
        Err(_) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_and_their_lines() {
        let text = "a: 1\nlist:\n  - x\n  - {b: true}\n\"gpt-4.1\":\n  c: 'no'\nd: 2027-01-31T00:00:00Z\ne:\n";
        let document = Document::read(text).unwrap();
        let expected = json!({
            "a": 1, "list": ["x", {"b": true}], "gpt-4.1": {"c": "no"}, "d": "2027-01-31T00:00:00Z", "e": null
        });
        assert_eq!(document.value, expected);
        for (path, line) in [("a", 1), ("list[1].b", 4), ("list[1].missing", 4), ("[\"gpt-4.1\"].c", 6), ("x.y", 1)] {
            assert_eq!(document.line(path), line, "{path}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_a_mistake() {
        let document = Document::read("a:\n  b: 1\n  c: 1\n  b: 2\n").unwrap();
        assert_eq!(document.diagnostics[0].found, "\"b\" again in line 4, first in line 2");
        assert_eq!(document.value, json!({"a": {"b": 1, "c": 1}}));
    }

    #[test]
    fn anchors_work_and_cannot_explode() {
        assert_eq!(Document::read("a: &x [1]\nb: *x\n").unwrap().value, json!({"a": [1], "b": [1]}));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        assert!(Document::read(&bomb).is_err());
        assert!(Document::read(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        assert_eq!(Document::read("a: 1\nb: [1\nc: }\n").err().unwrap().line, 3);
        assert_eq!(Document::read("").err().unwrap().diagnostic.found, "an empty file");
        assert_eq!(Document::read("a: 1\n---\nb: 1\n").err().unwrap().diagnostic.found, "a second document");
    }
}
