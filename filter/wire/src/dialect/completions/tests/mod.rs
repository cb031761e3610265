//! Tests of the dialect by direction; [`properties`] has the round trips.

mod answers;
mod requests;
mod streams;

#[cfg(not(target_arch = "wasm32"))]
mod properties;

use crate::conversation::{Message, Part, Request, Role};

/// A request with these fields besides model and prompt.
fn request_with(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"model":"m","prompt":"hi"{comma}{fields}}}"#)
}

fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

/// A conversation of one message.
fn asked(role: Role, parts: Vec<Part>) -> Request {
    let message = Message { role, parts, name: None };
    Request { model: "m".to_owned(), messages: vec![message], max_tokens: Some(16), ..Request::default() }
}
