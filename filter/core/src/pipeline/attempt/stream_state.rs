//! Passes or translates a stream's events between provider and client, and records usage for the request's bill.

use std::ops::Range;

use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::{OutputSoFar, StreamOpener, StreamReader, StreamWriter};
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::spec::Trigger;

use super::super::failure::{Failure, Work};
use super::super::request_state::RequestState;
use super::super::{Effect, Unreadable, View};
use super::stream_guard::StreamGuard;
use super::verbatim::Verbatim;

/// The most bytes held while waiting for the first content: one event of 8 MiB (a picture), and those before it.
const LONGEST_HOLD: usize = 9 << 20;

/// The most bytes of Envoy's buffer copied into the VM at once. A portion may be as long as a connection's buffer.
pub(super) const PORTION: usize = 1 << 20;

/// The most bytes translated at once: a piece's output is written before the next is read.
const PIECE: usize = 64 << 10;

/// The longest id of a response, or name of a model. Every event repeats them.
const LONGEST_NAME: usize = 1024;

/// The largest event buffer that is reused.
const FEW: usize = 1024;

/// The progress of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More may follow.
    More,
    /// Its terminator has arrived.
    Over,
}

/// A stream with more to send to the client.
#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) route: Route,
    /// Writes events in the client's format, where the provider's bytes do not pass.
    pub(super) writer: Box<dyn StreamWriter>,
    /// Output that has not left yet.
    pub(super) out: Vec<u8>,
    /// Whether content has arrived.
    pub(super) shows: bool,
    /// Records the stream, if it must be checked before the client sees it, or if its span has its content.
    pub(super) stream_guard: Option<StreamGuard>,
    /// Whether the client's terminator follows what waits.
    pub(super) ends: bool,
}

#[derive(Debug)]
pub(super) enum Route {
    /// Client and provider share a dialect: bytes pass, events are inspected.
    Pass(Verbatim),
    /// The same, inside the provider's envelope, which is removed, or inspected: whole events are written.
    Open { opener: Option<Box<dyn StreamOpener>>, text: Vec<u8>, verbatim: Verbatim },
    /// Events are parsed and written in the client's format.
    Translate { reader: Box<dyn StreamReader>, events: Vec<StreamEvent> },
}

impl StreamState {
    /// Reads a part of Envoy's buffer, and the final events at its `end`. The portion read last stays in `portion`.
    pub(super) fn read(
        &mut self,
        range: Range<usize>,
        end: bool,
        portion: &mut Vec<u8>,
        state: &mut RequestState,
        view: &dyn View,
    ) -> Result<Progress, Failure> {
        for from in range.clone().step_by(PORTION) {
            // Frees the previous portion first: never two at a time.
            drop(std::mem::take(portion));
            *portion = view
                .body(from..range.end.min(from + PORTION))
                .map_err(|_| Failure { work: Work::Seen, ..Failure::unreadable() })?;
            if self.take(portion, state)? == Progress::Over {
                return Ok(Progress::Over);
            }
        }
        if end { self.end(state) } else { Ok(Progress::More) }
    }

    pub(super) fn take(&mut self, portion: &[u8], state: &mut RequestState) -> Result<Progress, Failure> {
        let uninspected = self.stream_guard.as_mut().filter(|stream_guard| !stream_guard.inspects());
        let guarded = uninspected.map_or(Ok(()), |stream_guard| stream_guard.read(portion));
        let progress = match &mut self.route {
            Route::Pass(verbatim) => verbatim.read(portion, &mut self.shows),
            Route::Open { opener, text, verbatim } => {
                text.clear();
                let opened = match opener {
                    Some(opener) => opener.open(portion, text).map_err(Failure::in_answer),
                    None => {
                        text.extend_from_slice(portion);
                        Ok(())
                    }
                };
                let inspecting = self.stream_guard.as_mut().filter(|stream_guard| stream_guard.inspects());
                let progress = match inspecting {
                    Some(stream_guard) => verbatim.each(text, &mut self.shows, |event| {
                        stream_guard.pass(event, &mut *self.writer, &mut self.out)
                    }),
                    None => verbatim.relay(text, &mut self.shows, &mut self.out),
                };
                if text.capacity() > PIECE {
                    *text = Vec::new();
                }
                // Events before a failure count.
                match progress {
                    Ok(Progress::More) => opened.map(|()| Progress::More),
                    ended => ended,
                }
            }
            Route::Translate { .. } => return self.translate(portion, state),
        };
        self.account(state);
        guarded?;
        progress.and_then(|progress| self.unless_empty(progress, state))
    }

    /// Copies the inspected usage to the request state.
    pub(super) fn account(&mut self, state: &mut RequestState) {
        let (Route::Pass(verbatim) | Route::Open { verbatim, .. }) = &self.route else { return };
        let summary = verbatim.summary();
        (state.answer.usage, state.answer.extras) = (summary.usage, summary.extras);
        state.answer.said = summary.said;
        if state.answer.id.is_none() {
            state.answer.id.clone_from(&summary.id);
        }
        state.add_filter_results(summary.filters);
        (state.answer.finished, state.answer.reasons) = (summary.finished, summary.reasons);
    }

    pub(super) fn translate(&mut self, portion: &[u8], state: &mut RequestState) -> Result<Progress, Failure> {
        for piece in portion.chunks(PIECE) {
            let Route::Translate { reader, events } = &mut self.route else { break };
            let (result, mut read) = (reader.read(piece, events), std::mem::take(events));
            let kept = reader.buffered().check();
            for event in read.drain(..) {
                if self.speak(event, state)? == Progress::Over {
                    return self.unless_empty(Progress::Over, state);
                }
            }
            if let Route::Translate { events, .. } = &mut self.route
                && read.capacity() <= FEW
            {
                *events = read;
            }
            result.and(kept).map_err(Failure::in_answer)?;
        }
        Ok(Progress::More)
    }

    /// Writes an event for the client.
    pub(super) fn speak(&mut self, mut event: StreamEvent, state: &mut RequestState) -> Result<Progress, Failure> {
        match &mut event {
            StreamEvent::Start { id, model } => {
                if id.is_empty() || id.len() > LONGEST_NAME {
                    state.request.request_id().clone_into(id);
                }
                if model.len() > LONGEST_NAME {
                    model.clear();
                }
            }
            StreamEvent::Error(error) => return Err(Failure::in_answer(error.clone())),
            StreamEvent::Filtered(results) => {
                state.add_filter_results(*results);
                return Ok(Progress::More);
            }
            StreamEvent::Usage(tokens) => state.answer.usage = Some(*tokens),
            StreamEvent::Finish { finish, .. } => {
                state.answer.finished = true;
                state.answer.reasons.add(*finish);
            }
            _ => {}
        }
        self.shows |= event.is_content();
        state.answer.said += OutputSoFar::in_event(&event);
        let progress = if event == StreamEvent::End { Progress::Over } else { Progress::More };
        let before = self.out.len();
        match &mut self.stream_guard {
            Some(stream_guard) if stream_guard.inspects() => {
                stream_guard.speak(event, &mut *self.writer, &mut self.out)?;
            }
            stream_guard => {
                stream_guard.iter_mut().try_for_each(|stream_guard| stream_guard.record(&event))?;
                self.writer.write(&event, &mut self.out);
            }
        }
        if self.out.len() > state.worker.config.memory.rewritten {
            self.out.truncate(before);
            let error = ApiError::answer_too_large(
                "The provider's stream exceeds the amount that the gateway can translate at once. Ask for a shorter \
                 answer.",
            );
            return Err(Failure::in_answer(error));
        }
        self.writer.buffered().check().map_err(Failure::in_answer)?;
        Ok(progress)
    }

    /// A response that ends without content is a failure, unless the provider's content filter left none.
    pub(super) fn unless_empty(&self, progress: Progress, state: &RequestState) -> Result<Progress, Failure> {
        match progress {
            Progress::Over if !self.shows && !state.answer.is_filtered() => {
                Err(if state.answer.finished { Failure::ended_empty() } else { Failure::empty() })
            }
            _ => Ok(progress),
        }
    }

    /// The provider closed the stream. Without a terminator, the response is complete only if it has a finish reason.
    pub(super) fn end(&mut self, state: &mut RequestState) -> Result<Progress, Failure> {
        let pending = match &self.route {
            Route::Pass(verbatim) | Route::Open { verbatim, .. } => verbatim.is_pending(),
            Route::Translate { .. } => false,
        };
        if pending && self.end_event(state)? == Progress::Over {
            return Ok(Progress::Over);
        }
        match (self.shows, state.answer.finished) {
            (false, false) => Err(Failure::empty()),
            (false, true) => Err(Failure::ended_empty()),
            (true, false) => Err(Failure::truncated()),
            (true, true) => {
                self.release()?;
                self.ends = true;
                Ok(Progress::Over)
            }
        }
    }

    /// The provider ended the stream without the blank line after the last event: adds it.
    fn end_event(&mut self, state: &mut RequestState) -> Result<Progress, Failure> {
        if let Route::Pass(verbatim) = &mut self.route {
            if let Some(stream_guard) = &mut self.stream_guard {
                stream_guard.read(b"\n\n")?;
            }
            let progress = verbatim.end(&mut self.shows, &mut self.out);
            self.account(state);
            return self.unless_empty(progress?, state);
        }
        self.take(b"\n\n", state)
    }

    /// Inspects and writes what waits: no text follows.
    pub(super) fn release(&mut self) -> Result<(), Failure> {
        let Some(stream_guard) = &mut self.stream_guard else { return Ok(()) };
        stream_guard.end(&mut *self.writer, &mut self.out)
    }

    /// Copies the findings so far to the request state: the client may leave before the stream's end.
    pub(super) fn note_findings(&self, state: &mut RequestState) {
        let found = self.stream_guard.as_ref().map_or(&[][..], StreamGuard::findings);
        let known = state.answer.findings.len();
        state.answer.findings.extend_from_slice(found.get(known..).unwrap_or_default());
    }

    /// Checks the complete response.
    pub(super) fn judged(&mut self, state: &mut RequestState) -> Result<(), Failure> {
        let released = self.release();
        let Some(stream_guard) = &self.stream_guard else { return Ok(()) };
        match released.and_then(|()| stream_guard.judged()) {
            Ok(findings) => {
                state.answer.findings = findings;
                Ok(())
            }
            Err(failure) => {
                // The provider made the whole response, and counted it.
                if state.answer.usage.is_some_and(|usage| usage.input > 0) {
                    state.answer.said = OutputSoFar::default();
                }
                Err(failure)
            }
        }
    }

    /// Whether judges are judging a part of it.
    pub(super) fn is_asked(&self) -> bool {
        self.stream_guard.as_ref().is_some_and(StreamGuard::is_asked)
    }

    /// Whether all that is left to send waits for judges.
    pub(super) fn gathers(&self) -> bool {
        self.out.is_empty() && self.stream_guard.as_ref().is_some_and(StreamGuard::gathers)
    }

    /// Has judges judge what may leave next, and ends the client's stream; `over`: nothing follows. Returns whether they have not decided yet.
    pub(super) fn judge(
        &mut self,
        over: bool,
        state: &mut RequestState,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, Failure> {
        if let Some(stream_guard) = &mut self.stream_guard
            && stream_guard.judge(over, state, now, effects, (&mut *self.writer, &mut self.out))?
        {
            return Ok(true);
        }
        if over && std::mem::take(&mut self.ends) {
            self.writer.write(&StreamEvent::End, &mut self.out);
        }
        Ok(false)
    }

    /// Whether it has finished without usage. With several choices, the first finish reason is not the last.
    pub(super) fn is_uncounted(&self, state: &RequestState) -> bool {
        state.answer.finished && state.answer.usage.is_none() && state.request.scanned.peek.answers() == 1
    }

    /// Whether the client may see a part of it by now.
    pub(super) fn flows(&self) -> bool {
        match &self.stream_guard {
            Some(stream_guard) if stream_guard.inspects() => stream_guard.shows,
            _ => self.shows,
        }
    }

    /// Whether it may be sent before its end.
    pub(super) fn may_flow(&self) -> bool {
        self.flows() && !self.stream_guard.as_ref().is_some_and(StreamGuard::holds_whole)
    }

    /// Whether this much may be held; `long`: it is too long to be held whole.
    pub(super) fn check_hold(&self, size: usize, long: bool) -> Result<(), Failure> {
        let why = if !self.shows && size > LONGEST_HOLD {
            "The provider's stream sent too much data without an answer."
        } else if self.shows && long && !self.may_flow() {
            "The provider's answer is larger than 8 MiB, the limit for answers that the gateway checks. Ask for a \
             shorter answer."
        } else {
            return Ok(());
        };
        Err(Failure::in_answer(ApiError::answer_too_large(why)))
    }

    /// The output in place of Envoy's buffer of `size` bytes, whose first `ready` bytes leave unchanged; `None` if the whole buffer does.
    /// `portion`: the bytes after those, if they were read at once.
    pub(super) fn leave_behind(
        &mut self,
        ready: usize,
        size: usize,
        portion: Option<Vec<u8>>,
        view: &dyn View,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let buffer = || portion.map_or_else(|| view.body(ready..size), Ok);
        let Some(mut with) = self.leave(size.saturating_sub(ready), buffer)? else { return Ok(None) };
        if ready > 0 {
            with.splice(0..0, view.body(0..ready)?);
        }
        Ok(Some(with))
    }

    /// The output in place of Envoy's buffer of `size` bytes, if not the buffer itself.
    fn leave(
        &mut self,
        size: usize,
        buffer: impl FnOnce() -> Result<Vec<u8>, Unreadable>,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let out = std::mem::take(&mut self.out);
        match &mut self.route {
            Route::Pass(verbatim) => verbatim.leave(size, out, buffer),
            Route::Open { .. } | Route::Translate { .. } => Ok((size > 0 || !out.is_empty()).then_some(out)),
        }
    }

    /// Breaks off the response with an error event, or as a provider's content filter does.
    pub(super) fn break_off(&mut self, mut failure: Failure, state: &mut RequestState) {
        self.note_findings(state);
        match &mut self.stream_guard {
            Some(stream_guard) if failure.trigger == Some(Trigger::Guardrail) => {
                state.answer.findings.extend(failure.finding.take().map(|finding| *finding));
                stream_guard.cut_off(&mut *self.writer, &mut self.out);
            }
            _ => self.writer.write(&StreamEvent::Error((*failure.error).clone()), &mut self.out),
        }
        state.break_off(failure);
    }

    /// The same, if only the error can leave.
    pub(super) fn broken(&mut self, failure: Failure, state: &mut RequestState) -> Vec<u8> {
        self.break_off(failure, state);
        std::mem::take(&mut self.out)
    }

    pub(super) fn held(&self) -> usize {
        let route = match &self.route {
            Route::Pass(verbatim) => verbatim.held(),
            Route::Open { opener, text, verbatim } => {
                let text = text.capacity().saturating_add(verbatim.held());
                opener.as_ref().map_or(0, |opener| opener.buffered().held()).saturating_add(text)
            }
            Route::Translate { reader, events } => {
                reader.buffered().held().saturating_add(events.capacity().saturating_mul(size_of::<StreamEvent>()))
            }
        };
        let stream_guard = self.stream_guard.as_ref().map_or(0, StreamGuard::held);
        [self.writer.buffered().held(), self.out.capacity(), stream_guard]
            .into_iter()
            .fold(route, usize::saturating_add)
    }
}
