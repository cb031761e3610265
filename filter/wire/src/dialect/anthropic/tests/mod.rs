//! Tests of the dialect, one for each pitfall of the format.

mod agents;
mod answers;
mod envelope;
mod errors;
mod hosted;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod reading;
mod streams;
mod table;
mod thinking;
mod writing;

use crate::conversation::{Json, Message, Part, Request, Role, Tool};
use crate::dialect::WrittenRequest;
use crate::dialect::halves::ANTHROPIC;
use crate::error::ApiError;

/// A turn of one text.
fn says(role: Role, text: &str) -> Message {
    message(role, vec![words(text)])
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn words(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.to_owned(), name: "get_weather".to_owned(), arguments: arguments.to_owned() }
}

fn result(call: &str, content: Vec<Part>) -> Message {
    message(Role::Tool, vec![Part::ToolResult { call: call.to_owned(), content, is_error: false, cache: None }])
}

fn tool(parameters: Option<&str>) -> Tool {
    Tool {
        name: "get_weather".to_owned(),
        description: Some("…".to_owned()),
        parameters: parameters.map(|text| Json::parse(text).unwrap()),
        strict: None,
        cache: None,
    }
}

/// A request of these turns.
fn chat(messages: Vec<Message>) -> Request {
    Request { model: "alias".to_owned(), messages, ..Request::default() }
}

/// A minimal request.
fn hi() -> Request {
    chat(vec![says(Role::User, "Hi")])
}

fn write(request: &Request) -> Result<WrittenRequest, ApiError> {
    ANTHROPIC.write_request(request, "claude-x")
}

/// The body, as a tree that assertions can index.
fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&write(request).unwrap().body).unwrap()
}

fn dropped(request: &Request) -> Vec<String> {
    write(request).unwrap().dropped
}

fn refused(request: &Request) -> String {
    let error = write(request).unwrap_err();
    assert_eq!(error.status, 400);
    error.param.unwrap_or_default()
}
