//! An answer in the other form: a stream's events as one answer, and one answer as the events of a stream. Some servers take no
//! notice of `stream`, others stream whatever they are asked.

use crate::conversation::{Choice, Finish, Part, Response, StreamEvent, seal};
use crate::error::ApiError;

use super::StreamReader;
use super::mended::truncated;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// Whether `body` is a stream of this type, whatever its own headers say.
pub(super) fn is_stream(body: &[u8], stream_type: &str) -> bool {
    if stream_type != "text/event-stream" {
        // The length of a frame of AWS's, of which none has 16 MiB.
        return body.first() == Some(&0);
    }
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| text.starts_with(field))
}

/// The events in which `response` would have come.
pub(super) fn events(response: Response) -> Vec<StreamEvent> {
    let mut events = vec![StreamEvent::Start { id: response.id, model: response.model }];
    events.extend(response.usage.map(StreamEvent::Usage));
    for (choice, said) in (0..).zip(response.choices) {
        let mut calls = 0;
        for part in said.parts {
            match part {
                Part::Text { text, .. } => events.push(StreamEvent::Text { choice, text }),
                Part::Refusal { text } => events.push(StreamEvent::Refusal { choice, text }),
                Part::Thinking { text, signature } => {
                    events.push(StreamEvent::Thinking { choice, text });
                    events.extend(signature.map(|signature| StreamEvent::Signature { choice, signature }));
                }
                Part::RedactedThinking { data } => events.push(StreamEvent::RedactedThinking { choice, data }),
                Part::ToolCall { id, name, arguments } => {
                    events.push(StreamEvent::ToolCall { choice, call: calls, id, name });
                    events.push(StreamEvent::Arguments { choice, call: calls, json: arguments });
                    calls += 1;
                }
                Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => {}
            }
        }
        events.push(StreamEvent::Finish { choice, finish: said.finish });
    }
    events.push(StreamEvent::End);
    events
}

/// The answer that the stream `body` makes up. One that breaks off, or fails, is an error here.
pub(super) fn collected(reader: &mut dyn StreamReader, body: &[u8]) -> Result<Response, ApiError> {
    let (mut answer, mut events) = (Collected::default(), Vec::new());
    // A server that ends its stream may leave out the blank line behind the last event.
    for piece in body.chunks(PIECE).chain([&b"\n\n"[..]]) {
        let read = reader.read(piece, &mut events);
        for event in events.drain(..) {
            answer.add(event)?;
        }
        read?;
        reader.kept().check()?;
    }
    if !answer.ended {
        return Err(truncated());
    }
    Ok(answer.response)
}

/// What the events so far make up.
#[derive(Debug, Default)]
struct Collected {
    response: Response,
    /// Whether the first answer, or the stream, has come to its end.
    ended: bool,
}

impl Collected {
    fn add(&mut self, event: StreamEvent) -> Result<(), ApiError> {
        match event {
            StreamEvent::Start { id, model } => (self.response.id, self.response.model) = (id, model),
            StreamEvent::Usage(usage) => self.response.usage = Some(usage),
            StreamEvent::Ping => {}
            StreamEvent::End => self.ended = true,
            StreamEvent::Error(error) => return Err(error),
            StreamEvent::Finish { choice, finish } => {
                self.ended |= choice == 0;
                if let Some(choice) = self.choice(choice) {
                    choice.finish = finish;
                }
            }
            StreamEvent::Text { choice, text: more } => self.say(choice, more, |part| match part {
                Part::Text { text, .. } => Ok(text),
                _ => Err(|text| Part::Text { text, cache: None }),
            }),
            StreamEvent::Refusal { choice, text: more } => self.say(choice, more, |part| match part {
                Part::Refusal { text } => Ok(text),
                _ => Err(|text| Part::Refusal { text }),
            }),
            StreamEvent::Thinking { choice, text: more } => self.say(choice, more, |part| match part {
                Part::Thinking { text, signature: None } => Ok(text),
                _ => Err(|text| Part::Thinking { text, signature: None }),
            }),
            StreamEvent::Signature { choice, signature } => self.seal(choice, signature),
            StreamEvent::RedactedThinking { choice, data } => self.push(choice, Part::RedactedThinking { data }),
            StreamEvent::ToolCall { choice, id, name, .. } => {
                self.push(choice, Part::ToolCall { id, name, arguments: String::new() });
            }
            StreamEvent::Arguments { choice, call, json } => {
                let calls = self.choice(choice).into_iter().flat_map(|choice| choice.parts.iter_mut());
                let mut calls = calls.filter_map(|part| match part {
                    Part::ToolCall { arguments, .. } => Some(arguments),
                    _ => None,
                });
                if let Some(arguments) = usize::try_from(call).ok().and_then(|call| calls.nth(call)) {
                    arguments.push_str(&json);
                }
            }
        }
        Ok(())
    }

    /// The answer of this number; readers bound how many there are, and number them from 0.
    fn choice(&mut self, number: u32) -> Option<&mut Choice> {
        const MOST: usize = 256;
        let place = usize::try_from(number).ok().filter(|place| *place < MOST)?;
        while self.response.choices.len() <= place {
            self.response.choices.push(Choice { parts: Vec::new(), finish: Finish::default() });
        }
        self.response.choices.get_mut(place)
    }

    fn push(&mut self, choice: u32, part: Part) {
        if let Some(choice) = self.choice(choice) {
            choice.parts.push(part);
        }
    }

    /// Adds `more` to the last part where `text` finds its kind in it, else as a part of its own.
    fn say(&mut self, choice: u32, more: String, text: impl Fn(&mut Part) -> Result<&mut String, fn(String) -> Part>) {
        let Some(choice) = self.choice(choice).filter(|_| !more.is_empty()) else { return };
        let mut none = Part::RedactedThinking { data: String::new() };
        match text(choice.parts.last_mut().unwrap_or(&mut none)) {
            Ok(text) => text.push_str(&more),
            Err(part) => choice.parts.push(part(more)),
        }
    }

    fn seal(&mut self, choice: u32, piece: String) {
        let Some(choice) = self.choice(choice).filter(|_| !piece.is_empty()) else { return };
        match choice.parts.last_mut() {
            Some(Part::Thinking { signature: signature @ None, .. }) => *signature = Some(piece),
            Some(Part::Thinking { signature: Some(signature), .. }) if !seal::begins(&piece) => {
                signature.push_str(&piece);
            }
            _ => choice.parts.push(Part::Thinking { text: String::new(), signature: Some(piece) }),
        }
    }
}
