//! An answer that flows to the client as it comes: sound, a file, events of a kind of their own. It is not looked into, but for
//! the usage at the end of a stream of events, which would be free otherwise: its last bytes are kept until it is over, however
//! it ends.

use crate::dialect::Dialect;
use crate::dialect::pass_through::is_stored;

use super::super::View;
use super::super::journey::Journey;
use super::is_of;

/// The last bytes in which usage is looked for: it is a few hundred long.
const LONGEST_TAIL: usize = 2048;

/// Such an answer.
#[derive(Debug)]
pub(super) struct Passing {
    /// Whether usage may stand at its end. What is kept at a provider was charged for when it was made.
    counts: bool,
}

impl Passing {
    pub(super) fn new(client: &dyn Dialect, content_type: Option<&str>) -> Self {
        let streams = content_type.is_some_and(|kind| is_of(kind, "text/event-stream"));
        Self { counts: streams && !is_stored(client) }
    }

    /// Handles the portion that a body callback has.
    pub(super) fn step(&mut self, size: usize, end: bool, journey: &mut Journey, view: &dyn View) {
        journey.portions += 1;
        if !self.counts {
            return;
        }
        if size > 0 {
            journey.tail.extend_from_slice(&view.body(size.saturating_sub(LONGEST_TAIL)..size));
            let surplus = journey.tail.len().saturating_sub(LONGEST_TAIL);
            journey.tail.drain(..surplus);
        }
        if end {
            journey.read_tail();
        }
    }
}
