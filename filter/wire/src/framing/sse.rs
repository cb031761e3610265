//! Decodes server-sent events from chunks of any size into whole events.
//!
//! The decoder buffers only the incomplete event, up to [`LONGEST_EVENT`]; beyond that the stream fails and the buffer is freed. It accepts
//! the format's three line endings (`\n`, `\r\n`, `\r`), comments, a byte order mark, and `data` on several lines. The events do not depend
//! on how the input is cut.
//! Source: the HTML Living Standard, "Server-sent events".

use std::borrow::Cow;

use memchr::memchr2;

use super::extend;
use super::surrogates::Mender;

/// A longer event fails the stream. The longest that providers send contain a base64 image or repeat a whole response: several MiB. AWS
/// also limits a frame of its event streams to 16 MiB.
pub const LONGEST_EVENT: usize = 16 << 20;

/// A buffer up to this size is reused for the next event; a larger one is freed.
const SMALL: usize = 16 << 10;

/// One event, borrowed from the stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field, empty if absent.
    pub name: &'a [u8],
    /// The `data` fields, joined by newlines; empty for a comment. Its JSON has no unpaired surrogates: see
    /// [`surrogates`](super::surrogates).
    pub data: Cow<'a, [u8]>,
    /// The event's raw bytes with its blank line, for passing it on.
    pub raw: &'a [u8],
}

impl Event<'_> {
    /// Whether it is a comment or a stray blank line: a keep-alive without content.
    pub fn is_silent(&self) -> bool {
        self.data.is_empty()
    }
}

/// An event exceeded the maximum length.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct TooLong;

/// The search position, so that no byte is searched twice, however small the chunks of a long line are.
#[derive(Debug, Default, Clone, Copy)]
struct Searched {
    /// The start of the last line.
    line: usize,
    /// The position in that line up to which there is no line end.
    seen: usize,
}

/// Splits a stream into events.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The incomplete event.
    carry: Vec<u8>,
    /// The search position in `carry`.
    searched: Searched,
    started: bool,
    /// An event was too long: decoding has stopped.
    failed: bool,
    mender: Mender,
}

impl Decoder {
    /// Passes every event that `portion` completes to `each`, in order, and buffers the rest. Returns an error of `each` at once. After an
    /// overlong event every call fails.
    pub fn feed<E: From<TooLong>>(
        &mut self,
        portion: &[u8],
        mut each: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.failed {
            return Err(TooLong.into());
        }
        let mut rest = portion;
        if !self.carry.is_empty() {
            let known = self.carry.len();
            extend(&mut self.carry, portion, LONGEST_EVENT);
            match end_of_event(&self.carry, self.searched) {
                Ok(end) => {
                    let mut whole = std::mem::take(&mut self.carry);
                    self.searched = Searched::default();
                    each(self.parse(whole.get(..end).unwrap_or_default()))?;
                    rest = portion.get(end.saturating_sub(known)..).unwrap_or_default();
                    if whole.capacity() <= SMALL {
                        whole.clear();
                        self.carry = whole;
                    }
                }
                Err(searched) => {
                    self.searched = searched;
                    return self.check();
                }
            }
        }
        loop {
            match end_of_event(rest, Searched::default()) {
                Ok(end) => {
                    let (raw, next) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    let event = self.parse(raw);
                    each(event)?;
                    rest = next;
                }
                Err(searched) => {
                    extend(&mut self.carry, rest, LONGEST_EVENT);
                    self.searched = searched;
                    return self.check();
                }
            }
        }
    }

    /// The bytes of the incomplete event.
    pub fn pending(&self) -> &[u8] {
        &self.carry
    }

    /// Bytes of memory that the incomplete event takes.
    pub fn held(&self) -> usize {
        self.carry.capacity()
    }

    fn check<E: From<TooLong>>(&mut self) -> Result<(), E> {
        if self.carry.len() <= LONGEST_EVENT {
            return Ok(());
        }
        self.carry = Vec::new();
        self.failed = true;
        Err(TooLong.into())
    }

    fn parse<'a>(&mut self, raw: &'a [u8]) -> Event<'a> {
        let mut text = raw;
        if !std::mem::replace(&mut self.started, true) {
            text = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        }
        let mut name: &[u8] = &[];
        let mut data: Option<Cow<'a, [u8]>> = None;
        let mut rest = text;
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            if let Some(value) = field(line, b"data") {
                data = Some(match data {
                    None => Cow::Borrowed(value),
                    Some(before) => {
                        let mut joined = before.into_owned();
                        joined.push(b'\n');
                        joined.extend_from_slice(value);
                        Cow::Owned(joined)
                    }
                });
            } else if let Some(value) = field(line, b"event") {
                name = value;
            }
        }
        let data = data.map(|data| self.mender.event(data)).unwrap_or_default();
        Event { name, data, raw }
    }
}

/// The value of `line` if it is the field `name`, without one space after the colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// The end of the first event in `bytes`, after its blank line, or the position from which to continue the search.
fn end_of_event(bytes: &[u8], from: Searched) -> Result<usize, Searched> {
    let Searched { mut line, mut seen } = from;
    loop {
        let tail = bytes.get(seen..).unwrap_or_default();
        let Some(ahead) = memchr2(b'\n', b'\r', tail) else {
            return Err(Searched { line, seen: bytes.len() });
        };
        let end = seen + ahead;
        let next = match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            // The `\n` of this `\r` may be in the next chunk and must not count as a blank line. After a blank line there is no need to
            // wait.
            (Some(b'\r'), None) if end > line => return Err(Searched { line, seen: end }),
            _ => end + 1,
        };
        if end == line {
            return Ok(next);
        }
        (line, seen) = (next, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(portions: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for portion in portions {
            decoder
                .feed(portion, |event| {
                    if !event.is_silent() {
                        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                        seen.push((text(event.name), text(&event.data)));
                    }
                    Ok::<(), TooLong>(())
                })
                .unwrap();
        }
        seen
    }

    #[test]
    fn reads_names_comments_and_several_data_lines() {
        let stream = b"\xef\xbb\xbf: hello\n\nevent: a\ndata: 1\ndata:2\n\ndata: x\r\n\r\ndata: y\r\rid: 7\n\n";
        let expected = [("a", "1\n2"), ("", "x"), ("", "y")].map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(read(&[stream]), expected);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_events() {
        let stream: &[u8] =
            "event: a\r\ndata: één\r\n\r\n: ping\n\ndata: {\"k\":\ndata: 2}\n\ndata: z\r\rdata: [DONE]\n\n".as_bytes();
        let whole = read(&[stream]);
        assert_eq!(whole.len(), 4);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let portions = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(read(&portions), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn raw_bytes_of_all_events_and_the_pending_rest_are_the_stream() {
        let stream = b"data: 1\n\n: c\n\nevent: e\ndata: 2\n\ndata: unfinished";
        let mut decoder = Decoder::default();
        let mut raw = Vec::new();
        for byte in stream.chunks(1) {
            decoder
                .feed(byte, |event| {
                    raw.extend_from_slice(event.raw);
                    Ok::<(), TooLong>(())
                })
                .unwrap();
        }
        raw.extend_from_slice(decoder.pending());
        assert_eq!(raw, stream);
    }

    /// Searched again with every chunk, this would be a hundred gigabytes.
    #[test]
    fn a_long_line_in_small_portions_is_searched_once() {
        let mut decoder = Decoder::default();
        for _ in 0..LONGEST_EVENT / 1024 {
            decoder.feed(&[b'x'; 1024], |_| Ok::<(), TooLong>(())).unwrap();
        }
        assert_eq!(decoder.searched.seen, LONGEST_EVENT);
        assert_eq!(decoder.searched.line, 0);
        assert_eq!(decoder.held(), LONGEST_EVENT, "it takes no more memory than it has bytes");
    }

    #[test]
    fn an_event_is_as_long_as_it_may_be_and_a_longer_one_is_refused_for_good() {
        let longest = [b"data: ", &*vec![b'x'; LONGEST_EVENT - 6]].concat();
        for size in [1000, 1 << 20, LONGEST_EVENT] {
            let (mut decoder, mut read) = (Decoder::default(), 0);
            let mut feed = |portion: &[u8]| {
                decoder.feed(portion, |event| {
                    read = event.data.len();
                    Ok::<(), TooLong>(())
                })
            };
            assert!(longest.chunks(size).all(|portion| feed(portion).is_ok()), "in portions of {size}");
            assert_eq!(feed(b"\n\n"), Ok(()));
            assert!(longest.chunks(size).all(|portion| feed(portion).is_ok()));
            assert_eq!((feed(b"x"), feed(b"\n\ndata: 1\n\n")), (Err(TooLong), Err(TooLong)));
            assert_eq!((read, decoder.held()), (LONGEST_EVENT - 6, 0));
        }
    }
}
