//! A cached response: the bytes that the client received, their origin and age.
//!
//! Stored format: magic bytes, the request's key, the times of creation and expiry (nanoseconds since 1970), its cost and usage, its form,
//! four texts, the body, and a checksum. Lengths precede their contents; numbers are little endian. The full key is stored, since several
//! keys share a slot. Nothing else is needed to read it.

use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::time::Time;

use crate::bytes::Reader;
use crate::store::value::age;

use super::Key;
use super::form::Form;

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"answer\0\x03";

/// A cached response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResponse {
    /// When it was created.
    pub made: Time,
    /// When it expires.
    pub expires: Time,
    /// Its cost in micro-dollars: another response would cost about the same.
    pub cost: u64,
    /// Its usage, if it is known.
    pub usage: Option<Usage>,
    /// The form of the body.
    pub form: Form,
    /// A hash of the request fields that the body repeats and the key ignores.
    pub repeats: u64,
    /// The provider that created it, by its name in the gateway file.
    pub provider: String,
    /// The provider's name for the model.
    pub model: String,
    /// The body's `content-type`.
    pub content_type: String,
    /// Request parameters that the provider has no equivalent for, as a header value; often empty.
    pub dropped: String,
    /// The whole body: the JSON response, or the complete stream.
    pub body: Vec<u8>,
}

/// The usage of one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Micro-dollars.
    pub cost: u64,
}

impl CachedResponse {
    /// The response's age; `None` when it has expired.
    pub fn age(&self, now: Time) -> Option<Duration> {
        age(now, self.made).filter(|_| now < self.expires)
    }

    /// The stored form; `None` when a text is too long.
    pub(super) fn bytes(&self, key: &Key) -> Option<Vec<u8>> {
        let texts = [&self.provider, &self.model, &self.content_type, &self.dropped];
        let room = 160 + texts.iter().map(|text| text.len() + 2).sum::<usize>() + self.body.len();
        let mut bytes = Vec::with_capacity(room);
        bytes.extend(FORMAT);
        bytes.extend(key.0);
        bytes.extend(self.made.0.to_le_bytes());
        bytes.extend(self.expires.0.to_le_bytes());
        let Usage { input, cached, cache_write, output, reasoning } = self.usage.unwrap_or_default();
        let numbers = [self.cost, input, cached, cache_write, output, reasoning, self.repeats];
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend([u8::from(self.usage.is_some()), self.form.number()]);
        for text in texts {
            bytes.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(u32::try_from(self.body.len()).ok()?.to_le_bytes());
        bytes.extend(&self.body);
        bytes.extend(checksum(&bytes));
        Some(bytes)
    }

    /// The usage for metrics.
    pub fn spent(&self) -> Spent {
        let Usage { input, output, .. } = self.usage.unwrap_or_default();
        Spent { input, output, cost: self.cost }
    }

    /// Parses the output of [`CachedResponse::bytes`] for this key; `None` for anything else.
    pub(super) fn parse(mut bytes: Vec<u8>, key: &Key) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk()?;
        if *sum != checksum(content) {
            return None;
        }
        let mut reader = Reader(content.strip_prefix(&FORMAT)?);
        if reader.array()? != key.0 {
            return None;
        }
        let (made, expires) = (Time(reader.u64()?), Time(reader.u64()?));
        let cost = reader.u64()?;
        let (input, cached, cache_write) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let usage = Usage { input, cached, cache_write, output: reader.u64()?, reasoning: reader.u64()? };
        let repeats = reader.u64()?;
        let usage = (reader.u8()? == 1).then_some(usage);
        let form = Form::of_number(reader.u8()?)?;
        let mut text = || {
            let length = u16::from_le_bytes(reader.array()?);
            String::from_utf8(reader.bytes(length.into())?.to_vec()).ok()
        };
        let (provider, model, content_type, dropped) = (text()?, text()?, text()?, text()?);
        let length = usize::try_from(reader.u32()?).ok()?;
        if reader.0.len() != length {
            return None;
        }
        let end = content.len();
        bytes.truncate(end);
        let body = bytes.split_off(end.checked_sub(length)?);
        Some(Self { made, expires, cost, usage, form, repeats, provider, model, content_type, dropped, body })
    }
}

/// Detects damage of any origin.
pub(super) fn checksum(content: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(content).as_bytes();
    [a, b, c, d, e, f, g, h]
}
