//! Streams for formats whose blocks stand one after the other: what comes while a call's arguments are not whole waits until they
//! are, or until the answer's end. Providers mix the pieces of several calls; clients that take a block for finished at its stop
//! would run the first with half of its arguments.

use std::collections::VecDeque;

use super::json_end::JsonEnd;
use super::{Kept, StreamWriter};
use crate::conversation::StreamEvent;

/// So many pieces wait as they came.
const MANY: usize = 256;

/// Hands events of the first answer to a writer, one block after the other.
#[derive(Debug)]
pub(super) struct InTurn<W> {
    inner: W,
    /// The call whose block is open, and how far its arguments have come.
    open: Option<(u32, JsonEnd)>,
    /// What waits for its end.
    waiting: VecDeque<StreamEvent>,
    /// Bytes of it.
    bytes: usize,
}

impl<W: StreamWriter> InTurn<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, open: None, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Whether the open call may get more arguments.
    fn is_open(&self) -> bool {
        self.open.is_some_and(|(_, arguments)| !arguments.is_whole())
    }

    fn hand_on(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::ToolCall { call, .. } => self.open = Some((*call, JsonEnd::default())),
            StreamEvent::Arguments { call, json, .. } => match &mut self.open {
                Some((open, arguments)) if open == call => arguments.feed(json),
                // Behind its call's end there is no place for it.
                _ => return,
            },
            _ => self.open = None,
        }
        self.inner.write(event, out);
    }

    /// Where many wait, pieces of one text, and of one call's arguments, wait as one.
    fn wait(&mut self, event: &StreamEvent) {
        self.bytes = self.bytes.saturating_add(weight(event));
        match event {
            _ if self.waiting.len() < MANY => {}
            StreamEvent::Arguments { call, json: more, .. } => {
                let of_call = self.waiting.iter_mut().rev().find_map(|waiting| match waiting {
                    StreamEvent::Arguments { call: of, json, .. } if of == call => Some(json),
                    _ => None,
                });
                if let Some(json) = of_call {
                    return json.push_str(more);
                }
            }
            StreamEvent::Text { text: more, .. } => {
                if let Some(StreamEvent::Text { text, .. }) = self.waiting.back_mut() {
                    return text.push_str(more);
                }
            }
            StreamEvent::Thinking { text: more, .. } => {
                if let Some(StreamEvent::Thinking { text, .. }) = self.waiting.back_mut() {
                    return text.push_str(more);
                }
            }
            _ => {}
        }
        self.waiting.push_back(event.clone());
    }

    /// Hands on what waited, as far as it goes; at the `end` all of it.
    fn release(&mut self, end: bool, out: &mut Vec<u8>) {
        while end || !self.is_open() {
            let Some(event) = self.waiting.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(weight(&event));
            self.hand_on(&event, out);
            let StreamEvent::ToolCall { call, .. } = event else { continue };
            let is_its = |event: &StreamEvent| matches!(event, StreamEvent::Arguments { call: of, .. } if *of == call);
            let (its, others) = std::mem::take(&mut self.waiting).into_iter().partition(is_its);
            let its: VecDeque<StreamEvent> = its;
            self.waiting = others;
            for piece in its {
                self.bytes = self.bytes.saturating_sub(weight(&piece));
                self.hand_on(&piece, out);
            }
        }
    }
}

/// About how many bytes an event keeps.
fn weight(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::Text { text, .. } | StreamEvent::Thinking { text, .. } | StreamEvent::Refusal { text, .. } => {
            text.len()
        }
        StreamEvent::Signature { signature, .. } => signature.len(),
        StreamEvent::RedactedThinking { data, .. } => data.len(),
        StreamEvent::ToolCall { id, name, .. } => id.len().saturating_add(name.len()),
        StreamEvent::Arguments { json, .. } => json.len(),
        _ => 0,
    }
}

impl<W: StreamWriter> StreamWriter for InTurn<W> {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Finish { choice: 0, .. } | StreamEvent::End => {
                self.release(true, out);
                self.hand_on(event, out);
            }
            StreamEvent::Arguments { choice: 0, call, .. } if self.open.is_some_and(|(open, _)| open == *call) => {
                self.hand_on(event, out);
                self.release(false, out);
            }
            StreamEvent::Text { choice: 0, .. }
            | StreamEvent::Thinking { choice: 0, .. }
            | StreamEvent::Signature { choice: 0, .. }
            | StreamEvent::RedactedThinking { choice: 0, .. }
            | StreamEvent::Refusal { choice: 0, .. }
            | StreamEvent::ToolCall { choice: 0, .. }
            | StreamEvent::Arguments { choice: 0, .. } => {
                if self.is_open() || !self.waiting.is_empty() {
                    self.wait(event);
                } else {
                    self.hand_on(event, out);
                }
            }
            _ => self.inner.write(event, out),
        }
    }

    fn kept(&self) -> Kept {
        self.inner.kept() + Kept { begun: 0, bytes: self.bytes, pieces: self.waiting.len() }
    }
}
