//! A conversation, its response and its stream, which every format supports: the input of benchmarks and of the robustness tests.

use sluice_wire::conversation::{
    Choice, Finish, Json, Message, Part, Request, Response, Role, StreamEvent, Tool, ToolChoice, Usage,
};

fn text(role: Role, text: &str) -> Message {
    Message { role, parts: vec![part(text)], name: None }
}

fn part(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

/// A conversation with `turns` questions of one kibibyte each, a tool call and its result.
pub fn request(turns: usize) -> Request {
    let paragraph = "What \"is\" the weather in Oslo, in Ürümqi and in 北京, and why?\n".repeat(16);
    let call = Part::ToolCall {
        id: "call_1".to_owned(),
        name: "get_weather".to_owned(),
        arguments: r#"{"city":"Oslo","days":[1,2,3]}"#.to_owned(),
    };
    let result =
        Part::ToolResult { call: "call_1".to_owned(), content: vec![part("3 degrees")], is_error: false, cache: None };
    let mut messages = vec![text(Role::System, "Be brief.")];
    for _ in 0..turns {
        messages.push(text(Role::User, &paragraph));
        messages.push(text(Role::Assistant, "It depends."));
    }
    messages.push(text(Role::User, "And now?"));
    messages.push(Message { role: Role::Assistant, parts: vec![call], name: None });
    messages.push(Message { role: Role::Tool, parts: vec![result], name: None });
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let tool = Tool {
        name: "get_weather".to_owned(),
        description: Some("The weather in a city".to_owned()),
        parameters: Json::parse(schema).ok(),
        strict: None,
        cache: None,
    };
    Request {
        model: "model".to_owned(),
        messages,
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Auto),
        max_tokens: Some(1000),
        temperature: Some(0.5),
        ..Request::default()
    }
}

/// A question without anything that some format does not support.
pub fn plain() -> Request {
    Request {
        model: "model".to_owned(),
        messages: vec![text(Role::User, "What is the weather in Oslo?")],
        max_tokens: Some(1000),
        ..Request::default()
    }
}

/// The response: `kibibytes` of text and a call.
pub fn response(kibibytes: usize) -> Response {
    let call = Part::ToolCall {
        id: "call_2".to_owned(),
        name: "get_weather".to_owned(),
        arguments: r#"{"city":"Bergen"}"#.to_owned(),
    };
    Response {
        id: "id".to_owned(),
        model: "model".to_owned(),
        created: Some(1_800_000_000),
        choices: vec![Choice {
            parts: vec![part(&"Rain, \"mostly\".\n".repeat(64 * kibibytes)), call],
            finish: Finish::ToolCalls,
        }],
        usage: Some(Usage { input: 100, output: 30, ..Usage::default() }),
        service_tier: None,
        guises: sluice_wire::conversation::Guises::none(),
    }
}

/// The response as a stream: `events` texts of 20 bytes, and the call.
pub fn events(events: usize) -> Vec<StreamEvent> {
    let mut stream = vec![StreamEvent::Start { id: "id".to_owned(), model: "model".to_owned() }];
    let piece = || StreamEvent::Text { choice: 0, text: "twenty bytes of text".to_owned() };
    stream.extend(std::iter::repeat_with(piece).take(events));
    stream.extend([
        StreamEvent::ToolCall { choice: 0, call: 0, id: "call_2".to_owned(), name: "get_weather".to_owned() },
        StreamEvent::Arguments { choice: 0, call: 0, json: r#"{"city":"Bergen"}"#.to_owned() },
        StreamEvent::Finish { choice: 0, finish: Finish::ToolCalls },
        StreamEvent::Usage(Usage { input: 100, output: 30, ..Usage::default() }),
        StreamEvent::End,
    ]);
    stream
}
