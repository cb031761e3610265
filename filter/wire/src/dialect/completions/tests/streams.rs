//! Streams: written for clients, read from providers, and inspected while they pass.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::conversation::{Finish, StreamEvent as E, Usage};
use crate::dialect::halves::COMPLETIONS;
use crate::dialect::{EventClass, Opening};
use crate::error::{ApiError, ErrorKind};
use crate::framing::sse;

const USAGE: Usage = Usage { input: 9, cached: 0, cache_write: 0, output: 1, reasoning: 0 };

fn written(events: &[E], include_usage: bool) -> String {
    let mut writer = COMPLETIONS.stream_writer(Opening {
        model: "asked".to_owned(),
        now: 1,
        include_usage,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    });
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn start() -> E {
    E::Start { id: "c1".to_owned(), model: "m".to_owned() }
}

fn say(text: &str) -> E {
    E::Text { choice: 0, text: text.to_owned() }
}

fn golden(usage_on_chunks: &str, usage_chunk: &str) -> String {
    let head = r#"data: {"id":"c1","object":"text_completion","created":1,"model":"m","choices":["#;
    let chunk = |text: &str, finish: &str| {
        let choice = format!(r#"{{"text":"{text}","index":0,"logprobs":null,"finish_reason":{finish}}}"#);
        format!("{head}{choice}]{usage_on_chunks}}}\n\n")
    };
    let usage = if usage_chunk.is_empty() { String::new() } else { format!("{head}],\"usage\":{usage_chunk}}}\n\n") };
    format!("{}{}{usage}data: [DONE]\n\n", chunk("Hi", "null"), chunk("", "\"stop\""))
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let finish = E::Finish { choice: 0, finish: Finish::ToolCalls };
    let thought = E::Thinking { choice: 0, text: "t".to_owned() };
    let events = [start(), thought, say("Hi"), say(""), finish, E::Usage(USAGE), E::End, say("late"), E::End];
    assert_eq!(written(&events, false), golden("", ""));
    let usage = concat!(
        r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":0},"#,
        r#""completion_tokens_details":{"reasoning_tokens":0}}"#
    );
    assert_eq!(written(&events, true), golden(",\"usage\":null", usage));
    assert!(written(&[say("Hi")], false).contains(r#""model":"asked""#));
}

#[test]
fn a_failure_ends_the_stream_without_a_terminator() {
    let error = ApiError::new(503, ErrorKind::Overloaded, "busy");
    let stream = written(&[start(), say("Hi"), E::Error(error), E::End, say("late")], true);
    let end =
        "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"param\":null,\"code\":\"overloaded\"}}\n\n";
    assert!(stream.ends_with(end) && !stream.contains("[DONE]"), "{stream}");
}

#[test]
fn of_a_stream_that_passes_is_seen_what_counts() {
    let mut peeker = COMPLETIONS.stream_peeker();
    let cases = [
        (r#"{"model":"m","choices":[{"text":"","finish_reason":null}]}"#, EventClass::Other),
        (r#"{"model":"m","choices":[{"text":"Hi","finish_reason":null}]}"#, EventClass::Content),
        (r#"{"choices":[{"text":"","finish_reason":"stop"}]}"#, EventClass::Content),
        (r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#, EventClass::UsageAlone),
        ("[DONE]", EventClass::End),
    ];
    for (data, expected) in cases {
        let event = sse::Event { name: b"", data: data.as_bytes().into(), raw: b"" };
        assert_eq!(peeker.peek(&event), expected, "{data}");
    }
    assert_eq!((peeker.summary().usage, peeker.summary().finished), (Some(USAGE), true));
}
