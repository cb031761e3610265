//! Reading a written value gives it back, and nothing that a stranger sends makes a reader panic.
//!
//! Values are made in normal form: what the dialect documents as changed on the way (blank texts, neighbours of one role,
//! efforts) is left out here and has its own tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::conversation::{
    CacheMark, Choice, Finish, Json, OutputFormat, Reasoning, Response, Source, StreamEvent, Tool, ToolChoice, Usage,
};
use crate::dialect::{Opening, Seen};
use crate::framing::sse;

use super::*;

/// Not blank, and without blanks at its end.
fn some_text() -> impl Strategy<Value = String> {
    "[a-z \"\\\\é\n]{0,6}[a-z😀]"
}

fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,8}"
}

fn mark() -> impl Strategy<Value = Option<CacheMark>> {
    option::weighted(0.2, option::of(Just("1h".to_owned())).prop_map(|ttl| CacheMark { ttl }))
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        some_text().prop_map(|text| format!("{{\"a\": [1.0, {}]}}", serde_json::json!(text)))
    ]
}

fn schema() -> impl Strategy<Value = Json> {
    let schema =
        |text| format!(r#"{{"type":"object", "properties":{{}},"additionalProperties":false,"default":{text}}}"#);
    some_text().prop_map(move |text| Json::parse(&schema(serde_json::json!(text))).unwrap())
}

fn text_part() -> impl Strategy<Value = Part> {
    (some_text(), mark()).prop_map(|(text, cache)| Part::Text { text, cache })
}

fn media() -> impl Strategy<Value = Part> {
    let kinds = prop::sample::select(vec!["image/jpeg", "image/png", "image/gif", "image/webp"]);
    let image = prop_oneof![
        Just(Source::Url("https://example.com/a.png".to_owned())),
        kinds.prop_map(|kind| Source::Base64 { media_type: kind.to_owned(), data: "AAAA".to_owned() }),
    ];
    let pdf = prop_oneof![
        Just(Source::Url("https://example.com/a".to_owned())),
        Just(Source::Base64 { media_type: "application/pdf".to_owned(), data: "AAAA".to_owned() }),
    ];
    prop_oneof![
        (image, mark()).prop_map(|(source, cache)| Part::Image { source, detail: None, cache }),
        (pdf, option::of(some_text()), mark()).prop_map(|(source, name, cache)| Part::Document { source, name, cache }),
    ]
}

fn spoken() -> impl Strategy<Value = Part> {
    prop_oneof![3 => text_part(), 1 => media()]
}

fn outcome() -> impl Strategy<Value = Message> {
    (id(), vec(spoken(), 0..3), any::<bool>(), mark()).prop_map(|(call, content, is_error, cache)| {
        message(Role::Tool, vec![Part::ToolResult { call, content, is_error, cache }])
    })
}

fn user_turn() -> impl Strategy<Value = Vec<Message>> {
    (vec(outcome(), 0..3), vec(spoken(), 1..4)).prop_map(|(mut turn, parts)| {
        turn.push(message(Role::User, parts));
        turn
    })
}

fn thinking(signature: impl Strategy<Value = Option<String>>) -> impl Strategy<Value = Part> {
    prop_oneof![
        (some_text(), signature).prop_map(|(text, signature)| Part::Thinking { text, signature }),
        id().prop_map(|data| Part::RedactedThinking { data }),
    ]
}

fn calls() -> impl Strategy<Value = Vec<Part>> {
    let call = (id(), id(), object()).prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments });
    vec(call, 0..3)
}

fn assistant_turn() -> impl Strategy<Value = Vec<Message>> {
    (vec(thinking(id().prop_map(Some)), 0..2), vec(text_part(), 1..3), calls())
        .prop_map(|(thinking, texts, calls)| vec![message(Role::Assistant, [thinking, texts, calls].concat())])
}

fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let system = option::of(vec(text_part(), 1..3).prop_map(|parts| message(Role::System, parts)));
    let rounds = vec((user_turn(), assistant_turn()), 0..3);
    (system, rounds, option::of(user_turn())).prop_filter_map("no turns", |(system, rounds, last)| {
        let mut messages: Vec<Message> = system.into_iter().collect();
        let turns = rounds.len() + usize::from(last.is_some());
        rounds.into_iter().for_each(|(user, assistant)| messages.extend([user, assistant].concat()));
        messages.extend(last.into_iter().flatten());
        (turns > 0).then_some(messages)
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>, Option<bool>)> {
    let strict = prop_oneof![Just(None), Just(Some(true))];
    let tool = (id(), option::of(some_text()), schema(), strict, mark()).prop_map(
        |(name, description, parameters, strict, cache)| Tool {
            name,
            description,
            parameters: Some(parameters),
            strict,
            cache,
        },
    );
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        id().prop_map(ToolChoice::Named)
    ];
    (vec(tool, 0..3), option::of(choice), any::<bool>()).prop_map(|(tools, choice, single)| {
        let choice = choice.filter(|_| !tools.is_empty());
        let single = single && choice.as_ref().is_some_and(|choice| *choice != ToolChoice::None);
        (tools, choice, single.then_some(false))
    })
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    // Fractions that JSON's decimals hold exactly.
    let fraction = || option::of((0..64u32).prop_map(|part| f64::from(part) / 64.0));
    let sampling = (fraction(), fraction(), option::of(1..500u64));
    let format = option::of(schema().prop_map(|schema| OutputFormat::JsonSchema {
        name: super::super::read_request::SCHEMA_NAME.to_owned(),
        description: None,
        schema,
        strict: Some(true),
    }));
    let tier = option::of(prop::sample::select(vec!["auto".to_owned(), "default".to_owned()]));
    let words = (id(), vec(some_text(), 0..3), option::of(some_text()), tier, any::<bool>());
    (conversation(), tools(), sampling, format, words, 1..100_000u64).prop_map(
        |(messages, tools, sampling, output, (model, stop, user, service_tier, stream), max_tokens)| Request {
            model,
            messages,
            tools: tools.0,
            tool_choice: tools.1,
            parallel_tool_calls: tools.2,
            output,
            max_tokens: Some(max_tokens),
            temperature: sampling.0,
            top_p: sampling.1,
            top_k: sampling.2,
            stop,
            user,
            service_tier,
            stream,
            include_usage: true,
            ..Request::default()
        },
    )
}

/// Requests that think, which excludes other wishes.
fn thinking_request() -> impl Strategy<Value = Request> {
    let wish = prop_oneof![
        (1024..50_000u64).prop_map(Reasoning::Budget),
        Just(Reasoning::Adaptive),
        Just(Reasoning::Disabled)
    ];
    (request(), user_turn(), wish).prop_map(|(request, messages, wish)| Request {
        messages,
        max_tokens: Some(50_001),
        reasoning: Some(wish),
        tool_choice: None,
        parallel_tool_calls: None,
        temperature: None,
        top_p: None,
        top_k: None,
        ..request
    })
}

fn finish() -> impl Strategy<Value = Finish> {
    prop::sample::select(vec![Finish::Stop, Finish::Length, Finish::ToolCalls, Finish::ContentFilter])
}

fn usage() -> impl Strategy<Value = Usage> {
    (0..1_000_000u64, 0..1_000_000u64, 0..1_000_000u64, 0..1_000_000u64, 0..1_000_000u64).prop_map(
        |(fresh, cached, cache_write, output, reasoning)| Usage {
            input: fresh + cached + cache_write,
            cached,
            cache_write,
            output,
            reasoning,
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    let text = ".{0,8}".prop_map(|text| Part::Text { text, cache: None });
    let parts = (vec(thinking(option::of(id())), 0..3), vec(text, 0..3), calls());
    let tier = option::of(prop::sample::select(vec!["default".to_owned(), "priority".to_owned()]));
    (".{0,8}", ".{0,8}", parts, finish(), usage(), tier).prop_map(
        |(id, model, (thinking, texts, calls), finish, usage, service_tier)| Response {
            id,
            model,
            created: None,
            choices: vec![Choice { parts: [thinking, texts, calls].concat(), finish }],
            usage: Some(usage),
            service_tier,
            guises: crate::conversation::Guises::none(),
        },
    )
}

/// A stretch of a stream: pieces of one kind.
fn stretch() -> impl Strategy<Value = Vec<StreamEvent>> {
    let text = |text| StreamEvent::Text { choice: 0, text };
    let thought = |text| StreamEvent::Thinking { choice: 0, text };
    prop_oneof![
        vec(some_text(), 1..4).prop_map(move |pieces| pieces.into_iter().map(text).collect()),
        (vec(some_text(), 0..3), id()).prop_map(move |(pieces, signature)| {
            let seal = StreamEvent::Signature { choice: 0, signature };
            pieces.into_iter().map(thought).chain([seal]).collect()
        }),
        id().prop_map(|data| vec![StreamEvent::RedactedThinking { choice: 0, data }]),
        // Numbered once the whole stream is known.
        (id(), id(), vec("[a-z0-9{}\"]{1,4}", 1..4)).prop_map(|(id, name, pieces)| {
            let start = StreamEvent::ToolCall { choice: 0, call: 0, id, name };
            let piece = |json| StreamEvent::Arguments { choice: 0, call: 0, json };
            [start].into_iter().chain(pieces.into_iter().map(piece)).collect()
        }),
        Just(vec![StreamEvent::Ping]),
    ]
}

pub(super) fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    (some_text(), some_text(), usage(), vec(stretch(), 0..8), finish(), usage()).prop_map(
        |(id, model, first, stretches, finish, last)| {
            let mut events =
                vec![StreamEvent::Start { id, model }, StreamEvent::Usage(Usage { reasoning: 0, ..first })];
            let mut begun = 0;
            for mut event in stretches.into_iter().flatten() {
                match &mut event {
                    StreamEvent::ToolCall { call, .. } => {
                        *call = begun;
                        begun += 1;
                    }
                    StreamEvent::Arguments { call, .. } => *call = begun - 1,
                    _ => {}
                }
                events.push(event);
            }
            events.extend([StreamEvent::Finish { choice: 0, finish }, StreamEvent::Usage(last), StreamEvent::End]);
            events
        },
    )
}

fn write_stream(events: &[StreamEvent]) -> Vec<u8> {
    let opening = Opening {
        model: "alias".to_owned(),
        now: 0,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let (mut writer, mut out) = (ANTHROPIC.stream_writer(opening), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

/// Everything that reads, fed `bytes`.
fn read_everything(bytes: &[u8]) {
    let _ = ANTHROPIC.read_request(bytes);
    let _ = ANTHROPIC.read_response(bytes);
    let _ = ANTHROPIC.peek_response(bytes);
    let error = ANTHROPIC.read_error(500, None, bytes);
    assert!(!error.message.is_empty());
    let mut events = Vec::new();
    let _ = ANTHROPIC.stream_reader().read(bytes, &mut events);
    write_stream(&events);
    let mut peeker = ANTHROPIC.stream_peeker();
    let _ = sse::Decoder::default().feed(bytes, |event| {
        peeker.peek(&event);
        Ok::<(), sse::TooLong>(())
    });
}

/// A sign of life passes what waits for a call's end.
pub(super) fn without_pings(events: Vec<StreamEvent>) -> Vec<StreamEvent> {
    events.into_iter().filter(|event| *event != StreamEvent::Ping).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_is_read_back(request in prop_oneof![request(), thinking_request()]) {
        let written = ANTHROPIC.write_request(&request, &request.model).unwrap();
        prop_assert_eq!(&written.dropped, &Vec::<String>::new());
        prop_assert_eq!(ANTHROPIC.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn a_written_response_is_read_back(response in response()) {
        let written = ANTHROPIC.write_response(&response, 0);
        prop_assert_eq!(ANTHROPIC.read_response(&written).unwrap(), response);
    }

    #[test]
    fn a_written_stream_is_read_back_however_it_is_cut(events in stream(), portion in 1..64usize) {
        let bytes = write_stream(&events);
        let (mut reader, mut again) = (ANTHROPIC.stream_reader(), Vec::new());
        for portion in bytes.chunks(portion) {
            reader.read(portion, &mut again).unwrap();
        }
        prop_assert_eq!(without_pings(again), without_pings(events));
    }

    #[test]
    fn the_peeker_agrees_with_the_reader_on_what_is_content(events in stream()) {
        let (mut reader, mut peeker) = (ANTHROPIC.stream_reader(), ANTHROPIC.stream_peeker());
        sse::Decoder::default()
            .feed(&write_stream(&events), |event| {
                let mut read = Vec::new();
                reader.read(event.raw, &mut read).unwrap();
                assert_eq!(peeker.peek(&event) == Seen::Content, read.iter().any(StreamEvent::is_content), "{read:?}");
                Ok::<(), sse::TooLong>(())
            })
            .unwrap();
        let last = events.iter().rev().find_map(|event| match event {
            StreamEvent::Usage(usage) => Some(*usage),
            _ => None,
        });
        prop_assert_eq!(peeker.glance().usage, last);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_text_makes_a_reader_panic(
        request in request(),
        response in response(),
        events in stream(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let request = ANTHROPIC.write_request(&request, "m").unwrap().body;
        for mut bytes in [request, ANTHROPIC.write_response(&response, 0), write_stream(&events)] {
            for (index, byte) in &damage {
                let index = index.index(bytes.len());
                bytes[index] = *byte;
            }
            read_everything(&bytes);
        }
    }
}
