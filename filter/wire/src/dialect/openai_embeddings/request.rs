//! Requests. `input` is a text, an array of texts, an array of tokens, or an array of such arrays.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::dialect::WrittenRequest;
use crate::dialect::fields::{Fields, drop_hint, missing, nothing_left, wrong_word};
use crate::dialect::out::json;
use crate::embedding::{Encoding, Input, Request};
use crate::error::ApiError;
use crate::json;
use crate::lenient::Text;

/// "Any array must be 2048 dimensions or less." Source: OpenAI's API reference, embeddings, `input`.
const MOST_INPUTS: usize = 2048;

pub(super) fn read(body: &[u8]) -> Result<Request<'_>, ApiError> {
    let mut fields = Fields::of(body)?;
    let request = Request {
        model: text(&mut fields, "model")?.ok_or_else(|| missing("model"))?,
        inputs: inputs(fields.take_raw("input").ok_or_else(|| missing("input"))?)?,
        dimensions: fields.take("", "dimensions")?,
        encoding: match text(&mut fields, "encoding_format")?.as_deref() {
            None | Some("float") => Encoding::Float,
            Some("base64") => Encoding::Base64,
            Some(other) => return Err(wrong_word("encoding_format", other, "float, base64")),
        },
        user: text(&mut fields, "user")?,
        input_type: text(&mut fields, "input_type")?,
        dropped: Vec::new(),
    };
    nothing_left(&fields, "")?;
    Ok(request)
}

/// Takes a string, borrowed if it has no escapes.
fn text<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
    let Some(raw) = fields.take_raw(name) else { return Ok(None) };
    if !raw.get().starts_with('"') {
        return Err(ApiError::invalid(name, format!("Invalid value for '{name}': expected a string.")));
    }
    parse::<Text<'a>>(raw, name).map(|text| Some(text.0))
}

fn parse<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue, at: &str) -> Result<T, ApiError> {
    json::read(raw.get()).map_err(|error| ApiError::invalid(at, format!("Invalid value for '{at}': {error}.")))
}

fn inputs(raw: &RawValue) -> Result<Vec<Input<'_>>, ApiError> {
    let first = raw.get().strip_prefix('[').map(|inside| inside.trim_ascii_start().as_bytes());
    match first {
        // Numbers are the tokens of a single text.
        Some([b'0'..=b'9', ..]) | None => Ok(vec![input(raw, "input")?]),
        Some(_) => {
            let items: Vec<&RawValue> = parse(raw, "input")?;
            if items.is_empty() {
                let message = "Invalid 'input': empty array. Send at least one input.";
                return Err(ApiError::invalid("input", message).with_code("empty_array"));
            }
            if items.len() > MOST_INPUTS {
                let message = format!("Invalid 'input': {} items. At most {MOST_INPUTS} are allowed.", items.len());
                return Err(ApiError::invalid("input", message));
            }
            items.into_iter().enumerate().map(|(index, raw)| input(raw, &format!("input[{index}]"))).collect()
        }
    }
}

fn input<'a>(raw: &'a RawValue, at: &str) -> Result<Input<'a>, ApiError> {
    match raw.get().as_bytes() {
        [b'"', ..] => parse::<Text<'a>>(raw, at).map(|text| Input::Text(text.0)),
        [b'[', ..] => parse(raw, at).map(Input::Tokens),
        _ => Err(ApiError::invalid(at, format!("Invalid value for '{at}': expected a string or an array of tokens."))),
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<InputOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

struct InputOut<'a>(&'a Input<'a>);

impl Serialize for InputOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Input::Text(text) => serializer.serialize_str(text),
            Input::Tokens(tokens) => tokens.serialize(serializer),
        }
    }
}

/// Writes `request` for the provider's `model`. Drops and reports `input_type`, to which OpenAI responds with 400.
pub(super) fn write(request: &Request<'_>, model: &str) -> WrittenRequest {
    let mut dropped = request.dropped.clone();
    if request.input_type.is_some() {
        drop_hint(&mut dropped, "input_type");
    }
    let shown = Body {
        model,
        input: request.inputs.iter().map(InputOut).collect(),
        dimensions: request.dimensions,
        encoding_format: (request.encoding == Encoding::Base64).then_some("base64"),
        user: request.user.as_deref(),
    };
    let mut body = Vec::with_capacity(1024);
    json(&mut body, &shown);
    WrittenRequest { body, dropped }
}
