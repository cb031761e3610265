//! Reads answers from one connection and counts their server-sent events. It knows only enough HTTP/1.1 to find the end
//! of each answer.

use std::io::{Error, Read};
use std::time::SystemTime;

use crate::arrivals::Arrivals;

/// The answers on one connection; the buffer may already hold the start of the next one.
#[derive(Default)]
pub struct Responses {
    buffer: Vec<u8>,
    used: usize,
    reads: u64,
    /// The time of the last read; set only for `arrivals`.
    read_at: Option<SystemTime>,
    /// Records event arrivals, if requested.
    pub arrivals: Option<Arrivals>,
}

/// How the end of a body is determined.
enum Framing {
    Length(usize),
    Chunked,
}

impl Responses {
    /// The answers of a new connection.
    pub fn new(arrivals: Option<Arrivals>) -> Self {
        Self { arrivals, ..Self::default() }
    }

    /// Reads one complete answer and returns its number of events. Fails unless the answer is a complete 200.
    pub fn next(&mut self, stream: &mut impl Read) -> Result<u64, Error> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill(stream)?;
        };
        let framing = framing(&self.buffer[..head])?;
        self.used = head;
        match framing {
            Framing::Length(length) => self.take(stream, length).map(|_| 0),
            Framing::Chunked => self.chunks(stream),
        }
    }

    fn chunks(&mut self, stream: &mut impl Read) -> Result<u64, Error> {
        let (mut events, mut newline) = (0, false);
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer[self.used..], b"\r\n") {
                    break end;
                }
                self.fill(stream)?;
            };
            let digits = std::str::from_utf8(&self.buffer[self.used..self.used + line]).ok();
            let size = digits
                .and_then(|digits| usize::from_str_radix(digits, 16).ok())
                .ok_or_else(|| bad("a chunk without a size"))?;
            self.used += line + 2;
            let start = self.take(stream, size + 2)?;
            if size == 0 {
                return Ok(events);
            }
            if let (Some(arrivals), Some(read_at)) = (&mut self.arrivals, self.read_at) {
                arrivals.note(&self.buffer[start..start + size], self.reads, read_at);
            }
            for byte in &self.buffer[start..start + size] {
                events += u64::from(newline && *byte == b'\n');
                newline = *byte == b'\n';
            }
        }
    }

    /// Consumes the next bytes, reading as needed, and returns their offset.
    fn take(&mut self, stream: &mut impl Read, length: usize) -> Result<usize, Error> {
        while self.buffer.len() - self.used < length {
            self.fill(stream)?;
        }
        let start = self.used;
        self.used += length;
        Ok(start)
    }

    fn fill(&mut self, stream: &mut impl Read) -> Result<(), Error> {
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece)? {
            0 => Err(bad("the connection ended within an answer")),
            count => {
                self.reads += 1;
                self.read_at = self.arrivals.as_ref().map(|_| SystemTime::now());
                self.buffer.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }
}

fn framing(head: &[u8]) -> Result<Framing, Error> {
    let head = std::str::from_utf8(head).map_err(|_| bad("a head that is not text"))?.to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        return Err(bad(head.lines().next().unwrap_or_default()));
    }
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    match value("content-length") {
        Some(length) => length.parse().map(Framing::Length).map_err(|_| bad("a content-length that is no number")),
        None if value("transfer-encoding") == Some("chunked") => Ok(Framing::Chunked),
        None => Err(bad("an answer whose end cannot be known")),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn bad(what: &str) -> Error {
    Error::other(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Responses;

    /// A reader that returns one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl std::io::Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            (buffer[0], self.0) = (*first, rest);
            Ok(1)
        }
    }

    const BOTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n8\r\ndata: b\n\r\n1\r\n\n\r\n0\r\n\r\n";

    #[test]
    fn answers_end_where_they_say_and_events_are_counted_across_chunks() {
        let mut responses = Responses::default();
        let mut stream = Slow(BOTH);
        assert_eq!(responses.next(&mut stream).unwrap(), 0);
        assert_eq!(responses.next(&mut stream).unwrap(), 2);
        assert!(responses.next(&mut stream).is_err());
        let mut stream = BOTH;
        let mut responses = Responses::default();
        assert_eq!((responses.next(&mut stream).unwrap(), responses.next(&mut stream).unwrap()), (0, 2));
    }

    #[test]
    fn a_refusal_and_a_cut_answer_are_errors() {
        for bytes in ["HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"]
        {
            assert!(Responses::default().next(&mut bytes.as_bytes()).is_err());
        }
    }
}
