//! Plans the delivery of a reply: the steps of writing it, as the faults require.
//!
//! A stream is cut into small uneven pieces, inside lines and characters. Each piece is a chunk and a write of its own.
//! The seed alone determines the cuts.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::fault::{Fault, Faults};
use super::reply::{Content, Event, Framing, Reply, Stream};
use super::wire::Wire;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes in one write.
    Write(Bytes),
    /// Writes these bytes this many times.
    Repeat(Bytes, usize),
    /// Waits without writing.
    Wait(Duration),
    /// Waits until the test opens the gate.
    Pause,
    /// Resets the connection.
    Reset,
    /// Closes the connection in order, in the middle of the body.
    Close,
    /// Writes nothing more and keeps the connection open.
    Stall,
}

/// A reply, ready for delivery.
#[derive(Debug)]
pub struct Delivery {
    pub status: u16,
    /// The headers, except `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body's length, if announced.
    pub length: Option<u64>,
    /// The steps that write the body.
    pub steps: VecDeque<Step>,
    /// The number of text tokens sent after a number of bytes.
    pub marks: VecDeque<(usize, u64)>,
}

/// The wait before a reset: a peer may discard unread data on a reset, and the test relies on the earlier bytes.
const BEFORE_RESET: Duration = Duration::from_millis(200);

/// The size of a repeated write, and the number of repeats.
const CHUNK: usize = 64 << 10;
const ALMOST_FOR_EVER: usize = (16 << 30) / CHUNK;

/// The event after which the delivery deviates, and the steps from there.
type Cut = (usize, Vec<Step>);

impl Delivery {
    /// Plans the delivery of a reply.
    pub fn new(reply: Reply, wire: &dyn Wire, faults: &Faults) -> Self {
        let Reply { status, mut headers, content } = reply;
        headers.extend(wire.headers().iter().map(|(name, value)| (*name, (*value).to_owned())));
        for fault in faults.iter() {
            match fault {
                Fault::RetryAfter(_) if wire.hints_in_bodies() => {}
                Fault::RetryAfter(text) => headers.push(("retry-after", text.clone())),
                Fault::RetryAfterMs(millis) => headers.push(("retry-after-ms", millis.to_string())),
                Fault::Headers => headers.extend(surplus(wire, faults)),
                Fault::Gzip => headers.push(("content-encoding", "gzip".to_owned())),
                _ => {}
            }
        }
        let framing = match &content {
            Content::Stream(stream) => stream.framing,
            Content::Whole(_) => Framing::Lines,
        };
        let cut = cut(faults, framing);
        let mut marks = VecDeque::new();
        let (length, mut parts) = match content {
            Content::Stream(stream) => {
                let parts = encode(&stream, cut.as_ref().map(|(after, _)| *after), faults);
                marks = marks_of(&parts);
                (None, parts.into_iter().map(|part| part.bytes).collect())
            }
            Content::Whole(body) => {
                let body = if faults.has(&Fault::Gzip) { gzip(&body) } else { body };
                let middle = body.len() / 2;
                match &cut {
                    None => (Some(body.len() as u64), vec![body]),
                    Some(_) => (None, vec![body[..middle].to_vec(), body[middle..].to_vec()]),
                }
            }
        };
        let streamed = length.is_none();
        let mut pieces = Pieces::of(faults);
        let last = cut.map(|(after, steps)| {
            parts.truncate(after);
            steps
        });
        let mut write = |parts| match streamed && cut_into_pieces(faults) {
            true => pieces.steps(parts, faults),
            false => whole(parts, faults),
        };
        let steps = match pause(faults) {
            None => write(parts),
            Some(after) => {
                let rest = parts.split_off(after.min(parts.len()));
                [write(parts), vec![Step::Pause], write(rest)].concat()
            }
        };
        let first = faults.iter().filter_map(|fault| match fault {
            Fault::First(wait) => Some(Step::Wait(*wait)),
            _ => None,
        });
        Self { status, headers, length, steps: first.chain(steps).chain(last.into_iter().flatten()).collect(), marks }
    }
}

fn cut_into_pieces(faults: &Faults) -> bool {
    !faults.has(&Fault::Whole) && !faults.has(&Fault::Burst)
}

fn cut(faults: &Faults, framing: Framing) -> Option<Cut> {
    let again = |bytes: Vec<u8>| Step::Repeat(bytes.into(), ALMOST_FOR_EVER);
    faults.iter().find_map(|fault| match fault {
        Fault::ResetAfter(after) => Some((*after, vec![Step::Wait(BEFORE_RESET), Step::Reset])),
        Fault::CloseAfter(after) => Some((*after, vec![Step::Close])),
        Fault::StallAfter(after) => Some((*after, stall(faults))),
        Fault::EofAfter(after) => Some((*after, Vec::new())),
        Fault::EndlessAfter(after) => {
            Some((*after, vec![Step::Write(framing.beginning().into()), again(vec![b'x'; CHUNK])]))
        }
        Fault::FloodAfter(after) => {
            let least = framing.least();
            Some((*after, vec![again(least.repeat(CHUNK / least.len()))]))
        }
        _ => None,
    })
}

/// Silence, unlimited or for a time.
fn stall(faults: &Faults) -> Vec<Step> {
    let stays = faults.iter().find_map(|fault| match fault {
        Fault::Stays(time) => Some(*time),
        _ => None,
    });
    stays.map_or_else(|| vec![Step::Stall], |time| vec![Step::Wait(time), Step::Close])
}

fn pause(faults: &Faults) -> Option<usize> {
    faults.iter().find_map(|fault| match fault {
        Fault::PauseAfter(after) => Some(*after),
        _ => None,
    })
}

/// An encoded event.
struct Part {
    bytes: Vec<u8>,
    tokens: u64,
}

fn marks_of(parts: &[Part]) -> VecDeque<(usize, u64)> {
    let sums = parts.iter().scan((0, 0), |(bytes, tokens), part| {
        (*bytes, *tokens) = (*bytes + part.bytes.len(), *tokens + part.tokens);
        Some((*bytes, *tokens))
    });
    sums.collect()
}

/// A stream's events, with extra or removed events as the faults require.
fn disturbed(stream: &Stream, faults: &Faults) -> Vec<Event> {
    let mut events = stream.events.clone();
    for fault in faults.iter() {
        match fault {
            Fault::MalformedAfter(after) => {
                let name = events.first().and_then(|event| event.name);
                let broken = Event { name, data: "{\"id\":\"sim\",".to_owned(), tokens: 0 };
                events.insert((*after).min(events.len()), broken);
            }
            Fault::ErrorAfter(after) => {
                events.truncate(*after);
                events.push(stream.failure.clone());
            }
            Fault::DoneAfter(after) if *after < events.len() => {
                events.drain(*after..events.len() - 1);
            }
            _ => {}
        }
    }
    events
}

/// Encodes a stream's events.
fn encode(stream: &Stream, cut: Option<usize>, faults: &Faults) -> Vec<Part> {
    let end = if faults.has(&Fault::Crlf) { "\r\n" } else { "\n" };
    let part = |(index, event): (usize, &Event)| {
        let mut bytes = if faults.has(&Fault::Comments) { stream.framing.comment(end) } else { Vec::new() };
        bytes.extend(stream.framing.encode(event, index == 0, end));
        Part { bytes, tokens: event.tokens }
    };
    let mut parts = disturbed(stream, faults).iter().enumerate().map(part).collect::<Vec<_>>();
    for fault in faults.iter() {
        if let Fault::CorruptAfter(after) = fault
            && let Some(last) = parts.get_mut(*after).and_then(|part| part.bytes.last_mut())
        {
            *last ^= 0xff;
        }
    }
    if faults.has(&Fault::Gzip) {
        let sent = &parts[..cut.unwrap_or(usize::MAX).min(parts.len())];
        let text = sent.iter().flat_map(|part| &part.bytes).copied().collect::<Vec<u8>>();
        return vec![Part { bytes: gzip(&text), tokens: sent.iter().map(|part| part.tokens).sum() }];
    }
    parts
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to a vector does not fail")
}

fn surplus(wire: &dyn Wire, faults: &Faults) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("set-cookie", "__cf_bm=sim; path=/; HttpOnly".to_owned()),
        ("openai-organization", "org-sim".to_owned()),
        ("openai-project", "proj_sim".to_owned()),
        ("anthropic-organization-id", "org-sim".to_owned()),
        ("x-internal-debug", "rack 7".to_owned()),
        ("location", "http://inside.test/".to_owned()),
        ("access-control-allow-origin", "*".to_owned()),
        ("clear-site-data", "*".to_owned()),
        ("set-cookie", "_cfuvid=sim; path=/".to_owned()),
        ("server", "cloudflare".to_owned()),
        ("x-request-id", "req_sim".to_owned()),
    ];
    if !faults.has(&Fault::Gzip) {
        headers.push(("content-encoding", "identity".to_owned()));
    }
    headers.extend(wire.limits().iter().map(|(name, value)| (*name, (*value).to_owned())));
    headers
}

fn every(faults: &Faults) -> Option<Duration> {
    faults.iter().find_map(|fault| match fault {
        Fault::Every(wait) => Some(*wait),
        _ => None,
    })
}

fn whole(parts: Vec<Vec<u8>>, faults: &Faults) -> Vec<Step> {
    if faults.has(&Fault::Burst) {
        return vec![Step::Write(parts.concat().into())];
    }
    let waits = every(faults);
    let mut steps = Vec::with_capacity(parts.len() * 2);
    for (index, part) in parts.into_iter().enumerate() {
        steps.extend(waits.filter(|_| index > 0).map(Step::Wait));
        steps.push(Step::Write(part.into()));
    }
    steps
}

/// Chooses the cuts with a small deterministic random generator (xorshift).
struct Pieces(u64);

impl Pieces {
    fn of(faults: &Faults) -> Self {
        let seed = faults.iter().find_map(|fault| match fault {
            Fault::Seed(seed) => Some(*seed),
            _ => None,
        });
        Self(seed.unwrap_or(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // Mostly tens of bytes, sometimes one byte.
        if self.0.is_multiple_of(8) { 1 } else { (self.0 >> 8) as usize % 97 + 1 }
    }

    /// Without waits a piece may span events; with waits, every event is complete before the wait.
    fn steps(&mut self, parts: Vec<Vec<u8>>, faults: &Faults) -> Vec<Step> {
        let mut steps = Vec::new();
        match every(faults) {
            None => self.cut(&Bytes::from(parts.concat()), &mut steps),
            Some(wait) => {
                for (index, part) in parts.into_iter().enumerate() {
                    if index > 0 {
                        steps.push(Step::Wait(wait));
                    }
                    self.cut(&Bytes::from(part), &mut steps);
                }
            }
        }
        steps
    }

    fn cut(&mut self, bytes: &Bytes, steps: &mut Vec<Step>) {
        // A body of megabytes in pieces of tens of bytes would take too long.
        let scale = bytes.len() / (256 * 1024) * 256 + 1;
        let mut from = 0;
        while from < bytes.len() {
            let to = (from + self.next() * scale).min(bytes.len());
            steps.push(Step::Write(bytes.slice(from..to)));
            from = to;
        }
    }
}
