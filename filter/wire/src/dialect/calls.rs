//! Tool calls in a streamed response whose calls are blocks among others. Maps block indexes to call numbers. A call without any piece of
//! arguments gets the valid JSON that its block began with.

use crate::conversation::StreamEvent;

use super::Buffered;

/// No real response has as many blocks open at once. Bounds the memory that a provider can make the gateway use.
const MOST_OPEN: usize = 1024;

/// A call's block that has begun and not ended.
#[derive(Debug)]
struct Open {
    index: u64,
    call: u32,
    /// The arguments that the block began with; used if no piece follows.
    input: String,
}

/// The calls of one response.
#[derive(Debug, Default)]
pub struct Calls {
    open: Vec<Open>,
    begun: u32,
    /// Bytes of the initial arguments of open blocks.
    bytes: usize,
}

impl Calls {
    /// Begins block `index`, a call of `name`. `input` are its arguments if no piece follows.
    pub fn begin(&mut self, index: u64, id: String, name: String, input: &str, events: &mut Vec<StreamEvent>) {
        if self.open.len() == MOST_OPEN {
            self.end_all(events);
        }
        let call = self.begun;
        self.begun = self.begun.saturating_add(1);
        self.bytes = self.bytes.saturating_add(input.len());
        self.open.push(Open { index, call, input: input.to_owned() });
        events.push(StreamEvent::ToolCall { choice: 0, call, id, name });
    }

    /// Adds a piece of arguments to block `index`. Ignored if that block is not a client function call.
    pub fn piece(&mut self, index: u64, json: String, events: &mut Vec<StreamEvent>) {
        let open = self.open.iter_mut().rfind(|open| open.index == index);
        if let Some(open) = open.filter(|_| !json.is_empty()) {
            self.bytes = self.bytes.saturating_sub(std::mem::take(&mut open.input).len());
            events.push(StreamEvent::Arguments { choice: 0, call: open.call, json });
        }
    }

    /// Ends block `index`.
    pub fn end(&mut self, index: u64, events: &mut Vec<StreamEvent>) {
        let Some(position) = self.open.iter().rposition(|open| open.index == index) else { return };
        let ended = self.open.remove(position);
        self.bytes = self.bytes.saturating_sub(ended.input.len());
        ended.end(events);
    }

    /// Ends all blocks, including those that the server left open.
    pub fn end_all(&mut self, events: &mut Vec<StreamEvent>) {
        self.bytes = 0;
        self.open.drain(..).for_each(|open| open.end(events));
    }

    /// The amount of state held for open calls.
    pub fn buffered(&self) -> Buffered {
        Buffered { begun: 0, bytes: self.bytes, pieces: self.open.len() }
    }
}

impl Open {
    fn end(self, events: &mut Vec<StreamEvent>) {
        if !self.input.is_empty() {
            events.push(StreamEvent::Arguments { choice: 0, call: self.call, json: self.input });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn calls_that_never_end_do_not_fill_the_memory() {
        let (mut calls, mut events) = (Calls::default(), Vec::new());
        for index in 0..10_000 {
            calls.begin(index, String::new(), "f".to_owned(), "{}", &mut events);
            assert!(calls.buffered().pieces <= MOST_OPEN && calls.buffered().bytes == 2 * calls.open.len());
        }
        calls.end_all(&mut events);
        assert_eq!(calls.buffered(), Buffered::default());
        let ended = events.iter().filter(|event| matches!(event, StreamEvent::Arguments { .. })).count();
        assert_eq!(ended, 10_000);
    }
}
