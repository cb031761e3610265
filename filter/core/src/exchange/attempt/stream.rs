//! A streamed answer: held until its first content event, then passed on event by event; or held until all of it is here,
//! where the model is delivered whole.
//!
//! Only whole events leave: a client never reads half of one, and what it must not see (usage that it did not ask for, a
//! terminator behind an answer that is not complete) can be left out. Bytes that pass unchanged are not written back.

use crate::config::Target;
use crate::conversation::StreamEvent;
use crate::dialect::{Chat, Opening, Said, Seen, StreamPeeker, StreamReader, StreamWriter};
use crate::error::ApiError;
use crate::framing::sse::{Decoder, TooLong};

use super::super::failure::Failure;
use super::super::journey::Journey;
use super::super::{Effect, Flow, Time, View};
use super::hearing::Hearing;

/// The most that is held back while waiting for the first content.
const LONGEST_HOLD: usize = 1 << 20;

/// The most that is held back of a stream that is delivered whole: past it the rest flows as it comes.
const LONGEST_WHOLE: usize = 8 << 20;

/// A stream on its way from a provider to the client.
#[derive(Debug)]
pub(super) struct Relay {
    route: Route,
    state: State,
    /// Whether the client knows nothing of this attempt.
    held: bool,
    /// Whether it is to know nothing before all of it is here.
    whole: bool,
    /// What leaves next: everything that was read and has not left.
    out: Vec<u8>,
    /// Whether something was left out of that, or added to it.
    altered: bool,
    /// Bytes of the held buffer that were read.
    read: usize,
    /// Speaks to the client where the provider's own bytes do not.
    writer: Box<dyn StreamWriter>,
    /// Whether an answer in it has said why it ended.
    finished: bool,
    /// Hears what has to be looked at before the client sees it.
    hearing: Option<Hearing>,
}

/// Between whom a stream flows.
pub(super) struct Speakers {
    pub(super) client: &'static dyn Chat,
    pub(super) provider: &'static dyn Chat,
    /// Both speak the same dialect: bytes pass through.
    pub(super) same: bool,
}

#[derive(Debug)]
enum Route {
    /// Client and provider speak the same dialect: bytes pass, events are looked at.
    Pass { decoder: Decoder, peeker: Box<dyn StreamPeeker>, hide_usage: bool },
    /// Events are read, and written anew.
    Translate { reader: Box<dyn StreamReader>, events: Vec<StreamEvent> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No content yet.
    Silent,
    /// There is some.
    Open,
    /// The terminator came, or the client is told of a failure: whatever follows is swallowed.
    Closed,
}

impl Relay {
    pub(super) fn new(journey: &mut Journey, target: &Target, speakers: &Speakers, now: Time) -> Self {
        let Speakers { client, provider, same } = *speakers;
        let include_usage = journey.outline.include_usage;
        let route = if same {
            Route::Pass { decoder: Decoder::default(), peeker: provider.stream_peeker(), hide_usage: !include_usage }
        } else {
            Route::Translate { reader: provider.stream_reader(), events: Vec::new() }
        };
        let opening = Opening { model: target.model.clone(), now: now.seconds(), include_usage };
        let writer = client.stream_writer(opening);
        let whole = journey.is_delivered_whole();
        journey.holding = whole;
        let hearing = journey.checks.clone().map(|checks| Hearing::new(checks, same.then(|| provider.stream_reader())));
        Self {
            route,
            state: State::Silent,
            held: true,
            whole,
            out: Vec::new(),
            altered: false,
            read: 0,
            writer,
            finished: false,
            hearing,
        }
    }

    /// Handles the buffer of a body callback. An error is a failure of which the client knows nothing.
    pub(super) fn step(
        &mut self,
        size: usize,
        end: bool,
        journey: &mut Journey,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Failure> {
        let portion = if size > self.read { view.body(self.read..size) } else { Vec::new() };
        let lag = self.route.lag();
        let mut result = self.take(&portion, journey);
        if end && result.is_ok() {
            result = self.end(journey);
        }
        if self.held && self.state == State::Closed && result.is_ok() {
            result = self.judged(journey);
        }
        journey.portions += 1;
        if let Err(failure) = result {
            if self.held {
                return Err(failure);
            }
            self.writer.write(&StreamEvent::Error((*failure.error).clone()), &mut self.out);
            self.state = State::Closed;
            self.altered = true;
            journey.break_off(failure);
        }
        if self.state == State::Silent && size > LONGEST_HOLD {
            let error = ApiError::bad_answer("The provider's stream does not come to an answer.");
            return Err(Failure::in_answer(error));
        }
        if self.hearing.is_some() && self.held && self.state != State::Closed && size > LONGEST_WHOLE {
            let error = ApiError::bad_answer("The provider's answer is longer than the gateway can check (8 MiB).");
            return Err(Failure::in_answer(error));
        }
        let waits = match self.state {
            State::Silent => true,
            State::Open => self.whole && size <= LONGEST_WHOLE,
            State::Closed => false,
        };
        if self.held && waits {
            self.read = size;
            return Ok(Flow::Pause);
        }
        if std::mem::replace(&mut self.held, false) {
            journey.commit(view.now());
        }
        if self.state == State::Closed {
            journey.complete();
        }
        self.read = 0;
        // Everything came in whole events and everything leaves: the bytes are already where they belong.
        let verbatim = lag == 0 && self.route.lag() == 0 && !std::mem::take(&mut self.altered);
        if verbatim && matches!(self.route, Route::Pass { .. }) {
            self.out.clear();
        } else if size > 0 || !self.out.is_empty() {
            effects.push(Effect::ReplaceBody { drain: size, with: std::mem::take(&mut self.out) });
        }
        Ok(Flow::Continue)
    }

    /// The answer is complete, and nobody has seen anything of it: whether anybody may.
    fn judged(&self, journey: &mut Journey) -> Result<(), Failure> {
        let Some(hearing) = &self.hearing else { return Ok(()) };
        match hearing.judged() {
            Ok(findings) => {
                journey.findings = findings;
                Ok(())
            }
            Err(failure) => {
                // All of it was made, and counted.
                if journey.usage.is_some_and(|usage| usage.input > 0) {
                    journey.said = Said::default();
                }
                Err(failure)
            }
        }
    }

    /// Reads a portion.
    fn take(&mut self, portion: &[u8], journey: &mut Journey) -> Result<(), Failure> {
        let Self { route, state, out, altered, writer, finished, hearing, .. } = self;
        if let Some(hearing) = hearing {
            hearing.read(portion)?;
        }
        match route {
            Route::Pass { decoder, peeker, hide_usage } => {
                let result = decoder.feed(portion, |event| {
                    // The second half of the terminator's last line end may come late, and belongs to it.
                    if *state == State::Closed && event.raw != b"\n" {
                        *altered = true;
                        return Ok(());
                    }
                    if !event.is_silent() {
                        match peeker.peek(&event) {
                            Seen::Failed(error) => return Err(Failure::in_answer(error)),
                            Seen::UsageAlone if *hide_usage => {
                                *altered = true;
                                return Ok(());
                            }
                            Seen::End => close(state)?,
                            Seen::Content => *state = State::Open,
                            Seen::Other | Seen::UsageAlone => {}
                        }
                    }
                    out.extend_from_slice(event.raw);
                    Ok(())
                });
                journey.usage = peeker.glance().usage;
                journey.said = peeker.glance().said;
                *finished = peeker.glance().finished;
                result
            }
            Route::Translate { reader, events } => {
                if *state == State::Closed {
                    return Ok(());
                }
                let result = reader.read(portion, events);
                for mut event in events.drain(..) {
                    match &mut event {
                        StreamEvent::Start { id, .. } if id.is_empty() => journey.request_id().clone_into(id),
                        StreamEvent::Error(error) => return Err(Failure::in_answer(error.clone())),
                        StreamEvent::End => close(state)?,
                        StreamEvent::Usage(tokens) => journey.usage = Some(*tokens),
                        StreamEvent::Finish { .. } => *finished = true,
                        _ => {}
                    }
                    if event.is_content() {
                        *state = State::Open;
                    }
                    if let Some(hearing) = hearing {
                        hearing.hear(&event);
                    }
                    journey.said += Said::in_event(&event);
                    writer.write(&event, out);
                }
                result.map_err(Failure::in_answer)
            }
        }
    }

    /// The provider closed the stream. Without a terminator it is complete only if the answer itself said that it ended.
    fn end(&mut self, journey: &mut Journey) -> Result<(), Failure> {
        if self.route.lag() > 0 {
            self.altered = true;
            // The last event's blank line may be missing.
            self.take(b"\n\n", journey)?;
        }
        match self.state {
            State::Closed => Ok(()),
            State::Open if self.finished => {
                self.writer.write(&StreamEvent::End, &mut self.out);
                self.altered = true;
                self.state = State::Closed;
                Ok(())
            }
            State::Open => Err(Failure::truncated()),
            State::Silent => Err(Failure::empty()),
        }
    }
}

impl Route {
    /// Bytes that were read and belong to an event that is not complete.
    fn lag(&self) -> usize {
        match self {
            Self::Pass { decoder, .. } => decoder.pending().len(),
            Self::Translate { .. } => 0,
        }
    }
}

/// The terminator: an answer that ends without content is none.
fn close(state: &mut State) -> Result<(), Failure> {
    match std::mem::replace(state, State::Closed) {
        State::Silent => Err(Failure::empty()),
        State::Open | State::Closed => Ok(()),
    }
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Self {
        Self::in_answer(error.into())
    }
}
