//! The provider role: one attempt at one provider. It writes the provider's request, holds the response until it is known to be good, and
//! after a failure tells Envoy whether and where to retry.
//!
//! Until [`RequestState::commit`] the client has received nothing, and every failure can still be retried silently. After it, a failure
//! ends in an error event in the client's dialect: never in a response that looks complete.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::content_filter;
use sluice_wire::dialect::field_paths::{by_name, own_name};
use sluice_wire::dialect::pass_through::is_stored;
use sluice_wire::dialect::{Asks, OutputSoFar, Provider, openai_chat};
use sluice_wire::error::{ApiError, ErrorKind, Own};
use sluice_wire::json;
use sluice_wire::time::{Time, whole_seconds};

use crate::callout::Called;
use crate::routing::target::Target;

use super::failure::{Failure, retry_after};
use super::provider_error::ProviderError;
use super::refusal::refusal;
use super::request_state::{Begin, CANNOT_EXPRESS, Ending, Next, OVER_LIMIT, RequestState, Stage, misconfigured};
use super::{Context, Effect, Event, Flow, Reply, signal};

mod judged_windows;
mod passing;
mod recast;
mod request;
mod response_headers;
pub mod stream;
mod stream_guard;
mod stream_state;
mod verbatim;
mod waiting_event;
mod whole;

use passing::Passing;
use request::Outbound;
use response_headers::{Body, is_of, served_by};
use stream::{DialectPair, Relay};

/// The largest whole response, in bytes: the VM's memory never shrinks again.
const LARGEST_ANSWER: usize = 32 << 20;

/// The longest part of a provider's error that is read, in bytes.
const LONGEST_ERROR: usize = 1 << 20;

/// One attempt at one provider.
#[derive(Debug)]
pub struct Attempt {
    target: Rc<Target>,
    /// The provider's format.
    dialect: &'static Provider,
    /// The attempt's number, from 1.
    number: usize,
    /// Whether response bodies pass unchanged: client and provider share a dialect, or the provider wraps the client's in an envelope.
    /// Error bodies may differ.
    same_bodies: bool,
    phase: Phase,
    /// The response's last callback, if that waits for judges.
    waiting: Option<Event>,
}

/// Why an attempt of Envoy's does not begin.
#[derive(Debug)]
pub enum NoAttempt {
    /// No attempt was planned.
    Unplanned,
    /// The client gets this reply: the attempt before was the last, or the target cannot take the request.
    Answered(Reply),
}

#[derive(Debug)]
enum Phase {
    /// The request is being sent.
    Request(Outbound),
    /// The provider responded with an error; waits for its body.
    Error(Box<ErrorHead>),
    /// Waits for a whole response.
    Whole,
    /// A stream passes.
    Stream(Box<Relay>),
    /// A response passes unread.
    Passing(Passing),
    /// The rest passes unchanged.
    Done,
}

/// The headers of a provider's error.
#[derive(Debug)]
struct ErrorHead {
    status: u16,
    retry_after: Option<Duration>,
    hint: Option<String>,
    /// The provider's own id of the request, if it has one for clients.
    request_id: Option<String>,
}

impl Attempt {
    /// Begins the next planned attempt. Its effects prepare Envoy for the case that no callback follows.
    pub fn begin(state: &mut RequestState, cx: &mut Context<'_>) -> Result<Self, NoAttempt> {
        let now = cx.now();
        let target = match state.begin(now, cx.shared) {
            Begin::Attempt(target) => target,
            Begin::Over => return Err(NoAttempt::Answered(over(state, now))),
            Begin::Unplanned => return Err(NoAttempt::Unplanned),
        };
        cx.effects.extend(state.route.announce());
        let number = state.progress.attempts.len();
        let Some(dialect) = target.provider.format_for(state.request.scanned.client, &target.model) else {
            let error =
                ApiError::new(400, ErrorKind::InvalidRequest, "The fallback's provider does not offer this endpoint.");
            return Err(NoAttempt::Answered(end_plan(Failure::ours(CANNOT_EXPRESS, error), state, cx)));
        };
        let same_bodies = dialect.bodies() == state.request.scanned.client.id();
        let lease = state.request.lease();
        if !state.bill.billing.moves_to(&target, lease, cx.shared, now) {
            let message = "This request would exceed a rate limit or a budget of the fallback.";
            let error = ApiError::new(429, ErrorKind::RateLimit, message);
            return Err(NoAttempt::Answered(end_plan(Failure::ours(OVER_LIMIT, error), state, cx)));
        }
        let outbound = Outbound::choose(state, &target, dialect);
        state.ask_judges(now, cx.effects);
        if let Some(failure) = state.judges.objection() {
            let Flow::Reply(reply) = give_up(failure, state, cx) else { return Err(NoAttempt::Unplanned) };
            return Err(NoAttempt::Answered(reply));
        }
        Ok(Self { target, dialect, number, same_bodies, phase: Phase::Request(outbound), waiting: None })
    }

    /// Handles a callback of the request or the response.
    pub fn step(&mut self, event: Event, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        if self.is_given_up(state) {
            return Flow::Continue;
        }
        let flow = match event {
            Event::RequestHeaders { .. } | Event::RequestBody { .. } => self.request(event, state, cx),
            Event::ResponseHeaders { end } => self.response_headers(end, state, cx),
            Event::ResponseTrailers { .. } | Event::ResponseBody { .. } => self.response_part(event, state, cx),
        };
        if matches!(state.progress.stage, Stage::Complete | Stage::Broken) {
            state.publish_result(cx.now(), cx.shared);
        }
        flow
    }

    /// Handles the reply to one of the calls that [`Judges::take_calls`](super::request_state::Judges::take_calls) returned. A paused response may
    /// continue only if the flow says so.
    pub fn called(&mut self, call: usize, called: &Called, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        if self.is_given_up(state) {
            return Flow::Pause;
        }
        state.judge_replied(call, called, cx.now(), cx.effects);
        let is_held = matches!(self.phase, Phase::Request(_) | Phase::Error(_) | Phase::Whole | Phase::Stream(_));
        if is_held
            && self.waiting.is_none()
            && let Some(failure) = state.judges.objection()
        {
            return self.fail(failure, state, cx);
        }
        match self.waiting.take_if(|_| !state.judges.hold()) {
            Some(event) => self.step(event, state, cx),
            None => Flow::Pause,
        }
    }

    /// Handles a portion of the body, or trailers. They wait for judges of the prompt, and of the portions before.
    fn response_part(&mut self, event: Event, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        let (Event::ResponseBody { size, .. } | Event::ResponseTrailers { size }) = event else { return Flow::Pause };
        let may_wait = matches!(self.phase, Phase::Whole | Phase::Stream(_));
        if may_wait && state.judges.hold() {
            self.waiting = Some(event);
            if size > LARGEST_ANSWER && state.progress.stage == Stage::Underway {
                return self.fail(Failure::in_answer(too_large()), state, cx);
            }
            match state.memory.answer.grow(size) {
                Ok(()) => return Flow::Pause,
                Err(exhausted) if state.progress.stage == Stage::Underway => {
                    return self.fail(Failure::exhausted(exhausted, cx.effects), state, cx);
                }
                // The stream finds no room either, and breaks off.
                Err(_) => {}
            }
        }
        self.waiting = None;
        // A complete response tells its usage.
        let is_complete = matches!((&self.phase, event), (Phase::Whole, Event::ResponseBody { end: true, .. }));
        let flow = match event {
            _ if may_wait
                && !is_complete
                && let Some(failure) = state.judges.objection() =>
            {
                self.fail(failure, state, cx)
            }
            Event::ResponseBody { size, end } => self.response_body(size, end, state, cx),
            _ => self.response_trailers(size, state, cx),
        };
        if flow == Flow::Pause && state.judges.hold() {
            // An end without bytes has got a placeholder.
            let size = size.max(stream::PLACEHOLDER.len());
            self.waiting = Some(match event {
                Event::ResponseBody { end, .. } => Event::ResponseBody { size, end },
                _ => Event::ResponseTrailers { size },
            });
        }
        flow
    }

    /// Handles the end of the attempt's filter. If the attempt ended without a callback, its ending is known now, before Envoy chooses the
    /// next route. `ending` is called only in that case.
    pub fn ends(&self, ending: impl FnOnce() -> Ending, state: &mut RequestState, cx: &mut Context<'_>) {
        if state.is_unheard(self.number) && state.ends_unheard(ending(), cx.now(), cx.shared) {
            cx.effects.extend(state.route.announce());
        }
    }

    /// Whether [`give_up`] has ended it from outside: further callbacks are ignored.
    fn is_given_up(&self, state: &RequestState) -> bool {
        let over = state.progress.attempts.last().is_some_and(|attempt| attempt.failure.is_some());
        state.progress.attempts.len() != self.number || (over && state.progress.stage == Stage::Underway)
    }

    fn request(&mut self, event: Event, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        let Phase::Request(outbound) = &mut self.phase else { return Flow::Continue };
        match outbound.step(event, state, &self.target, self.dialect, cx.view, cx.effects) {
            Ok(flow) => flow,
            Err(failure) => {
                self.phase = Phase::Done;
                Flow::Reply(end_plan(failure, state, cx))
            }
        }
    }

    fn response_body(&mut self, size: usize, end: bool, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        match &mut self.phase {
            Phase::Request(_) | Phase::Done => Flow::Continue,
            Phase::Error(_) if !end && size <= LONGEST_ERROR && state.memory.answer.grow(size).is_ok() => Flow::Pause,
            Phase::Whole if size > LARGEST_ANSWER => self.fail(Failure::in_answer(too_large()), state, cx),
            Phase::Whole => match state.memory.answer.grow(size) {
                Err(exhausted) => {
                    // The work so far is charged by estimate.
                    state.answer.said = OutputSoFar::of(size);
                    self.fail(Failure::exhausted(exhausted, cx.effects), state, cx)
                }
                Ok(()) if !end => Flow::Pause,
                Ok(()) => self.whole_answer(size, state, cx),
            },
            Phase::Passing(passing) => {
                passing.step(size, end, state, cx.view);
                if end {
                    self.phase = Phase::Done;
                    state.complete();
                }
                Flow::Continue
            }
            Phase::Error(_) => {
                let Phase::Error(refusal) = std::mem::replace(&mut self.phase, Phase::Done) else {
                    return Flow::Continue;
                };
                // Without its body, an error still has its status.
                let body = cx.view.body(0..size.min(LONGEST_ERROR)).unwrap_or_default();
                self.error_answer(&refusal, &body, state, cx)
            }
            Phase::Stream(relay) if relay.is_no_stream(size, cx.view) => {
                state.stream_activity.holding = false;
                self.phase = Phase::Whole;
                self.response_body(size, end, state, cx)
            }
            Phase::Stream(relay) => match relay.step(size, end, state, cx.view, cx.effects) {
                Ok(flow) => flow,
                Err(failure) => self.fail(failure, state, cx),
            },
        }
    }

    fn response_headers(&mut self, end: bool, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        let headers = match cx.view.headers() {
            Ok(headers) => headers,
            Err(unreadable) => return self.fail(unreadable.into(), state, cx),
        };
        let status: u16 = headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or(502);
        if let Some(attempt) = state.progress.attempts.last_mut() {
            attempt.status = Some(status);
        }
        if !(200..300).contains(&status) {
            let text = |name: Option<&'static str>| name.and_then(|name| headers.text(name)).map(str::to_owned);
            let refusal = ErrorHead {
                status,
                retry_after: retry_after(&headers, cx.now().seconds()),
                hint: text(self.dialect.headers.error),
                request_id: text(self.dialect.headers.request_id),
            };
            // A server error's status is enough: no need to wait for the body if another target is next.
            if end || (status >= 500 && state.another_waits()) {
                return self.error_answer(&refusal, &[], state, cx);
            }
            self.phase = Phase::Error(Box::new(refusal));
            return Flow::Pause;
        }
        let passes = matches!(state.request.scanned.client.asks, Asks::PassedThrough);
        if end && !passes {
            return self.fail(Failure::empty(), state, cx);
        }
        if headers.text("content-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return self.fail(Failure::compressed(), state, cx);
        }
        let is_stream = |content_type: &str| is_of(content_type, self.dialect.stream_type);
        let streams = state.request.scanned.peek.stream && headers.text("content-type").is_some_and(is_stream);
        let content = match (self.same_bodies, streams) {
            (true, true) if self.dialect.stream_type == state.request.scanned.client.provider.stream_type => {
                Body::Stream
            }
            (true, false) => Body::Unchanged,
            (_, true) => Body::New("text/event-stream"),
            (false, false) => Body::New("application/json"),
        };
        let is_json = || headers.text("content-type").is_some_and(|kind| is_of(kind, "application/json"));
        if passes && (end || is_stored(state.request.scanned.client) || !is_json()) {
            self.answer_headers(&headers, Body::Unchanged, state, cx);
            let passing = Passing::new(state.request.scanned.client, headers.text("content-type"));
            return self.pass(end, passing.about(state.request.batch_operation.as_ref(), status), state, cx);
        }
        // If the response turns out bad, these are discarded with it.
        self.answer_headers(&headers, content, state, cx);
        self.phase = match (streams, self.dialect.chat(), state.request.scanned.client.chat()) {
            (true, Some(provider), Some(client)) => {
                let dialects = DialectPair { client, provider, same: self.same_bodies };
                Phase::Stream(Box::new(Relay::new(state, &self.target, &dialects, cx.now())))
            }
            _ => Phase::Whole,
        };
        Flow::Pause
    }

    /// Passes the response to the client as it arrives: audio, a file, or events of another kind.
    fn pass(&mut self, end: bool, passing: Passing, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        state.commit(cx.now());
        self.phase = Phase::Passing(passing);
        if end {
            self.phase = Phase::Done;
            state.complete();
        }
        Flow::Continue
    }

    /// Handles trailers. Nothing can be appended to a body that has left; a reply then makes Envoy reset the stream, which the client does
    /// not take for a clean end.
    fn response_trailers(&mut self, size: usize, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        let before = cx.effects.len();
        let size = match &self.phase {
            Phase::Stream(relay) => relay.buffered(size, state),
            _ => size,
        };
        let flow = self.response_body(size, true, state, cx);
        if size == 0 && cx.effects.iter().skip(before).any(|effect| matches!(effect, Effect::ReplaceBody { .. })) {
            cx.effects.truncate(before);
            if state.judges.hold() {
                // Nothing can be judged any more.
                state.break_off(Failure::truncated());
            }
            if state.progress.stage == Stage::Broken {
                let error = ApiError::bad_answer("The provider's answer ended before it was complete.");
                return Flow::Reply(refusal(state.request.scanned.client, &error, &state.progress.attempts));
            }
        }
        flow
    }

    /// Handles an error response of the provider.
    fn error_answer(
        &mut self,
        refusal: &ErrorHead,
        body: &[u8],
        state: &mut RequestState,
        cx: &mut Context<'_>,
    ) -> Flow {
        let ErrorHead { status, retry_after, hint, request_id } = refusal;
        if let Some(attempt) = state.progress.attempts.last_mut() {
            attempt.provider_error = ProviderError::read(body).map(Box::new);
            attempt.filters |= content_filter::read(body, self.dialect.filters);
        }
        let mut error = (self.dialect.read_error)(*status, hint.as_deref(), body);
        error.retry_after = retry_after.or(error.retry_after);
        // A cloud has its own error format, even if its response bodies have the client's.
        if self.dialect.id == state.request.scanned.client.id() {
            let own = Own::read(body, request_id.as_deref());
            error.own = own.map(|own| own.filled(&(state.request.scanned.client.manner.write_error)(&error)).into());
        } else if error.param.as_deref().is_some_and(|field| own_name(state.request.scanned.client, field).is_some()) {
            // The client knows the fields of a translated request by its own names.
            error = by_name(state.request.scanned.client, error);
        }
        self.fail(Failure::status(*status, error), state, cx)
    }

    /// Ends the attempt before the client has received anything of it.
    fn fail(&mut self, failure: Failure, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
        self.phase = Phase::Done;
        give_up(failure, state, cx)
    }
}

fn too_large() -> ApiError {
    ApiError::answer_too_large(
        "The provider's answer is larger than the gateway's limit of 32 MiB. Ask for less in one request.",
    )
}

/// Ends the plan, because this fallback cannot take the request and a filter cannot skip an attempt. The client gets the previous attempts'
/// error: the fallback's missing field support is not what went wrong.
fn end_plan(failure: Failure, state: &mut RequestState, cx: &mut Context<'_>) -> Reply {
    let before = state
        .progress
        .attempts
        .iter()
        .rev()
        .find_map(|attempt| attempt.failure.as_ref())
        .map(|attempt| attempt.error.clone());
    let error = before.unwrap_or_else(|| failure.error.clone());
    let _ = state.fail(failure, cx.now(), cx.shared);
    state.progress.stage = Stage::Refused;
    refusal(state.request.scanned.client, &error, &state.progress.attempts)
}

/// Ends the current attempt before any of its response is sent: another one follows, or the client gets the error. Outside the attempt's
/// own callbacks, call it only while the response's headers are held.
pub fn give_up(failure: Failure, state: &mut RequestState, cx: &mut Context<'_>) -> Flow {
    let now = cx.now();
    let next = state.fail(failure, now, cx.shared);
    // Discards the held response.
    state.memory.answer.release();
    let effects = &mut *cx.effects;
    let wait = match next {
        Next::Elsewhere => Duration::ZERO,
        Next::Again(wait) => wait,
        Next::Nothing => return Flow::Reply(over(state, now)),
    };
    effects.extend(state.route.announce());
    // The provider may have sent a header of this name itself.
    effects.push(match wait.is_zero() {
        true => Effect::RemoveHeader(signal::RETRY_AFTER.into()),
        false => Effect::SetHeader(signal::RETRY_AFTER, whole_seconds(wait).to_string().into()),
    });
    effects.push(Effect::SetHeader(signal::RETRY, "1".into()));
    Flow::Continue
}

/// Ends the plan after the last failure, which the client gets.
fn over(state: &mut RequestState, now: Time) -> Reply {
    state.progress.stage = Stage::Refused;
    let last = state.progress.attempts.last().and_then(|attempt| Some((attempt, attempt.failure.as_ref()?)));
    let Some((attempt, failure)) = last else { return unplanned() };
    let error = state.closing_error(failure, now);
    let mut reply = refusal(state.request.scanned.client, &error, &state.progress.attempts);
    reply.headers.extend(served_by(&attempt.target).map(|(name, value)| (name, value.to_owned())));
    state.progress.refusal = Some(error.into());
    reply
}

/// The reply to a request at a provider's filter without a known plan.
pub fn unplanned() -> Reply {
    refusal(&openai_chat::CLIENT, &misconfigured(), &[])
}

/// Checks UTF-8 even in a body that passes unread: a client rejects the whole response for one invalid byte.
fn is_text(bytes: &[u8]) -> Result<(), Failure> {
    match json::utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::in_answer(ApiError::bad_answer("The provider's answer is not valid UTF-8."))),
    }
}
