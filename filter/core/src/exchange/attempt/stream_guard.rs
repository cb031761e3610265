//! Hears a stream that has to be looked at before the client sees it.

use std::rc::Rc;

use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::{OutputSoFar, StreamReader};
use sluice_wire::error::ApiError;
use sluice_wire::framing::sse::Decoder;

use crate::guard::Finding;
use crate::guard::answer::{Checks, Transcript};
use crate::guard::overheard::Overheard;

use super::super::failure::Failure;

/// Room for so many events is used again; more is given back.
const FEW: usize = 1024;

/// How much is read at once: what was read is heard before there is more.
const PIECE: usize = 64 << 10;

/// What was heard, and what it has to pass. As much is heard as is held.
#[derive(Debug)]
pub(super) struct StreamGuard {
    checks: Rc<Checks>,
    witness: Transcript,
    /// How much was heard.
    recorded: OutputSoFar,
    /// Of a stream that passes as it is; one that is translated is read already.
    passing: Option<Passing>,
    events: Vec<StreamEvent>,
}

/// Hears a stream that its client reads as its provider wrote it.
#[derive(Debug)]
struct Passing {
    /// None once something came that it cannot read: that is its client's to read.
    reader: Option<Box<dyn StreamReader>>,
    decoder: Decoder,
    overheard: Overheard,
}

impl Passing {
    fn read(&mut self, piece: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let Self { reader, decoder, overheard } = self;
        decoder.feed(piece, |event| {
            let lines = event.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
            lines.filter(|line| !line.starts_with(b"data")).for_each(|line| overheard.aside(line));
            if event.data.is_empty() { Ok(()) } else { overheard.event(&event.data) }
        })?;
        let Some(known) = reader else { return Ok(()) };
        let read = known.read(piece, events);
        known.kept().check()?;
        if read.is_err() {
            *reader = None;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        [self.decoder.held(), self.overheard.held()]
            .iter()
            .fold(self.reader.as_ref().map_or(0, |reader| reader.kept().held()), |sum, held| sum.saturating_add(*held))
    }
}

impl StreamGuard {
    pub(super) fn new(checks: Rc<Checks>, reader: Option<Box<dyn StreamReader>>) -> Self {
        let passing = reader.map(|reader| Passing {
            reader: Some(reader),
            decoder: Decoder::default(),
            overheard: Overheard::default(),
        });
        Self { checks, witness: Transcript::default(), recorded: OutputSoFar::default(), passing, events: Vec::new() }
    }

    /// Reads a portion that passes as it is.
    pub(super) fn read(&mut self, portion: &[u8]) -> Result<(), Failure> {
        for piece in portion.chunks(PIECE) {
            let Some(passing) = &mut self.passing else { return Ok(()) };
            let mut events = std::mem::take(&mut self.events);
            passing.read(piece, &mut events).map_err(Failure::in_answer)?;
            if passing.reader.is_none() {
                self.witness = std::mem::take(&mut self.witness).puzzled();
            }
            events.drain(..).for_each(|event| self.record(&event));
            if events.capacity() <= FEW {
                self.events = events;
            }
        }
        Ok(())
    }

    /// Hears an event of a stream that is translated.
    pub(super) fn record(&mut self, event: &StreamEvent) {
        self.recorded += OutputSoFar::in_event(event);
        self.witness.record(event);
    }

    /// Judges what was heard, all of it.
    pub(super) fn judged(&self) -> Result<Vec<Finding>, Failure> {
        let passing = self.passing.iter().flat_map(|passing| passing.overheard.texts());
        self.checks.judge(&self.witness, passing).map_err(Failure::objection)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        let events = self.events.capacity().saturating_mul(size_of::<StreamEvent>());
        let passing = self.passing.as_ref().map_or(0, Passing::held);
        usize::try_from(self.recorded.bytes).unwrap_or(usize::MAX).saturating_add(events).saturating_add(passing)
    }
}
