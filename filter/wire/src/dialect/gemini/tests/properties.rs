//! Round trips of everything the dialect can say, and bytes that mean nothing.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::conversation::{Choice, Finish, OutputFormat, Reasoning, Response, Source, StreamEvent, ToolChoice, Usage};
use crate::dialect::Opening;

use super::*;

/// Never empty: an empty text says nothing on the wire.
fn letters() -> impl Strategy<Value = String> {
    "[ -~é漢\u{1f980}\n\r\t\u{0}\u{2028}]{1,8}"
}

fn word() -> impl Strategy<Value = String> {
    "[a-z_]{1,6}"
}

fn text() -> impl Strategy<Value = Part> {
    letters().prop_map(|text| Part::Text { text, cache: None })
}

fn signature() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+/]{1,8}"
}

fn json() -> impl Strategy<Value = String> {
    select(vec!["{}", r#"{"a":1.50}"#, r#"{ "a" : [ ] }"#]).prop_map(str::to_owned)
}

fn media() -> impl Strategy<Value = Part> {
    let data = "[a-zA-Z0-9+/]{0,12}";
    let image = prop_oneof![
        data.prop_map(|data| Source::Base64 { media_type: "image/png".to_owned(), data }),
        word().prop_map(|path| Source::Url(format!("https://a/{path}.png"))),
    ];
    let document = prop_oneof![
        data.prop_map(|data| Source::Base64 { media_type: "application/pdf".to_owned(), data }),
        word().prop_map(|path| Source::Url(format!("https://a/{path}.pdf"))),
    ];
    prop_oneof![
        3 => text(),
        1 => image.prop_map(|source| Part::Image { source, detail: None, cache: None }),
        1 => document.prop_map(|source| Part::Document { source, name: None, cache: None }),
    ]
}

/// What the model says: texts and calls, some with a seal before them, some with thoughts before that.
fn spoken(thoughts: bool) -> impl Strategy<Value = Vec<Part>> {
    let said = (of(letters()), of(signature()), prop_oneof![text(), called()]);
    vec(said, 1..4).prop_map(move |said| {
        let mut parts = Vec::new();
        for (thought, seal, part) in said {
            let thought = thought.filter(|_| thoughts);
            let owner = if matches!(part, Part::Text { .. }) { "text:" } else { "" };
            let signature = seal.map(|seal| google(&format!("{owner}{seal}")));
            if thought.is_some() || signature.is_some() {
                parts.push(Part::Thinking { text: thought.unwrap_or_default(), signature });
            }
            parts.push(part);
        }
        parts
    })
}

/// A call of the model's; its identifier is given by [`number`].
fn called() -> impl Strategy<Value = Part> {
    (word(), json()).prop_map(|(name, arguments)| Part::ToolCall { id: String::new(), name, arguments })
}

fn number(messages: &mut [Message]) {
    let calls = messages.iter_mut().flat_map(|message| &mut message.parts);
    let ids = calls.filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(id),
        _ => None,
    });
    ids.enumerate().for_each(|(index, id)| *id = format!("call__0_{index}"));
}

/// A turn of each speaker, and results for every call of the model's, in the order of the calls.
fn exchange() -> impl Strategy<Value = (Vec<Part>, Vec<Part>, Vec<(String, bool)>)> {
    (vec(media(), 1..4), spoken(false), vec((letters(), any::<bool>()), 3))
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    (of(vec(text(), 1..3)), vec(exchange(), 1..3)).prop_map(|(system, exchanges)| {
        let mut messages: Vec<Message> = system.into_iter().map(|parts| message(Role::System, parts)).collect();
        for (asked, said, _) in &exchanges {
            messages.push(message(Role::User, asked.clone()));
            messages.push(message(Role::Assistant, said.clone()));
        }
        number(&mut messages);
        // What functions returned to the last turn.
        let last = messages.last().map(|message| message.parts.clone()).unwrap_or_default();
        let ids = last.into_iter().filter_map(|part| match part {
            Part::ToolCall { id, .. } => Some(id),
            _ => None,
        });
        let outcomes = exchanges.into_iter().last().map(|(_, _, outcomes)| outcomes).unwrap_or_default();
        for (call, (text, is_error)) in ids.zip(outcomes) {
            let content = vec![words(&text)];
            messages.push(message(Role::Tool, vec![Part::ToolResult { call, content, is_error, cache: None }]));
        }
        messages
    })
}

/// From `least` to `most` hundredths.
fn float(least: i32, most: i32) -> impl Strategy<Value = Option<f64>> {
    of((least..=most).prop_map(|hundredths| f64::from(hundredths) / 100.0))
}

fn request() -> impl Strategy<Value = Request> {
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Named)
    ];
    let function = (word(), of(letters()), of(json())).prop_map(|(name, description, parameters)| Tool {
        parameters: parameters.map(|text| Json::parse(&text).unwrap()),
        description,
        ..tool(&name, None)
    });
    let schema = json().prop_map(|text| OutputFormat::JsonSchema {
        name: "response".to_owned(),
        description: None,
        schema: Json::parse(&text).unwrap(),
        strict: None,
    });
    let reasoning =
        prop_oneof![(1..24576_u64).prop_map(Reasoning::Budget), Just(Reasoning::Disabled), Just(Reasoning::Adaptive)];
    let said = (messages(), vec(function, 0..3), choice, any::<bool>());
    let shaped = (of(prop_oneof![Just(OutputFormat::JsonObject), schema]), of(reasoning));
    let chance = (float(0, 200), float(0, 100), of(1_u64..), of(any::<i32>()), of(1..=8_u64));
    let sampling = (chance, float(-200, 199), float(-200, 199));
    (said, shaped, sampling, of(any::<u64>()), vec(letters(), 0..5)).prop_map(
        |(said, shaped, sampling, max_tokens, stop)| {
            let (messages, mut tools, choice, strict) = said;
            let strict = (strict && choice == ToolChoice::Auto).then_some(true);
            tools.iter_mut().for_each(|tool| tool.strict = strict);
            Request {
                model: String::new(),
                tool_choice: (!tools.is_empty()).then_some(choice),
                tools,
                output: shaped.0,
                reasoning: shaped.1,
                temperature: sampling.0.0,
                top_p: sampling.0.1,
                top_k: sampling.0.2,
                seed: sampling.0.3.map(i64::from),
                n: sampling.0.4,
                frequency_penalty: sampling.1,
                presence_penalty: sampling.2,
                max_tokens,
                stop,
                ..chat(messages)
            }
        },
    )
}

fn usage() -> impl Strategy<Value = Usage> {
    (0..1_u64 << 24, 0..1_u64 << 24, 0..1_u64 << 20, 0..1_u64 << 20).prop_map(|(input, output, cached, reasoning)| {
        Usage { input: input + cached, cached, cache_write: 0, output: output + reasoning, reasoning }
    })
}

/// Why an answer with or without calls can have ended.
fn finish(called: bool, wish: Finish) -> Finish {
    match wish {
        Finish::Stop | Finish::ToolCalls if called => Finish::ToolCalls,
        Finish::Stop | Finish::ToolCalls => Finish::Stop,
        wish => wish,
    }
}

fn wish() -> impl Strategy<Value = Finish> {
    select(vec![Finish::Stop, Finish::Length, Finish::ToolCalls, Finish::ContentFilter])
}

fn response() -> impl Strategy<Value = Response> {
    let choice = (spoken(true), wish()).prop_map(|(mut parts, wish)| {
        let mut called = false;
        for part in &mut parts {
            if let Part::ToolCall { id, .. } = part {
                "given".clone_into(id);
                called = true;
            }
        }
        Choice { parts, finish: finish(called, wish) }
    });
    (word(), word(), vec(choice, 1..4), usage()).prop_map(|(id, model, choices, usage)| Response {
        id,
        model,
        choices,
        usage: Some(usage),
        ..Response::default()
    })
}

/// One step of a stream; calls are numbered afterwards.
fn step() -> impl Strategy<Value = Vec<StreamEvent>> {
    let choice = 0;
    let seal = |signature: String| StreamEvent::Signature { choice: 0, signature: google(&signature) };
    prop_oneof![
        letters().prop_map(move |text| vec![StreamEvent::Text { choice, text }]),
        letters().prop_map(move |text| vec![StreamEvent::Thinking { choice, text }]),
        signature().prop_map(move |signature| vec![seal(format!("text:{signature}"))]),
        Just(vec![StreamEvent::Ping]),
        usage().prop_map(|usage| vec![StreamEvent::Usage(usage)]),
        (of(signature()), word(), word(), json()).prop_map(move |(signature, id, name, json)| {
            let mut events: Vec<StreamEvent> = signature.map(seal).into_iter().collect();
            events.push(StreamEvent::ToolCall { choice, call: 0, id, name });
            events.push(StreamEvent::Arguments { choice, call: 0, json });
            events.push(StreamEvent::Thinking { choice, text: "…".to_owned() });
            events
        }),
    ]
}

fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    (vec(step(), 0..8), wish(), usage()).prop_map(|(steps, wish, usage)| {
        let mut events = vec![StreamEvent::Start { id: "r".to_owned(), model: "m".to_owned() }];
        let mut calls = 0;
        for mut event in steps.into_iter().flatten() {
            match &mut event {
                StreamEvent::ToolCall { call, .. } => *call = calls,
                StreamEvent::Arguments { call, .. } => {
                    *call = calls;
                    calls += 1;
                }
                _ => {}
            }
            // A comment or a counter first would come before the stream's name.
            if events.len() > 1 || !matches!(event, StreamEvent::Ping) {
                events.push(event);
            }
        }
        events.push(StreamEvent::Finish { choice: 0, finish: finish(calls > 0, wish) });
        events.push(StreamEvent::Usage(usage));
        events
    })
}

fn read_in_portions(portions: &[&[u8]]) -> Vec<StreamEvent> {
    let mut reader = GEMINI.stream_reader();
    let mut events = Vec::new();
    for portion in portions {
        reader.read(portion, &mut events).unwrap();
    }
    events
}

/// Feeds everything that reads; nothing may panic.
fn read_everything(bytes: &[u8]) {
    let _ = GEMINI.read_request(bytes);
    let _ = GEMINI.read_response(bytes);
    let _ = GEMINI.usage_of(bytes);
    assert!(!GEMINI.read_error(500, None, bytes).message.is_empty());
    let _ = GEMINI.stream_reader().read(bytes, &mut Vec::new());
    let data = [b"data: ", bytes, b"\n\n"].concat();
    let _ = GEMINI.stream_reader().read(&data, &mut Vec::new());
}

/// JSON that is nearly a message of this dialect: the right names with any values.
fn nearly() -> impl Strategy<Value = String> {
    let names = "candidates content parts text thought thoughtSignature functionCall functionResponse name args id response \
        role contents systemInstruction tools functionDeclarations generationConfig toolConfig functionCallingConfig mode \
        finishReason index usageMetadata promptTokenCount thoughtsTokenCount promptFeedback blockReason modelVersion \
        responseId error code message status details retryDelay violations quotaId reason inlineData mimeType data fileData";
    let names: Vec<&'static str> = names.split_ascii_whitespace().collect();
    let leaves = r#"null true 0 -1 1e300 18446744073709551615 "" "user" "model" "STOP" "ANY" "\ud83e\udd80" "9e9s" "PerDay" {} []"#;
    let leaves: Vec<&'static str> = leaves.split_ascii_whitespace().collect();
    select(leaves).prop_map(str::to_owned).prop_recursive(6, 40, 5, move |inner| {
        let entry = (select(names.clone()), inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(entry, 0..6).prop_map(|entries| {
                let fields: Vec<String> =
                    entries.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_reads_back(request in request()) {
        let written = write_for(&request, OLDER).unwrap();
        prop_assert!(written.dropped.is_empty());
        prop_assert_eq!(GEMINI.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn a_written_response_reads_back(response in response()) {
        let written = GEMINI.write_response(&response, 0);
        prop_assert_eq!(GEMINI.read_response(&written).unwrap(), response);
    }

    #[test]
    fn a_written_stream_reads_back_wherever_it_is_cut(events in stream()) {
        let mut writer = GEMINI.stream_writer(Opening { model: "x".to_owned(), now: 0, include_usage: true, estimate: 0, guises: crate::conversation::Guises::none() });
        let mut bytes = Vec::new();
        events.iter().chain([&StreamEvent::End]).for_each(|event| writer.write(event, &mut bytes));
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
