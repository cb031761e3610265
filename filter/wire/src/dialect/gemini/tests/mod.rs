//! Tests of the dialect, one for each pitfall of the format.

mod answers;
mod errors;
mod fields;
mod media;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod reading;
mod signatures;
mod streams;
mod thinking;
mod writing;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::conversation::{Json, Message, Part, Request, Role, Tool, signature};
use crate::dialect::WrittenRequest;
use crate::dialect::halves::GEMINI;
use crate::error::ApiError;

/// A model that does not require signatures.
const GEMINI_2: &str = "gemini-2.5-flash";
/// A name without a generation: it has penalties like Gemini 2.0, and thinks like Gemini 2.5.
const OLDER: &str = "gemini-x";

fn words(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

/// A turn of one text.
fn says(role: Role, text: &str) -> Message {
    message(role, vec![words(text)])
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

fn result(call: &str, text: &str) -> Message {
    let (call, content) = (call.to_owned(), vec![words(text)]);
    message(Role::Tool, vec![Part::ToolResult { call, content, is_error: false, cache: None }])
}

/// Reasoning with a signature, as a client sends it back.
fn signed(text: &str, marked: &str) -> Part {
    Part::Thinking { text: text.to_owned(), signature: Some(marked.to_owned()) }
}

/// One of Google's signatures.
fn google(signature: &str) -> String {
    signature::mark("gemini", signature)
}

fn tool(name: &str, parameters: Option<&str>) -> Tool {
    Tool {
        name: name.to_owned(),
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

fn write_for(request: &Request, model: &str) -> Result<WrittenRequest, ApiError> {
    GEMINI.write_request(request, model)
}

fn write(request: &Request) -> WrittenRequest {
    write_for(request, GEMINI_2).unwrap()
}

fn tree(body: &[u8]) -> serde_json::Value {
    serde_json::from_slice(body).unwrap()
}

/// The body, as a tree that assertions can index.
fn body(request: &Request) -> serde_json::Value {
    tree(&write(request).body)
}

/// The turns, for a model.
fn contents(messages: Vec<Message>, model: &str) -> serde_json::Value {
    tree(&write_for(&chat(messages), model).unwrap().body)["contents"].take()
}

fn refused(request: &Request) -> String {
    let error = write_for(request, GEMINI_2).unwrap_err();
    assert_eq!(error.status, 400);
    error.param.unwrap_or_default()
}

#[test]
fn the_path_names_model_and_method() {
    let cases = [
        ("gemini-x", false, "/models/gemini-x:generateContent"),
        ("gemini-x", true, "/models/gemini-x:streamGenerateContent?alt=sse"),
        ("tunedModels/abc", false, "/tunedModels/abc:generateContent"),
        ("models/gemini-x", true, "/models/gemini-x:streamGenerateContent?alt=sse"),
        ("a b?c#é", false, "/models/a%20b%3Fc%23%C3%A9:generateContent"),
    ];
    for (model, stream, path) in cases {
        assert_eq!(GEMINI.path(model, stream), path);
    }
}
