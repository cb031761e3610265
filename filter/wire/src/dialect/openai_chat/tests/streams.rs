//! Streams: written for clients, read from providers, and inspected while they pass.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::conversation::{Finish, StreamEvent as E, Usage};
use crate::dialect::halves::OPENAI_CHAT;
use crate::dialect::{EventClass, Opening, ResponseSummary};
use crate::error::{ApiError, ErrorKind};
use crate::framing::sse;

fn opening(include_usage: bool) -> Opening {
    Opening {
        model: "asked".to_owned(),
        now: 1,
        include_usage,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    }
}

fn written(events: &[E], include_usage: bool) -> String {
    let mut writer = OPENAI_CHAT.stream_writer(opening(include_usage));
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The deltas of a stream. Checks and removes the envelope that all chunks share.
fn deltas(events: &[E]) -> Vec<String> {
    let stream = written(events, false);
    let chunks = stream.split_terminator("\n\n").filter_map(|chunk| {
        let head = r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#;
        let (delta, rest) = chunk.strip_prefix(head)?.split_once(r#","logprobs":null,"finish_reason":"#).unwrap();
        assert!(rest.ends_with("}]}"), "{chunk}");
        Some(delta.to_owned())
    });
    chunks.collect()
}

fn read(stream: &str) -> Vec<E> {
    let mut events = Vec::new();
    OPENAI_CHAT.stream_reader().read(stream.as_bytes(), &mut events).unwrap();
    events
}

fn start() -> E {
    E::Start { id: "c1".to_owned(), model: "m".to_owned() }
}

fn say(text: &str) -> E {
    E::Text { choice: 0, text: text.to_owned() }
}

fn think(text: &str) -> E {
    E::Thinking { choice: 0, text: text.to_owned() }
}

fn signature(signature: &str) -> E {
    E::Signature { choice: 0, signature: signature.to_owned() }
}

fn call(call: u32, id: &str, name: &str) -> E {
    E::ToolCall { choice: 0, call, id: id.to_owned(), name: name.to_owned() }
}

fn arguments(call: u32, json: &str) -> E {
    E::Arguments { choice: 0, call, json: json.to_owned() }
}

fn finish(finish: Finish) -> E {
    E::Finish { choice: 0, finish }
}

const USAGE: Usage = Usage { input: 9, cached: 0, cache_write: 0, output: 1, reasoning: 0 };

fn golden(usage_on_chunks: &str, usage_chunk: &str) -> String {
    let head = r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":["#;
    let chunk = |delta: &str, finish: &str| {
        format!(
            "{head}{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]{usage_on_chunks}}}\n\n"
        )
    };
    let chunks = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"content":"Hi"}"#, "null"),
        chunk("{}", "\"stop\""),
    ];
    let usage = if usage_chunk.is_empty() { String::new() } else { format!("{head}],\"usage\":{usage_chunk}}}\n\n") };
    format!("{}{usage}data: [DONE]\n\n", chunks.concat())
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let events = [start(), say("Hi"), say(""), E::Usage(USAGE), finish(Finish::Stop), E::End, say("late"), E::End];
    assert_eq!(written(&events, false), golden("", ""));
    let usage = concat!(
        r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":0},"#,
        r#""completion_tokens_details":{"reasoning_tokens":0}}"#
    );
    assert_eq!(written(&events, true), golden(",\"usage\":null", usage));
    let without = [start(), say("Hi"), finish(Finish::Stop), E::End];
    assert_eq!(written(&without, true), golden(",\"usage\":null", ""));
    assert!(written(&[E::Start { id: String::new(), model: String::new() }], false).contains(r#""model":"asked""#));
}

#[test]
fn tool_calls_name_themselves_once_and_always_have_arguments() {
    let events = [
        start(),
        call(0, "a", "f"),
        arguments(0, "{\"x\":"),
        arguments(0, ""),
        call(1, "b", "g"),
        arguments(0, "1}"),
        finish(Finish::ToolCalls),
    ];
    let expected = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        "{}",
    ];
    assert_eq!(deltas(&events), expected);
}

#[test]
fn a_signature_is_written_with_the_reasoning_it_signs() {
    let events = [
        start(),
        think("a"),
        think("b"),
        signature("x"),
        signature("y"),
        say("Hi"),
        think("c"),
        signature("z"),
        E::End,
    ];
    let expected = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"reasoning_content":"a"}"#,
        r#"{"reasoning_content":"b"}"#,
        r#"{"thinking_blocks":[{"type":"thinking","index":0,"thinking":"ab","signature":"xy"}]}"#,
        r#"{"content":"Hi"}"#,
        r#"{"reasoning_content":"c"}"#,
        r#"{"thinking_blocks":[{"type":"thinking","index":1,"thinking":"c","signature":"z"}]}"#,
    ];
    assert_eq!(deltas(&events), expected);
    let read = read(&written(&events, false));
    let expected = [start(), think("a"), think("b"), signature("xy"), say("Hi"), think("c"), signature("z"), E::End];
    assert_eq!(read, expected);
}

#[test]
fn a_failure_ends_the_stream_without_a_terminator() {
    let error = ApiError::new(503, ErrorKind::Overloaded, "busy");
    let stream = written(&[start(), say("Hi"), E::Error(error), E::End, say("late")], true);
    let end =
        concat!(r#"data: {"error":{"message":"busy","type":"server_error","param":null,"code":"overloaded"}}"#, "\n\n");
    assert!(stream.ends_with(end) && !stream.contains("[DONE]"), "{stream}");
    let Some(E::Error(error)) = read(&stream).pop() else { panic!("no error") };
    assert_eq!((error.status, error.kind, error.message.as_str()), (503, ErrorKind::Overloaded, "busy"));
}

#[test]
fn several_choices_each_begin_with_their_role() {
    let event = |choice, text: &str| E::Text { choice, text: text.to_owned() };
    let events = [start(), event(1, "b"), event(0, "a"), E::Finish { choice: 1, finish: Finish::Length }, E::End];
    let stream = written(&events, false);
    assert_eq!(stream.matches("assistant").count(), 2);
    assert_eq!(read(&stream), events);
}

#[test]
fn quirks_of_compatible_servers_are_read() {
    let azure = "data: {\"choices\":[],\"id\":\"\",\"model\":\"\",\"prompt_filter_results\":[{}]}\n\n";
    let chunk = |choices: &str| format!("data: {{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{choices}]}}\n\n");
    let delta = |delta: &str| chunk(&format!("{{\"delta\":{delta}}}"));
    let cases: Vec<(String, Vec<E>)> = vec![
        (azure.to_owned() + &delta(r#"{"content":"a"}"#), vec![start(), say("a")]),
        (": keep-alive\n\n\n".to_owned() + &delta(r#"{"role":"assistant","content":null}"#), vec![E::Ping, start()]),
        (delta(r#"{"reasoning":"t","reasoning_content":null}"#), vec![start(), think("t")]),
        (delta(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}"#), vec![start(), think("t")]),
        (delta(r#"{"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"}]}"#), vec![start(), think("t"), signature("s")]),
        (
            delta(r#"{"reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t","format":"anthropic-claude-v1"}]}"#)
                + &delta(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1"}]}"#)
                + &delta(r#"{"reasoning_details":[{"data":"d","format":"google-gemini-v1","id":"c"}, 1],"content":"a"}"#),
            vec![
                start(),
                think("t"),
                signature("s"),
                signature(r#"openrouter#{"data":"d","format":"google-gemini-v1","id":"c"}"#),
                say("a"),
            ],
        ),
        (
            delta(r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":{"x":1}}}]}"#),
            vec![start(), call(0, "a", "f"), arguments(0, "{}"), call(1, "b", "g"), arguments(1, "{\"x\":1}")],
        ),
        (
            delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#)
                + &delta(r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#),
            vec![start(), call(0, "a", "f"), arguments(0, "{}"), call(1, "b", "f"), arguments(1, "{}")],
        ),
        (
            delta(r#"{"tool_calls":[{"index":3,"id":"a","function":{"name":"f","arguments":""}}]}"#)
                + &delta(r#"{"tool_calls":[{"index":3,"id":"a","function":{"name":"f","arguments":"{"}}]}"#)
                + &delta(r#"{"tool_calls":[{"index":3,"id":"","function":{"arguments":"}"}}]}"#),
            vec![start(), call(0, "a", "f"), arguments(0, "{"), arguments(0, "}")],
        ),
        (
            delta(r#"{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}]}"#),
            vec![start(), call(0, "call_c1_0_0", "f"), arguments(0, "{}")],
        ),
        (
            delta(r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}"#)
                + &delta(r#"{"function_call":{"arguments":"{"}}"#)
                + &delta(r#"{"function_call":{"arguments":"}"}}"#)
                + &chunk(r#"{"delta":{},"finish_reason":"function_call"}"#),
            vec![
                start(),
                call(0, "call_c1_0_0", "f"),
                arguments(0, "{"),
                arguments(0, "}"),
                finish(Finish::ToolCalls),
            ],
        ),
        (
            delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{"}}]}"#)
                + &delta(r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"}"}}]}"#),
            vec![start(), call(0, "a", "f"), arguments(0, "{"), arguments(0, "}")],
        ),
        (
            chunk(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#) + &chunk(r#"{"index":0,"finish_reason":"stop"}"#),
            vec![start(), finish(Finish::Stop)],
        ),
        (
            "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}}\r\n\r\ndata:[DONE]\r\n\r\n".to_owned(),
            vec![start(), E::Usage(USAGE), E::End],
        ),
    ];
    for (stream, events) in cases {
        assert_eq!(read(&stream), events, "{stream}");
    }
}

#[test]
fn failures_inside_a_stream_are_told() {
    let kind = |stream: &str| match read(stream).pop() {
        Some(E::Error(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    let first = "data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\ndata: [DONE]\n\n";
    assert_eq!(kind(first), ErrorKind::RateLimit);
    assert_eq!(
        kind("event: error\ndata: {\"message\":\"m\",\"type\":\"overloaded_error\"}\n\n"),
        ErrorKind::Overloaded
    );
    assert_eq!(kind("data: {\"error\":\"m\"}\n\n"), ErrorKind::Server);
    assert_eq!(kind("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n"), ErrorKind::Server);
    for unreadable in ["data: {\"choices\":\n\n", "data: [DONE]\n\n", "data: 1\n\n", "data: {\"choices\":7}\n\n"] {
        let error = OPENAI_CHAT.stream_reader().read(unreadable.as_bytes(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("invalid_provider_response"), "{unreadable}");
    }
}

fn peeked(data: &str) -> (EventClass, ResponseSummary) {
    let mut peeker = OPENAI_CHAT.stream_peeker();
    let event = sse::Event { name: b"", data: data.as_bytes().into(), raw: b"" };
    let seen = peeker.peek(&event);
    (seen, peeker.summary().clone())
}

#[test]
fn a_passing_stream_is_seen_for_what_it_is() {
    let choice = |choice: &str| format!(r#"{{"model":"m","choices":[{choice}],"usage":null}}"#);
    let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":1}"#;
    let content = [
        r#"{"delta":{"content":"a"}}"#,
        r#"{"delta":{"reasoning_content":"a"}}"#,
        r#"{"delta":{"reasoning":"a"}}"#,
        r#"{"delta":{"refusal":"a"}}"#,
        r#"{"delta":{"tool_calls":[{"index":0}]}}"#,
        r#"{"text":"a"}"#,
        r#"{"delta":{},"finish_reason":"stop"}"#,
        r#"{"delta":{"content":""}},{"index":1,"delta":{"content":"a\n"}}"#,
    ];
    for case in content {
        assert_eq!(peeked(&choice(case)).0, EventClass::Content, "{case}");
    }
    let other = [
        choice(r#"{"delta":{"role":"assistant","content":"","refusal":null,"tool_calls":[]},"finish_reason":null}"#),
        r#"{"choices":[],"prompt_filter_results":[]}"#.to_owned(),
        format!(r#"{{"choices":[{{"delta":{{}}}}],{usage}}}"#),
        String::new(),
    ];
    for case in &other {
        assert_eq!(peeked(case).0, EventClass::Other, "{case}");
    }
    let (seen, summary) = peeked(&format!(r#"{{"model":"m","choices":[],{usage}}}"#));
    assert_eq!(
        (seen, summary),
        (
            EventClass::UsageAlone,
            ResponseSummary {
                model: Some("m".to_owned()),
                usage: Some(USAGE),
                finished: false,
                ..ResponseSummary::default()
            }
        )
    );
    assert_eq!(peeked(&other[2]).1.usage, Some(USAGE));
    assert_eq!(peeked("[DONE]").0, EventClass::End);
    for failed in ["{", "3", r#"{"error":{"message":"m"}}"#, &choice(r#"{"delta":{},"finish_reason":"error"}"#)] {
        assert!(matches!(peeked(failed).0, EventClass::Failed(_)), "{failed}");
    }
}
