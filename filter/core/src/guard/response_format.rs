//! The response format that a request asks for, in any client dialect.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use sluice_wire::footprint;
use sluice_wire::json;

use super::answer::Format;
use super::schema::{self, Schema};

/// OpenAI's chat completions use `response_format`, its Responses API `text`, Anthropic `output_config`.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_config: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    format: &'a RawValue,
}

#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    json_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    schema: &'a RawValue,
}

impl Format {
    /// The JSON format that a request asks for, if any. Invalid schemas are left to the provider to reject.
    pub fn asked_in(body: &[u8]) -> Option<Self> {
        let Body { response_format, text, output_config } = json::from_slice(body).ok()?;
        let unwrapped = |raw| read::<Wrapped<'_>>(raw).map(|wrapped| wrapped.format);
        let wanted = response_format.or_else(|| [text, output_config].into_iter().flatten().find_map(unwrapped))?;
        let wanted: Wanted<'_> = read(wanted)?;
        match &*wanted.kind {
            "json_object" => Some(Self::Object),
            "json_schema" => {
                let named = || Some(read::<Named<'_>>(wanted.json_schema?)?.schema);
                let schema = wanted.schema.or_else(named)?.get();
                match footprint::fits(schema.as_bytes(), schema::LARGEST) {
                    true => Schema::parse(schema).map(|schema| Self::Schema(Rc::new(schema))),
                    false => Some(Self::Json),
                }
            }
            _ => None,
        }
    }
}

/// Serde would also read a struct from an array.
fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| json::read(raw.get()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_form_is_found_in_every_clients_format() {
        let schema = || Schema::parse(r#"{"type":"object"}"#).map(|schema| Format::Schema(Rc::new(schema)));
        for (body, expected) in [
            (
                r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}"#,
                schema(),
            ),
            (r#"{"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}}}"#, schema()),
            (
                r#"{"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}}}"#,
                schema(),
            ),
            (r#"{"response_format":{"type":"json_object"}}"#, Some(Format::Object)),
            (r#"{"text":{"verbosity":"low"},"output_config":null}"#, None),
            (r#"{"response_format":{"type":"text"}}"#, None),
            (r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#, None),
            (r#"{"response_format":["json_object"]}"#, None),
            (r#"{"messages":[]}"#, None),
        ] {
            assert_eq!(Format::asked_in(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_schema_that_is_too_large_asks_for_json() {
        let schema = format!(r#"{{"type":"object","enum":[{}{{}}]}}"#, "{},".repeat(schema::LARGEST / 512));
        let body = format!(r#"{{"text":{{"format":{{"type":"json_schema","schema":{schema}}}}}}}"#);
        assert_eq!(Format::asked_in(body.as_bytes()), Some(Format::Json));
    }
}
