//! AWS's event streams (`application/vnd.amazon.eventstream`): bytes in any portions in, whole frames out.
//!
//! The decoder keeps only the frame that is not complete yet, checks both checksums of every frame, and hands frames out
//! borrowed: headers are looked up where they stand, the payload is a slice. It does not know what events mean. A stream
//! that is broken has no place from which it could be read on, so every error is final, and nothing is kept after it.
//!
//! All numbers are big-endian:
//!
//! ```text
//! u32 total length | u32 headers' length | u32 CRC of these 8 bytes | headers | payload | u32 CRC of all before
//! header: u8 name's length, name, u8 type, value
//! ```
//!
//! Source: AWS, "Amazon Transcribe: event stream encoding", which is the same for all of AWS; types of values by the
//! Smithy specification, "Amazon Event Stream".

use super::extend;

/// Total length, headers' length, and their checksum.
const PRELUDE: usize = 12;
/// What a frame without headers and payload has: the prelude, and the checksum at its end.
const FRAME: usize = PRELUDE + 4;
/// A longer frame fails the stream: AWS sends at most 16 MiB of payload.
const LONGEST_FRAME: usize = (16 << 20) + (128 << 10);
/// A buffer up to this size is used again for the next frame; a larger one is given back.
const SMALL: usize = 16 << 10;
/// A header's value that is text.
const TEXT: u8 = 7;

/// The bytes are no event stream, or were damaged on their way.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Broken {
    /// A length that no frame can have.
    Length,
    /// A frame that is longer than one may be.
    TooLong,
    /// A checksum that is not its bytes'.
    Checksum,
    /// Headers that end before their own end.
    Headers,
}

/// One frame, as it stood in the stream.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Frame<'a> {
    headers: &'a [u8],
    /// What the frame is about.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The text in the header `name`, if there is one.
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

    /// Takes the first frame off `bytes`; `None` when it is not complete.
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

/// How long a frame and its headers are.
#[derive(Clone, Copy)]
struct Prelude {
    total: usize,
    headers: usize,
}

impl Prelude {
    /// `None` when it is not complete.
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

/// One header; values other than text are passed over.
struct Header<'a> {
    name: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Takes the first header off `bytes`; `None` when it does not end in them.
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
            // Bytes and text say how long they are.
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

/// Cuts frames out of portions of a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a frame whose end has not come.
    carry: Vec<u8>,
    /// Why nothing is read any more.
    broken: Option<Broken>,
}

/// Why the cutting of frames has ended.
enum Ended<E> {
    /// The stream is broken.
    Broken(Broken),
    /// Whoever got the frames wants no more.
    Enough(E),
}

impl<E> From<Broken> for Ended<E> {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Decoder {
    /// Hands every frame that `portion` completes to `each`, in order; the rest waits for the next portion.
    /// An error of `each` ends the reading and is returned. A stream that was broken once stays so.
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

    /// Bytes of memory that the frame takes which is not complete.
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
            // Only what the begun frame lacks is copied to it.
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

/// Appends a frame. Header names are at most 255 bytes long and texts 65,535: what is longer is cut.
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
