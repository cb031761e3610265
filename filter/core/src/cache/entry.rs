//! A cached response: the bytes that the client received, their origin and age.
//!
//! Format in the shared data: magic bytes, the request's key, the times of creation and expiry (nanoseconds since 1970), its usage, four
//! texts, and the body. Lengths precede their contents; numbers are little endian. The full key is stored, since several keys share a slot.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::bytes::Reader;
use crate::store::value::age;

use super::Key;

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"answer\0\x02";

/// A cached response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResponse {
    /// When it was created.
    pub made: Time,
    /// When it expires.
    pub expires: Time,
    /// Its usage: another response would use about the same.
    pub spent: Spent,
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
        let room = 96 + texts.iter().map(|text| text.len() + 2).sum::<usize>() + self.body.len();
        let mut bytes = Vec::with_capacity(room);
        bytes.extend(FORMAT);
        bytes.extend(key.0);
        bytes.extend(self.made.0.to_le_bytes());
        bytes.extend(self.expires.0.to_le_bytes());
        let Spent { input, output, cost } = self.spent;
        [input, output, cost].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        for text in texts {
            bytes.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(u32::try_from(self.body.len()).ok()?.to_le_bytes());
        bytes.extend(&self.body);
        Some(bytes)
    }

    /// Parses the output of [`CachedResponse::bytes`] for this key; `None` for anything else.
    pub(super) fn parse(mut bytes: Vec<u8>, key: &Key) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(&FORMAT)?);
        if reader.array()? != key.0 {
            return None;
        }
        let (made, expires) = (Time(reader.u64()?), Time(reader.u64()?));
        let spent = Spent { input: reader.u64()?, output: reader.u64()?, cost: reader.u64()? };
        let mut text = || {
            let length = u16::from_le_bytes(reader.array()?);
            String::from_utf8(reader.bytes(length.into())?.to_vec()).ok()
        };
        let (provider, model, content_type, dropped) = (text()?, text()?, text()?, text()?);
        let length = usize::try_from(reader.u32()?).ok()?;
        if reader.0.len() != length {
            return None;
        }
        let body = bytes.split_off(bytes.len() - length);
        Some(Self { made, expires, spent, provider, model, content_type, dropped, body })
    }
}
