//! A response that passes to the client as it arrives: audio, a file, or events of another kind. It is not parsed, with two exceptions. The
//! last bytes of an event stream are retained until it ends, for the usage in them, which would otherwise be free. Facts about a batch
//! ([`crate::batch`]) are read as it passes.

use sluice_wire::dialect::Client;
use sluice_wire::dialect::pass_through::is_stored;

use crate::batch::results::Results;
use crate::batch::{BatchFact, BatchOperation, object};

use super::super::request_state::RequestState;
use super::super::{Unreadable, View};
use super::response_headers::is_of;

/// The number of last bytes that are searched for usage, which takes a few hundred.
const LONGEST_TAIL: usize = 2048;

/// A response that passes unread.
#[derive(Debug)]
pub(super) struct Passing {
    /// Whether its end may contain usage. Stored objects were charged when they were made.
    counts: bool,
    listens: Option<Listening>,
}

/// The part of a batch response that is read.
#[derive(Debug)]
enum Listening {
    /// A created object, or a batch's state.
    Object(Vec<u8>),
    /// A result file.
    Results(Results),
}

impl Passing {
    pub(super) fn new(client: &Client, content_type: Option<&str>) -> Self {
        let streams = content_type.is_some_and(|kind| is_of(kind, "text/event-stream"));
        Self { counts: streams && !is_stored(client), listens: None }
    }

    /// Reads facts about a batch from the response. A partial file (status 206) says nothing about the whole.
    pub(super) fn about(self, batch_operation: Option<&BatchOperation>, status: u16) -> Self {
        let listens = batch_operation.map(|batch_operation| match batch_operation {
            BatchOperation::Fetch(..) => Listening::Results(Results::default()),
            BatchOperation::Upload(_) | BatchOperation::Create(_) | BatchOperation::Watch(_) => {
                Listening::Object(Vec::new())
            }
        });
        Self { listens: listens.filter(|_| status == 200), ..self }
    }

    /// Handles the portion of a body callback.
    pub(super) fn step(&mut self, size: usize, end: bool, state: &mut RequestState, view: &dyn View) {
        state.stream_activity.portions += 1;
        self.listen(size, state, view);
        if end && let Some(listening) = self.listens.take() {
            state.answer.batch_fact = listening.end(state.request.batch_operation.as_ref());
        }
        if !self.counts {
            return;
        }
        if size > 0 {
            let Ok(last) = view.body(size.saturating_sub(LONGEST_TAIL)..size) else {
                // Usage in earlier bytes would not be final.
                state.answer.tail.clear();
                self.counts = false;
                return;
            };
            state.answer.tail.extend_from_slice(&last);
            let surplus = state.answer.tail.len().saturating_sub(LONGEST_TAIL);
            state.answer.tail.drain(..surplus);
        }
        if end {
            state.answer.read_tail();
        }
    }

    fn listen(&mut self, size: usize, state: &mut RequestState, view: &dyn View) {
        let Some(listening) = &mut self.listens else { return };
        let read = match (listening, view.body(0..size)) {
            (_, Err(Unreadable)) => false,
            (Listening::Object(body), _) if body.len().saturating_add(size) > object::LONGEST => false,
            (Listening::Object(body), Ok(portion)) => {
                body.extend_from_slice(&portion);
                true
            }
            (Listening::Results(results), Ok(portion)) => {
                results.read(&portion);
                state.memory.answer.set(results.held()).is_ok()
            }
        };
        if !read {
            self.listens = None;
        }
    }
}

impl Listening {
    /// The response is complete: returns the fact in it.
    fn end(self, batch_operation: Option<&BatchOperation>) -> Option<BatchFact> {
        match (self, batch_operation?) {
            (Self::Object(body), BatchOperation::Watch(_)) => object::used(&body),
            (Self::Object(body), _) => object::made(&body),
            (Self::Results(results), BatchOperation::Fetch(_, file)) => {
                Some(BatchFact::Used(results.end()?, Some(file.clone())))
            }
            (Self::Results(_), _) => None,
        }
    }
}
