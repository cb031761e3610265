//! Round trips of everything the dialect can say, and bytes that mean nothing.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::conversation::{
    CacheMark, Choice, Message, OutputFormat, Part, Reasoning, Request, Response, Role, Source, StreamEvent, Tool,
    ToolChoice,
};
use crate::dialect::halves::{OPENAI_CHAT, OPENROUTER};
use crate::dialect::openai::strategies::{base64, finish, json, nearly_json, tier, usage, word, words};
use crate::dialect::{Opening, Seen};
use crate::framing::sse;

use super::conversation;

fn mark() -> impl Strategy<Value = Option<CacheMark>> {
    of(of(select(vec!["5m".to_owned(), "1h".to_owned()])).prop_map(|ttl| CacheMark { ttl }))
}

fn text() -> impl Strategy<Value = Part> {
    (words(), mark()).prop_map(|(text, cache)| Part::Text { text, cache })
}

fn media() -> impl Strategy<Value = Part> {
    let source = prop_oneof![base64(), word().prop_map(|path| Source::Url(format!("https://a/{path}")))];
    prop_oneof![
        3 => text(),
        1 => (source, of(word()), mark()).prop_map(|(source, detail, cache)| Part::Image { source, detail, cache }),
        1 => (base64(), word(), mark()).prop_map(|(source, name, cache)| {
            Part::Document { source, name: Some(name), cache }
        }),
    ]
}

fn thinking() -> impl Strategy<Value = Part> {
    prop_oneof![
        (words(), of(words())).prop_map(|(text, signature)| Part::Thinking { text, signature }),
        words().prop_map(|data| Part::RedactedThinking { data }),
    ]
}

fn call() -> impl Strategy<Value = Part> {
    (word(), word(), words()).prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments })
}

fn refusal() -> impl Strategy<Value = Part> {
    words().prop_map(|text| Part::Refusal { text })
}

fn message() -> impl Strategy<Value = Message> {
    let assistant = (vec(thinking(), 0..3), vec(prop_oneof![text(), refusal()], 0..3), vec(call(), 0..3));
    let assistant = assistant.prop_map(|(mut parts, said, calls)| {
        parts.extend(said);
        parts.extend(calls);
        (Role::Assistant, parts)
    });
    let result = (word(), vec(media(), 0..3), mark()).prop_map(|(call, content, cache)| {
        (Role::Tool, vec![Part::ToolResult { call, content, is_error: false, cache }])
    });
    let spoken = prop_oneof![
        (select(vec![Role::System, Role::Developer]), vec(text(), 1..3)),
        (Just(Role::User), vec(media(), 1..4)),
        assistant,
        result,
    ];
    (spoken, of(word())).prop_map(|((role, parts), name)| Message { role, parts, name })
}

fn tool() -> impl Strategy<Value = Tool> {
    (word(), of(words()), of(json()), of(any::<bool>()), mark()).prop_map(
        |(name, description, parameters, strict, cache)| Tool { name, description, parameters, strict, cache },
    )
}

/// From `least` to `most` hundredths.
fn number(least: i32, most: i32) -> impl Strategy<Value = Option<f64>> {
    of((least..=most).prop_map(|hundredths| f64::from(hundredths) / 100.0))
}

fn request() -> impl Strategy<Value = Request> {
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Named)
    ];
    let schema = (word(), of(words()), json(), of(any::<bool>()))
        .prop_map(|(name, description, schema, strict)| OutputFormat::JsonSchema { name, description, schema, strict });
    let reasoning = prop_oneof![
        word().prop_map(Reasoning::Effort),
        any::<u64>().prop_map(Reasoning::Budget),
        Just(Reasoning::Disabled),
        Just(Reasoning::Adaptive)
    ];
    let said = (vec(message(), 1..5), vec(tool(), 0..3), of(choice), of(any::<bool>()));
    let shaped = (of(prop_oneof![Just(OutputFormat::JsonObject), schema]), of(reasoning), any::<bool>());
    let sampling = (
        number(0, 200),
        number(0, 100),
        number(-200, 200),
        number(-200, 200),
        of(any::<u64>()),
        of(any::<i64>()),
        of(1..=128_u64),
    );
    let rest = (of(any::<u64>()), vec(words(), 0..3), of(words()), of(word()));
    (said, shaped, sampling, rest).prop_map(|(said, shaped, sampling, rest)| Request {
        tools: said.1,
        tool_choice: said.2,
        parallel_tool_calls: said.3,
        output: shaped.0,
        reasoning: shaped.1,
        stream: shaped.2,
        // A streamed request always asks for usage.
        include_usage: shaped.2,
        temperature: sampling.0,
        top_p: sampling.1,
        frequency_penalty: sampling.2,
        presence_penalty: sampling.3,
        top_k: sampling.4,
        seed: sampling.5,
        n: sampling.6,
        max_tokens: rest.0,
        stop: rest.1,
        user: rest.2,
        service_tier: rest.3,
        ..conversation(said.0)
    })
}

fn response() -> impl Strategy<Value = Response> {
    let said = words().prop_map(|text| Part::Text { text, cache: None });
    let parts = (vec(thinking(), 0..3), of(said), of(refusal()), vec(call(), 0..3), finish());
    let choice = parts.prop_map(|(mut parts, said, refusal, calls, finish)| {
        parts.extend(said.into_iter().chain(refusal).chain(calls));
        Choice { parts, finish }
    });
    (word(), word(), any::<u64>(), vec(choice, 1..4), usage(), of(tier())).prop_map(
        |(id, model, created, choices, usage, service_tier)| Response {
            id,
            model,
            created: Some(created),
            choices,
            usage: Some(usage),
            service_tier,
            guises: crate::conversation::Guises::none(),
        },
    )
}

/// One choice's events; calls are numbered afterwards.
fn step() -> impl Strategy<Value = StreamEvent> {
    let choice = 0;
    prop_oneof![
        words().prop_map(move |text| StreamEvent::Text { choice, text }),
        words().prop_map(move |text| StreamEvent::Thinking { choice, text }),
        words().prop_map(move |signature| StreamEvent::Signature { choice, signature }),
        words().prop_map(move |data| StreamEvent::RedactedThinking { choice, data }),
        words().prop_map(move |text| StreamEvent::Refusal { choice, text }),
        (word(), words()).prop_map(move |(id, name)| StreamEvent::ToolCall { choice, call: 0, id, name }),
        (any::<u32>(), words()).prop_map(move |(call, json)| StreamEvent::Arguments { choice, call, json }),
        Just(StreamEvent::Ping),
    ]
}

/// A whole stream, as the writer's documentation normalises it: calls with arguments, seals in one piece, usage last.
fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    (vec(step(), 0..12), finish(), of(usage())).prop_map(|(steps, finish, usage)| {
        let mut events = vec![StreamEvent::Start { id: "c".to_owned(), model: "m".to_owned() }];
        let mut calls = 0;
        for step in steps {
            match step {
                StreamEvent::ToolCall { choice, id, name, .. } => {
                    events.push(StreamEvent::ToolCall { choice, call: calls, id, name });
                    events.push(StreamEvent::Arguments { choice, call: calls, json: "{".to_owned() });
                    calls += 1;
                }
                StreamEvent::Arguments { .. } if calls == 0 => {}
                StreamEvent::Arguments { choice, call, json } => {
                    events.push(StreamEvent::Arguments { choice, call: call % calls, json });
                }
                StreamEvent::Signature { .. } if matches!(events.last(), Some(StreamEvent::Signature { .. })) => {}
                step => events.push(step),
            }
        }
        events.push(StreamEvent::Finish { choice: 0, finish });
        events.extend(usage.map(StreamEvent::Usage));
        events.push(StreamEvent::End);
        events
    })
}

fn read_in_portions(portions: &[&[u8]]) -> Vec<StreamEvent> {
    let mut reader = OPENAI_CHAT.stream_reader();
    let mut events = Vec::new();
    for portion in portions {
        reader.read(portion, &mut events).unwrap();
    }
    events
}

/// Feeds everything that reads; nothing may panic.
fn read_everything(bytes: &[u8]) {
    let _ = OPENAI_CHAT.read_request(bytes);
    let _ = OPENAI_CHAT.read_response(bytes);
    let _ = OPENAI_CHAT.peek_response(bytes);
    let error = OPENAI_CHAT.read_error(500, None, bytes);
    assert!(!error.message.is_empty());
    let _ = OPENAI_CHAT.stream_reader().read(bytes, &mut Vec::new());
    let data = [b"data: ", bytes, b"\n\n"].concat();
    let _ = OPENAI_CHAT.stream_reader().read(&data, &mut Vec::new());
    let event = sse::Event { name: b"", data: bytes.into(), raw: bytes };
    let seen = OPENAI_CHAT.stream_peeker().peek(&event);
    assert!(!matches!(seen, Seen::Failed(error) if error.message.is_empty()));
}

/// JSON that is nearly a message of this dialect.
fn nearly() -> impl Strategy<Value = String> {
    let names = [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "index",
        "id",
        "name",
        "choices",
        "delta",
        "message",
        "usage",
        "prompt_tokens",
        "total_tokens",
        "completion_tokens",
        "error",
        "finish_reason",
        "thinking_blocks",
        "image_url",
        "url",
        "stop",
        "code",
        "detail",
        "x_groq",
        "tools",
    ];
    let words = ["\"user\"", "\"text\"", "\"tool\"", "\"assistant\"", "\"function\"", "\"image_url\""];
    nearly_json(&names, &words)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_reads_back(request in request()) {
        let written = OPENROUTER.write_request(&request, "m").unwrap();
        prop_assert!(written.dropped.is_empty());
        prop_assert_eq!(OPENAI_CHAT.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn what_openai_gets_is_a_request_too(request in request()) {
        let written = OPENAI_CHAT.write_request(&request, "m").unwrap();
        let read = OPENAI_CHAT.read_request(&written.body).unwrap();
        let again = OPENAI_CHAT.write_request(&read, "m").unwrap();
        prop_assert_eq!(again.body, written.body);
        prop_assert!(again.dropped.is_empty());
    }

    #[test]
    fn a_written_response_reads_back(response in response()) {
        let written = OPENAI_CHAT.write_response(&response, 0);
        prop_assert_eq!(OPENAI_CHAT.read_response(&written).unwrap(), response.clone());
        let glance = OPENAI_CHAT.peek_response(&written).unwrap();
        prop_assert_eq!((glance.model, glance.usage), (Some(response.model), response.usage));
    }

    #[test]
    fn a_written_stream_reads_back_wherever_it_is_cut(events in stream()) {
        let opening = Opening { model: "x".to_owned(), now: 0, include_usage: true, estimate: 0, guises: crate::conversation::Guises::none() };
        let mut writer = OPENAI_CHAT.stream_writer(opening);
        let mut bytes = Vec::new();
        events.iter().for_each(|event| writer.write(event, &mut bytes));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&read_in_portions(&single), &events);
        for cut in (0..=bytes.len()).step_by(1 + bytes.len() / 64) {
            prop_assert_eq!(&read_in_portions(&[&bytes[..cut], &bytes[cut..]]), &events, "cut at {}", cut);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn nothing_nearly_right_panics(json in nearly()) {
        read_everything(json.as_bytes());
    }
}
