//! Hears a stream that has to be looked at before the client sees it.

use std::rc::Rc;

use crate::conversation::StreamEvent;
use crate::dialect::{Said, StreamReader};
use crate::guard::Finding;
use crate::guard::answer::{Checks, Witness};

use super::super::failure::Failure;

/// Room for so many events is used again; more is given back.
const FEW: usize = 1024;

/// How much is read at once: what was read is heard before there is more.
const PIECE: usize = 64 << 10;

/// What was heard, and what it has to pass. As much is heard as is held.
#[derive(Debug)]
pub(super) struct Hearing {
    checks: Rc<Checks>,
    witness: Witness,
    /// How much was heard.
    heard: Said,
    /// Reads a stream that passes as it is; one that is translated is read already.
    reader: Option<Box<dyn StreamReader>>,
    events: Vec<StreamEvent>,
}

impl Hearing {
    pub(super) fn new(checks: Rc<Checks>, reader: Option<Box<dyn StreamReader>>) -> Self {
        Self { checks, witness: Witness::default(), heard: Said::default(), reader, events: Vec::new() }
    }

    /// Reads a portion that passes as it is.
    pub(super) fn read(&mut self, portion: &[u8]) -> Result<(), Failure> {
        for piece in portion.chunks(PIECE) {
            let Some(reader) = &mut self.reader else { return Ok(()) };
            let mut events = std::mem::take(&mut self.events);
            let result = reader.read(piece, &mut events).and(reader.kept().check());
            result.map_err(Failure::in_answer)?;
            events.drain(..).for_each(|event| self.hear(&event));
            if events.capacity() <= FEW {
                self.events = events;
            }
        }
        Ok(())
    }

    /// Hears an event of a stream that is translated.
    pub(super) fn hear(&mut self, event: &StreamEvent) {
        self.heard += Said::in_event(event);
        self.witness.hear(event);
    }

    /// Judges what was heard, all of it.
    pub(super) fn judged(&self) -> Result<Vec<Finding>, Failure> {
        self.checks.judge(&self.witness).map_err(Failure::objection)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        let events = self.events.capacity().saturating_mul(size_of::<StreamEvent>());
        let reader = self.reader.as_ref().map_or(0, |reader| reader.kept().held());
        usize::try_from(self.heard.bytes).unwrap_or(usize::MAX).saturating_add(events).saturating_add(reader)
    }
}
