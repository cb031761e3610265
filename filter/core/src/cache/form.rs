//! The two forms of a response, whole and streamed, and the conversion of a stored response to the form that a client asks for.
//!
//! A response is converted only if nothing is lost: if each of its fields is known to survive ([`fields`]), and if the result reads as the
//! same response. Otherwise there is no conversion, and the lookup is a miss. Three things do not survive, since they describe the
//! provider's work and not its answer: `system_fingerprint`, `service_tier` and `obfuscation`.

use serde_json::Value;
use sluice_wire::conversation::{Guises, Part, Response};
use sluice_wire::dialect::aliases::Names;
use sluice_wire::dialect::translate::{self, ResponseContext};
use sluice_wire::dialect::{Client, Id, Opening};
use sluice_wire::embedding::Encoding;
use sluice_wire::framing::sse;
use sluice_wire::json;

use super::CachedResponse;
use super::canonical::Canonical;

mod fields;
mod responses;

/// The largest body that is converted: a parsed one takes many times its length.
const LARGEST: usize = 1 << 20;

/// The form of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Whole,
    /// A stream.
    Stream,
    /// A stream with usage, in the formats whose clients must ask for it.
    StreamWithUsage,
}

impl Form {
    /// Its number in stored responses.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Stream => 1,
            Self::StreamWithUsage => 2,
        }
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        [Self::Whole, Self::Stream, Self::StreamWithUsage].into_iter().find(|form| form.number() == number)
    }

    /// The media type.
    fn content_type(self) -> &'static str {
        if self == Self::Whole { "application/json" } else { "text/event-stream" }
    }
}

/// The response that a client asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The client's format.
    pub client: &'static Client,
    /// The form.
    pub form: Form,
    /// The hash of the request's fields that a response repeats.
    pub repeats: u64,
    /// The request's body, with these fields.
    pub request: &'a [u8],
}

impl Wanted<'_> {
    /// Converts a stored response; `None` if it cannot be converted exactly. A response in the wanted form is unchanged.
    pub fn of(&self, entry: CachedResponse) -> Option<CachedResponse> {
        if (entry.form, entry.repeats) == (self.form, self.repeats) {
            return Some(entry);
        }
        let body = match self.client.id() {
            _ if entry.body.len() > LARGEST => return None,
            Id::Responses => self.response(&entry)?,
            id => self.chat(id, &entry)?,
        };
        Some(CachedResponse {
            form: self.form,
            repeats: self.repeats,
            content_type: self.form.content_type().to_owned(),
            body,
            ..entry
        })
    }

    /// A response of OpenAI's Responses API. Its stream contains the whole response.
    fn response(&self, entry: &CachedResponse) -> Option<Vec<u8>> {
        let mut whole = match entry.form {
            Form::Whole => std::str::from_utf8(&entry.body).ok()?.to_owned(),
            Form::Stream | Form::StreamWithUsage => {
                let whole = responses::collected(&entry.body)?;
                let choices = |body, streamed| Some(self.read(body, streamed, &entry.model)?.choices);
                (choices(whole.as_bytes(), false)? == choices(&entry.body, true)?).then_some(whole)?
            }
        };
        if entry.repeats != self.repeats {
            let canonical = Canonical::of(self.request, Id::Responses)?;
            whole = responses::repeating(&whole, &canonical.ignored)?;
        }
        if self.form == Form::Whole { Some(whole.into_bytes()) } else { responses::streamed(&whole) }
    }

    /// A response of another chat format, through the conversation model.
    fn chat(&self, id: Id, entry: &CachedResponse) -> Option<Vec<u8>> {
        let documents = documents(entry)?;
        let survives = fields::of(id)?;
        if !documents.iter().all(|document| survives.all(document)) {
            return None;
        }
        let created = documents.first()?.get("created").and_then(Value::as_u64);
        let now = created.unwrap_or_else(|| entry.made.seconds());
        let mut response = self.read(&entry.body, entry.form != Form::Whole, &entry.model)?;
        response.usage = response.usage.or(entry.usage);
        let without_usage = self.form == Form::Stream && self.client.shape.stream_options;
        if (response.usage.is_none() && !without_usage) || merges(&response) {
            return None;
        }
        let client = self.client.chat()?;
        let body = if self.form == Form::Whole {
            (client.write_response)(&response, now)
        } else {
            let opening = Opening {
                model: entry.model.clone(),
                now,
                include_usage: self.form == Form::StreamWithUsage,
                estimate: response.usage.unwrap_or_default().input,
                guises: Guises::none(),
            };
            translate::streamed(client, response.clone(), opening)
        };
        let mut read = self.read(&body, self.form != Form::Whole, &entry.model)?;
        if without_usage {
            read.usage = response.usage;
        }
        let same = |response: Response| Response { created: None, service_tier: None, ..response };
        (same(read) == same(response)).then_some(body)
    }

    fn read(&self, body: &[u8], streamed: bool, model: &str) -> Option<Response> {
        let (client, provider) = (self.client.chat()?, self.client.provider.chat()?);
        let names = Names::default();
        let context =
            ResponseContext { model, id: "", now: 0, encoding: Encoding::default(), estimate: 0, names: &names };
        let (mut response, _) = translate::answer_in_any_form(client, provider, (body, streamed), &context).ok()?;
        for part in response.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
            match part {
                Part::ToolCall { arguments, .. } if arguments.is_empty() => "{}".clone_into(arguments),
                _ => {}
            }
        }
        Some(response)
    }
}

/// Whether a stream would merge two parts.
fn merges(response: &Response) -> bool {
    let mut pairs = response.choices.iter().flat_map(|choice| choice.parts.windows(2));
    pairs.any(|pair| {
        matches!(
            pair,
            [Part::Text { .. }, Part::Text { .. }]
                | [Part::Refusal { .. }, Part::Refusal { .. }]
                | [Part::Thinking { signature: None, .. }, Part::Thinking { .. }]
        )
    })
}

/// The JSON documents of a response: one, or one for each event.
fn documents(entry: &CachedResponse) -> Option<Vec<Value>> {
    if entry.form == Form::Whole {
        return Some(vec![json::from_slice(&entry.body).ok()?]);
    }
    let mut documents = Vec::new();
    let read = events(&entry.body, |data| {
        if data != b"[DONE]" {
            documents.push(json::from_slice(data).ok()?);
        }
        Some(())
    });
    read.map(|()| documents)
}

/// Passes the data of each event to `each`.
fn events(stream: &[u8], mut each: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
    let mut decoder = sse::Decoder::default();
    let read = decoder.feed(stream, |event| match event.is_silent() {
        true => Ok(()),
        false => each(&event.data).ok_or(Unread),
    });
    (read.is_ok() && decoder.pending().is_empty()).then_some(())
}

/// An event that cannot be read.
struct Unread;

impl From<sse::TooLong> for Unread {
    fn from(_: sse::TooLong) -> Self {
        Self
    }
}
