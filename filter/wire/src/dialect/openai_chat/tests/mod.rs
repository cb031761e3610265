//! Tests of the dialect by direction; [`properties`] has the round trips.

mod answers;
mod errors;
mod family;
mod fields;
mod requests;
mod streams;

#[cfg(not(target_arch = "wasm32"))]
mod properties;

use crate::conversation::{Message, Part, Request, Role};

/// A request with these fields in addition to model and message.
fn request_with(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{comma}{fields}}}"#)
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn say(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn conversation(messages: Vec<Message>) -> Request {
    Request { model: "m".to_owned(), messages, ..Request::default() }
}
