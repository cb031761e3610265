//! Whatever bytes come, from a client or from a provider, no reader of any format panics, and none keeps more than it must.
//!
//! What is read is mostly right: a written value with bytes changed, left out, doubled, or put in from elsewhere. How many are
//! tried is said by `PROPTEST_CASES`; `./scripts/fuzz` tries many.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::rc::Rc;

use proptest::prelude::*;
use sluice_core::guard::finder::{Finder, Wanted};
use sluice_core::guard::prompt::screen;
use sluice_core::guard::schema::{MOST_STEPS, Schema};
use sluice_core::guard::spec::Action;
use sluice_core::guard::steps::Steps;
use sluice_core::guard::{Guard, Match};
use sluice_core::peek::{Outline, form};
use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::openai_chat::variations;
use sluice_wire::dialect::quirk::{adapt, edited};
use sluice_wire::dialect::{ALL, Chat, Content, Opening};
use sluice_wire::embedding::Encoding;
use sluice_wire::framing::{eventstream, sse};

mod guards;
mod odd;
mod samples;

/// One change to a text.
#[derive(Debug, Clone)]
enum Change {
    Set(u8),
    Remove(usize),
    Double(usize),
    Insert(&'static str),
}

const WORDS: [&str; 24] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.5",
    "true",
    "[[[[",
    "}}",
    "\\u0000",
    "\\ud800",
    "\"type\":",
    "\"error\":{\"message\":7}",
    "data: ",
    "\n\n",
    "\r\n",
    "event: error\n",
    ":",
    "[DONE]",
    "\"index\":4294967296",
    "\u{feff}",
    ",",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Set),
        (1usize..40).prop_map(Change::Remove),
        (1usize..40).prop_map(Change::Double),
        proptest::sample::select(&WORDS[..]).prop_map(Change::Insert),
    ]
}

fn changed(mut text: Vec<u8>, changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    for (place, change) in changes {
        if text.is_empty() {
            break;
        }
        let at = place.index(text.len());
        let end = |length: usize| text.len().min(at + length);
        match change {
            Change::Set(byte) => text[at] = *byte,
            Change::Remove(length) => drop(text.drain(at..end(*length))),
            Change::Double(length) => {
                let piece = text[at..end(*length)].to_vec();
                text.splice(at..at, piece);
            }
            Change::Insert(word) => drop(text.splice(at..at, word.bytes())),
        }
    }
    text
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), change()), 0..6)
}

/// Reads a stream in portions that end at these places, and looks at it as if it passed.
fn stream(format: &dyn Chat, bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<StreamEvent> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let (mut reader, mut events) = (format.stream_reader(), Vec::new());
    for pair in places.windows(2) {
        if reader.read(&bytes[pair[0]..pair[1]], &mut events).is_err() {
            break;
        }
    }
    let (mut decoder, mut peeker) = (sse::Decoder::default(), format.stream_peeker());
    let _ = decoder.feed(bytes, |event| {
        let _ = peeker.peek(&event);
        Ok::<(), sse::TooLong>(())
    });
    events
}

/// Few cases unless many are asked for: each goes through all formats.
fn configured() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: 48, ..default },
    }
}

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn requests_and_answers_of_conversations(changes in changes(), status in 100u16..600) {
        for format in samples::chats() {
            let request = format.write_request(&samples::request(1), "model");
            let request = request.or_else(|_| format.write_request(&samples::plain(), "model")).unwrap().body;
            let _ = format.read_request(&changed(request, &changes));
            let response = changed(format.write_response(&samples::response(1), 0), &changes);
            if let Ok(response) = format.read_response(&response) {
                let _ = format.write_response(&response, 0);
            }
            let _ = (format.peek_response(&response), format.usage_of(&response), format.read_error(status, None, &response));
        }
    }

    #[test]
    fn streams(changes in changes(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        for format in samples::chats() {
            let bytes = changed(samples::written(format, &samples::events(3)), &changes);
            let events = stream(format, &bytes, &cuts);
            // Whatever was read can be written in any format.
            for other in samples::chats() {
                let _ = samples::written(other, &events);
            }
        }
    }

    #[test]
    fn bytes_that_are_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..512), status in 100u16..600) {
        for format in ALL {
            let error = format.read_error(status, Some("x"), &bytes);
            let _ = (format.write_error(&error), format.peek_response(&bytes), format.usage_of(&bytes));
        }
        for format in samples::chats() {
            let _ = (format.read_request(&bytes), format.read_response(&bytes), stream(format, &bytes, &[]));
        }
    }
}

/// What a stream may cost besides a multiple of its length.
const SLACK: usize = 2 << 20;

/// The longest name of an answer or of a model that a relay passes on.
const LONGEST_NAME: usize = 1024;

/// Reads a stream as a relay does, in portions, and writes what it says: what was written, or nothing if the stream was refused.
fn relayed(provider: &dyn Chat, client: &dyn Chat, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut writer = client.stream_writer(Opening {
        model: "model".to_owned(),
        now: 0,
        include_usage: true,
        estimate: 0,
        guises: sluice_wire::conversation::Guises::none(),
    });
    let (mut reader, mut events, mut out) = (provider.stream_reader(), Vec::new(), Vec::new());
    for portion in bytes.chunks(size) {
        reader.read(portion, &mut events).ok()?;
        for mut event in events.drain(..) {
            // Every event of some formats repeats the names, which a relay takes for none where they are longer than any.
            if let StreamEvent::Start { id, model } = &mut event {
                [id, model].into_iter().filter(|name| name.len() > LONGEST_NAME).for_each(String::clear);
            }
            writer.write(&event, &mut out);
            writer.kept().check().ok()?;
        }
        reader.kept().check().ok()?;
    }
    Some(out)
}

proptest! {
    #![proptest_config(configured())]

    /// Whatever numbers a provider gives, and however often it does: nothing grows beyond a multiple of what it sends.
    #[test]
    fn odd_streams(oddities in odd::oddities(), size in 1usize..70_000, pair in any::<[prop::sample::Index; 2]>()) {
        let formats: Vec<&dyn Chat> = samples::chats().collect();
        let [provider, client] = pair.map(|index| formats[index.index(formats.len())]);
        let bytes = odd::odd(provider, &samples::written(provider, &samples::events(3)), &oddities);
        let (mut out, names) = (None, (provider.name(), client.name()));
        let memory = allocation_counter::measure(|| out = relayed(provider, client, &bytes, size));
        let most = usize::try_from(memory.bytes_max).unwrap();
        prop_assert!(most <= SLACK + 64 * bytes.len(), "{most} bytes for {} of {names:?}", bytes.len());
        let written = out.map_or(0, |out| out.len());
        prop_assert!(written <= SLACK + 48 * bytes.len(), "{written} bytes from {} of {names:?}", bytes.len());
        // What passes as it is is looked at; that keeps little.
        let (mut decoder, mut peeker) = (sse::Decoder::default(), provider.stream_peeker());
        let memory = allocation_counter::measure(|| for portion in bytes.chunks(size) {
            let _ = decoder.feed(portion, |event| {
                let _ = peeker.peek(&event);
                Ok::<(), sse::TooLong>(())
            });
        });
        let most = usize::try_from(memory.bytes_max).unwrap();
        prop_assert!(most <= SLACK + 8 * bytes.len(), "{most} bytes to look at {} of {}", bytes.len(), names.0);
    }
}

const VECTORS: [&str; 3] = [
    r#"{"object":"list","data":[{"index":1,"embedding":[0.5,-1e-7]},{"index":0,"embedding":"AACAPwAAAMA="}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
    r#"{"id":"x","embeddings":{"float":[[0.5,-1],[3,4]],"base64":["AACAPw=="]},"texts":["a"],"meta":{"billed_units":{"input_tokens":8.0}}}"#,
    r#"{"embeddings":[{"values":[0.5,-1]},{"values":[3]}],"usageMetadata":{"promptTokenCount":8}}"#,
];

const FORM: &str = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
    ID3\r\n--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n--xYz--\r\n";

const ADAPTED: &str = r#"{"model":"m","seed":7,"n":1,"messages":[{"role":"developer","name":"x","content":"hi"},{"role":"user","content":[]}],"stop":null,"logprobs":false,"stream_options":{},"tool_choice":"required","max_completion_tokens":5,"user":"u"}"#;

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn embeddings(changes in changes()) {
        let request = r#"{"model":"m","input":["a",[1,2]],"dimensions":2,"encoding_format":"base64","input_type":"search_query"}"#;
        for format in ALL {
            let Content::Embeddings(format) = format.content() else { continue };
            for request in [request.to_owned(), r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}"#.to_owned()] {
                let body = changed(request.into_bytes(), &changes);
                if let Ok(request) = format.read_request(&body) {
                    let _ = format.write_request(&request, "model");
                }
            }
            for answer in VECTORS {
                let body = changed(answer.as_bytes().to_vec(), &changes);
                if let Ok(response) = format.read_response(&body) {
                    for encoding in [Encoding::Float, Encoding::Base64] {
                        let _ = format.write_response(&response, encoding);
                    }
                }
                let _ = (format.peek_response(&body), format.usage_of(&body));
            }
        }
    }

    #[test]
    fn outlines_of_json_and_of_forms(changes in changes(), kind in "[a-z/;= \"*]{0,40}") {
        let _ = (form::is_form(&kind), form::boundary(&kind));
        let body = changed(FORM.as_bytes().to_vec(), &changes);
        let form = Outline::of_form(&body, "xYz");
        let body = if form.is_ok() { body } else { changed(ADAPTED.as_bytes().to_vec(), &changes) };
        for format in ALL {
            if let Ok(outline) = form.clone().or_else(|_| Outline::read(&body, format.shape()))
                && let Some(splice) = outline.splice("another", true)
            {
                let mut spliced = splice.apply(&body[..splice.drain]);
                spliced.extend_from_slice(&body[splice.drain..]);
                let again = if form.is_ok() { Outline::of_form(&spliced, "xYz") } else { Outline::read(&spliced, format.shape()) };
                prop_assert_eq!(again.unwrap().model, "another");
            }
        }
    }

    #[test]
    fn departures_of_servers(changes in changes()) {
        let body = changed(ADAPTED.as_bytes().to_vec(), &changes);
        for variation in [variations::GROQ, variations::MISTRAL, variations::OLDER, variations::TEMPLATED, variations::OPENROUTER] {
            if let Ok(adapted) = adapt(&body, variation.quirks.iter(), variation.bounds) {
                let written = edited(&body, &adapted.edits);
                let kept = serde_json::from_slice::<serde::de::IgnoredAny>(&written);
                prop_assert!(kept.is_ok(), "{}", String::from_utf8_lossy(&written));
            }
        }
    }

    #[test]
    fn frames(changes in changes(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut bytes = Vec::new();
        for payload in [&b"{}"[..], b"", b"{\"contentBlockIndex\":0}"] {
            eventstream::encode(&[(":message-type", "event"), (":event-type", "contentBlockDelta")], payload, &mut bytes);
        }
        let bytes = changed(bytes, &changes);
        let read = |portions: &[&[u8]]| {
            let (mut decoder, mut frames) = (eventstream::Decoder::default(), Vec::new());
            let result = portions.iter().try_for_each(|portion| decoder.feed(portion, |frame| {
                frames.push((frame.header(":event-type").map(str::to_owned), frame.payload.to_vec()));
                Ok::<(), eventstream::Broken>(())
            }));
            (frames, result.is_ok())
        };
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let portions: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&portions), read(&[&bytes]));
    }
}

/// Steps that a body may cost besides those for its bytes.
const AT_FIRST: u64 = 1 << 22;

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn guardrails(texts in prop::collection::vec(guards::texts(), 1..5), patterns in prop::collection::vec(guards::expressions(), 0..3)) {
        let mut wanted = Wanted::default();
        guards::DETECTORS.into_iter().for_each(|detector| wanted.detector(detector));
        // One that is no good is refused when it is configured.
        patterns.iter().for_each(|pattern| drop(wanted.pattern("own", pattern)));
        let Ok(finder) = wanted.finder() else { return Ok(()) };
        let things = 12 + u64::try_from(patterns.len()).unwrap();
        for text in &texts {
            let steps = Finder::steps();
            let finds: Vec<_> = finder.all(text, &steps).map(|find| find.at).collect();
            prop_assert!(finds.windows(2).all(|pair| pair[0].end <= pair[1].start), "{finds:?}");
            prop_assert!(finds.iter().all(|at| at.start < at.end && text.get(at.clone()).is_some()), "{finds:?}");
            let most = AT_FIRST + 2 * things * 80 * u64::try_from(text.len()).unwrap();
            prop_assert!(steps.taken() <= most, "{} of {most}", steps.taken());
        }
        let body = serde_json::to_vec(&texts).unwrap();
        let guard = Rc::new(Guard { name: "g".to_owned(), matches: Match::default(), sides: Vec::new(), action: Action::Mask, finder, digest: [0; 32] });
        let masked = screen(&[guard], &body, &(0..0), 1 << 20);
        if let Some(masked) = masked.unwrap().body {
            prop_assert!(serde_json::from_slice::<Vec<String>>(&masked).is_ok(), "{}", String::from_utf8_lossy(&masked));
        }
    }

    #[test]
    fn structured_output(schema in guards::schemas(), value in guards::values()) {
        let steps = Steps::at_most(MOST_STEPS);
        let checked = Schema::parse(&schema.to_string()).unwrap().check(&value, &steps);
        // What is taken at once is a text, a name or a pattern.
        let most = MOST_STEPS + (1 << 21);
        prop_assert!(steps.taken() <= most, "{} of {most}: {checked:?}", steps.taken());
    }
}

/// Ends without one of its events having been complete.
#[test]
fn an_event_without_an_end_is_given_up() {
    let portion = vec![b'x'; 1 << 20];
    for format in samples::chats() {
        let mut reader = format.stream_reader();
        let mut events = Vec::new();
        let first = reader.read(b"data: {\"type\":\"", &mut events);
        let given_up = first.is_err() || (0..64).any(|_| reader.read(&portion, &mut events).is_err());
        assert!(given_up, "{} keeps an event of 64 MiB", format.name());
        assert!(events.is_empty(), "{}", format.name());
    }
}
