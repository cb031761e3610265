//! Tests of the dialect by direction; [`properties`] has the round trips.

mod agents;
mod answers;
mod fields;
mod providers;
mod requests;
mod streams;
mod streams_in;

#[cfg(not(target_arch = "wasm32"))]
mod properties;

use crate::conversation::{Message, Part, Request, Role};
use crate::dialect::halves::RESPONSES;
use crate::error::ApiError;

/// A request with these fields in addition to model and input.
fn request_with(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","input":"hi"{comma}{fields}}}"#)
}

/// A request with these items.
fn input(items: &str) -> String {
    format!(r#"{{"model":"m","input":[{items}]}}"#)
}

fn read(body: &str) -> Result<Request, ApiError> {
    RESPONSES.read_request(body.as_bytes())
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn thought(text: &str, signature: Option<&str>) -> Part {
    Part::Thinking { text: text.to_owned(), signature: signature.map(str::to_owned) }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn result(call: &str, content: Vec<Part>) -> Part {
    Part::ToolResult { call: call.to_owned(), content, is_error: false, cache: None }
}

fn say(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn conversation(messages: Vec<Message>) -> Request {
    Request { model: "m".to_owned(), messages, include_usage: true, ..Request::default() }
}
