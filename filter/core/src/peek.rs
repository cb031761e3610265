//! The fields that the gateway needs from a chat request that may pass unchanged. They are read in one pass with borrowed types, together
//! with the ranges that may have to be edited.
//!
//! It is not a full parse: other fields are skipped, and translation parses the body itself.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;
use sluice_wire::dialect::PeekSpec;
use sluice_wire::dialect::cache_marks::Repeated;
use sluice_wire::dialect::fields::Fields;
use sluice_wire::dialect::quirk::{Edits, edited};
use sluice_wire::embedding::Encoding;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::json;
use sluice_wire::json::json_string;
use sluice_wire::order::by_numbers;

pub(crate) mod body_scan;
pub mod conversation;
pub mod form;
pub(crate) mod known_names;
pub(crate) mod literals;
pub mod request_features;
mod top;

use body_scan::{BodyScan, DEEPEST};
use top::Top;

/// The longest `user` that is read, in bytes.
const LONGEST_USER: usize = 512;

/// `stream_options` has two known fields. The bound limits the text stored for the request's lifetime.
const LONGEST_OPTIONS: usize = 4096;

/// The fields read from a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyPeek {
    /// The requested model.
    pub model: String,
    /// Whether the client requests a stream.
    pub stream: bool,
    /// Whether the client requests usage in the stream.
    pub include_usage: bool,
    /// The requested amount of output.
    pub amount: Amount,
    /// Features of the request that some targets lack.
    pub wants: Wants,
    /// References to stored responses, conversations and files.
    pub stored: Stored,
    /// The end user, if it is a short string. A value of the wrong type counts as absent: the provider may reject it.
    pub user: Option<String>,
    /// The encoding of vectors, for embeddings; a wrong type counts as absent.
    pub encoding: Encoding,
    /// Use of the provider's prompt cache. Determined later, where it matters.
    pub caching: Caching,
    /// Length of the body in bytes.
    pub length: usize,
    ranges: FieldRanges,
}

/// The requested amount of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// The client's bound on the tokens of one response, by the endpoint's names for it; the largest if there are several.
    pub max_tokens: Option<u64>,
    /// Responses generated per prompt: `n`, or `best_of` if that is larger.
    pub n: u64,
    /// Number of prompts.
    pub prompts: u64,
}

/// Features of a request that some targets lack. A field of the wrong type counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// Whether tools are offered, by either name of the field.
    pub tools: bool,
    /// Whether tools may be offered anywhere in the body.
    pub anywhere: bool,
    /// Whether it offers a tool that runs at a provider of the client's own format, and only some targets are of that format. Determined
    /// later, where it matters.
    pub hosted: bool,
    /// Whether it may contain reasoning signed by a provider: see [`foreign_reasoning`](sluice_wire::dialect::foreign_reasoning).
    pub foreign_reasoning: bool,
    /// Whether the response must follow a JSON schema.
    pub structured_output: bool,
}

/// How the gateway makes use of the provider's prompt cache for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caching {
    /// The parts of the prompt to mark.
    pub repeated: Repeated,
    /// The conversation's hash for a `prompt_cache_key`, if the client sent none.
    pub key: Option<u64>,
}

impl Caching {
    /// The `prompt_cache_key`.
    pub fn key(&self) -> Option<String> {
        Some(format!("sluice-{:016x}", self.key?))
    }
}

/// References to data that the provider stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Whether the response is generated in the background; the response to this request then has no usage.
    pub background: bool,
    /// Whether it continues provider state that changes, a conversation or a container: the same bytes then mean something different each
    /// time.
    pub continues: bool,
    /// Id of the stored response that it continues.
    pub previous: Option<String>,
    /// The conversation that it continues, if its id is a short string.
    pub conversation: Option<String>,
    /// Number of other prompt parts that the provider stores: a conversation, a prompt.
    pub kept: u64,
    /// Whether it certainly has no references: no key at any depth is one.
    pub nothing: bool,
}

/// Ranges of the body that may have to be edited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct FieldRanges {
    /// The model's name; in JSON, including its quotes.
    model: Range<usize>,
    /// Whether the body is a form, in which texts have no quotes.
    is_form: bool,
    /// Whether usage is requested through `stream_options`.
    stream_options: bool,
    /// The range of the `stream_options` value, and a replacement that includes usage.
    options: Option<(Range<usize>, String)>,
    /// Offset just behind the opening brace.
    inside: usize,
}

/// A replacement for the beginning of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Number of leading bytes that are replaced.
    pub drain: usize,
    /// Ranges in these bytes and their replacements, in order.
    edits: Edits,
}

impl BodyPeek {
    /// Reads a JSON body. Errors are 400s with the reason.
    pub fn read(body: &[u8], shape: PeekSpec) -> Result<Self, ApiError> {
        Self::scanned(body, shape, BodyScan::of(body, |_| ()).0)
    }

    /// [`Self::read`] for a body that was scanned.
    pub(crate) fn scanned(body: &[u8], shape: PeekSpec, body_scan: BodyScan) -> Result<Self, ApiError> {
        let text = json::utf8(body).map_err(|error| {
            not_json(format!("The request body is not valid UTF-8 (at byte {}).", error.valid_up_to()))
        })?;
        if text.trim_ascii().is_empty() {
            return Err(not_json("The request body is empty: send a JSON object.".to_owned()));
        }
        if body_scan.too_deep {
            return Err(not_json(format!(
                "The request body's JSON is nested deeper than {DEEPEST} levels. Send a flatter object."
            )));
        }
        let top: Top<'_> =
            json::read(text).map_err(|error| not_json(format!("The request body is not a valid request: {error}.")))?;
        let at = |raw: &str| {
            let start = (raw.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            start..start + raw.len()
        };
        let Some(model) = top.model else {
            return Err(ApiError::invalid("model", "Missing required parameter: 'model'."));
        };
        let name =
            text_of(model).ok_or_else(|| ApiError::invalid("model", "Invalid type for 'model': expected a string."))?;
        if let Some(field) = top.others {
            let message = format!(
                "'{field}' is not supported: the gateway chooses the models and their fallbacks. Remove '{field}'."
            );
            return Err(ApiError::unsupported(field, message));
        }
        if !shape.asked.is_empty() {
            has_something(shape.asked, top.asked(shape.asked))?;
        }
        let (include_usage, options) = match top.stream_options {
            None => (false, None),
            Some(raw) if raw.get().len() > LONGEST_OPTIONS => {
                let message = format!("Invalid 'stream_options': longer than {LONGEST_OPTIONS} bytes.");
                return Err(ApiError::invalid("stream_options", message));
            }
            Some(raw) => {
                let (include_usage, with_usage) = read_options(raw.get())?;
                (include_usage, Some((at(raw.get()), with_usage)))
            }
        };
        Ok(Self {
            model: name.into_owned(),
            stream: top.stream.unwrap_or(false),
            include_usage,
            amount: Amount {
                max_tokens: top.largest(shape.limits)?,
                n: top.largest(&["n", "best_of"])?.unwrap_or(1),
                prompts: top.prompts(),
            },
            wants: Wants {
                tools: top.tools,
                anywhere: body_scan.offers,
                hosted: false,
                foreign_reasoning: body_scan.foreign_reasoning,
                structured_output: top.structured_output,
            },
            stored: Stored {
                background: top.background,
                continues: top.continues,
                previous: top.previous.map(|id| text_of(id).unwrap_or_default().into_owned()),
                conversation: top
                    .conversation
                    .and_then(text_of)
                    .filter(|id| id.len() <= LONGEST_USER)
                    .map(Cow::into_owned),
                kept: top.kept(),
                nothing: body_scan.refers_to_nothing,
            },
            user: top.user.filter(|raw| raw.get().len() <= LONGEST_USER).and_then(text_of).map(Cow::into_owned),
            encoding: top.encoding,
            caching: Caching::default(),
            length: body.len(),
            ranges: FieldRanges {
                model: at(model.get()),
                is_form: false,
                stream_options: shape.stream_options,
                options,
                inside: text.find('{').map_or(0, |brace| brace + 1),
            },
        })
    }

    /// Reads a form with this boundary.
    pub fn of_form(body: &[u8], boundary: &str) -> Result<Self, ApiError> {
        let form::Form { model, stream, n } = form::read(body, boundary)?;
        let name = body.get(model.clone()).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| ApiError::invalid("model", "Invalid 'model': expected UTF-8."))?.to_owned();
        let opaque = Self::opaque(name, body.len());
        let ranges = FieldRanges { model, is_form: true, ..FieldRanges::default() };
        Ok(Self { stream, amount: Amount { n, ..opaque.amount }, ranges, ..opaque })
    }

    /// The peek of a body that is not inspected.
    pub fn opaque(model: String, length: usize) -> Self {
        Self {
            model,
            stream: false,
            include_usage: false,
            amount: Amount { max_tokens: None, n: 1, prompts: 1 },
            wants: Wants::default(),
            stored: Stored::default(),
            user: None,
            encoding: Encoding::default(),
            caching: Caching::default(),
            length,
            ranges: FieldRanges::default(),
        }
    }

    /// Total number of requested responses, at least one.
    pub fn answers(&self) -> u64 {
        self.amount.n.saturating_mul(self.amount.prompts).max(1)
    }

    /// Whether the body is JSON that was read.
    pub fn is_json(&self) -> bool {
        !self.ranges.is_form && !self.ranges.model.is_empty()
    }

    /// The range of the model's name in the body; empty if there is none.
    pub fn model_at(&self) -> &Range<usize> {
        &self.ranges.model
    }

    /// The end of the part of the body that may have to be edited.
    pub fn scope(&self) -> usize {
        let options = self.ranges.options.as_ref().map_or(self.ranges.inside, |(at, _)| at.end);
        self.ranges.model.end.max(options)
    }

    /// The edits with which the body requests `model`, and usage if it streams and `ask_usage` is set; `cache_key` is a `prompt_cache_key` to
    /// add. `None` if nothing changes.
    pub fn splice(&self, model: &str, ask_usage: bool, cache_key: Option<&str>) -> Option<Splice> {
        let mut edits = Vec::with_capacity(2);
        if let Some(key) = cache_key {
            edits.push((self.ranges.inside..self.ranges.inside, format!("\"prompt_cache_key\":\"{key}\",")));
        }
        if model != self.model {
            let text = if self.ranges.is_form { model.to_owned() } else { json_string(model) };
            edits.push((self.ranges.model.clone(), text));
        }
        if self.stream && ask_usage && self.ranges.stream_options && !self.include_usage {
            edits.push(match &self.ranges.options {
                Some((at, with_usage)) => (at.clone(), with_usage.clone()),
                None => {
                    (self.ranges.inside..self.ranges.inside, "\"stream_options\":{\"include_usage\":true},".to_owned())
                }
            });
        }
        by_numbers(&mut edits, |(range, _)| (range.start as u64, 0));
        let drain = edits.last()?.0.end;
        Some(Splice { drain, edits })
    }
}

impl Splice {
    /// The growth of the body in bytes; negative when it shrinks.
    pub fn growth(&self) -> isize {
        self.edits.iter().map(|(range, text)| text.len().cast_signed().saturating_sub(range.len().cast_signed())).sum()
    }

    /// The replacement for `head`, the body's first [`Splice::drain`] bytes.
    pub fn apply(&self, head: &[u8]) -> Vec<u8> {
        edited(head, &self.edits)
    }
}

/// Rejects a missing or empty field `name`.
fn has_something(name: &str, value: Option<&RawValue>) -> Result<(), ApiError> {
    let Some(value) = value else {
        return Err(ApiError::invalid(name, format!("Missing required parameter: '{name}'.")));
    };
    let only_a_list = name == "messages";
    let is_empty = match value.get().as_bytes() {
        [b'[', rest @ ..] => rest.trim_ascii_start().starts_with(b"]"),
        // An empty prompt is still a prompt; the provider may reject it.
        [b'"', ..] if !only_a_list => false,
        _ => {
            let wanted = if only_a_list { "an array of messages" } else { "a string or an array" };
            return Err(ApiError::invalid(name, format!("Invalid type for '{name}': expected {wanted}.")));
        }
    };
    match is_empty {
        true if only_a_list => Err(ApiError::invalid(name, "Invalid 'messages': expected at least one message.")),
        true => Err(ApiError::invalid(name, format!("Invalid '{name}': expected at least one item."))),
        false => Ok(()),
    }
}

/// The string value; borrowed if it has no escapes.
fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if text.contains('\\') { json::read(value.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(text)) }
}

/// Whether these options include usage, and the options with usage included.
fn read_options(text: &str) -> Result<(bool, String), ApiError> {
    if text == "null" {
        return Ok((false, "{\"include_usage\":true}".to_owned()));
    }
    let at = "stream_options";
    let mut options = Fields::parse(text, at)?;
    let include_usage = options.take::<bool>(at, "include_usage")?.unwrap_or(false);
    let mut with_usage = "{\"include_usage\":true".to_owned();
    for (name, value) in options.rest() {
        with_usage.push(',');
        with_usage.push_str(&json_string(name));
        with_usage.push(':');
        with_usage.push_str(value.get());
    }
    with_usage.push('}');
    Ok((include_usage, with_usage))
}

fn not_json(message: String) -> ApiError {
    ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("invalid_json")
}

#[cfg(test)]
mod tests;
