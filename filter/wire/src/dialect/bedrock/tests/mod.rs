//! Tests of the dialect, one for each pitfall of the format.

mod answers;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod reading;
mod streams;
mod tools;
mod writing;

use serde_json::Value;

use crate::conversation::{Message, Part, Request, Role, Tool};
use crate::dialect::WrittenRequest;
use crate::dialect::halves::BEDROCK;
use crate::error::ApiError;

const CLAUDE: &str = "eu.anthropic.claude-x-v1:0";
const NOVA: &str = "amazon.nova-x-v1:0";
const LLAMA: &str = "meta.llama-x-v1:0";

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn words(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

/// A turn of one text.
fn says(role: Role, text: &str) -> Message {
    message(role, vec![words(text)])
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.to_owned(), name: "get_weather".to_owned(), arguments: arguments.to_owned() }
}

fn result(call: &str, content: Vec<Part>) -> Message {
    message(Role::Tool, vec![Part::ToolResult { call: call.to_owned(), content, is_error: false, cache: None }])
}

fn tool() -> Tool {
    Tool { name: "get_weather".to_owned(), description: None, parameters: None, strict: None, cache: None }
}

/// A request of these turns.
fn chat(messages: Vec<Message>) -> Request {
    Request { model: "alias".to_owned(), messages, ..Request::default() }
}

/// A minimal request.
fn hi() -> Request {
    chat(vec![says(Role::User, "Hi")])
}

fn write(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    BEDROCK.write_request(request, model)
}

/// The body for one of Anthropic's models, as a tree that assertions can index.
fn body(request: &Request) -> Value {
    serde_json::from_slice(&write(request, CLAUDE).unwrap().body).unwrap()
}

fn dropped(request: &Request, model: &str) -> Vec<String> {
    write(request, model).unwrap().dropped
}

fn refused(request: &Request, model: &str) -> String {
    let error = write(request, model).unwrap_err();
    assert_eq!(error.status, 400);
    error.param.unwrap_or_default()
}
