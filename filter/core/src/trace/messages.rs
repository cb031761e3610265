//! Prompts and responses as attributes of spans, where the operator wants them: JSON in the shape of OpenTelemetry's conventions, bounded.
//!
//! Source: `gen-ai-input-messages.json` and `gen-ai-output-messages.json` of
//! <https://github.com/open-telemetry/semantic-conventions-genai>. Images and documents are recorded without their data.
//!
//! Contents are an exception, so all of this is built for size (`cold`).

use sluice_wire::conversation::{Choice, Finish, Message, Part, Request, Response, Role};
use sluice_wire::dialect::{Client, Provider};
use sluice_wire::footprint;
use sluice_wire::json::write_string;

/// The largest prompt or response that is parsed for its content, in bytes. The content of a larger one is not recorded.
const LARGEST: usize = 1 << 20;

/// The longest text, in bytes.
const LONGEST: usize = 64 << 10;

/// The room for the brackets that close it.
const CLOSING: usize = 64;

/// The messages in the body of a chat; `None` if it is too large, or no chat.
#[cold]
pub fn in_prompt(client: &Client, body: &[u8]) -> Option<String> {
    let chat = client.chat().filter(|_| body.len() <= LARGEST)?;
    footprint::check_request(body).ok()?;
    (chat.read_request)(body).ok().map(|request| of_request(&request))
}

/// The choices in the body of a response to a chat.
#[cold]
pub fn in_answer(provider: &Provider, body: &[u8]) -> Option<String> {
    let chat = provider.chat().filter(|_| body.len() <= LARGEST)?;
    footprint::check_answer(body).ok()?;
    (chat.read_response)(body).ok().map(|response| of_response(&response))
}

/// The messages of a request.
#[cold]
fn of_request(request: &Request) -> String {
    let mut out = Messages::default();
    for Message { role, parts, .. } in &request.messages {
        let role = match role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        out.message(role, parts, "");
    }
    out.finish()
}

/// The choices of a response.
#[cold]
pub fn of_response(response: &Response) -> String {
    of_choices(&response.choices)
}

/// The same of choices alone.
#[cold]
pub fn of_choices(choices: &[Choice]) -> String {
    let mut out = Messages::default();
    for choice in choices {
        let finish = match choice.finish {
            Finish::ToolCalls => "tool_call",
            other => other.name(),
        };
        out.message("assistant", &choice.parts, finish);
    }
    out.finish()
}

#[derive(Default)]
struct Messages {
    text: String,
    /// Whether the bound is reached: nothing more is written.
    is_full: bool,
}

impl Messages {
    #[cold]
    fn message(&mut self, role: &str, parts: &[Part], finish: &str) {
        if self.is_full {
            return;
        }
        self.text.push_str(if self.text.is_empty() { "[" } else { "," });
        self.text.push_str("{\"role\":\"");
        self.text.push_str(role);
        self.text.push_str("\",\"parts\":[");
        let mut separator = "";
        for part in parts {
            self.is_full |= self.text.len() + CLOSING >= LONGEST;
            if self.is_full {
                break;
            }
            self.text.push_str(separator);
            separator = ",";
            self.part(part);
        }
        self.text.push(']');
        if !finish.is_empty() {
            self.text.push_str(",\"finish_reason\":\"");
            self.text.push_str(finish);
            self.text.push('"');
        }
        self.text.push('}');
    }

    #[cold]
    fn part(&mut self, part: &Part) {
        let fields: &[(&str, &str)] = match part {
            Part::Text { text, .. } | Part::Refusal { text } => &[("type", "text"), ("content", text)],
            Part::Thinking { text, .. } => &[("type", "reasoning"), ("content", text)],
            Part::RedactedThinking { .. } => &[("type", "reasoning"), ("content", "")],
            Part::Image { .. } => &[("type", "image")],
            Part::Document { .. } => &[("type", "document")],
            Part::ToolCall { id, name, arguments } => {
                &[("type", "tool_call"), ("id", id), ("name", name), ("arguments", arguments)]
            }
            Part::ToolResult { call, content, .. } => {
                let texts = content.iter().filter_map(|part| match part {
                    Part::Text { text, .. } => Some(text.as_str()),
                    _ => None,
                });
                let text: String = texts.collect();
                return self.object(&[("type", "tool_call_response"), ("id", call), ("response", &text)]);
            }
        };
        self.object(fields);
    }

    #[cold]
    fn object(&mut self, fields: &[(&str, &str)]) {
        let mut separator = '{';
        for (name, value) in fields {
            self.text.push(separator);
            separator = ',';
            self.text.push('"');
            self.text.push_str(name);
            self.text.push_str("\":");
            self.value(value);
        }
        self.text.push('}');
    }

    /// Writes a text, or as much of it as fits.
    #[cold]
    fn value(&mut self, value: &str) {
        let room = LONGEST.saturating_sub(self.text.len() + CLOSING);
        // Both quotes need room too.
        let mut most = value.len().min(room.saturating_sub(2));
        let before = self.text.len();
        loop {
            let piece = value.get(..value.floor_char_boundary(most)).unwrap_or_default();
            write_string(piece, &mut self.text);
            if most == 0 || self.text.len() <= before + room {
                break;
            }
            // Escapes are longer than the text.
            self.text.truncate(before);
            most /= 2;
        }
        self.is_full |= most < value.len();
    }

    fn finish(mut self) -> String {
        if !self.text.is_empty() {
            self.text.push(']');
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_wire::conversation::Choice;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn text(text: &str) -> Part {
        Part::Text { text: text.to_owned(), cache: None }
    }

    fn request(messages: Vec<Message>) -> Request {
        Request { messages, ..Request::default() }
    }

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts, name: None }
    }

    #[test]
    fn messages_have_the_shape_of_the_conventions() {
        let call = Part::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let result = Part::ToolResult {
            call: "c".to_owned(),
            content: vec![text("4"), text("2")],
            is_error: false,
            cache: None,
        };
        let written = of_request(&request(vec![
            message(Role::System, vec![text("Be \"brief\".")]),
            message(Role::Assistant, vec![text("a"), call]),
            message(Role::Tool, vec![result]),
        ]));
        let expected = json!([
            {"role": "system", "parts": [{"type": "text", "content": "Be \"brief\"."}]},
            {"role": "assistant", "parts": [
                {"type": "text", "content": "a"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"},
            ]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "42"}]},
        ]);
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
        let choices = vec![Choice { parts: vec![text("Hi")], finish: Finish::ToolCalls }];
        let written = of_response(&Response { choices, ..Response::default() });
        let expected =
            json!([{"role": "assistant", "parts": [{"type": "text", "content": "Hi"}], "finish_reason": "tool_call"}]);
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), expected);
        assert_eq!(of_request(&request(Vec::new())), "");
    }

    #[test]
    fn long_contents_are_cut_and_stay_json() {
        for long in ["x".repeat(LONGEST * 2), "\u{1}".repeat(LONGEST), "é".repeat(LONGEST), "\"".repeat(LONGEST)] {
            for several in [1, 3] {
                let parts = || vec![text(&long); several];
                let written = of_request(&request(vec![message(Role::User, parts()), message(Role::User, parts())]));
                assert!((LONGEST / 3..=LONGEST).contains(&written.len()), "{}", written.len());
                let read: Value = serde_json::from_str(&written).unwrap();
                assert_eq!(read.as_array().unwrap().len(), 1);
            }
        }
        let short = message(Role::User, vec![text("hi")]);
        let many = of_request(&request(vec![short; LONGEST]));
        assert!(serde_json::from_str::<Value>(&many).is_ok() && many.len() <= LONGEST);
    }
}
