//! Streams that no honest provider sends: absurd indexes, thousands of events, overlong texts and lists, ids as long as responses. The
//! framing is valid, since a stream with invalid framing is not read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::dialect::halves::Both;
use crate::framing::{eventstream, sse};

/// One event: its name and its JSON.
#[derive(Debug, Clone)]
pub struct Event {
    name: String,
    data: String,
}

/// An oddity in a stream.
#[derive(Debug, Clone)]
pub enum Oddity {
    /// All indexes of an event are replaced.
    Numbered(Index, &'static str),
    /// An event is repeated, unchanged or each time with the next index.
    Repeated(Index, usize, bool),
    /// One of an event's texts is longer by this many bytes.
    Long(Index, Index, usize),
    /// One of an event's lists has this many more items.
    Crowded(Index, Index, &'static str, usize),
}

/// Fields that number choices, calls, blocks and items.
const NUMBERS: [&str; 5] =
    ["\"index\":", "\"output_index\":", "\"content_index\":", "\"summary_index\":", "\"contentBlockIndex\":"];

const INDICES: [&str; 14] = [
    "0",
    "1",
    "255",
    "1024",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "0.5",
    "1e300",
    "\"7\"",
    "null",
];

const ELEMENTS: [&str; 9] = [
    "{}",
    "[]",
    "null",
    "1",
    "\"\"",
    r#"{"text":"x"}"#,
    r#"{"thinking":[{"text":"x"},{"text":"y"}]}"#,
    r#"{"function":{"name":"f"}}"#,
    r#"{"delta":{"content":"x"}}"#,
];

/// Mostly few, sometimes very many.
fn amount(few: usize, many: usize) -> impl Strategy<Value = usize> {
    prop_oneof![12 => 1..few, 1 => many / 2..many]
}

fn oddity() -> impl Strategy<Value = Oddity> {
    let place = any::<Index>;
    let (index, element) = (proptest::sample::select(&INDICES[..]), proptest::sample::select(&ELEMENTS[..]));
    prop_oneof![
        (place(), index).prop_map(|(event, index)| Oddity::Numbered(event, index)),
        (place(), amount(20, 6000), any::<bool>())
            .prop_map(|(event, times, next)| Oddity::Repeated(event, times, next)),
        (place(), place(), amount(300, 1 << 18)).prop_map(|(event, text, length)| Oddity::Long(event, text, length)),
        (place(), place(), element, amount(20, 20_000))
            .prop_map(|(event, list, element, times)| Oddity::Crowded(event, list, element, times)),
    ]
}

pub fn oddities() -> impl Strategy<Value = Vec<Oddity>> {
    proptest::collection::vec(oddity(), 1..4)
}

/// Applies these oddities to the stream.
pub fn odd(format: Both, bytes: &[u8], oddities: &[Oddity]) -> Vec<u8> {
    let mut events = split(format, bytes);
    for oddity in oddities {
        if events.is_empty() {
            break;
        }
        match oddity {
            Oddity::Numbered(event, index) => {
                let at = event.index(events.len());
                events[at].data = numbered(&events[at].data, index);
            }
            Oddity::Repeated(event, times, next) => {
                let at = event.index(events.len());
                let one = events[at].clone();
                let copy = |number: usize| match next {
                    true => Event { data: numbered(&one.data, &number.to_string()), ..one.clone() },
                    false => one.clone(),
                };
                events.splice(at..=at, (0..*times).map(copy));
            }
            Oddity::Long(event, text, length) => {
                let at = event.index(events.len());
                insert(&mut events[at].data, "\":\"", *text, &"x".repeat(*length));
            }
            Oddity::Crowded(event, list, element, times) => {
                let at = event.index(events.len());
                let data = &mut events[at].data;
                let before = data.len();
                insert(data, "[", *list, &format!("{element},").repeat(*times));
                // A list that was empty now ends with a comma.
                if data.len() > before {
                    *data = data.replace(",]", "]");
                }
            }
        }
    }
    joined(format, &events)
}

/// `data` with `index` in place of its numbers.
fn numbered(data: &str, index: &str) -> String {
    let mut out = data.to_owned();
    for name in NUMBERS {
        let mut from = 0;
        while let Some(at) = out[from..].find(name) {
            let start = from + at + name.len();
            let digits = out[start..].bytes().take_while(u8::is_ascii_digit).count();
            out.replace_range(start..start + digits, index);
            from = start + index.len();
        }
    }
    out
}

/// Inserts `what` after one of the occurrences of `mark`.
fn insert(data: &mut String, mark: &str, which: Index, what: &str) {
    let places: Vec<usize> = data.match_indices(mark).map(|(at, _)| at + mark.len()).collect();
    if !places.is_empty() {
        data.insert_str(places[which.index(places.len())], what);
    }
}

fn is_framed(format: Both) -> bool {
    format.provider.stream_type != "text/event-stream"
}

/// On AWS, Anthropic's events are wrapped in others.
fn unwrapped(data: &str) -> Option<String> {
    let inside = data.strip_prefix(r#"{"bytes":""#)?.strip_suffix("\"}")?;
    String::from_utf8(STANDARD.decode(inside).ok()?).ok()
}

fn split(format: Both, bytes: &[u8]) -> Vec<Event> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut events = Vec::new();
    if is_framed(format) {
        let _ = eventstream::Decoder::default().feed::<eventstream::Broken>(bytes, |frame| {
            let data = text(frame.payload);
            let name = frame.header(":event-type").unwrap_or_default().to_owned();
            events.push(Event { name, data: unwrapped(&data).unwrap_or(data) });
            Ok(())
        });
    } else {
        let _ = sse::Decoder::default().feed::<sse::TooLong>(bytes, |event| {
            events.push(Event { name: text(event.name), data: text(&event.data) });
            Ok(())
        });
    }
    events
}

fn joined(format: Both, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for Event { name, data } in events {
        if is_framed(format) {
            let inside = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(data));
            let payload = if name == "chunk" { &inside } else { data };
            let headers = [(":message-type", "event"), (":event-type", &**name)];
            eventstream::encode(&headers, payload.as_bytes(), &mut out);
        } else {
            if !name.is_empty() {
                out.extend_from_slice(format!("event: {name}\n").as_bytes());
            }
            out.extend_from_slice(format!("data: {data}\n\n").as_bytes());
        }
    }
    out
}
