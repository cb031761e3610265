//! An answer that flows to the client as it comes: sound, a file, events of a kind of their own. It is not looked into, but for
//! the usage at the end of a stream of events, which would be free otherwise: its last bytes are kept until it is over, however
//! it ends. And what it tells of a batch ([`crate::batch`]) is read as it flows.

use sluice_wire::dialect::Client;
use sluice_wire::dialect::pass_through::is_stored;

use crate::batch::results::Results;
use crate::batch::{BatchFact, Errand, object};

use super::super::request_state::RequestState;
use super::super::{Unreadable, View};
use super::headers::is_of;

/// The last bytes in which usage is looked for: it is a few hundred long.
const LONGEST_TAIL: usize = 2048;

/// Such an answer.
#[derive(Debug)]
pub(super) struct Passing {
    /// Whether usage may stand at its end. What is kept at a provider was charged for when it was made.
    counts: bool,
    listens: Option<Listening>,
}

/// What is read of a batch's answer.
#[derive(Debug)]
enum Listening {
    /// It says what was made, or how a batch is.
    Object(Vec<u8>),
    /// It is a file of results.
    Results(Results),
}

impl Passing {
    pub(super) fn new(client: &Client, content_type: Option<&str>) -> Self {
        let streams = content_type.is_some_and(|kind| is_of(kind, "text/event-stream"));
        Self { counts: streams && !is_stored(client), listens: None }
    }

    /// The same for an answer with this status about a batch. A part of a file says nothing of the whole.
    pub(super) fn about(self, errand: Option<&Errand>, status: u16) -> Self {
        let listens = errand.map(|errand| match errand {
            Errand::Fetch(_) => Listening::Results(Results::default()),
            Errand::Upload(_) | Errand::Create(_) | Errand::Watch(_) => Listening::Object(Vec::new()),
        });
        Self { listens: listens.filter(|_| status == 200), ..self }
    }

    /// Handles the portion that a body callback has.
    pub(super) fn step(&mut self, size: usize, end: bool, state: &mut RequestState, view: &dyn View) {
        state.watch.portions += 1;
        self.listen(size, state, view);
        if end && let Some(listening) = self.listens.take() {
            state.answer.told = listening.end(state.request.errand.as_ref());
        }
        if !self.counts {
            return;
        }
        if size > 0 {
            let Ok(last) = view.body(size.saturating_sub(LONGEST_TAIL)..size) else {
                // Usage that stands before it is not the answer's last word.
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
                state.held.answer.set(results.held()).is_ok()
            }
        };
        if !read {
            self.listens = None;
        }
    }
}

impl Listening {
    /// All of the answer is here: what it has told.
    fn end(self, errand: Option<&Errand>) -> Option<BatchFact> {
        match (self, errand?) {
            (Self::Object(body), Errand::Watch(_)) => object::used(&body),
            (Self::Object(body), _) => object::made(&body),
            (Self::Results(results), _) => results.end().map(BatchFact::Used),
        }
    }
}
