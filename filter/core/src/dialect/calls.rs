//! The calls of a streamed answer, where they are blocks among others: each block has an index, each call its number among
//! calls, and a call without a single piece of arguments is still one with valid JSON.

use crate::conversation::StreamEvent;

/// A call's block that was begun and not ended.
#[derive(Debug)]
struct Open {
    index: u64,
    call: u32,
    /// The arguments with which the block began: what counts if no piece follows.
    input: String,
}

/// The calls of one answer.
#[derive(Debug, Default)]
pub struct Calls {
    open: Vec<Open>,
    begun: u32,
}

impl Calls {
    /// The block `index` is a call of `name`; `input` are its arguments if no piece of them follows.
    pub fn begin(&mut self, index: u64, id: String, name: String, input: &str, events: &mut Vec<StreamEvent>) {
        let call = self.begun;
        self.begun = self.begun.saturating_add(1);
        self.open.push(Open { index, call, input: input.to_owned() });
        events.push(StreamEvent::ToolCall { choice: 0, call, id, name });
    }

    /// More arguments of the block `index`; nothing, if that is no call of the client's functions.
    pub fn piece(&mut self, index: u64, json: String, events: &mut Vec<StreamEvent>) {
        let open = self.open.iter_mut().rfind(|open| open.index == index);
        if let Some(open) = open.filter(|_| !json.is_empty()) {
            open.input.clear();
            events.push(StreamEvent::Arguments { choice: 0, call: open.call, json });
        }
    }

    /// The block `index` has ended.
    pub fn end(&mut self, index: u64, events: &mut Vec<StreamEvent>) {
        let Some(position) = self.open.iter().rposition(|open| open.index == index) else { return };
        let Open { call, input, .. } = self.open.remove(position);
        if !input.is_empty() {
            events.push(StreamEvent::Arguments { choice: 0, call, json: input });
        }
    }

    /// Nothing more comes, also from servers that do not end their blocks.
    pub fn end_all(&mut self, events: &mut Vec<StreamEvent>) {
        while let Some(index) = self.open.first().map(|open| open.index) {
            self.end(index, events);
        }
    }
}
