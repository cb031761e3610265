//! Round trips of everything the dialect can say, and bytes that mean nothing.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::conversation::{
    Choice, Finish, Message, OutputFormat, Part, Reasoning, Request, Response, Role, Source, StreamEvent, Tool,
    ToolChoice,
};
use crate::dialect::halves::RESPONSES;
use crate::dialect::openai::strategies::{base64, finish, json, nearly_json, tier, usage, word, words};
use crate::dialect::{Opening, Seen};
use crate::framing::sse;

use super::conversation;

fn text() -> impl Strategy<Value = Part> {
    words().prop_map(|text| Part::Text { text, cache: None })
}

fn media() -> impl Strategy<Value = Part> {
    let url = || word().prop_map(|path| Source::Url(format!("https://a/{path}")));
    prop_oneof![
        3 => text(),
        1 => (prop_oneof![base64(), url()], of(word()))
            .prop_map(|(source, detail)| Part::Image { source, detail, cache: None }),
        1 => (base64(), word()).prop_map(|(source, name)| Part::Document { source, name: Some(name), cache: None }),
        1 => (url(), of(word())).prop_map(|(source, name)| Part::Document { source, name, cache: None }),
    ]
}

fn own_seal() -> impl Strategy<Value = String> {
    (word(), word()).prop_map(|(id, seal)| format!("openai#rs_{id}.{seal}"))
}

fn any_seal() -> impl Strategy<Value = String> {
    prop_oneof![own_seal(), word(), word().prop_map(|seal| format!("gemini#{seal}"))]
}

fn thinking(seal: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Part> {
    prop_oneof![
        (words(), seal.clone()).prop_map(|(text, seal)| Part::Thinking { text, signature: Some(seal) }),
        seal.prop_map(|data| Part::RedactedThinking { data }),
    ]
}

fn call() -> impl Strategy<Value = Part> {
    (word(), word(), words()).prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments })
}

fn spoken() -> impl Strategy<Value = Part> {
    prop_oneof![3 => text(), 1 => words().prop_map(|text| Part::Refusal { text })]
}

fn message() -> impl Strategy<Value = Message> {
    let own = || own_seal().boxed();
    let result = (word(), vec(media(), 1..3))
        .prop_map(|(call, content)| vec![Part::ToolResult { call, content, is_error: false, cache: None }]);
    prop_oneof![
        (select(vec![Role::System, Role::Developer]), vec(text(), 1..3)),
        vec(media(), 1..4).prop_map(|parts| (Role::User, parts)),
        vec(prop_oneof![spoken(), call(), thinking(own())], 1..6).prop_map(|parts| (Role::Assistant, parts)),
        result.prop_map(|parts| (Role::Tool, parts)),
    ]
    .prop_map(|(role, parts)| Message { role, parts, name: None })
}

/// Items of the model that follow each other are one turn.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    vec(message(), 1..6).prop_map(|mut messages| {
        messages.dedup_by(|next, last| next.role == Role::Assistant && last.role == next.role);
        messages
    })
}

fn request() -> impl Strategy<Value = Request> {
    let tool = (word(), of(words()), of(json()), any::<bool>()).prop_map(|(name, description, parameters, strict)| {
        Tool { name, description, parameters, strict: Some(strict), cache: None }
    });
    let choice = prop_oneof![
        select(vec![ToolChoice::Auto, ToolChoice::None, ToolChoice::Required]),
        word().prop_map(ToolChoice::Named),
    ];
    let schema = (word(), of(words()), json(), of(any::<bool>()));
    let output = prop_oneof![
        Just(OutputFormat::JsonObject),
        schema.prop_map(|(name, description, schema, strict)| OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict
        }),
    ];
    let number = |most: i32| of((0..=most).prop_map(|quarters| f64::from(quarters) / 4.0));
    let shaped = (of(output), of(word().prop_map(Reasoning::Effort)), of(any::<bool>()), any::<bool>());
    (messages(), vec(tool, 0..3), of(choice), shaped, number(8), number(4), of(any::<u64>()), of(words()), of(word()))
        .prop_map(|(messages, tools, tool_choice, shaped, temperature, top_p, max_tokens, user, service_tier)| {
            Request {
                tools,
                tool_choice,
                output: shaped.0,
                reasoning: shaped.1,
                parallel_tool_calls: shaped.2,
                stream: shaped.3,
                temperature,
                top_p,
                max_tokens,
                user,
                service_tier,
                ..conversation(messages)
            }
        })
}

/// A call makes the answer one that waits for its result, unless it was cut short.
fn settled(finish: Finish, called: bool) -> Finish {
    match finish {
        Finish::Stop | Finish::ToolCalls if called => Finish::ToolCalls,
        Finish::ToolCalls => Finish::Stop,
        other => other,
    }
}

fn response() -> impl Strategy<Value = Response> {
    let seal = any_seal().boxed();
    let plain = words().prop_map(|text| Part::Thinking { text, signature: None });
    let parts = vec(prop_oneof![spoken(), call(), thinking(seal), plain], 0..6);
    (word(), word(), any::<u64>(), parts, finish(), of(usage()), of(tier())).prop_map(
        |(id, model, created, parts, finish, usage, service_tier)| {
            let called = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
            Response {
                id: format!("resp_{id}"),
                model,
                created: Some(created),
                choices: vec![Choice { parts, finish: settled(finish, called) }],
                usage,
                service_tier,
                guises: crate::conversation::Guises::none(),
            }
        },
    )
}

fn step() -> impl Strategy<Value = StreamEvent> {
    let choice = 0;
    prop_oneof![
        words().prop_map(move |text| StreamEvent::Text { choice, text }),
        words().prop_map(move |text| StreamEvent::Thinking { choice, text }),
        any_seal().prop_map(move |signature| StreamEvent::Signature { choice, signature }),
        any_seal().prop_map(move |data| StreamEvent::RedactedThinking { choice, data }),
        words().prop_map(move |text| StreamEvent::Refusal { choice, text }),
        (word(), word()).prop_map(move |(id, name)| StreamEvent::ToolCall { choice, call: 0, id, name }),
        (any::<u32>(), words()).prop_map(move |(call, json)| StreamEvent::Arguments { choice, call, json }),
        Just(StreamEvent::Ping),
    ]
}

/// A whole stream, as the writer's documentation normalises it: calls with arguments, seals in one piece at the end of
/// their item.
fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    (vec(step(), 0..12), finish(), of(usage())).prop_map(|(steps, finish, usage)| {
        let mut events = vec![StreamEvent::Start { id: "resp_c".to_owned(), model: "m".to_owned() }];
        let mut calls = 0;
        for step in steps {
            let sealed = matches!(events.last(), Some(StreamEvent::Signature { .. }));
            match step {
                StreamEvent::ToolCall { choice, id, name, .. } => {
                    events.push(StreamEvent::ToolCall { choice, call: calls, id, name });
                    events.push(StreamEvent::Arguments { choice, call: calls, json: "{".to_owned() });
                    calls += 1;
                }
                StreamEvent::Arguments { .. } if calls == 0 || sealed => {}
                StreamEvent::Arguments { choice, call, json } => {
                    events.push(StreamEvent::Arguments { choice, call: call % calls, json });
                }
                StreamEvent::Signature { .. } | StreamEvent::Ping if sealed => {}
                step => events.push(step),
            }
        }
        events.push(StreamEvent::Finish { choice: 0, finish: settled(finish, calls > 0) });
        events.extend(usage.map(StreamEvent::Usage));
        events.push(StreamEvent::End);
        events
    })
}

fn read_in_portions(portions: &[&[u8]]) -> Vec<StreamEvent> {
    let mut reader = RESPONSES.stream_reader();
    let mut events = Vec::new();
    for portion in portions {
        reader.read(portion, &mut events).unwrap();
    }
    events
}

/// Feeds everything that reads; nothing may panic.
fn read_everything(bytes: &[u8]) {
    let _ = RESPONSES.read_request(bytes);
    let _ = RESPONSES.read_response(bytes);
    let _ = RESPONSES.peek_response(bytes);
    let _ = RESPONSES.usage_of(bytes);
    let _ = RESPONSES.stream_reader().read(bytes, &mut Vec::new());
    let data = [b"data: ", bytes, b"\n\n"].concat();
    let _ = RESPONSES.stream_reader().read(&data, &mut Vec::new());
    let event = sse::Event { name: b"", data: bytes.into(), raw: bytes };
    let seen = RESPONSES.stream_peeker().peek(&event);
    assert!(!matches!(seen, Seen::Failed(error) if error.message.is_empty()));
}

fn nearly() -> impl Strategy<Value = String> {
    let names = [
        "model",
        "input",
        "type",
        "role",
        "content",
        "text",
        "summary",
        "encrypted_content",
        "id",
        "call_id",
        "name",
        "arguments",
        "output",
        "status",
        "error",
        "incomplete_details",
        "usage",
        "input_tokens",
        "response",
        "item",
        "delta",
        "output_index",
        "tools",
        "tool_choice",
        "reasoning",
        "image_url",
        "namespace",
        "execution",
        "format",
        "definition",
    ];
    let words = [
        "\"message\"",
        "\"user\"",
        "\"function_call\"",
        "\"reasoning\"",
        "\"input_text\"",
        "\"response.completed\"",
        "\"response.output_item.done\"",
        "\"response.function_call_arguments.delta\"",
        "\"function\"",
        "\"custom\"",
        "\"namespace\"",
        "\"tool_search\"",
        "\"client\"",
        "\"additional_tools\"",
        "\"custom_tool_call\"",
        "\"tool_search_output\"",
        "\"failed\"",
    ];
    nearly_json(&names, &words)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_reads_back(request in request()) {
        let written = RESPONSES.write_request(&request, "m").unwrap();
        prop_assert!(written.dropped.is_empty());
        prop_assert_eq!(RESPONSES.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn a_written_response_reads_back(response in response()) {
        let written = RESPONSES.write_response(&response, 0);
        prop_assert_eq!(RESPONSES.read_response(&written).unwrap(), response.clone());
        let glance = RESPONSES.peek_response(&written).unwrap();
        prop_assert_eq!((glance.model, glance.usage), (Some(response.model), response.usage));
        prop_assert_eq!(RESPONSES.usage_of(&written), response.usage);
    }

    #[test]
    fn what_a_client_sends_back_is_what_it_got(response in response()) {
        let written = String::from_utf8(RESPONSES.write_response(&response, 0)).unwrap();
        let (_, output) = written.split_once(r#""output":"#).unwrap();
        let (output, _) = output.rsplit_once(r#","parallel_tool_calls""#).unwrap();
        let body = format!(r#"{{"model":"m","input":{output}}}"#);
        let parts = response.choices[0].parts.clone();
        match RESPONSES.read_request(body.as_bytes()) {
            Ok(request) => prop_assert_eq!(request.messages[0].parts.clone(), parts),
            Err(_) => prop_assert!(parts.is_empty()),
        }
    }

    #[test]
    fn a_written_stream_reads_back_wherever_it_is_cut(events in stream()) {
        let opening = Opening { model: "x".to_owned(), now: 0, include_usage: true, estimate: 0, guises: crate::conversation::Guises::none() };
        let mut writer = RESPONSES.stream_writer(opening);
        let mut bytes = Vec::new();
        events.iter().for_each(|event| writer.write(event, &mut bytes));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&read_in_portions(&single), &events);
        for cut in (0..=bytes.len()).step_by(1 + bytes.len() / 32) {
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
