//! Reading a written value gives it back, and nothing that a stranger sends makes a reader panic.
//!
//! Values are made in normal form: what the table says is changed on the way is left out here and has its own tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::conversation::{
    Choice, Finish, OutputFormat, Reasoning, Response, Source, StreamEvent, Tool, ToolChoice, Usage,
};
use crate::dialect::Opening;

use super::*;

fn some_text() -> impl Strategy<Value = String> {
    "[a-z \"\\\\é\n]{0,6}[a-z😀]"
}

fn schema() -> impl Strategy<Value = Json> {
    some_text()
        .prop_map(|text| Json::parse(&format!(r#"{{"type": "object","x":{}}}"#, serde_json::json!(text))).unwrap())
}

fn text_part() -> impl Strategy<Value = Part> {
    some_text().prop_map(|text| Part::Text { text, cache: None })
}

fn reasoning() -> impl Strategy<Value = Part> {
    some_text().prop_map(|text| Part::Thinking { text, signature: None })
}

fn image() -> impl Strategy<Value = Part> {
    let source = prop_oneof![
        Just(Source::Url("https://example.com/a.png".to_owned())),
        Just(Source::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() }),
    ];
    let detail = option::of(Just("low".to_owned()));
    (source, detail).prop_map(|(source, detail)| Part::Image { source, detail, cache: None })
}

/// What an assistant says: one plan before calls, or thoughts among texts.
fn said() -> impl Strategy<Value = Vec<Part>> {
    let call = ("[a-z0-9_]{1,8}", "[a-z_]{1,8}", "\\{\"a\": ?[0-9]\\}")
        .prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments });
    prop_oneof![
        (vec(reasoning(), 0..2), vec(text_part(), 0..2), vec(call, 1..3))
            .prop_map(|(plan, texts, calls)| [plan, texts, calls].concat()),
        vec(prop_oneof![reasoning(), text_part()], 0..4),
    ]
}

fn turn() -> impl Strategy<Value = Message> {
    prop_oneof![
        vec(text_part(), 1..3).prop_map(|parts| message(Role::System, parts)),
        vec(prop_oneof![3 => text_part(), 1 => image()], 1..4).prop_map(|parts| message(Role::User, parts)),
        said().prop_map(|parts| message(Role::Assistant, parts)),
        ("[a-z0-9]{1,8}", vec(text_part(), 0..3)).prop_map(|(call, content)| result(&call, content)),
    ]
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let tool = ("[a-z]{1,6}", option::of(some_text()), schema());
    let choice = option::of(prop_oneof![Just(ToolChoice::None), Just(ToolChoice::Required)]);
    (vec(tool, 0..3), option::of(Just(true)), choice).prop_map(|(tools, strict, choice)| {
        let tools: Vec<Tool> = tools
            .into_iter()
            .map(|(name, description, schema)| Tool {
                name,
                description,
                parameters: Some(schema),
                strict,
                cache: None,
            })
            .collect();
        let choice = choice.filter(|_| !tools.is_empty());
        (tools, choice)
    })
}

fn request() -> impl Strategy<Value = Request> {
    let fraction = || option::of((1..63u32).prop_map(|part| f64::from(part) / 64.0));
    let numbers = (fraction(), fraction(), fraction(), fraction(), option::of(0..501u64), option::of(0..i64::MAX));
    let output = option::of(prop_oneof![
        Just(OutputFormat::JsonObject),
        schema().prop_map(|schema| OutputFormat::JsonSchema {
            name: super::super::client::read_request::SCHEMA_NAME.to_owned(),
            description: None,
            schema,
            strict: Some(true),
        }),
    ]);
    let wish = option::of(prop_oneof![Just(Reasoning::Disabled), (1..500u64).prop_map(Reasoning::Budget)]);
    let words = (vec(some_text(), 0..6), option::of(501..9999u64), any::<bool>());
    (vec(turn(), 1..6), tools(), numbers, output, wish, words).prop_map(
        |(messages, tools, numbers, output, reasoning, (stop, max_tokens, stream))| Request {
            tools: tools.0,
            tool_choice: tools.1,
            output,
            reasoning,
            temperature: numbers.0,
            top_p: numbers.1,
            frequency_penalty: numbers.2,
            presence_penalty: numbers.3,
            top_k: numbers.4,
            seed: numbers.5,
            stop,
            max_tokens,
            stream,
            include_usage: true,
            ..chat(messages)
        },
    )
}

fn finish() -> impl Strategy<Value = Finish> {
    prop::sample::select(vec![Finish::Stop, Finish::Length, Finish::ToolCalls, Finish::ContentFilter])
}

fn usage() -> impl Strategy<Value = Option<Usage>> {
    option::of((0..1000u64, 0..1000u64, 0..1000u64).prop_map(|(fresh, cached, output)| Usage {
        input: fresh + cached,
        cached,
        output,
        ..Usage::default()
    }))
}

fn response() -> impl Strategy<Value = Response> {
    (some_text(), said(), finish(), usage()).prop_map(|(id, parts, finish, usage)| Response {
        id,
        choices: vec![Choice { parts, finish }],
        usage,
        ..Response::default()
    })
}

fn stream() -> impl Strategy<Value = Vec<StreamEvent>> {
    let piece = prop_oneof![
        some_text().prop_map(|text| StreamEvent::Text { choice: 0, text }),
        some_text().prop_map(|text| StreamEvent::Thinking { choice: 0, text }),
        Just(StreamEvent::Ping),
    ];
    let call = ("[a-z0-9]{1,6}", "[a-z]{1,6}", vec("[{}a\"]{1,4}", 0..3));
    (some_text(), vec(piece, 0..6), vec(call, 0..3), finish(), usage()).prop_map(
        |(id, pieces, calls, finish, usage)| {
            let mut events = vec![StreamEvent::Start { id, model: String::new() }];
            events.extend(pieces);
            for (call, (id, name, arguments)) in (0..).zip(calls) {
                events.push(StreamEvent::ToolCall { choice: 0, call, id, name });
                events.extend(arguments.into_iter().map(|json| StreamEvent::Arguments { choice: 0, call, json }));
            }
            events.push(StreamEvent::Finish { choice: 0, finish });
            events.extend(usage.map(StreamEvent::Usage));
            events.push(StreamEvent::End);
            events
        },
    )
}

fn write_stream(events: &[StreamEvent]) -> Vec<u8> {
    let opening = Opening {
        model: "alias".to_owned(),
        now: 0,
        include_usage: true,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let (mut writer, mut out) = (COHERE.stream_writer(opening), Vec::new());
    events.iter().for_each(|event| writer.write(event, &mut out));
    out
}

fn read_in_portions(portions: &[&[u8]]) -> Vec<StreamEvent> {
    let (mut reader, mut events) = (COHERE.stream_reader(), Vec::new());
    portions.iter().for_each(|portion| reader.read(portion, &mut events).unwrap());
    events
}

/// Everything that reads, fed `bytes`.
fn read_everything(bytes: &[u8]) {
    let _ = COHERE.read_request(bytes);
    let _ = COHERE.read_response(bytes);
    let _ = COHERE.usage_of(bytes);
    assert!(!COHERE.read_error(500, None, bytes).message.is_empty());
    let mut events = Vec::new();
    let framed = [b"data: ", bytes, b"\n\n"].concat();
    let _ = COHERE.stream_reader().read(&framed, &mut events);
    write_stream(&events);
}

/// JSON with the format's names and values that are often wrong.
fn nearly() -> impl Strategy<Value = String> {
    let names = "(id|type|index|delta|message|content|text|thinking|tool_calls|tool_plan|function|name|arguments|finish_reason|usage|tokens|input_tokens|model|messages|role)";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e3".to_owned()),
        "\"(message-end|message-start|content-delta|tool-call-start|tool-call-delta|user|assistant|text|ERROR|)\"",
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec((names, inner), 0..5).prop_map(|entries| {
                let fields: Vec<String> =
                    entries.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_request_is_read_back(request in request()) {
        let written = COHERE.write_request(&request, &request.model).unwrap();
        prop_assert_eq!(&written.dropped, &Vec::<String>::new());
        prop_assert_eq!(COHERE.read_request(&written.body).unwrap(), request);
    }

    #[test]
    fn a_written_response_is_read_back(response in response()) {
        let written = COHERE.write_response(&response, 0);
        prop_assert_eq!(COHERE.read_response(&written).unwrap(), response);
    }

    #[test]
    fn a_written_stream_is_read_back_wherever_it_is_cut(events in stream()) {
        let bytes = write_stream(&events);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&read_in_portions(&single), &events);
        for cut in (0..=bytes.len()).step_by(1 + bytes.len() / 16) {
            let (before, after) = bytes.split_at(cut);
            prop_assert_eq!(&read_in_portions(&[before, after]), &events, "cut at {}", cut);
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
