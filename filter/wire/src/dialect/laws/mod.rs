//! Property tests for all chat formats: reading a written value returns it, however its bytes are cut, and no input makes a reader panic.
//!
//! A format declares what it [`Can`] carry, and [`laws!`] runs all properties on it. Values are generated in normal form: changes by a
//! format's table (blank texts, neighbours of one role, efforts) are excluded here and have their own tests.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::conversation::{FinishReasons, Request, Response, StreamEvent};
use crate::dialect::halves::Both;
use crate::dialect::{EventClass, Opening};
use crate::error::ApiError;
use crate::framing::{eventstream, sse};

pub use answers::{LAST, not_after_signatures, response, stream, usage};
pub use can::{Can, Looks, Output, Pings, Results, Speech, Thinks, Turns, Word};
pub use junk::{Damage, damage, nearly};
pub use parts::{ANY_TEXT, Drawn, ID, ONE_LINE, arguments, shown, text};
pub use requests::{normal_for_claude, request};

mod answers;
mod can;
mod junk;
mod parts;
mod requests;

/// A schema that strict providers accept unchanged, in two spellings.
pub const STRICT_SCHEMAS: &[&str] = &[
    r#"{"type":"object","properties":{"a":{"const":1.50}},"required":["a"],"additionalProperties":false}"#,
    r#"{ "type" : "object","properties":{ },"additionalProperties":false }"#,
];

type LawResult = Result<(), TestCaseError>;

/// Runs every property on a format.
macro_rules! laws {
    ($can:expr) => {
        mod laws {
            use proptest::collection::vec;
            use proptest::prelude::*;

            use crate::dialect::laws;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

                #[test]
                fn a_written_request_is_read_back(request in laws::request(&$can)) {
                    laws::request_is_read_back(&$can, &request)?;
                }

                #[test]
                fn a_written_answer_is_read_back_and_looked_at_alike(response in laws::response(&$can)) {
                    laws::answer_is_read_back(&$can, &response)?;
                }

                #[test]
                fn a_written_stream_is_read_back_wherever_it_is_cut(
                    events in laws::stream(&$can),
                    portion in 1..64usize,
                    first in any::<prop::sample::Index>(),
                ) {
                    laws::stream_is_read_back(&$can, &events, portion, first)?;
                }

                #[test]
                fn a_stream_that_passes_is_looked_at_as_it_is_read(events in laws::stream(&$can)) {
                    laws::passing_is_seen(&$can, &events)?;
                }

                #[test]
                fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
                    laws::read_everything(&$can, &bytes);
                }

                #[test]
                fn nothing_nearly_right_makes_a_reader_panic(json in laws::nearly($can.fields, $can.words)) {
                    laws::read_everything(&$can, json.as_bytes());
                }

                #[test]
                fn no_damage_to_a_good_text_makes_a_reader_panic(
                    request in laws::request(&$can),
                    response in laws::response(&$can),
                    events in laws::stream(&$can),
                    damage in laws::damage(),
                ) {
                    laws::damage_is_borne(&$can, &request, &response, &events, &damage);
                }
            }
        }
    };
}

pub(in crate::dialect) use laws;

fn write_request(can: &Can, request: &Request) -> crate::dialect::WrittenRequest {
    can.format.write_request(request, can.written_for.unwrap_or(&request.model)).unwrap()
}

pub fn request_is_read_back(can: &Can, request: &Request) -> LawResult {
    let written = write_request(can, request);
    prop_assert_eq!(&written.dropped, &Vec::<String>::new());
    prop_assert_eq!(&(can.bared)(can.format.read_request(&written.body).unwrap()), request);
    Ok(())
}

pub fn answer_is_read_back(can: &Can, response: &Response) -> LawResult {
    let written = can.format.write_response(response, 0);
    prop_assert_eq!(&can.format.read_response(&written).unwrap(), response);
    prop_assert_eq!(can.format.usage_of(&written), response.usage);
    if let Some(peek) = can.format.provider.peek_response {
        let summary = peek(&written).unwrap();
        let model = summary.model.unwrap_or_default();
        prop_assert_eq!((&model, summary.usage), (&response.model, response.usage));
        prop_assert_eq!(summary.reasons, response.finish_reasons());
    }
    Ok(())
}

pub fn stream_is_read_back(can: &Can, events: &[StreamEvent], portion: usize, first: prop::sample::Index) -> LawResult {
    const PLACES: usize = 32;
    let bytes = write_stream(can.format, events);
    let expected = compared(can, events.to_vec());
    for size in [1, portion] {
        let portions: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(&compared(can, read_stream(can, &portions)), &expected, "in portions of {}", size);
    }
    // The first position differs in each case, so that every position is tried eventually.
    let step = 1 + bytes.len() / PLACES;
    for cut in (first.index(step)..=bytes.len()).step_by(step) {
        let (before, after) = bytes.split_at(cut);
        prop_assert_eq!(&compared(can, read_stream(can, &[before, after])), &expected, "cut at {}", cut);
    }
    Ok(())
}

/// The events in a comparable order.
fn compared(can: &Can, mut events: Vec<StreamEvent>) -> Vec<StreamEvent> {
    // Google's finish reasons are results too.
    events.retain(|event| !matches!(event, StreamEvent::Filtered(_)));
    if can.pings == Pings::Pass {
        events.retain(|event| *event != StreamEvent::Ping);
    }
    events
}

pub fn passing_is_seen(can: &Can, events: &[StreamEvent]) -> LawResult {
    let Some(passing) = can.format.serves().passing else { return Ok(()) };
    let (mut reader, mut peeker, mut differ) = (can.format.stream_reader(), (passing.peeker)(), None);
    let decoded = sse::Decoder::default().feed(&write_stream(can.format, events), |event| {
        let mut read = Vec::new();
        let good = reader.read(event.raw, &mut read).is_ok();
        let seen = peeker.peek(&event);
        let content = read.iter().any(StreamEvent::is_content);
        let signature = read.iter().any(|event| matches!(event, StreamEvent::Signature { .. }));
        let agree = match (&seen, &can.looks) {
            (EventClass::End, _) => read.last() == Some(&StreamEvent::End),
            (_, Looks::Alike) => (seen == EventClass::Content) == content,
            (_, Looks::AtSignaturesToo) => (seen == EventClass::Content) == (content || signature),
            (_, Looks::AtMore) => seen == EventClass::Content || !content,
        };
        if !(good && agree) {
            differ = Some(format!("{seen:?}, but it is {read:?}"));
        }
        Ok::<(), sse::TooLong>(())
    });
    prop_assert!(decoded.is_ok());
    prop_assert_eq!(differ, None);
    let last = events.iter().rev().find_map(|event| match event {
        StreamEvent::Usage(usage) => Some(*usage),
        _ => None,
    });
    prop_assert_eq!(peeker.summary().usage, last);
    let mut reasons = FinishReasons::default();
    for event in events {
        if let StreamEvent::Finish { finish, .. } = event {
            reasons.add(*finish);
        }
    }
    prop_assert_eq!(peeker.summary().reasons, reasons);
    Ok(())
}

pub fn damage_is_borne(can: &Can, request: &Request, response: &Response, events: &[StreamEvent], damage: &Damage) {
    let request = write_request(can, request).body;
    let response = can.format.write_response(response, 0);
    for good in [request, response, write_stream(can.format, events)] {
        read_everything(can, &junk::damaged(good, damage));
    }
}

/// Feeds `bytes` to every reader: none may panic, and an error has a message.
pub fn read_everything(can: &Can, bytes: &[u8]) {
    let Both { provider, .. } = can.format;
    says_why(can.format.read_request(bytes));
    says_why(can.format.read_response(bytes));
    if let Some(peek) = provider.peek_response {
        says_why(peek(bytes));
    }
    let _ = can.format.usage_of(bytes);
    assert!(!can.format.read_error(500, None, bytes).message.is_empty());
    let mut framed = vec![bytes.to_vec(), [b"data: ", bytes, b"\n\n"].concat()];
    framed.extend(can.frames.iter().map(|name| {
        let mut frame = Vec::new();
        eventstream::encode(&[(":event-type", *name)], bytes, &mut frame);
        frame
    }));
    for stream in framed {
        let mut events = Vec::new();
        says_why(can.format.stream_reader().read(&stream, &mut events));
        write_stream(can.format, &events);
    }
    if let Some(passing) = can.format.serves().passing {
        look_at(&mut *(passing.peeker)(), &sse::Event { name: b"", data: bytes.into(), raw: bytes });
        let mut peeker = (passing.peeker)();
        let _ = sse::Decoder::default().feed(bytes, |event| {
            look_at(&mut *peeker, &event);
            Ok::<(), sse::TooLong>(())
        });
    }
}

fn look_at(peeker: &mut dyn crate::dialect::StreamPeeker, event: &sse::Event<'_>) {
    if let EventClass::Failed(error) = peeker.peek(event) {
        assert!(!error.message.is_empty());
    }
}

fn says_why<T>(read: Result<T, ApiError>) {
    if let Err(error) = read {
        assert!(!error.message.is_empty());
    }
}

/// The bytes for a client of the format.
pub fn write_stream(format: Both, events: &[StreamEvent]) -> Vec<u8> {
    let guises = crate::conversation::Guises::none();
    let opening = Opening { model: String::new(), now: 0, include_usage: true, estimate: 0, guises };
    let (mut writer, mut out) = (format.stream_writer(opening), Vec::new());
    events.iter().chain([&StreamEvent::End]).for_each(|event| writer.write(event, &mut out));
    out
}

fn read_stream(can: &Can, portions: &[&[u8]]) -> Vec<StreamEvent> {
    let (mut reader, mut events) = (can.format.stream_reader(), Vec::new());
    portions.iter().for_each(|portion| reader.read(portion, &mut events).unwrap());
    events
}
