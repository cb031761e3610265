//! Writes parts of OTLP in JSON: attributes with typed values.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: 64-bit integers are strings, and ids are hexadecimal.

use sluice_wire::json::{write_digits, write_string};

/// Writes the attributes of a resource, a span or an event, without the list's brackets. An attribute without a name, or with an empty
/// text, is omitted. Its many calls are kept out of line, because the module's size matters more here.
#[derive(Debug)]
pub struct Attributes<'a> {
    out: &'a mut String,
    separator: &'static str,
}

impl<'a> Attributes<'a> {
    /// Begins a list.
    pub fn new(out: &'a mut String) -> Self {
        Self { out, separator: "" }
    }

    /// A text.
    #[inline(never)]
    pub fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() && self.open(name, "stringValue") {
            write_string(value, self.out);
            self.close();
        }
    }

    /// An integer.
    #[inline(never)]
    pub fn int(&mut self, name: &str, value: u64) {
        if self.open(name, "intValue") {
            self.out.push('"');
            write_digits(value, 1, self.out);
            self.out.push('"');
            self.close();
        }
    }

    /// A number, in millionths.
    #[inline(never)]
    pub fn millionths(&mut self, name: &str, value: u64) {
        if self.open(name, "doubleValue") {
            write_digits(value / 1_000_000, 1, self.out);
            self.out.push('.');
            write_digits(value % 1_000_000, 6, self.out);
            self.close();
        }
    }

    /// A boolean.
    #[inline(never)]
    pub fn flag(&mut self, name: &str, value: bool) {
        if self.open(name, "boolValue") {
            self.out.push_str(if value { "true" } else { "false" });
            self.close();
        }
    }

    /// A list of texts; omitted if it is empty.
    #[inline(never)]
    pub fn texts(&mut self, name: &str, values: &mut dyn Iterator<Item = &str>) {
        let Some(first) = values.next() else { return };
        if self.open(name, "arrayValue") {
            self.out.push_str("{\"values\":[");
            self.item("", first);
            values.for_each(|value| self.item(",", value));
            self.out.push_str("]}");
            self.close();
        }
    }

    fn item(&mut self, separator: &str, value: &str) {
        self.out.push_str(separator);
        self.out.push_str("{\"stringValue\":");
        write_string(value, self.out);
        self.out.push('}');
    }

    #[inline(never)]
    fn open(&mut self, name: &str, kind: &str) -> bool {
        if name.is_empty() {
            return false;
        }
        self.out.push_str(std::mem::replace(&mut self.separator, ","));
        self.out.push_str("{\"key\":");
        write_string(name, self.out);
        self.out.push_str(",\"value\":{\"");
        self.out.push_str(kind);
        self.out.push_str("\":");
        true
    }

    fn close(&mut self) {
        self.out.push_str("}}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Attributes;

    #[test]
    fn each_type_of_value_is_written_as_otlp_has_it() {
        let mut out = String::new();
        let mut attributes = Attributes::new(&mut out);
        attributes.text("text", "a \"b\"");
        attributes.text("empty", "");
        attributes.text("", "nameless");
        attributes.int("int", u64::MAX);
        attributes.millionths("double", 1_000_023);
        attributes.flag("flag", true);
        attributes.texts("list", &mut ["a", "b"].into_iter());
        attributes.texts("nothing", &mut [].into_iter());
        let read: Value = serde_json::from_str(&format!("[{out}]")).unwrap();
        let expected = json!([
            {"key": "text", "value": {"stringValue": "a \"b\""}},
            {"key": "int", "value": {"intValue": "18446744073709551615"}},
            {"key": "double", "value": {"doubleValue": 1.000_023}},
            {"key": "flag", "value": {"boolValue": true}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
        ]);
        assert_eq!(read, expected);
    }
}
