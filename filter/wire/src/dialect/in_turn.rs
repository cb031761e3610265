//! Orders streams for formats whose blocks must not interleave. While a call's arguments are incomplete, other events wait until they are
//! complete or the response ends. Providers interleave the pieces of several calls; a client that treats a block as finished at its stop
//! would run the first call with half its arguments.

use std::collections::VecDeque;

use crate::conversation::StreamEvent;

use super::json_end::JsonEnd;
use super::{Buffered, StreamWriter};

/// Above this count, waiting pieces are merged.
const MANY: usize = 256;

/// Passes the events of the first choice to a writer, one block after the other.
#[derive(Debug)]
pub(super) struct InTurn<W> {
    inner: W,
    /// The call whose block is open, and the state of its arguments.
    open: Option<(u32, JsonEnd)>,
    /// Events that wait for its end.
    waiting: VecDeque<StreamEvent>,
    /// Their size in bytes.
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
                // Its call has ended: the piece is lost.
                _ => return,
            },
            _ => self.open = None,
        }
        self.inner.write(event, out);
    }

    /// Queues an event. Above [`MANY`], pieces of one text or of one call's arguments are merged.
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

    /// Passes on waiting events until a call opens; all of them at the `end`.
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

/// Approximate bytes held by an event.
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

    fn buffered(&self) -> Buffered {
        self.inner.buffered() + Buffered { begun: 0, bytes: self.bytes, pieces: self.waiting.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Finish;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Writes one letter per event.
    #[derive(Debug)]
    struct Letters;

    impl StreamWriter for Letters {
        fn write(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
            let word = match event {
                StreamEvent::ToolCall { call, .. } => format!("({call}"),
                StreamEvent::Arguments { call, json, .. } => format!(" {call}:{json}"),
                StreamEvent::Text { text, .. } => format!("<{text}>"),
                StreamEvent::Finish { .. } => "!".to_owned(),
                StreamEvent::Ping => ".".to_owned(),
                _ => String::new(),
            };
            out.extend_from_slice(word.as_bytes());
        }

        fn buffered(&self) -> Buffered {
            Buffered::default()
        }
    }

    fn call(call: u32) -> StreamEvent {
        StreamEvent::ToolCall { choice: 0, call, id: "id".to_owned(), name: "f".to_owned() }
    }

    fn piece(call: u32, json: &str) -> StreamEvent {
        StreamEvent::Arguments { choice: 0, call, json: json.to_owned() }
    }

    fn text(text: &str) -> StreamEvent {
        StreamEvent::Text { choice: 0, text: text.to_owned() }
    }

    const FINISH: StreamEvent = StreamEvent::Finish { choice: 0, finish: Finish::ToolCalls };

    fn written(events: &[StreamEvent]) -> String {
        let (mut writer, mut out) = (InTurn::new(Letters), Vec::new());
        events.iter().for_each(|event| writer.write(event, &mut out));
        assert_eq!(writer.buffered(), Buffered::default(), "something waits for ever");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_comes_in_turn_flows() {
        let events = [
            text("a"),
            call(0),
            piece(0, "{"),
            StreamEvent::Ping,
            piece(0, "}"),
            text("b"),
            call(1),
            piece(1, "{}"),
            FINISH,
        ];
        assert_eq!(written(&events), "<a>(0 0:{. 0:}<b>(1 1:{}!");
        let (mut writer, mut out) = (InTurn::new(Letters), Vec::new());
        for event in &events[..8] {
            writer.write(event, &mut out);
            assert_eq!(writer.buffered().pieces, 0, "{event:?} waits");
        }
    }

    #[test]
    fn what_comes_out_of_turn_waits_for_its_own() {
        let mixed = [call(0), call(1), piece(0, "{"), piece(1, "["), text("t"), piece(0, "}"), piece(1, "]"), FINISH];
        assert_eq!(written(&mixed), "(0 0:{ 0:}(1 1:[ 1:]<t>!");
        // Arguments that never arrive, or are not JSON, wait for the end.
        assert_eq!(written(&[call(0), call(1), piece(1, "{}"), FINISH]), "(0(1 1:{}!");
        assert_eq!(written(&[call(0), piece(0, "x"), text("t"), call(1), FINISH]), "(0 0:x<t>(1!");
        // A call gets no more arguments after its end.
        assert_eq!(written(&[call(0), piece(0, "{}"), text("t"), piece(0, " "), FINISH]), "(0 0:{}<t>!");
    }

    #[test]
    fn what_waits_is_counted_and_many_pieces_are_few() {
        let mut writer = InTurn::new(Letters);
        let mut out = Vec::new();
        writer.write(&call(0), &mut out);
        writer.write(&call(1), &mut out);
        for _ in 0..10_000 {
            writer.write(&piece(1, "1234"), &mut out);
        }
        let Buffered { bytes, pieces, .. } = writer.buffered();
        assert!(bytes >= 40_000 && pieces <= MANY, "{bytes} bytes in {pieces}");
    }
}
