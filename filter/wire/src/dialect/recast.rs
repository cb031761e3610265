//! Converts a stream's events to a whole response and back. Some servers ignore `stream`, others always stream.

use crate::content_filter::FilterResults;
use crate::conversation::{Choice, Finish, Part, Response, StreamEvent, signature};
use crate::error::ApiError;

use super::StreamReader;
use super::mended::truncated;

/// Bytes fed to the reader at once.
const PIECE: usize = 64 << 10;

/// Whether `body` is a stream of this type, regardless of its headers.
pub(super) fn is_stream(body: &[u8], stream_type: &str) -> bool {
    if stream_type != "text/event-stream" {
        // The length prefix of an AWS frame; no frame has 16 MiB.
        return body.first() == Some(&0);
    }
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| text.starts_with(field))
}

/// The events of `response` as a stream.
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

/// The response that the stream `body` makes up, and the results of its content filters. Fails if the stream is truncated or reports an error.
pub(super) fn collected(reader: &mut dyn StreamReader, body: &[u8]) -> Result<(Response, FilterResults), ApiError> {
    let (mut answer, mut events) = (Collected::default(), Vec::new());
    // A server may omit the blank line after the last event.
    for piece in body.chunks(PIECE).chain([&b"\n\n"[..]]) {
        let read = reader.read(piece, &mut events);
        for event in events.drain(..) {
            answer.add(event)?;
        }
        read?;
        reader.buffered().check()?;
    }
    if !answer.ended {
        return Err(truncated());
    }
    Ok((answer.response, answer.filters))
}

/// The response built from the events so far.
#[derive(Debug, Default)]
struct Collected {
    response: Response,
    filters: FilterResults,
    /// Whether the first choice, or the stream, has ended.
    ended: bool,
}

impl Collected {
    fn add(&mut self, event: StreamEvent) -> Result<(), ApiError> {
        match event {
            StreamEvent::Start { id, model } => (self.response.id, self.response.model) = (id, model),
            StreamEvent::Guise { namespace, name, form } => self.response.guises.add_called(&namespace, &name, form),
            StreamEvent::Usage(usage) => self.response.usage = Some(usage),
            StreamEvent::Filtered(results) => self.filters |= results,
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
            StreamEvent::Signature { choice, signature } => self.signature(choice, signature),
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

    /// The choice of this number. Readers bound the count and number choices from 0.
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

    /// Appends `more` to the last part if `text` accepts its kind, or else adds a part.
    fn say(&mut self, choice: u32, more: String, text: impl Fn(&mut Part) -> Result<&mut String, fn(String) -> Part>) {
        let Some(choice) = self.choice(choice).filter(|_| !more.is_empty()) else { return };
        let mut none = Part::RedactedThinking { data: String::new() };
        match text(choice.parts.last_mut().unwrap_or(&mut none)) {
            Ok(text) => text.push_str(&more),
            Err(part) => choice.parts.push(part(more)),
        }
    }

    fn signature(&mut self, choice: u32, piece: String) {
        let Some(choice) = self.choice(choice).filter(|_| !piece.is_empty()) else { return };
        match choice.parts.last_mut() {
            Some(Part::Thinking { signature: signature @ None, .. }) => *signature = Some(piece),
            Some(Part::Thinking { signature: Some(signature), .. }) if !signature::begins(&piece) => {
                signature.push_str(&piece);
            }
            _ => choice.parts.push(Part::Thinking { text: String::new(), signature: Some(piece) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Usage;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn call(id: &str, arguments: &str) -> Part {
        Part::ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() }
    }

    fn thinking(text: &str, signature: Option<&str>) -> Part {
        Part::Thinking { text: text.to_owned(), signature: signature.map(str::to_owned) }
    }

    fn text(text: &str) -> Part {
        Part::Text { text: text.to_owned(), cache: None }
    }

    fn made_of(events: Vec<StreamEvent>) -> Response {
        let mut collected = Collected::default();
        events.into_iter().for_each(|event| collected.add(event).unwrap());
        assert!(collected.ended);
        collected.response
    }

    #[test]
    fn an_answers_events_make_it_up_again() {
        let signed =
            [thinking("", Some("gemini#QQ==")), thinking("", Some("gemini#Qg==")), thinking("hm", Some("seal"))];
        let said = [text("so"), Part::Refusal { text: "no".to_owned() }, text("well")];
        let calls = [call("a", "{}"), call("b", ""), Part::RedactedThinking { data: "d".to_owned() }];
        let response = Response {
            id: "r".to_owned(),
            model: "m".to_owned(),
            choices: vec![
                Choice { parts: [&signed[..], &said, &calls].concat(), finish: Finish::ToolCalls },
                Choice { parts: vec![call("c", "[1]")], finish: Finish::Length },
            ],
            usage: Some(Usage { input: 3, output: 2, ..Usage::default() }),
            ..Response::default()
        };
        assert_eq!(made_of(events(response.clone())), response);
    }

    #[test]
    fn pieces_become_one_part_and_mixed_calls_two() {
        let (choice, of) =
            (0, |call| StreamEvent::ToolCall { choice: 0, call, id: call.to_string(), name: "f".to_owned() });
        let piece = |call, json: &str| StreamEvent::Arguments { choice: 0, call, json: json.to_owned() };
        let say = |text: &str| StreamEvent::Text { choice, text: text.to_owned() };
        let signed = |signature: &str| StreamEvent::Signature { choice, signature: signature.to_owned() };
        let pieces = vec![
            StreamEvent::Thinking { choice, text: "h".to_owned() },
            StreamEvent::Thinking { choice, text: "m".to_owned() },
            signed("se"),
            signed("al"),
            say("s"),
            StreamEvent::Ping,
            say("o"),
            of(0),
            of(1),
            piece(0, "{"),
            piece(1, "["),
            piece(0, "}"),
            piece(1, "]"),
            StreamEvent::End,
        ];
        let expected = [thinking("hm", Some("seal")), text("so"), call("0", "{}"), call("1", "[]")];
        assert_eq!(made_of(pieces).choices[0].parts, expected);
    }

    #[test]
    fn a_stream_is_known_by_its_first_bytes() {
        for stream in ["data: {}", "event: x\ndata: {}", ": ping", "\n\nid: 1", "\u{feff}data:{}", "retry: 1"] {
            assert!(is_stream(stream.as_bytes(), "text/event-stream"), "{stream}");
        }
        for other in ["{}", " [1]", "<html>", "", "database", "\0\0\0\x10"] {
            assert!(!is_stream(other.as_bytes(), "text/event-stream"), "{other}");
        }
        let amazons = "application/vnd.amazon.eventstream";
        assert!(is_stream(b"\0\0\0\x10", amazons) && !is_stream(b"{}", amazons) && !is_stream(b"", amazons));
    }
}
