//! What is kept of an answer: the bytes that its client got, who made it and when.
//!
//! On the wire of the shared data: the format's mark, the request's key, when it was made and until when it is good (nanoseconds
//! since 1970), four texts, and the body; lengths before what they measure, all numbers little endian. The whole key stands there,
//! since several keys have the same slot.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::bytes::Reader;
use crate::store::value::age;

use super::Key;

/// The format, and that it is one.
const FORMAT: [u8; 8] = *b"answer\0\x01";

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResponse {
    /// When it was made.
    pub made: Time,
    /// When it is no longer given to anybody.
    pub expires: Time,
    /// Whose answer it is, by the provider's name in the gateway file.
    pub provider: String,
    /// That provider's name for the model.
    pub model: String,
    /// What its body is.
    pub content_type: String,
    /// The client's hints that the provider had no words for, as a header's value; often empty.
    pub dropped: String,
    /// The body, whole: the answer's JSON, or all of its stream.
    pub body: Vec<u8>,
}

impl CachedResponse {
    /// How old it is; `None` when it is not to be given to anybody any more.
    pub fn age(&self, now: Time) -> Option<Duration> {
        age(now, self.made).filter(|_| now < self.expires)
    }

    /// The bytes that are kept; `None` when a text is longer than any name is.
    pub(super) fn bytes(&self, key: &Key) -> Option<Vec<u8>> {
        let texts = [&self.provider, &self.model, &self.content_type, &self.dropped];
        let room = 64 + texts.iter().map(|text| text.len() + 2).sum::<usize>() + self.body.len();
        let mut bytes = Vec::with_capacity(room);
        bytes.extend(FORMAT);
        bytes.extend(key.0);
        bytes.extend(self.made.0.to_le_bytes());
        bytes.extend(self.expires.0.to_le_bytes());
        for text in texts {
            bytes.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend(u32::try_from(self.body.len()).ok()?.to_le_bytes());
        bytes.extend(&self.body);
        Some(bytes)
    }

    /// From what [`Entry::bytes`] gave for this key; `None` from anything else.
    pub(super) fn parse(mut bytes: Vec<u8>, key: &Key) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(&FORMAT)?);
        if reader.array()? != key.0 {
            return None;
        }
        let (made, expires) = (Time(reader.u64()?), Time(reader.u64()?));
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
        Some(Self { made, expires, provider, model, content_type, dropped, body })
    }
}
