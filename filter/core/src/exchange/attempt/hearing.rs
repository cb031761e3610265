//! Hears a stream that has to be looked at before the client sees it.

use std::rc::Rc;

use crate::conversation::StreamEvent;
use crate::dialect::StreamReader;
use crate::guard::Finding;
use crate::guard::answer::{Checks, Witness};

use super::super::failure::Failure;

/// What was heard, and what it has to pass.
#[derive(Debug)]
pub(super) struct Hearing {
    checks: Rc<Checks>,
    witness: Witness,
    /// Reads a stream that passes as it is; one that is translated is read already.
    reader: Option<Box<dyn StreamReader>>,
    events: Vec<StreamEvent>,
}

impl Hearing {
    pub(super) fn new(checks: Rc<Checks>, reader: Option<Box<dyn StreamReader>>) -> Self {
        Self { checks, witness: Witness::default(), reader, events: Vec::new() }
    }

    /// Reads a portion that passes as it is.
    pub(super) fn read(&mut self, portion: &[u8]) -> Result<(), Failure> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        reader.read(portion, &mut self.events).map_err(Failure::in_answer)?;
        self.events.drain(..).for_each(|event| self.witness.hear(&event));
        Ok(())
    }

    /// Hears an event of a stream that is translated.
    pub(super) fn hear(&mut self, event: &StreamEvent) {
        self.witness.hear(event);
    }

    /// Judges what was heard, all of it.
    pub(super) fn judged(&self) -> Result<Vec<Finding>, Failure> {
        self.checks.judge(&self.witness).map_err(Failure::objection)
    }
}
