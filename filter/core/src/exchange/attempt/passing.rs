//! An answer that flows to the client as it comes: sound, a file, events of a kind of their own. It is not looked into, but for
//! the usage at the end of a stream of events, which would be free otherwise.

use crate::dialect::Dialect;
use crate::dialect::pass_through::{is_stored, usage_at_end};

use super::super::View;
use super::super::journey::Journey;
use super::is_of;

/// The last bytes in which usage is looked for: it is a few hundred long.
const LONGEST_TAIL: usize = 2048;

/// Such an answer; of a stream of events, its last bytes.
#[derive(Debug)]
pub(super) struct Passing {
    tail: Option<Vec<u8>>,
}

impl Passing {
    /// What is kept at a provider was charged for when it was made.
    pub(super) fn new(client: &dyn Dialect, content_type: Option<&str>) -> Self {
        let streams = content_type.is_some_and(|kind| is_of(kind, "text/event-stream"));
        Self { tail: (streams && !is_stored(client)).then(Vec::new) }
    }

    /// Handles the portion that a body callback has.
    pub(super) fn step(&mut self, size: usize, journey: &mut Journey, view: &dyn View) {
        journey.portions += 1;
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(&view.body(size.saturating_sub(LONGEST_TAIL)..size));
            tail.drain(..tail.len().saturating_sub(LONGEST_TAIL));
            journey.usage = usage_at_end(tail).or(journey.usage);
        }
    }
}
