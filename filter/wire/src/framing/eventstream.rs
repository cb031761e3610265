//! Decodes AWS event streams (`application/vnd.amazon.eventstream`) from chunks of any size into whole frames.
//!
//! The decoder buffers only the incomplete frame, verifies both checksums of every frame, and lends frames out: headers are looked up in
//! place, and the payload is a slice. It does not interpret events. A corrupt stream has no point to resume from, so every error is final,
//! and the decoder frees its buffer.
//!
//! All numbers are big-endian:
//!
//! ```text
//! u32 total length | u32 headers' length | u32 CRC of these 8 bytes | headers | payload | u32 CRC of all before
//! header: u8 name's length, name, u8 type, value
//! ```
//!
//! Source: AWS, "Amazon Transcribe: event stream encoding", which applies to all of AWS; value types from the Smithy specification, "Amazon
//! Event Stream".

use super::extend;

/// Total length, header length, and their checksum.
const PRELUDE: usize = 12;
/// The size of a frame without headers and payload: the prelude and the final checksum.
const FRAME: usize = PRELUDE + 4;
/// A longer frame fails the stream: AWS sends payloads of at most 16 MiB.
const LONGEST_FRAME: usize = (16 << 20) + (128 << 10);
/// A buffer up to this size is reused for the next frame; a larger one is freed.
const SMALL: usize = 16 << 10;
/// The type of a text value.
const TEXT: u8 = 7;

/// The bytes are not an event stream, or are corrupt.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Broken {
    /// An impossible length.
    Length,
    /// A frame above the maximum length.
    TooLong,
    /// A wrong checksum.
    Checksum,
    /// Truncated headers.
    Headers,
}

/// One frame, borrowed from the stream.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Frame<'a> {
    headers: &'a [u8],
    /// The frame's payload.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The text value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let Some((header, next)) = Header::split(rest) {
            if header.name == name.as_bytes() {
                return header.text;
            }
            rest = next;
        }
        None
    }

    /// Splits the first frame off `bytes`; `None` if it is incomplete.
    fn split(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Broken> {
        let Some(prelude) = Prelude::read(bytes)? else { return Ok(None) };
        let Some((frame, next)) = bytes.split_at_checked(prelude.total) else { return Ok(None) };
        let (checked, sum) = frame.split_last_chunk::<4>().ok_or(Broken::Length)?;
        if crc32fast::hash(checked) != u32::from_be_bytes(*sum) {
            return Err(Broken::Checksum);
        }
        let inside = checked.get(PRELUDE..).ok_or(Broken::Length)?;
        let (headers, payload) = inside.split_at_checked(prelude.headers).ok_or(Broken::Length)?;
        let mut rest = headers;
        while !rest.is_empty() {
            (_, rest) = Header::split(rest).ok_or(Broken::Headers)?;
        }
        Ok(Some((Self { headers, payload }, next)))
    }
}

/// The lengths of a frame and its headers.
#[derive(Clone, Copy)]
struct Prelude {
    total: usize,
    headers: usize,
}

impl Prelude {
    /// `None` if incomplete.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Broken> {
        let Some((lengths, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let Some((sum, _)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        if crc32fast::hash(lengths) != u32::from_be_bytes(*sum) {
            return Err(Broken::Checksum);
        }
        let [a, b, c, d, e, f, g, h] = *lengths;
        let number = |bytes| usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| Broken::Length);
        let (total, headers) = (number([a, b, c, d])?, number([e, f, g, h])?);
        match total.checked_sub(FRAME) {
            Some(_) if total > LONGEST_FRAME => Err(Broken::TooLong),
            Some(inside) if headers <= inside => Ok(Some(Self { total, headers })),
            _ => Err(Broken::Length),
        }
    }
}

/// One header; values other than text are skipped.
struct Header<'a> {
    name: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Splits the first header off `bytes`; `None` if it is truncated.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = match kind {
            // true, false
            0 | 1 => (0, rest),
            // Numbers of 1, 2, 4 and 8 bytes, a time, a UUID.
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            // Bytes and text have a length prefix.
            6 | &TEXT => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let text = if *kind == TEXT { std::str::from_utf8(value).ok() } else { None };
        Some((Self { name, text }, rest))
    }
}

/// Splits a stream into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The incomplete frame.
    carry: Vec<u8>,
    /// The error that ended the stream.
    broken: Option<Broken>,
}

/// Why decoding stopped.
enum Ended<E> {
    /// The stream is corrupt.
    Broken(Broken),
    /// The caller returned an error.
    Enough(E),
}

impl<E> From<Broken> for Ended<E> {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Decoder {
    /// Passes every frame that `portion` completes to `each`, in order, and buffers the rest. Returns an error of `each` at once. After a
    /// framing error every call fails.
    pub fn feed<E: From<Broken>>(
        &mut self,
        portion: &[u8],
        mut each: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(broken) = self.broken {
            return Err(broken.into());
        }
        let result = self.cut(portion, |frame| each(frame).map_err(Ended::Enough));
        if result.is_err() {
            self.carry = Vec::new();
        }
        result.map_err(|ended| match ended {
            Ended::Enough(error) => error,
            Ended::Broken(broken) => E::from(*self.broken.insert(broken)),
        })
    }

    /// Bytes of memory that the incomplete frame takes.
    pub fn held(&self) -> usize {
        self.carry.capacity()
    }

    fn cut<E>(
        &mut self,
        portion: &[u8],
        mut each: impl FnMut(Frame<'_>) -> Result<(), Ended<E>>,
    ) -> Result<(), Ended<E>> {
        let mut rest = portion;
        while !self.carry.is_empty() {
            // Copies only the missing bytes of the incomplete frame.
            let whole = Prelude::read(&self.carry)?.map_or(PRELUDE, |prelude| prelude.total);
            let lacking = whole.saturating_sub(self.carry.len());
            let (more, next) = rest.split_at_checked(lacking).unwrap_or((rest, &[]));
            extend(&mut self.carry, more, whole);
            rest = next;
            if let Some((frame, _)) = Frame::split(&self.carry)? {
                each(frame)?;
                self.carry.clear();
                if self.carry.capacity() > SMALL {
                    self.carry = Vec::new();
                }
            } else if rest.is_empty() {
                return Ok(());
            }
        }
        while let Some((frame, next)) = Frame::split(rest)? {
            each(frame)?;
            rest = next;
        }
        extend(&mut self.carry, rest, PRELUDE);
        Ok(())
    }
}

/// Appends a frame. Truncates header names to 255 bytes and texts to 65,535.
pub fn encode(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, text) in headers {
        let name = name.get(..name.floor_char_boundary(usize::from(u8::MAX))).unwrap_or_default();
        let text = text.get(..text.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default();
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(name.as_bytes());
        out.push(TEXT);
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let headers = length(out.len() - start - PRELUDE);
    out.extend_from_slice(payload);
    let total = length(out.len() - start + 4);
    let frame = out.get_mut(start..).unwrap_or_default();
    if let Some((prelude, _)) = frame.split_first_chunk_mut::<PRELUDE>() {
        let ([a, b, c, d], [e, f, g, h]) = (total, headers);
        let [i, j, k, l] = crc32fast::hash(&[a, b, c, d, e, f, g, h]).to_be_bytes();
        *prelude = [a, b, c, d, e, f, g, h, i, j, k, l];
    }
    let sum = crc32fast::hash(frame);
    out.extend_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests;
