//! Reads JSON from text and writes strings as JSON.

use std::io;
use std::str::Utf8Error;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strict::Strict;

mod plain;
pub(crate) mod scan;
mod strict;

pub use plain::is_plain;
pub(crate) use plain::plain;

/// Reads JSON. Structs are read from objects only, not from arrays.
pub fn read<'t, T: Deserialize<'t>>(text: &'t str) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict(&mut reader))?;
    reader.end().map(|()| value)
}

/// Reads JSON from bytes. Validates UTF-8 once; serde_json's byte reader would validate each string, and the compiler would generate it for
/// each type in addition to the text reader.
pub fn from_slice<'t, T: Deserialize<'t>>(json: &'t [u8]) -> serde_json::Result<T> {
    read(utf8(json).map_err(serde_json::Error::custom)?)
}

/// Validates UTF-8. For invalid bytes, the standard library scans again and reports the position.
pub fn utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes))
}

/// [`read`] for a parsed tree, by way of its text: the compiler would generate another reader for each type.
pub fn from_value<T: DeserializeOwned>(json: &Value) -> serde_json::Result<T> {
    from_slice(&written(json))
}

/// Reads a number in JSON's notation. The standard library's own parser would add 17 KB to the module.
pub fn number(text: &str) -> Option<f64> {
    serde_json::from_str(text).ok()
}

/// The shortest notation of a number, such as `2`, `0.5` and `1e-7`. The standard library's own, for which `Display` stands, would add 12 KB
/// to the module.
pub fn decimal(number: f64) -> String {
    let text = serde_json::to_string(&number).unwrap_or_default();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Reads a text of an object; `None` if there is none, or an empty one.
pub(crate) fn text_in(object: &str, name: &str) -> Option<String> {
    read(member(object, name)?).ok().filter(|text: &String| !text.is_empty())
}

/// The JSON of a member of an object; `None` if there is none, or the object cannot be read without serde.
#[inline(never)]
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    scan::Scan::all(object.as_bytes(), |scan| {
        scan.members(&mut |scan, key| {
            let value = scan.raw()?;
            if key.trim_matches('"') == name {
                found = Some(value);
            }
            Some(())
        })
    })?;
    found
}

/// Appends `value`. On failure, which takes a map with keys that are no strings, a part of it may be written.
pub fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(Sink(out), value)
}

/// `value` as JSON; empty on failure.
pub fn written<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write(value, &mut out).map(|()| out).unwrap_or_default()
}

/// A buffer for serializers. Each write calls a function: growing the buffer in place at each of them would add 70 KB to the module.
struct Sink<'a>(&'a mut Vec<u8>);

impl io::Write for Sink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match bytes {
            [byte] => push(self.0, *byte),
            _ => append(self.0, bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[inline(never)]
fn push(out: &mut Vec<u8>, byte: u8) {
    out.push(byte);
}

#[inline(never)]
fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

/// `text` as a JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// Appends `text` as a JSON string. Most texts need no escapes and are copied.
pub fn write_string(text: &str, out: &mut String) {
    if is_plain(text.as_bytes()) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&json_string(text));
    }
}

/// Appends a number with at least this many digits.
pub fn write_digits(number: u64, least: usize, out: &mut String) {
    if number >= 10 || least > 1 {
        write_digits(number / 10, least.saturating_sub(1), out);
    }
    // A digit: it is below ten.
    out.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
        y: Option<u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Shape {
        Dot,
        Circle(Point),
        Line { to: Point },
    }

    #[test]
    fn a_number_is_written_as_short_as_it_can_be() {
        let numbers = [0.0, 2.0, -1.0, 0.5, 1.5, 100.0, 0.000_001, 0.1 + 0.2, 1e21];
        let shortest = ["0", "2", "-1", "0.5", "1.5", "100", "1e-6", "0.30000000000000004", "1e+21"];
        assert_eq!(numbers.map(decimal), shortest);
        assert_eq!(shortest.map(number), numbers.map(Some));
    }

    #[test]
    fn an_array_is_no_object_however_deep_it_stands() {
        let point = |x| Point { x, y: None };
        assert_eq!(read::<Point>(r#"{"x":1}"#).unwrap(), point(1));
        assert_eq!(read::<Vec<Option<Point>>>(r#"[{"x":1},null]"#).unwrap(), [Some(point(1)), None]);
        let map = read::<BTreeMap<u8, (Point, u8)>>(r#"{"1":[{"x":2},3]}"#).unwrap();
        assert_eq!(map, [(1, (point(2), 3))].into());
        assert_eq!(read::<Shape>(r#""dot""#).unwrap(), Shape::Dot);
        assert_eq!(read::<Shape>(r#"{"circle":{"x":1}}"#).unwrap(), Shape::Circle(point(1)));
        assert_eq!(read::<Shape>(r#"{"line":{"to":{"x":1}}}"#).unwrap(), Shape::Line { to: point(1) });
        // serde_json on its own accepts this.
        assert_eq!(serde_json::from_str::<Point>("[1,2]").unwrap(), Point { x: 1, y: Some(2) });
        assert_eq!(
            read::<Point>("[1,2]").unwrap_err().to_string(),
            "invalid type: sequence, expected struct Point at line 1 column 0"
        );
        assert!(read::<Vec<Option<Point>>>("[[1,2]]").is_err());
        assert_eq!(from_value::<Point>(&serde_json::json!({"x": 1})).unwrap(), point(1));
        assert!(from_value::<Vec<Point>>(&serde_json::json!([[1, 2]])).is_err());
        assert!(read::<BTreeMap<u8, (Point, u8)>>(r#"{"1":[[2,3],3]}"#).is_err());
        assert!(read::<Shape>(r#"{"circle":[1,2]}"#).is_err());
        assert!(read::<Shape>(r#"{"line":{"to":[1,2]}}"#).is_err());
    }

    #[test]
    fn a_value_is_written_as_serde_json_writes_it() {
        let value = serde_json::json!({"a": [1, -2.5, true, null, "\"\u{1}é"], "b": {"c": [[]], "d": {}}});
        assert_eq!(written(&value), serde_json::to_vec(&value).unwrap());
        let mut out = b"data: ".to_vec();
        write(&value, &mut out).unwrap();
        assert_eq!(out, [b"data: ", &*written(&value)].concat());
        assert!(written(&BTreeMap::from([((1, 2), 3)])).is_empty());
    }

    #[test]
    fn a_number_is_in_the_notation_of_json() {
        for (text, expected) in [("0", 0.0), ("-1.5e3", -1500.0), ("17", 17.0), ("1e+17", 1e17), ("0.1", 0.1)] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in ["", "inf", "NaN", "1e999", "0x1", "1 2", "null", "\"1\""] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn what_stands_behind_is_a_mistake_and_texts_are_borrowed() {
        assert!(read::<Point>(r#"{"x":1} {"x":1}"#).is_err());
        assert!(from_slice::<&str>(b"\"\xff\"").is_err());
        assert_eq!(read::<(&str, &RawValue)>(r#"["a", {"b" : 1}]"#).unwrap().1.get(), r#"{"b" : 1}"#);
    }
}
