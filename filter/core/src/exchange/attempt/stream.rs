//! A streamed answer: held until its first content event, then passed on event by event; or held until all of it is here,
//! where the model is delivered whole.
//!
//! Only whole events leave: a client never reads half of one, and what it must not see (usage that it did not ask for, a
//! terminator behind an answer that is not complete) can be left out. Bytes that pass unchanged are not written back.
//!
//! An answer's end waits for its tokens' count, which most providers send right behind it: a client that leaves once it has the end
//! would leave nobody to count. It waits in Envoy's buffer, ready to leave, so that a tick can let it go.
//!
//! Nothing is kept without a bound. Once the client has all that it will get (the terminator, or an error), nothing more is
//! read or kept: whatever follows is swallowed, and the journey is told of it, for a provider that goes on is cut.

use std::ops::Range;

use sluice_wire::conversation::StreamEvent;
use sluice_wire::dialect::provider::Passing;
use sluice_wire::dialect::{
    ChatClient, ChatProvider, Opening, Said, StreamOpener, StreamReader, StreamWriter, translate,
};
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::routing::target::Target;

use super::super::failure::{Failure, Work};
use super::super::journey::Journey;
use super::super::{Effect, Flow, Unreadable, View, metric};
use super::hearing::Hearing;
use super::verbatim::Verbatim;

/// The most that is held back while waiting for the first content: an event of 8 MiB, for a picture is one, and what stands before
/// it.
const LONGEST_HOLD: usize = 9 << 20;

/// The most that is held back of a stream that is delivered whole, as it came and as it leaves: past it the rest flows as it
/// comes.
const LONGEST_WHOLE: usize = 8 << 20;

/// How much of Envoy's buffer is taken into the VM at once. A portion may be as long as a connection's buffer.
const PORTION: usize = 1 << 20;

/// How much is translated at once: what a piece becomes is written before the next is read.
const PIECE: usize = 64 << 10;

/// How much more may come of a stream while its end waits for the count.
const MOST_WAITING: usize = 64 << 10;

/// The longest name of an answer, or of a model. Clients are told it with every event.
const LONGEST_NAME: usize = 1024;

/// An answer begins behind no more blanks.
const LONGEST_BLANK: usize = 64;

/// Room for so many events is used again; more is given back.
const FEW: usize = 1024;

/// A stream on its way from a provider to the client.
#[derive(Debug)]
pub struct Relay {
    /// Between whom it flows; nobody, once the client has all that it will get.
    talk: Option<Box<Talk>>,
    /// Whether the client knows nothing of this attempt.
    held: bool,
    /// Whether it is to know nothing before all of it is here.
    whole: bool,
    /// Bytes of the held buffer that were read.
    read: usize,
    end: Waiting,
    /// Whether the second half of the terminator's last line end may still come.
    late: bool,
}

/// The end of an answer whose tokens nobody has counted yet.
#[derive(Debug, Default)]
struct Waiting {
    /// Bytes at the front of Envoy's buffer that are ready to leave.
    ready: usize,
    /// How many there may be; none, once it has waited.
    most: Option<usize>,
}

/// Between whom a stream flows.
#[derive(Debug, Clone, Copy)]
pub struct Speakers {
    /// The client's format.
    pub client: &'static ChatClient,
    /// The provider's.
    pub provider: &'static ChatProvider,
    /// Both speak the same dialect: bytes pass through.
    pub same: bool,
}

/// A stream of which the client is to get more.
#[derive(Debug)]
struct Talk {
    route: Route,
    /// Speaks to the client where the provider's own bytes do not.
    writer: Box<dyn StreamWriter>,
    /// What it has written, and has not left.
    out: Vec<u8>,
    /// Whether there was something of an answer.
    shows: bool,
    /// Hears what has to be looked at before the client sees it.
    hearing: Option<Hearing>,
}

#[derive(Debug)]
enum Route {
    /// Client and provider speak the same dialect: bytes pass, events are looked at.
    Pass(Verbatim),
    /// The same, but for the envelope that they are taken out of.
    Open { opener: Box<dyn StreamOpener>, text: Vec<u8>, verbatim: Verbatim },
    /// Events are read, and written anew.
    Translate { reader: Box<dyn StreamReader>, events: Vec<StreamEvent> },
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more of it.
    More,
    /// Its terminator came.
    Over,
}

impl Relay {
    /// One for the attempt under way, whose answer's headers are here.
    pub fn new(journey: &mut Journey, target: &Target, speakers: &Speakers, now: Time) -> Self {
        let Speakers { client, provider, same } = *speakers;
        let include_usage = journey.request.asks.outline.include_usage;
        let route = match provider.passing.filter(|_| same) {
            Some(Passing { peeker, opener }) => {
                let verbatim = Verbatim::new(peeker(), !include_usage);
                match opener {
                    Some(opener) => Route::Open { opener: opener(), text: Vec::new(), verbatim },
                    None => Route::Pass(verbatim),
                }
            }
            None => Route::Translate {
                reader: translate::stream(client, provider, &journey.answer.names),
                events: Vec::new(),
            },
        };
        let estimate = journey.estimate(target, 0).input;
        let guises = journey.answer.names.guises.clone();
        let opening = Opening { model: target.model.clone(), now: now.seconds(), include_usage, estimate, guises };
        let writer = (client.stream_writer)(opening);
        let whole = journey.is_delivered_whole();
        journey.watch.holding = whole;
        journey.answer.finished = false;
        let hearing =
            journey.request.checks.clone().map(|checks| Hearing::new(checks, same.then(|| (provider.stream_reader)())));
        let talk = Talk { route, writer, out: Vec::new(), shows: false, hearing };
        Self { talk: Some(Box::new(talk)), held: true, whole, read: 0, end: Waiting::default(), late: false }
    }

    /// Whether what begins here is one JSON object, though its type is a stream's: no line of events begins like that.
    pub(super) fn is_no_stream(&self, size: usize, view: &dyn View) -> bool {
        let fresh = self.talk.is_some() && self.held && self.read == 0;
        let begins = || view.body(0..size.min(LONGEST_BLANK));
        fresh && begins().is_ok_and(|bytes| bytes.trim_ascii_start().first() == Some(&b'{'))
    }

    /// Handles the buffer of a body callback. An error is a failure of which the client knows nothing.
    pub fn step(
        &mut self,
        size: usize,
        end: bool,
        journey: &mut Journey,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Failure> {
        let Some(talk) = &mut self.talk else { return Ok(self.swallow(size, end, journey, view, effects)) };
        journey.watch.portions += 1;
        self.end.look(journey);
        let ready = self.end.ready;
        let mut portion = Vec::new();
        let mut result = talk.read(self.read.max(ready)..size, end, &mut portion, journey, view);
        if self.held && result == Ok(Progress::Over) {
            result = talk.judged(journey).map(|()| Progress::Over);
        }
        let buffered = if self.held { size } else { ready };
        let room = journey.held.answer.set(talk.held().saturating_add(buffered));
        if let (Err(full), Ok(Progress::More)) = (room, &result)
            && !(self.held && self.whole && talk.may_flow())
        {
            effects.push(Effect::Count(metric::OVERLOADED));
            result = Err(Failure::full(full));
        }
        let over = match result {
            Ok(progress) => progress == Progress::Over,
            Err(failure) if self.held => return Err(failure),
            Err(failure) => {
                talk.break_off(failure, journey);
                true
            }
        };
        if self.held && !over {
            let long = size.max(talk.out.len()) > LONGEST_WHOLE || room.is_err();
            talk.check_hold(size, long)?;
            if !talk.shows || (self.whole && !long) {
                self.read = size;
                return Ok(Flow::Pause);
            }
        }
        if std::mem::replace(&mut self.held, false) {
            journey.commit(view.now());
        }
        let is_all = std::mem::take(&mut self.read) == 0 && ready == 0 && size <= PORTION;
        let fresh = size.saturating_sub(ready);
        let mut leaves = size;
        let left = talk.leave(fresh, || if is_all { Ok(portion) } else { view.body(ready..size) });
        let front = |with: Vec<u8>| if ready > 0 { Ok([view.body(0..ready)?, with].concat()) } else { Ok(with) };
        let left = left.and_then(|with| with.map(front).transpose());
        let (with, over) =
            left.map_or_else(|unreadable| (Some(talk.broken(unreadable.into(), journey)), true), |with| (with, over));
        if let Some(with) = with {
            leaves = with.len();
            effects.push(Effect::ReplaceBody { drain: size, with });
        }
        if over {
            self.close(end, journey, view.now());
        } else if !end && talk.is_uncounted(journey) && self.end.waits(leaves) {
            journey.watch.uncounted.get_or_insert(view.now());
            return Ok(Flow::Pause);
        }
        journey.watch.uncounted = None;
        self.end.ready = 0;
        Ok(Flow::Continue)
    }

    /// How much of Envoy's buffer is still there, of which so much was when it was seen last.
    pub(super) fn buffered(&self, size: usize, journey: &Journey) -> usize {
        if self.end.has_left(journey) { 0 } else { size }
    }

    /// The client has all that it will get.
    fn close(&mut self, end: bool, journey: &mut Journey, now: Time) {
        journey.complete();
        journey.held.answer.release();
        self.late = self.talk.take().is_some_and(|talk| match &talk.route {
            Route::Pass(verbatim) => verbatim.is_late(),
            Route::Open { .. } | Route::Translate { .. } => false,
        });
        if !end {
            journey.watch.lingers(0, now);
        }
    }

    /// Something comes of which the client gets nothing any more.
    fn swallow(
        &mut self,
        size: usize,
        end: bool,
        journey: &mut Journey,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let late = size > 0 && std::mem::take(&mut self.late) && view.body(0..1).is_ok_and(|byte| byte == b"\n");
        if size > usize::from(late) {
            effects.push(Effect::ReplaceBody { drain: size, with: if late { b"\n".to_vec() } else { Vec::new() } });
        }
        if end {
            journey.watch.lingering = None
        } else {
            journey.watch.lingers(size, view.now())
        }
        Flow::Continue
    }

    /// About how many bytes it keeps: in the VM, and in Envoy's buffer.
    pub fn held_bytes(&self) -> usize {
        let buffered = if self.held { self.read } else { 0 };
        self.talk.as_ref().map_or(0, |talk| talk.held().saturating_add(buffered))
    }
}

impl Waiting {
    /// Whether a tick has let go what was ready.
    fn has_left(&self, journey: &Journey) -> bool {
        self.ready > 0 && journey.watch.uncounted.is_none()
    }

    /// Something comes: if what was ready has left, the stream has waited.
    fn look(&mut self, journey: &Journey) {
        if self.has_left(journey) {
            *self = Self { ready: 0, most: Some(0) };
        }
    }

    /// Whether the end may wait with so many bytes, which are ready.
    fn waits(&mut self, bytes: usize) -> bool {
        let most = *self.most.get_or_insert(bytes.saturating_add(MOST_WAITING));
        let may = bytes > 0 && bytes <= most;
        *self = if may { Self { ready: bytes, most: Some(most) } } else { Self { ready: 0, most: Some(0) } };
        may
    }
}

impl Talk {
    /// Reads a part of Envoy's buffer, and what there is to read at its `end`. What was read last stays in `portion`.
    fn read(
        &mut self,
        range: Range<usize>,
        end: bool,
        portion: &mut Vec<u8>,
        journey: &mut Journey,
        view: &dyn View,
    ) -> Result<Progress, Failure> {
        for from in range.clone().step_by(PORTION) {
            // Never two of them at a time.
            drop(std::mem::take(portion));
            *portion = view
                .body(from..range.end.min(from + PORTION))
                .map_err(|_| Failure { work: Work::Seen, ..Failure::unreadable() })?;
            if self.take(portion, journey)? == Progress::Over {
                return Ok(Progress::Over);
            }
        }
        if end { self.end(journey) } else { Ok(Progress::More) }
    }

    /// Reads a portion.
    fn take(&mut self, portion: &[u8], journey: &mut Journey) -> Result<Progress, Failure> {
        if let Some(hearing) = &mut self.hearing {
            hearing.read(portion)?;
        }
        let progress = match &mut self.route {
            Route::Pass(verbatim) => verbatim.read(portion, &mut self.shows),
            Route::Open { opener, text, verbatim } => {
                text.clear();
                let opened = opener.open(portion, text).map_err(Failure::in_answer);
                let progress = verbatim.relay(text, &mut self.shows, &mut self.out);
                if text.capacity() > PIECE {
                    *text = Vec::new();
                }
                // What came before a failure counts.
                match progress {
                    Ok(Progress::More) => opened.map(|()| Progress::More),
                    ended => ended,
                }
            }
            Route::Translate { .. } => return self.translate(portion, journey),
        };
        self.account(journey);
        progress.and_then(|progress| self.unless_empty(progress, journey))
    }

    /// What was looked at in passing is written down.
    fn account(&mut self, journey: &mut Journey) {
        let (Route::Pass(verbatim) | Route::Open { verbatim, .. }) = &self.route else { return };
        let glance = verbatim.glance();
        (journey.answer.usage, journey.answer.extras) = (glance.usage, glance.extras);
        journey.answer.said = glance.said;
        if journey.answer.id.is_none() {
            journey.answer.id.clone_from(&glance.id);
        }
        journey.answer.finished = glance.finished;
    }

    fn translate(&mut self, portion: &[u8], journey: &mut Journey) -> Result<Progress, Failure> {
        for piece in portion.chunks(PIECE) {
            let Route::Translate { reader, events } = &mut self.route else { break };
            let (result, mut read) = (reader.read(piece, events), std::mem::take(events));
            let kept = reader.kept().check();
            for event in read.drain(..) {
                if self.speak(event, journey)? == Progress::Over {
                    return self.unless_empty(Progress::Over, journey);
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

    /// Says an event to the client.
    fn speak(&mut self, mut event: StreamEvent, journey: &mut Journey) -> Result<Progress, Failure> {
        match &mut event {
            StreamEvent::Start { id, model } => {
                if id.is_empty() || id.len() > LONGEST_NAME {
                    journey.request.request_id().clone_into(id);
                }
                if model.len() > LONGEST_NAME {
                    model.clear();
                }
            }
            StreamEvent::Error(error) => return Err(Failure::in_answer(error.clone())),
            StreamEvent::Usage(tokens) => journey.answer.usage = Some(*tokens),
            StreamEvent::Finish { .. } => journey.answer.finished = true,
            _ => {}
        }
        self.shows |= event.is_content();
        if let Some(hearing) = &mut self.hearing {
            hearing.hear(&event);
        }
        journey.answer.said += Said::in_event(&event);
        let before = self.out.len();
        self.writer.write(&event, &mut self.out);
        if self.out.len() > journey.worker.gateway.memory.rewritten {
            self.out.truncate(before);
            let error =
                ApiError::answer_too_large("The provider's stream is longer than the gateway can translate at once.");
            return Err(Failure::in_answer(error));
        }
        self.writer.kept().check().map_err(Failure::in_answer)?;
        Ok(if event == StreamEvent::End { Progress::Over } else { Progress::More })
    }

    /// An answer that ends without content is none.
    fn unless_empty(&self, progress: Progress, journey: &Journey) -> Result<Progress, Failure> {
        match progress {
            Progress::Over if !self.shows => {
                Err(if journey.answer.finished { Failure::ended_empty() } else { Failure::empty() })
            }
            _ => Ok(progress),
        }
    }

    /// The provider closed the stream. Without a terminator it is complete only if the answer itself said that it ended.
    fn end(&mut self, journey: &mut Journey) -> Result<Progress, Failure> {
        if let Route::Pass(verbatim) = &mut self.route
            && verbatim.is_pending()
        {
            if let Some(hearing) = &mut self.hearing {
                hearing.read(b"\n\n")?;
            }
            let progress = verbatim.end(&mut self.shows, &mut self.out);
            self.account(journey);
            if self.unless_empty(progress?, journey)? == Progress::Over {
                return Ok(Progress::Over);
            }
        }
        match (self.shows, journey.answer.finished) {
            (false, false) => Err(Failure::empty()),
            (false, true) => Err(Failure::ended_empty()),
            (true, false) => Err(Failure::truncated()),
            (true, true) => {
                self.writer.write(&StreamEvent::End, &mut self.out);
                Ok(Progress::Over)
            }
        }
    }

    /// The answer is complete, and nobody has seen anything of it: whether anybody may.
    fn judged(&self, journey: &mut Journey) -> Result<(), Failure> {
        let Some(hearing) = &self.hearing else { return Ok(()) };
        match hearing.judged() {
            Ok(findings) => {
                journey.answer.findings = findings;
                Ok(())
            }
            Err(failure) => {
                // All of it was made, and counted.
                if journey.answer.usage.is_some_and(|usage| usage.input > 0) {
                    journey.answer.said = Said::default();
                }
                Err(failure)
            }
        }
    }

    /// Whether it has come to its end, and its tokens have not been counted. Of several answers the first one's end is not the last.
    fn is_uncounted(&self, journey: &Journey) -> bool {
        journey.answer.finished && journey.answer.usage.is_none() && journey.request.asks.outline.answers() == 1
    }

    /// Whether the client may see it before its end.
    fn may_flow(&self) -> bool {
        self.shows && self.hearing.is_none()
    }

    /// Whether so much of it may be held; `long` is what is too long to be held whole.
    fn check_hold(&self, size: usize, long: bool) -> Result<(), Failure> {
        let why = if !self.shows && size > LONGEST_HOLD {
            "The provider's stream does not come to an answer."
        } else if self.hearing.is_some() && long {
            "The provider's answer is longer than the gateway can check (8 MiB)."
        } else {
            return Ok(());
        };
        Err(Failure::in_answer(ApiError::answer_too_large(why)))
    }

    /// What leaves in place of Envoy's buffer of `size` bytes, if not the buffer itself.
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

    /// The answer breaks off: its client reads why.
    fn break_off(&mut self, failure: Failure, journey: &mut Journey) {
        self.writer.write(&StreamEvent::Error((*failure.error).clone()), &mut self.out);
        journey.break_off(failure);
    }

    /// The same where nothing but that can leave.
    fn broken(&mut self, failure: Failure, journey: &mut Journey) -> Vec<u8> {
        self.break_off(failure, journey);
        std::mem::take(&mut self.out)
    }

    fn held(&self) -> usize {
        let route = match &self.route {
            Route::Pass(verbatim) => verbatim.held(),
            Route::Open { opener, text, verbatim } => {
                let text = text.capacity().saturating_add(verbatim.held());
                opener.kept().held().saturating_add(text)
            }
            Route::Translate { reader, events } => {
                reader.kept().held().saturating_add(events.capacity().saturating_mul(size_of::<StreamEvent>()))
            }
        };
        let hearing = self.hearing.as_ref().map_or(0, Hearing::held);
        [self.writer.kept().held(), self.out.capacity(), hearing].into_iter().fold(route, usize::saturating_add)
    }
}
