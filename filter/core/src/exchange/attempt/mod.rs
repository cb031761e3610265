//! The provider role: one try at one provider. It writes the request as that provider wants it, holds the answer until it
//! is known to be good, and tells Envoy after a failure whether to try again, and where.
//!
//! Until [`Journey::commit`] nothing has reached the client, and every failure can still become a silent retry. After it,
//! a failure ends in an error event in the client's dialect: never in what looks like a complete answer.

use std::rc::Rc;
use std::time::Duration;

use crate::config::Target;
use crate::dialect::openai_chat::OpenAiChat;
use crate::error::{ApiError, ErrorKind};
use crate::store::SharedData;

use super::failure::{Failure, retry_after, worth_trying_elsewhere};
use super::gateway::refusal;
use super::headers::HeaderMap;
use super::journey::{Journey, Next, Stage, misconfigured};
use super::{Effect, Event, Flow, View, property, signal};

mod request;
mod stream;
mod whole;

use request::Outbound;
use stream::Relay;

/// The largest whole answer, in bytes: the VM's memory never shrinks again.
const LARGEST_ANSWER: usize = 32 << 20;

/// The most of a provider's error that is read.
const LONGEST_ERROR: usize = 1 << 20;

/// One try at one provider.
#[derive(Debug)]
pub struct Attempt {
    target: Rc<Target>,
    /// Client and provider speak the same dialect: bytes pass through.
    same_dialect: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The request is on its way out.
    Request(Outbound),
    /// The provider answered with an error, and its body is wanted.
    Error { status: u16, retry_after: Option<Duration> },
    /// A whole answer is awaited.
    Whole,
    /// A stream flows.
    Stream(Box<Relay>),
    /// Nothing more is to be done: the rest passes as it is.
    Done,
}

impl Attempt {
    /// Begins the attempt that the journey has planned next; its effects tell Envoy what follows if no callback comes.
    /// `None` when nothing was planned.
    pub fn begin(
        journey: &mut Journey,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Option<Self> {
        let client = journey.client.name();
        let now = view.now();
        let (target, follows) = journey.begin(now)?;
        effects.push(Effect::SetProperty(property::TARGET, follows.to_owned().into()));
        let same_dialect = target.provider.dialect.name() == client;
        let fits =
            journey.charge.as_mut().is_none_or(|charge| charge.moves_to(&target, journey.timeouts.total, shared, now));
        if !fits {
            let mut attempt = Self { target, same_dialect, phase: Phase::Done };
            let error = ApiError::new(429, ErrorKind::RateLimit, "The fallback is beyond a limit or a budget.");
            attempt.ends_the_plan("over_limit", error, journey, effects);
            return Some(attempt);
        }
        let outbound = Outbound::choose(journey, &target, same_dialect);
        Some(Self { target, same_dialect, phase: Phase::Request(outbound) })
    }

    /// Handles a part of the request or of the answer.
    pub fn step(&mut self, event: Event, journey: &mut Journey, view: &dyn View, effects: &mut Vec<Effect>) -> Flow {
        match event {
            Event::RequestHeaders { .. } | Event::RequestBody { .. } => {
                let Phase::Request(outbound) = &mut self.phase else { return Flow::Continue };
                match outbound.step(event, journey, &self.target, view, effects) {
                    Ok(flow) => flow,
                    Err(error) => self.ends_the_plan("cannot_express", error, journey, effects),
                }
            }
            Event::ResponseHeaders { end } => self.response_headers(end, journey, view, effects),
            Event::ResponseTrailers { size } => self.response_trailers(size, journey, view, effects),
            Event::ResponseBody { size, end } => match &mut self.phase {
                Phase::Request(_) | Phase::Done => Flow::Continue,
                Phase::Error { .. } if !end && size <= LONGEST_ERROR => Flow::Pause,
                Phase::Whole if size > LARGEST_ANSWER => {
                    let error =
                        ApiError::bad_answer("The provider's answer is larger than the gateway takes (32 MiB).");
                    self.fail(Failure::in_answer(error), journey, effects)
                }
                Phase::Whole if !end => Flow::Pause,
                Phase::Error { status, retry_after } => {
                    let (status, wait) = (*status, *retry_after);
                    let body = view.body(0..size.min(LONGEST_ERROR));
                    self.error_answer(status, wait, &body, journey, effects)
                }
                Phase::Whole => self.whole_answer(size, journey, view, effects),
                Phase::Stream(relay) => match relay.step(size, end, journey, view, effects) {
                    Ok(flow) => flow,
                    Err(failure) => self.fail(failure, journey, effects),
                },
            },
        }
    }

    fn response_headers(
        &mut self,
        end: bool,
        journey: &mut Journey,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let headers = view.headers();
        let status: u16 = headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or(502);
        if !(200..300).contains(&status) {
            let wait = retry_after(&headers);
            // Another target waits and the status says enough: no need to read the body first.
            if end || (worth_trying_elsewhere(status) && journey.next_cluster() != super::NO_CLUSTER) {
                return self.error_answer(status, wait, &[], journey, effects);
            }
            self.phase = Phase::Error { status, retry_after: wait };
            return Flow::Pause;
        }
        if end {
            return self.fail(Failure::empty(), journey, effects);
        }
        if headers.text("content-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            let error = ApiError::bad_answer("The provider compressed its answer though asked not to.");
            return self.fail(Failure::in_answer(error), journey, effects);
        }
        let streams = journey.outline.stream && headers.text("content-type").is_some_and(is_event_stream);
        let content = match (self.same_dialect, streams) {
            (true, true) => Content::Stream,
            (true, false) => Content::Unchanged,
            (false, true) => Content::New("text/event-stream"),
            (false, false) => Content::New("application/json"),
        };
        // Should the answer turn out bad, these are discarded with it.
        answer_headers(&headers, content, &self.target, journey, effects);
        self.phase = if streams {
            Phase::Stream(Box::new(Relay::new(journey, &self.target, self.same_dialect, view.now())))
        } else {
            Phase::Whole
        };
        Flow::Pause
    }

    /// The answer ends with trailers. What a client had to be told behind a body that has left cannot be said any more; a
    /// reply then makes Envoy reset the stream, which is no clean end.
    fn response_trailers(
        &mut self,
        size: usize,
        journey: &mut Journey,
        view: &dyn View,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let before = effects.len();
        let flow = self.step(Event::ResponseBody { size, end: true }, journey, view, effects);
        if size == 0 && effects.iter().skip(before).any(|effect| matches!(effect, Effect::ReplaceBody { .. })) {
            effects.truncate(before);
            if journey.stage == Stage::Broken {
                let error = ApiError::bad_answer("The provider's answer broke off before its end.");
                effects.push(Effect::Reply(refusal(journey.client, &error, journey.attempts.len())));
            }
        }
        flow
    }

    /// The provider answered with an error status.
    fn error_answer(
        &mut self,
        status: u16,
        wait: Option<Duration>,
        body: &[u8],
        journey: &mut Journey,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let mut error = self.target.provider.dialect.read_error(status, body);
        error.retry_after = wait.or(error.retry_after);
        self.fail(Failure::status(status, error), journey, effects)
    }

    /// The attempt failed before the client saw anything of it.
    fn fail(&mut self, failure: Failure, journey: &mut Journey, effects: &mut Vec<Effect>) -> Flow {
        self.phase = Phase::Done;
        let error = failure.error.clone();
        match journey.fail(failure) {
            Next::Elsewhere => {
                // At once, even if the provider has sent a header of this name itself.
                effects.push(Effect::RemoveHeader(signal::RETRY_AFTER.into()));
                effects.push(Effect::SetHeader(signal::RETRY, "1".into()));
            }
            Next::Again(wait) => {
                effects.push(Effect::SetProperty(property::TARGET, journey.next_cluster().to_owned().into()));
                effects.push(Effect::SetHeader(signal::RETRY, "1".into()));
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                effects.push(Effect::SetHeader(signal::RETRY_AFTER, seconds.to_string().into()));
            }
            Next::Nothing => {
                journey.stage = Stage::Refused;
                let mut reply = refusal(journey.client, &error, journey.attempts.len());
                reply.headers.extend(served_by(&self.target).map(|(name, value)| (name, value.to_owned())));
                effects.push(Effect::Reply(reply));
            }
        }
        Flow::Continue
    }

    /// This fallback cannot take the request. A filter cannot skip an attempt, so the client reads why the attempts
    /// before it failed: that the last resort has no words for some field is not what went wrong.
    fn ends_the_plan(
        &mut self,
        reason: &'static str,
        error: ApiError,
        journey: &mut Journey,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        self.phase = Phase::Done;
        let before =
            journey.attempts.iter().rev().find_map(|tried| tried.failure.as_ref()).map(|tried| tried.error.clone());
        let reason = Failure { reason: reason.into(), elsewhere: false, error: error.clone().into() };
        let _ = journey.fail(reason);
        journey.stage = Stage::Refused;
        let error = before.map_or(error, |before| *before);
        effects.push(Effect::Reply(refusal(journey.client, &error, journey.attempts.len())));
        Flow::Pause
    }
}

/// What becomes of a request that reached a provider's filter and that no plan is known for.
pub fn unplanned() -> Effect {
    Effect::Reply(refusal(&OpenAiChat, &misconfigured(), 0))
}

/// Headers that say who served, on every answer that an attempt led to.
fn served_by(target: &Target) -> [(&'static str, &str); 2] {
    [("x-sluice-provider", &target.provider.name), ("x-sluice-model", &target.model)]
}

/// Media types are compared without case, and may have parameters.
fn is_event_stream(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/event-stream")
}

/// What becomes of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// It passes as it is.
    Unchanged,
    /// Its events pass, but for those the client must not see: how long it will be is not known.
    Stream,
    /// It is written anew, as this type.
    New(&'static str),
}

/// The answer's headers for the client: who served, and nothing of the provider's that is not the client's business.
/// Where most stay, single changes cost less than a whole new map.
fn answer_headers(
    headers: &HeaderMap,
    content: Content,
    target: &Target,
    journey: &Journey,
    effects: &mut Vec<Effect>,
) {
    let attempts = journey.attempts.len().to_string();
    if let Content::New(kind) = content {
        let mut out: HeaderMap = headers.iter().filter(|(name, _)| passes_to_client(name, content)).collect();
        out.push("content-type", kind);
        for (name, value) in served_by(target) {
            out.push(name, value);
        }
        out.push("x-sluice-attempts", attempts);
        if !journey.dropped.is_empty() {
            out.push("x-sluice-dropped", journey.dropped.join(", "));
        }
        effects.push(Effect::ReplaceHeaders(out));
        return;
    }
    for (name, _) in headers.iter().filter(|(name, _)| !passes_to_client(name, content)) {
        if let Ok(name) = std::str::from_utf8(name) {
            effects.push(Effect::RemoveHeader(name.to_owned().into()));
        }
    }
    for (name, value) in served_by(target) {
        effects.push(Effect::SetHeader(name, value.to_owned().into()));
    }
    effects.push(Effect::SetHeader("x-sluice-attempts", attempts.into()));
}

/// Of an answer that passes unchanged all headers pass but those that belong to the connection, to the provider's own
/// session with us, or to the gateway; of one written anew only those whose meaning survives.
fn passes_to_client(name: &[u8], content: Content) -> bool {
    const NEVER: [&[u8]; 8] = [
        b"set-cookie",
        b"content-encoding",
        b"x-request-id",
        b"server",
        b"alt-svc",
        b"strict-transport-security",
        b"www-authenticate",
        b"via",
    ];
    match content {
        Content::New(..) => matches!(name, b":status" | b"date" | b"cache-control"),
        Content::Stream if name == b"content-length" => false,
        _ => !NEVER.contains(&name) && !name.starts_with(b"x-sluice-") && !name.starts_with(b"x-envoy-"),
    }
}

#[cfg(test)]
mod tests;
