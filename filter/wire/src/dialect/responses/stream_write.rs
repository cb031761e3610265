//! Writes a stream of named events in OpenAI's format, directly into the output.
//!
//! An item ends when another begins; calls stay open until the response ends, because providers interleave the pieces of several. All
//! output is held, because the final events of items and of the response repeat it, up to four times. It is counted by its length as JSON.
//! A signature is held until its item ends; more reasoning after a signature begins another item.
//!
//! A failure is written twice: as `error`, which makes OpenAI's libraries raise it, and, if the response has begun, as `response.failed`,
//! which is how OpenAI ends such a stream. Nothing that resembles a successful end follows.

use crate::conversation::{Finish, Form, Part, StreamEvent, Usage, signature};
use crate::dialect::openai::error;
use crate::dialect::text_argument::{self, TextArgument};
use crate::dialect::{Buffered, Opening, StreamWriter};
use crate::error::ApiError;

use super::answer::{Ended, Shown};
use super::emit::{NO_LOGPROBS, Numbered, TAIL, field};
use super::item::{Content, Id, Status, Summary, answer_id, begun, is_cut, item};

/// The event for a piece of a custom tool's input.
const TEXT_DELTA: &str = "response.custom_tool_call_input.delta";

#[derive(Debug)]
pub(super) struct Writer {
    opening: Opening,
    id: String,
    phase: Phase,
    events: Numbered,
    /// The output so far.
    parts: Vec<Part>,
    /// Its approximate size as JSON.
    said: usize,
    /// The number of items begun.
    items: usize,
    open: Open,
    /// The index of the open item's first part.
    first: usize,
    calls: Vec<OpenCall>,
    finish: Finish,
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has been written.
    Waiting,
    Begun,
    /// The end or an error has been written.
    Over,
}

/// The open item, apart from calls. Only calls may have begun after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// A message.
    Text,
    /// A message whose last part is a refusal.
    Refusal,
    Thinking {
        /// Whether a signature has come: more reasoning begins another item.
        signed: bool,
    },
}

/// An open call.
#[derive(Debug)]
struct OpenCall {
    call: u32,
    /// The index of its part.
    part: usize,
    /// The index of its item.
    item: usize,
    form: Form,
    /// Decodes the arguments to a text, for a tool that the client declared with a text input.
    text: TextArgument,
}

impl Writer {
    pub fn new(opening: Opening) -> Self {
        Self {
            id: answer_id("", opening.now).into_owned(),
            opening,
            phase: Phase::Waiting,
            events: Numbered::default(),
            parts: Vec::new(),
            said: 0,
            items: 0,
            open: Open::Nothing,
            first: 0,
            calls: Vec::new(),
            finish: Finish::default(),
            usage: None,
        }
    }

    fn name(&mut self, id: &str, model: &str) {
        self.id = answer_id(id, self.opening.now).into_owned();
        if !model.is_empty() {
            model.clone_into(&mut self.opening.model);
        }
    }

    /// Writes the id and index of an event's item, which begins with this part.
    fn place(&self, part: usize, item: usize, out: &mut Vec<u8>) {
        if let Some(part) = self.parts.get(part) {
            field(out, "item_id", &Id::of(part, &self.opening.guises, &self.id, item));
        }
        field(out, "output_index", &item);
    }

    /// The index of the last item.
    fn last(&self) -> usize {
        self.items.saturating_sub(1)
    }

    /// Begins an event for the open message or reasoning.
    fn about_open(&mut self, name: &str, out: &mut Vec<u8>) {
        self.events.head(name, out);
        self.place(self.first, self.last(), out);
        match self.open {
            Open::Thinking { .. } => field(out, "summary_index", &0),
            _ => field(out, "content_index", &self.parts.len().saturating_sub(self.first + 1)),
        };
    }

    /// The text of the last part.
    fn said(&self) -> &str {
        match self.parts.last() {
            Some(Part::Text { text, .. } | Part::Refusal { text } | Part::Thinking { text, .. }) => text,
            _ => "",
        }
    }

    fn lifecycle(&mut self, name: &str, ended: Ended<'_>, out: &mut Vec<u8>) {
        self.events.head(name, out);
        let shown =
            Shown::new(&self.id, &self.opening.model, self.opening.now, (&self.parts, &self.opening.guises), ended);
        field(out, "response", &shown.used(self.usage));
        out.extend_from_slice(TAIL);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Begun;
            self.lifecycle("response.created", Ended::NotYet, out);
            self.lifecycle("response.in_progress", Ended::NotYet, out);
        }
    }

    /// Begins an item with its first `part`; `open` is the new state.
    fn begin(&mut self, part: Part, open: Open, out: &mut Vec<u8>) {
        self.start(out);
        self.close(Status::Completed, out);
        self.first = self.parts.len();
        self.items = self.items.saturating_add(1);
        self.open = open;
        self.events.head("response.output_item.added", out);
        field(out, "output_index", &self.last());
        let bytes = field(out, "item", &begun(&part, &self.opening.guises, &self.id, self.last()));
        self.said = self.said.saturating_add(bytes);
        out.extend_from_slice(TAIL);
        self.parts.push(part);
    }

    /// Ends the item at `index`; `first` is its first part.
    fn item_done(&mut self, first: usize, index: usize, status: Status, out: &mut Vec<u8>) {
        self.events.head("response.output_item.done", out);
        field(out, "output_index", &index);
        let run = self.parts.get(first..).unwrap_or_default();
        field(out, "item", &item(run, &self.opening.guises, &self.id, index, status));
        out.extend_from_slice(TAIL);
    }

    fn text(&mut self, text: &str, kind: Open, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open != kind {
            let part = match kind {
                Open::Refusal => Part::Refusal { text: String::new() },
                _ => Part::Text { text: String::new(), cache: None },
            };
            if matches!(self.open, Open::Text | Open::Refusal) {
                self.content_done(out);
                self.open = kind;
                self.parts.push(part);
            } else {
                self.begin(part, kind, out);
            }
            self.about_open("response.content_part.added", out);
            self.content_part(out);
        }
        let name = if kind == Open::Refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.delta(name, text, out);
        if kind == Open::Text {
            out.extend_from_slice(NO_LOGPROBS);
        }
        out.extend_from_slice(TAIL);
    }

    /// Writes a piece of the open item; the caller ends the event.
    fn delta(&mut self, name: &str, piece: &str, out: &mut Vec<u8>) {
        if let Some(Part::Text { text, .. } | Part::Refusal { text } | Part::Thinking { text, .. }) =
            self.parts.last_mut()
        {
            text.push_str(piece);
        }
        self.about_open(name, out);
        self.said = self.said.saturating_add(field(out, "delta", piece));
    }

    fn content_part(&self, out: &mut Vec<u8>) {
        let part = match self.open {
            Open::Refusal => Content::Refusal { refusal: self.said() },
            _ => Content::text(self.said()),
        };
        field(out, "part", &part);
        out.extend_from_slice(TAIL);
    }

    fn content_done(&mut self, out: &mut Vec<u8>) {
        if self.open == Open::Refusal {
            self.about_open("response.refusal.done", out);
            field(out, "refusal", self.said());
        } else {
            self.about_open("response.output_text.done", out);
            field(out, "text", self.said());
            out.extend_from_slice(NO_LOGPROBS);
        }
        out.extend_from_slice(TAIL);
        self.about_open("response.content_part.done", out);
        self.content_part(out);
    }

    fn begin_thinking(&mut self, out: &mut Vec<u8>) {
        let part = Part::Thinking { text: String::new(), signature: None };
        self.begin(part, Open::Thinking { signed: false }, out);
        self.about_open("response.reasoning_summary_part.added", out);
        self.summary_part(out);
    }

    fn summary_part(&self, out: &mut Vec<u8>) {
        field(out, "part", &Summary { text: self.said() });
        out.extend_from_slice(TAIL);
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.open != (Open::Thinking { signed: false }) {
            self.begin_thinking(out);
        }
        self.delta("response.reasoning_summary_text.delta", text, out);
        out.extend_from_slice(TAIL);
    }

    fn signature(&mut self, piece: &str, out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        let signed = matches!(self.open, Open::Thinking { signed: true });
        if !matches!(self.open, Open::Thinking { .. }) || (signed && signature::begins(piece)) {
            self.begin_thinking(out);
        }
        self.open = Open::Thinking { signed: true };
        if let Some(Part::Thinking { signature, .. }) = self.parts.last_mut() {
            signature.get_or_insert_default().push_str(piece);
            self.said = self.said.saturating_add(piece.len());
        }
    }

    /// Ends the open item.
    fn close(&mut self, status: Status, out: &mut Vec<u8>) {
        match self.open {
            Open::Nothing => return,
            Open::Text | Open::Refusal => self.content_done(out),
            Open::Thinking { .. } => {
                self.about_open("response.reasoning_summary_text.done", out);
                field(out, "text", self.said());
                out.extend_from_slice(TAIL);
                self.about_open("response.reasoning_summary_part.done", out);
                self.summary_part(out);
            }
        }
        self.open = Open::Nothing;
        self.item_done(self.first, self.last(), status, out);
    }

    fn tool_call(&mut self, call: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        let form = self.opening.guises.form(name);
        let part = Part::ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() };
        self.begin(part, Open::Nothing, out);
        let (part, item) = (self.first, self.last());
        self.calls.push(OpenCall { call, part, item, form, text: TextArgument::default() });
    }

    fn arguments(&mut self, call: u32, json: &str, out: &mut Vec<u8>) {
        let known = self.calls.iter_mut().rfind(|known| known.call == call);
        let Some(known) = known.filter(|_| !json.is_empty()) else { return };
        let (part, item, form) = (known.part, known.item, known.form);
        let mut text = String::new();
        if form == Form::Text {
            known.text.feed(json, &mut text);
        }
        if let Some(Part::ToolCall { arguments, .. }) = self.parts.get_mut(part) {
            arguments.push_str(json);
        }
        match form {
            Form::Function | Form::Other => {
                self.call_delta("response.function_call_arguments.delta", part, item, json, out)
            }
            Form::Text => self.call_delta(TEXT_DELTA, part, item, &text, out),
            Form::Search => {}
        }
        if !matches!(form, Form::Function | Form::Other) {
            self.said = self.said.saturating_add(json.len());
        }
    }

    /// Writes a piece of a call's arguments or input.
    fn call_delta(&mut self, name: &str, part: usize, item: usize, piece: &str, out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        self.events.head(name, out);
        self.place(part, item, out);
        self.said = self.said.saturating_add(field(out, "delta", piece));
        out.extend_from_slice(TAIL);
    }

    /// Ends all open items, except for calls that were cut off: a client might run them.
    fn close_all(&mut self, out: &mut Vec<u8>) {
        let last = match self.finish {
            Finish::Length | Finish::ContentFilter => Status::Incomplete,
            Finish::Stop | Finish::ToolCalls => Status::Completed,
        };
        for call in std::mem::take(&mut self.calls) {
            let is_last = call.item == self.last() || self.parts.get(call.part).is_some_and(is_cut);
            if is_last && last == Status::Incomplete {
                continue;
            }
            match call.form {
                Form::Function | Form::Other => self.arguments_done(call.part, call.item, out),
                Form::Text => self.text_done(call.part, call.item, call.text, out),
                Form::Search => {}
            }
            self.item_done(call.part, call.item, Status::Completed, out);
        }
        self.close(last, out);
    }

    /// Clients parse the arguments, so empty ones become `{}`.
    fn arguments_done(&mut self, part: usize, item: usize, out: &mut Vec<u8>) {
        if let Some(Part::ToolCall { arguments, .. }) = self.parts.get_mut(part)
            && arguments.is_empty()
        {
            arguments.push_str("{}");
            self.call_delta("response.function_call_arguments.delta", part, item, "{}", out);
        }
        self.events.head("response.function_call_arguments.done", out);
        self.place(part, item, out);
        if let Some(Part::ToolCall { arguments, .. }) = self.parts.get(part) {
            field(out, "arguments", arguments);
        }
        out.extend_from_slice(TAIL);
    }

    /// Text that was ambiguous until the end comes as the last piece.
    fn text_done(&mut self, part: usize, item: usize, mut reader: TextArgument, out: &mut Vec<u8>) {
        let mut rest = String::new();
        reader.finish(&mut rest);
        self.call_delta(TEXT_DELTA, part, item, &rest, out);
        self.events.head("response.custom_tool_call_input.done", out);
        self.place(part, item, out);
        if let Some(Part::ToolCall { arguments, .. }) = self.parts.get(part) {
            field(out, "input", &text_argument::whole(arguments));
        }
        out.extend_from_slice(TAIL);
    }

    fn fail(&mut self, failure: &ApiError, out: &mut Vec<u8>) {
        self.events.head("error", out);
        let shown = error::shown(failure);
        field(out, "code", &shown.code);
        field(out, "message", shown.message);
        field(out, "param", &shown.param);
        field(out, "error", &shown);
        out.extend_from_slice(TAIL);
        if std::mem::replace(&mut self.phase, Phase::Over) == Phase::Begun {
            self.lifecycle("response.failed", Ended::Failed(failure), out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close_all(out);
        let name = match self.finish {
            Finish::Length | Finish::ContentFilter => "response.incomplete",
            Finish::Stop | Finish::ToolCalls => "response.completed",
        };
        self.lifecycle(name, Ended::With(self.finish), out);
        self.phase = Phase::Over;
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.phase == Phase::Over {
            return;
        }
        match event {
            StreamEvent::Start { id, model } => {
                if self.phase == Phase::Waiting {
                    self.name(id, model);
                }
                self.start(out);
            }
            StreamEvent::Text { choice: 0, text } => self.text(text, Open::Text, out),
            StreamEvent::Refusal { choice: 0, text } => self.text(text, Open::Refusal, out),
            StreamEvent::Thinking { choice: 0, text } => self.thinking(text, out),
            StreamEvent::Signature { choice: 0, signature } => self.signature(signature, out),
            StreamEvent::RedactedThinking { choice: 0, data } => {
                self.said = self.said.saturating_add(data.len());
                self.begin(Part::RedactedThinking { data: data.clone() }, Open::Nothing, out);
                self.item_done(self.first, self.last(), Status::Completed, out);
            }
            StreamEvent::ToolCall { choice: 0, call, id, name } => self.tool_call(*call, id, name, out),
            StreamEvent::Arguments { choice: 0, call, json } => self.arguments(*call, json, out),
            StreamEvent::Guise { namespace, name, form } => self.opening.guises.add_called(namespace, name, *form),
            StreamEvent::Finish { choice: 0, finish } => {
                self.start(out);
                self.finish = *finish;
                self.close_all(out);
            }
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(failure) => self.fail(failure, out),
            StreamEvent::End => self.end(out),
            // The format holds one choice: the first.
            _ => {}
        }
    }

    fn buffered(&self) -> Buffered {
        let Opening { model, guises, .. } = &self.opening;
        let bytes = [self.id.len(), model.len(), guises.held(), self.said].into_iter().fold(0, usize::saturating_add);
        Buffered { begun: 0, bytes, pieces: self.parts.len().saturating_add(self.calls.len()) }
    }
}
