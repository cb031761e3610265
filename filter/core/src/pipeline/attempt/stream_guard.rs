//! Records a stream: for guardrails and the schema check before the client sees it, or for the content of a span.

use std::rc::Rc;

use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::{OutputSoFar, StreamReader};
use sluice_wire::error::ApiError;
use sluice_wire::framing::sse::Decoder;

use crate::guard::Finding;
use crate::guard::answer::{Checks, Transcript};
use crate::guard::early::EarlyCheck;
use crate::guard::response_texts::ResponseTexts;
use crate::trace::messages;

use super::super::failure::Failure;

/// The largest event buffer that is reused.
const FEW: usize = 1024;

/// The most bytes read at once: their events are recorded before the next piece.
const PIECE: usize = 64 << 10;

/// The most bytes that are recorded without a check.
const MOST_UNCHECKED: u64 = 64 << 10;

/// The recorded stream and its checks. With checks, the record grows no larger than the held stream.
#[derive(Debug)]
pub(super) struct StreamGuard {
    checks: Rc<Checks>,
    early: Option<EarlyCheck>,
    transcript: Transcript,
    recorded: OutputSoFar,
    /// Reads a stream that passes unchanged; a translated one is parsed already.
    passing: Option<Passing>,
    events: Vec<StreamEvent>,
}

/// Parses a stream that passes unchanged.
#[derive(Debug)]
struct Passing {
    /// `None` after an event that it cannot parse, which only the client may understand.
    reader: Option<Box<dyn StreamReader>>,
    decoder: Decoder,
    overheard: ResponseTexts,
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
        known.buffered().check()?;
        if read.is_err() {
            *reader = None;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        [self.decoder.held(), self.overheard.held()]
            .iter()
            .fold(self.reader.as_ref().map_or(0, |reader| reader.buffered().held()), |sum, held| {
                sum.saturating_add(*held)
            })
    }
}

impl StreamGuard {
    pub(super) fn new(checks: Rc<Checks>, reader: Option<Box<dyn StreamReader>>) -> Self {
        let passing = reader.map(|reader| Passing {
            reader: Some(reader),
            decoder: Decoder::default(),
            overheard: ResponseTexts::default(),
        });
        Self {
            early: EarlyCheck::of(&checks),
            checks,
            transcript: Transcript::default(),
            recorded: OutputSoFar::default(),
            passing,
            events: Vec::new(),
        }
    }

    /// Whether the stream must be checked before the client sees it.
    pub(super) fn checks(&self) -> bool {
        !self.checks.is_empty()
    }

    /// Reads a portion that passes unchanged.
    pub(super) fn read(&mut self, portion: &[u8]) -> Result<(), Failure> {
        match self.read_pieces(portion) {
            Err(_) if !self.checks() => {
                self.passing = None;
                Ok(())
            }
            read => read,
        }
    }

    fn read_pieces(&mut self, portion: &[u8]) -> Result<(), Failure> {
        for piece in portion.chunks(PIECE) {
            let Some(passing) = &mut self.passing else { return Ok(()) };
            let mut events = std::mem::take(&mut self.events);
            passing.read(piece, &mut events).map_err(Failure::in_answer)?;
            if passing.reader.is_none() {
                self.transcript = std::mem::take(&mut self.transcript).unparsed();
            }
            events.drain(..).try_for_each(|event| self.record(&event))?;
            if events.capacity() <= FEW {
                self.events = events;
            }
        }
        Ok(())
    }

    /// Records an event of a translated stream.
    pub(super) fn record(&mut self, event: &StreamEvent) -> Result<(), Failure> {
        let is_end = matches!(event, StreamEvent::Finish { .. });
        if self.checks() || is_end || self.recorded.bytes < MOST_UNCHECKED {
            self.recorded += OutputSoFar::in_event(event);
            self.transcript.record(event);
        }
        self.early.as_mut().map_or(Ok(()), |early| early.read(event)).map_err(Failure::objection)
    }

    /// The recorded content for a span.
    pub(super) fn content(&self) -> String {
        messages::of_choices(&self.transcript.choices())
    }

    /// Checks the complete record.
    pub(super) fn judged(&self) -> Result<Vec<Finding>, Failure> {
        let passing = self.passing.iter().flat_map(|passing| passing.overheard.texts());
        self.checks.judge(&self.transcript, passing).map_err(Failure::objection)
    }

    /// Approximate memory in bytes.
    pub(super) fn held(&self) -> usize {
        let events = self.events.capacity().saturating_mul(size_of::<StreamEvent>());
        let passing = self.passing.as_ref().map_or(0, Passing::held);
        let early = self.early.as_ref().map_or(0, EarlyCheck::held);
        usize::try_from(self.recorded.bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(events)
            .saturating_add(passing)
            .saturating_add(early)
    }
}
