//! A streamed response: held until its first content event, then passed event by event; or held until it is complete, where the model is
//! delivered whole.
//!
//! Only whole events leave, so events that the client must not see (usage that it did not request, a terminator after an incomplete
//! response) can be dropped. Unchanged bytes are not written back.
//!
//! The end of a response waits for its usage, which most providers send right after it: a client that disconnects at the end would leave
//! the usage uncounted. The end waits in Envoy's buffer, ready to leave, so that a tick can release it.
//!
//! All buffers are bounded. Once the client has the complete response (the terminator, or an error), all further bytes are dropped unread,
//! and the request state is notified, so that a provider that continues is cut off.

use std::rc::Rc;

use sluice_wire::dialect::provider::Passing;
use sluice_wire::dialect::{ChatClient, ChatProvider, Opening, translate};
use sluice_wire::time::Time;

use crate::routing::target::Target;

use super::super::failure::Failure;
use super::super::request_state::RequestState;
use super::super::{Effect, Flow, View};
use super::stream_guard::StreamGuard;
pub use super::stream_state::Progress;
use super::stream_state::{PORTION, Route, StreamState};
use super::verbatim::Verbatim;

/// The largest part of a stream delivered whole that is held, before and after translation. Beyond it, the rest passes as it arrives.
const LONGEST_WHOLE: usize = 8 << 20;

/// The most bytes that may arrive while the end of a stream waits for its usage.
const MOST_WAITING: usize = 64 << 10;

/// Stands in Envoy's buffer for the end of a stream, while judges judge it.
pub(super) const PLACEHOLDER: &[u8] = b"\n";

/// The most leading whitespace before the first event.
const LONGEST_BLANK: usize = 64;

/// Relays a provider's stream to the client.
#[derive(Debug)]
pub struct Relay {
    /// The stream's translation; `None` once the client has the complete response.
    stream_state: Option<Box<StreamState>>,
    /// Whether the client has received nothing of this attempt.
    held: bool,
    /// Whether the response is held until it is complete.
    whole: bool,
    /// Bytes of the held buffer that have been read.
    read: usize,
    /// Whether all of the response has been read.
    over: bool,
    end: Waiting,
    /// Whether the second half of the terminator's CR LF may still arrive.
    late: bool,
}

/// The end of a response whose usage is missing.
#[derive(Debug, Default)]
struct Waiting {
    /// Bytes at the front of Envoy's buffer that are ready to leave.
    ready: usize,
    /// The most such bytes; zero once it has waited.
    most: Option<usize>,
    /// Whether they wait for judges, so that no tick has released them.
    kept: bool,
}

/// The formats at both ends of a stream.
#[derive(Debug, Clone, Copy)]
pub struct DialectPair {
    /// The client's format.
    pub client: &'static ChatClient,
    /// The provider's format.
    pub provider: &'static ChatProvider,
    /// Both are the same dialect: bytes pass unchanged.
    pub same: bool,
}

impl Relay {
    /// Creates the relay of the current attempt, whose response headers have arrived.
    pub fn new(state: &mut RequestState, target: &Target, dialects: &DialectPair, now: Time) -> Self {
        let DialectPair { client, provider, same } = *dialects;
        let include_usage = state.request.scanned.peek.include_usage;
        let (inspects, rewrites) =
            state.request.checks.as_ref().map_or((false, false), |checks| (checks.inspects(), checks.rewrites()));
        let route = match provider.passing.filter(|_| same && !rewrites) {
            Some(Passing { peeker, opener }) => {
                let verbatim = Verbatim::new(peeker(), !include_usage);
                match opener.map(|opener| opener()) {
                    None if !inspects => Route::Pass(verbatim),
                    opener => Route::Open { opener, text: Vec::new(), verbatim },
                }
            }
            None => Route::Translate {
                reader: translate::stream(client, provider, &state.answer.names),
                events: Vec::new(),
            },
        };
        let estimate = state.estimate(target, 0).input;
        let guises = state.answer.names.guises.clone();
        let opening = Opening { model: target.model.clone(), now: now.seconds(), include_usage, estimate, guises };
        let writer = (client.stream_writer)(opening);
        state.answer.finished = false;
        let unchecked = || state.records_content().then(Rc::default);
        let stream_guard = state.request.checks.clone().or_else(unchecked);
        // An inspected stream is read as its client reads it, without an envelope.
        let own = state.request.scanned.client.provider.chat().filter(|_| inspects).unwrap_or(provider);
        let passes = !matches!(route, Route::Translate { .. });
        let reader = || (own.stream_reader)();
        let whole = state.is_delivered_whole();
        state.stream_activity.holding = whole;
        let stream_guard = stream_guard.map(|checks| StreamGuard::new(checks, passes.then(reader), whole));
        let stream_state = StreamState { route, writer, out: Vec::new(), shows: false, stream_guard, ends: false };
        Self {
            stream_state: Some(Box::new(stream_state)),
            held: true,
            whole,
            read: 0,
            over: false,
            end: Waiting::default(),
            late: false,
        }
    }

    /// Whether the body is one JSON object despite its stream type: no event line begins with a brace.
    pub(super) fn is_no_stream(&self, size: usize, view: &dyn View) -> bool {
        let fresh = self.stream_state.is_some() && self.held && self.read == 0;
        let begins = || view.body(0..size.min(LONGEST_BLANK));
        fresh && begins().is_ok_and(|bytes| bytes.trim_ascii_start().first() == Some(&b'{'))
    }

    /// Handles the buffer of a body callback. Fails only if the client has received nothing yet.
    pub fn step(
        &mut self,
        size: usize,
        end: bool,
        state: &mut RequestState,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Result<Flow, Failure> {
        let Some(stream_state) = &mut self.stream_state else {
            return Ok(self.swallow(size, end, state, view, effects));
        };
        let now = view.now();
        state.stream_activity.portions += 1;
        if size > self.read.max(self.end.ready) {
            state.answer.chunks.arrive(now);
        }
        self.end.look(state);
        let ready = self.end.ready;
        let mut portion = Vec::new();
        let mut result = Ok(if self.over { Progress::Over } else { Progress::More });
        let mut waits = Ok(false);
        if stream_state.is_asked() {
            waits = stream_state.judge(self.over, state, now, effects);
        }
        if (&waits, &result) == (&Ok(false), &Ok(Progress::More)) {
            result = stream_state.read(self.read.max(ready)..size, end, &mut portion, state, view);
            if result == Ok(Progress::Over) {
                self.over = true;
                result = stream_state.release().map(|()| Progress::Over);
            }
            let leaves = if self.held { stream_state.flows() } else { !stream_state.out.is_empty() };
            if result.is_ok() && (self.over || !leaves) {
                waits = stream_state.judge(self.over, state, now, effects);
            }
        }
        stream_state.note_findings(state);
        // While text waits for judges, nothing leaves: trailers may follow, and then only what Envoy has buffered can still be replaced.
        let gathers = !self.held && ready == 0 && size <= PORTION && stream_state.gathers();
        let keeps = self.held || gathers || waits == Ok(true);
        let buffered = if keeps { size } else { ready };
        let room = state.memory.answer.set(stream_state.held().saturating_add(buffered));
        match (waits, room) {
            (Ok(true), Ok(())) => return Ok(self.wait_for_judges(size, state, effects)),
            (Ok(true), Err(exhausted)) => {
                state.judges.give_up(now);
                result = Err(Failure::exhausted(exhausted, effects));
            }
            (Ok(false), _) if self.over && result.is_ok() => {
                result = stream_state.judged(state).map(|()| Progress::Over);
            }
            (Ok(false), _) => {}
            (Err(failure), _) => result = Err(failure),
        }
        if let (Err(exhausted), Ok(Progress::More)) = (room, &result)
            && !(self.held && self.whole && stream_state.may_flow())
        {
            result = Err(Failure::exhausted(exhausted, effects));
        }
        let over = match result {
            Ok(progress) => progress == Progress::Over,
            Err(failure) if self.held => return Err(failure),
            Err(failure) => {
                stream_state.break_off(failure, state);
                true
            }
        };
        if self.held && !over {
            let long = size.max(stream_state.out.len()) > LONGEST_WHOLE || room.is_err();
            stream_state.check_hold(size, long)?;
            if !stream_state.flows() || (self.whole && !long) {
                self.read = size;
                return Ok(Flow::Pause);
            }
        }
        if gathers && !over {
            self.read = size;
            return Ok(Flow::Pause);
        }
        if std::mem::replace(&mut self.held, false) {
            state.commit(now);
        }
        let is_all = std::mem::take(&mut self.read) == 0 && ready == 0 && size <= PORTION;
        let mut leaves = size;
        let portion = is_all.then_some(portion);
        let (with, over) = match stream_state.leave_behind(ready, size, portion, view) {
            Ok(with) => (with, over),
            Err(unreadable) => (Some(stream_state.broken(unreadable.into(), state)), true),
        };
        if let Some(with) = with {
            leaves = with.len();
            effects.push(Effect::ReplaceBody { drain: size, with });
        }
        if over {
            self.close(end, state, now);
        } else if !end && stream_state.is_uncounted(state) && self.end.waits(leaves) {
            state.stream_activity.uncounted.get_or_insert(now);
            return Ok(Flow::Pause);
        }
        state.stream_activity.uncounted = None;
        (self.end.ready, self.end.kept) = (0, false);
        Ok(Flow::Continue)
    }

    /// Waits with the buffer, into which the response can be written later. Envoy has none for an end without bytes.
    fn wait_for_judges(&mut self, size: usize, state: &mut RequestState, effects: &mut Vec<Effect>) -> Flow {
        if size == 0 {
            effects.push(Effect::ReplaceBody { drain: 0, with: PLACEHOLDER.to_vec() });
        }
        self.read = size.max(PLACEHOLDER.len());
        // No tick releases the buffer.
        self.end.kept = self.end.ready > 0;
        state.stream_activity.uncounted = None;
        Flow::Pause
    }

    /// How much of the last seen buffer is still there.
    pub(super) fn buffered(&self, size: usize, state: &RequestState) -> usize {
        if self.end.has_left(state) { 0 } else { size }
    }

    /// The client has the complete response.
    fn close(&mut self, end: bool, state: &mut RequestState, now: Time) {
        state.complete();
        state.memory.answer.release();
        if let Some(stream_guard) = self.stream_state.as_ref().and_then(|state| state.stream_guard.as_ref()) {
            state.record_content(|| stream_guard.content());
        }
        self.late = self.stream_state.take().is_some_and(|stream_state| match &stream_state.route {
            Route::Pass(verbatim) => verbatim.is_late(),
            Route::Open { .. } | Route::Translate { .. } => false,
        });
        if !end {
            state.stream_activity.lingers(0, now);
        }
    }

    /// Drops bytes after the end.
    fn swallow(
        &mut self,
        size: usize,
        end: bool,
        state: &mut RequestState,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let late = size > 0 && std::mem::take(&mut self.late) && view.body(0..1).is_ok_and(|byte| byte == b"\n");
        if size > usize::from(late) {
            effects.push(Effect::ReplaceBody { drain: size, with: if late { b"\n".to_vec() } else { Vec::new() } });
        }
        if end {
            state.stream_activity.lingering = None
        } else {
            state.stream_activity.lingers(size, view.now())
        }
        Flow::Continue
    }

    /// Approximate memory in the VM and in Envoy's buffer.
    pub fn held_bytes(&self) -> usize {
        let buffered = if self.held { self.read } else { 0 };
        self.stream_state.as_ref().map_or(0, |stream_state| stream_state.held().saturating_add(buffered))
    }
}

impl Waiting {
    /// Whether a tick has released the ready bytes.
    fn has_left(&self, state: &RequestState) -> bool {
        self.ready > 0 && !self.kept && state.stream_activity.uncounted.is_none()
    }

    /// If the ready bytes have left, the end has waited and does not wait again.
    fn look(&mut self, state: &RequestState) {
        if self.has_left(state) {
            *self = Self { ready: 0, most: Some(0), kept: false };
        }
    }

    /// Whether the end may wait with this many ready bytes.
    fn waits(&mut self, bytes: usize) -> bool {
        let most = *self.most.get_or_insert(bytes.saturating_add(MOST_WAITING));
        let may = bytes > 0 && bytes <= most;
        *self = Self { ready: if may { bytes } else { 0 }, most: Some(if may { most } else { 0 }), kept: false };
        may
    }
}
