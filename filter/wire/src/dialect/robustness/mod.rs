//! Tests that no input from a client or provider makes a reader panic or hold too much memory.
//!
//! Inputs are mostly valid: a written value with [`changes`]. `PROPTEST_CASES` sets the number of cases; `./scripts/fuzz` runs many.

use proptest::prelude::*;

use crate::conversation::StreamEvent;
use crate::dialect::halves::{Both, CHATS, EMBEDDINGS};
use crate::dialect::openai_chat::variations;
use crate::dialect::quirk::{adapt, edited};
use crate::dialect::{FORMATS, Format, Opening};
use crate::embedding::Encoding;
use crate::framing::{eventstream, sse};

use changes::{changed, changes};

mod changes;
mod odd;
mod samples;

/// A stream written in `format`.
fn written(format: Both, stream: &[StreamEvent]) -> Vec<u8> {
    let mut writer = format.stream_writer(opening());
    let mut out = Vec::new();
    for event in stream {
        writer.write(event, &mut out);
    }
    out
}

fn opening() -> Opening {
    let guises = crate::conversation::Guises::none();
    Opening { model: "model".to_owned(), now: 0, include_usage: true, estimate: 0, guises }
}

/// Reads a stream in chunks that end at these places, and inspects it as a stream that passes unchanged.
fn stream(format: Both, bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<StreamEvent> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let (mut reader, mut events) = (format.stream_reader(), Vec::new());
    for pair in places.windows(2) {
        if reader.read(&bytes[pair[0]..pair[1]], &mut events).is_err() {
            break;
        }
    }
    if let Some(passing) = format.serves().passing {
        let (mut decoder, mut peeker) = (sse::Decoder::default(), (passing.peeker)());
        let _ = decoder.feed(bytes, |event| {
            let _ = peeker.peek(&event);
            Ok::<(), sse::TooLong>(())
        });
    }
    events
}

/// Few cases by default: each goes through all formats.
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
        for format in CHATS {
            let request = format.write_request(&samples::request(1), "model");
            let request = request.or_else(|_| format.write_request(&samples::plain(), "model")).unwrap().body;
            let _ = format.read_request(&changed(request, &changes));
            let response = changed(format.write_response(&samples::response(1), 0), &changes);
            if let Ok(response) = format.read_response(&response) {
                let _ = format.write_response(&response, 0);
            }
            let _ = format.provider.peek_response.map(|peek| peek(&response));
            let _ = (format.usage_of(&response), format.read_error(status, None, &response));
        }
    }

    #[test]
    fn streams(changes in changes(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        for format in CHATS {
            let bytes = changed(written(format, &samples::events(3)), &changes);
            let events = stream(format, &bytes, &cuts);
            // Any value that was read can be written in any format.
            for other in CHATS {
                let _ = written(other, &events);
            }
        }
    }

    #[test]
    fn bytes_that_are_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..512), status in 100u16..600) {
        for Format { provider, client, .. } in FORMATS {
            let error = (provider.read_error)(status, Some("x"), &bytes);
            let _ = client.map(|client| (client.manner.write_error)(&error));
            let _ = (provider.peek_response.map(|peek| peek(&bytes)), (provider.usage_of)(&bytes));
        }
        for format in CHATS {
            let _ = (format.read_request(&bytes), format.read_response(&bytes), stream(format, &bytes, &[]));
        }
    }
}

/// The memory that a stream may take besides a multiple of its length.
const SLACK: usize = 2 << 20;

/// The longest response id or model name that the gateway passes on.
const LONGEST_NAME: usize = 1024;

/// Translates a stream in chunks, like the gateway. Returns the output, or `None` if the stream was rejected.
fn relayed(provider: Both, client: Both, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
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
            // In some formats every event repeats the id and model. The gateway ignores them if they are too long.
            if let StreamEvent::Start { id, model } = &mut event {
                [id, model].into_iter().filter(|name| name.len() > LONGEST_NAME).for_each(String::clear);
            }
            writer.write(&event, &mut out);
            writer.buffered().check().ok()?;
        }
        reader.buffered().check().ok()?;
    }
    Some(out)
}

proptest! {
    #![proptest_config(configured())]

    /// Whatever indexes a provider sends, and however often: memory stays below a multiple of the input.
    #[test]
    fn odd_streams(oddities in odd::oddities(), size in 1usize..70_000, pair in any::<[prop::sample::Index; 2]>()) {
        let [provider, client] = pair.map(|index| CHATS[index.index(CHATS.len())]);
        let bytes = odd::odd(provider, &written(provider, &samples::events(3)), &oddities);
        let (mut out, names) = (None, (provider.name(), client.name()));
        let memory = allocation_counter::measure(|| out = relayed(provider, client, &bytes, size));
        let most = usize::try_from(memory.bytes_max).unwrap();
        prop_assert!(most <= SLACK + 64 * bytes.len(), "{most} bytes for {} of {names:?}", bytes.len());
        let written = out.map_or(0, |out| out.len());
        prop_assert!(written <= SLACK + 48 * bytes.len(), "{written} bytes from {} of {names:?}", bytes.len());
        // Inspecting a stream that passes unchanged takes little memory.
        let Some(passing) = provider.serves().passing else { return Ok(()) };
        let (mut decoder, mut peeker) = (sse::Decoder::default(), (passing.peeker)());
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

const ADAPTED: &str = r#"{"model":"m","seed":7,"n":1,"messages":[{"role":"developer","name":"x","content":"hi"},{"role":"user","content":[]}],"stop":null,"logprobs":false,"stream_options":{},"tool_choice":"required","max_completion_tokens":5,"user":"u"}"#;

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn embeddings(changes in changes()) {
        let request = r#"{"model":"m","input":["a",[1,2]],"dimensions":2,"encoding_format":"base64","input_type":"search_query"}"#;
        for format in EMBEDDINGS {
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
                let _ = (format.provider.peek_response.map(|peek| peek(&body)), format.usage_of(&body));
            }
        }
    }

    #[test]
    fn departures_of_servers(changes in changes()) {
        let body = changed(ADAPTED.as_bytes().to_vec(), &changes);
        for variation in [variations::GROQ, variations::MISTRAL, variations::OLDER, variations::DEEPSEEK, variations::TEMPLATED, variations::OPENROUTER] {
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

/// The stream ends before any event is complete.
#[test]
fn an_event_without_an_end_is_given_up() {
    let portion = vec![b'x'; 1 << 20];
    for format in CHATS {
        let mut reader = format.stream_reader();
        let mut events = Vec::new();
        let first = reader.read(b"data: {\"type\":\"", &mut events);
        let given_up = first.is_err() || (0..64).any(|_| reader.read(&portion, &mut events).is_err());
        assert!(given_up, "{} keeps an event of 64 MiB", format.name());
        assert!(events.is_empty(), "{}", format.name());
    }
}
