//! Round trips of everything the dialect can say, and bytes that mean nothing.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::conversation::{Choice, Finish, Request, Response, Role, StreamEvent};
use crate::dialect::Opening;
use crate::dialect::halves::COMPLETIONS;
use crate::dialect::openai::strategies::{finish, nearly_json, usage, word, words};

use super::{asked, text};

fn request() -> impl Strategy<Value = Request> {
    let number = |least: i32| of((least..9).prop_map(|quarters| f64::from(quarters) / 4.0));
    let counts = (any::<u64>(), of(any::<i64>()), of(1..=128_u64));
    (words(), number(0), number(-8), counts, vec(words(), 0..3), of(words()), any::<bool>()).prop_map(
        |(prompt, temperature, frequency_penalty, (max_tokens, seed, n), stop, user, stream)| Request {
            temperature,
            frequency_penalty,
            max_tokens: Some(max_tokens),
            seed,
            n,
            stop,
            user,
            stream,
            // A streamed request always asks for usage.
            include_usage: stream,
            ..asked(Role::User, vec![text(&prompt)])
        },
    )
}

/// The format has no word for calls.
fn ends() -> impl Strategy<Value = Finish> {
    finish().prop_map(|finish| if finish == Finish::ToolCalls { Finish::Stop } else { finish })
}

fn response() -> impl Strategy<Value = Response> {
    let choice = (words(), ends()).prop_map(|(said, finish)| Choice { parts: vec![text(&said)], finish });
    (word(), word(), any::<u64>(), vec(choice, 1..4), of(usage())).prop_map(|(id, model, created, choices, usage)| {
        Response {
            id,
            model,
            created: Some(created),
            choices,
            usage,
            service_tier: None,
            guises: crate::conversation::Guises::none(),
        }
    })
}

fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    (vec(words(), 1..8), ends(), of(usage())).prop_map(|(texts, finish, usage)| {
        let mut events = vec![StreamEvent::Start { id: "c".to_owned(), model: "m".to_owned() }];
        events.extend(texts.into_iter().map(|text| StreamEvent::Text { choice: 0, text }));
        events.push(StreamEvent::Finish { choice: 0, finish });
        events.extend(usage.map(StreamEvent::Usage));
        events.push(StreamEvent::End);
        events
    })
}

/// Feeds what is this dialect's own to read; nothing may panic.
fn read_everything(bytes: &[u8]) {
    let _ = COMPLETIONS.read_request(bytes);
    let _ = COMPLETIONS.read_response(bytes);
    let data = [b"data: ", bytes, b"\n\n"].concat();
    let _ = COMPLETIONS.stream_reader().read(&data, &mut Vec::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_reads_back(request in request()) {
        let written = COMPLETIONS.write_request(&request, "m").unwrap();
        prop_assert!(written.dropped.is_empty());
        prop_assert_eq!(COMPLETIONS.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn a_written_response_reads_back(response in response()) {
        prop_assert_eq!(COMPLETIONS.read_response(&COMPLETIONS.write_response(&response, 0)).unwrap(), response);
    }

    #[test]
    fn a_written_stream_reads_back_wherever_it_is_cut(events in stream()) {
        let mut writer = COMPLETIONS.stream_writer(Opening { model: "x".to_owned(), now: 0, include_usage: true, estimate: 0, guises: crate::conversation::Guises::none() });
        let mut bytes = Vec::new();
        events.iter().for_each(|event| writer.write(event, &mut bytes));
        for cut in 0..=bytes.len() {
            let (mut reader, mut read) = (COMPLETIONS.stream_reader(), Vec::new());
            reader.read(&bytes[..cut], &mut read).unwrap();
            reader.read(&bytes[cut..], &mut read).unwrap();
            prop_assert_eq!(&read, &events, "cut at {}", cut);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn nothing_nearly_right_panics(
        json in nearly_json(&["model", "prompt", "choices", "text", "finish_reason", "stop", "usage", "error", "n"], &["\"a\""])
    ) {
        read_everything(json.as_bytes());
    }
}
