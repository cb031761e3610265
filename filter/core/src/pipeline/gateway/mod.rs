//! The gateway role: handles a request once, as the client sent it. It authenticates the caller, checks permissions, limits and budgets,
//! and ranks the targets. It passes the response on, or writes the error if no provider gave a usable response.
//!
//! A step that needs a reply from Redis returns [`Outcome::Ask`] and continues in [`RequestPipeline::called`].

use std::borrow::Cow;
use std::rc::Rc;

use sluice_wire::dialect::{Client, openai_chat};
use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::cache::flight::Landing;
use crate::callout::{Call, Called};
use crate::guard::Finding;
use crate::guard::judge::{JudgeReport, Judging};
use crate::keys::caller::Caller;
use crate::memory_limiter::{self, Exhausted};
use crate::metrics::RequestInFlight;
use crate::store::SharedData;
use crate::trace::TraceContext;
use crate::trace::context::state;

use super::access_log::{self, About, trace_id};
use super::cache_state::CacheFill;
use super::notes;
use super::redaction::RetainedBody;
use super::refusal::refusal;
use super::request_state::{RequestHead, RequestState, Stage, from_envoy};
use super::transport;
use super::worker::{StoreContext, Worker};
use super::{Context, Effect, Event, Flow, Reply, Unreadable, View, host_call_failure, metric};

mod admission;
mod batches;
mod cached;
mod client_keys;
mod counting;
pub mod dry_run;
mod early;
mod ending;
pub mod endpoint;
mod health;
mod judging;
mod metrics;
mod models;
mod parsing;
mod path;
mod permission;
mod planning;
mod record;
mod report;
mod screening;
mod spans;
mod target_queue;
mod unpacking;
mod waiting;

use admission::PendingAuth;
use planning::{Reserving, Seeking};
use waiting::Waiting;

/// One request and its phase.
#[derive(Debug)]
pub struct RequestPipeline {
    worker: Rc<Worker>,
    /// The client's format; OpenAI's until the path is known.
    client: &'static Client,
    phase: Phase,
    log_context: LogContext,
    _in_flight: RequestInFlight,
}

/// Each phase owns the state that is known by then.
#[derive(Debug)]
enum Phase {
    /// No callback yet.
    Start,
    /// Taken by the current step, which sets the next phase.
    Taken,
    /// Waits for Redis, to check readiness.
    Readying,
    /// Waits for Redis, to authenticate the key.
    Authenticating(Box<PendingAuth>),
    /// The caller is authenticated; waits for the body.
    Body(RequestHead),
    /// Waits for Redis's entry on the batch or file that the request concerns.
    Seeking(Box<Seeking>),
    /// Waits for Redis's reserve result.
    Reserving(Box<Reserving>),
    /// Waits for the response to an identical request.
    Waiting(Box<Waiting>),
    /// Waits for the judges of the prompt.
    Judging(Box<Waiting>, Box<Judging>),
    /// Waits for Redis's cached response.
    LookingUp(Box<Waiting>),
    /// Waits for an embedding, to find a similar request.
    Embedding(Box<Waiting>),
    /// Forwarded to a provider: the request state was handed over. The response may be collected for the cache.
    Underway(Option<CacheFill>),
    /// The client has the complete response, and the request is settled and logged; its provider has not ended the stream.
    Settled,
    /// The response came from the cache: the request state was never handed over, and is settled at the end.
    CacheHit(Box<RequestState>),
    /// The gateway replied by itself.
    Answered { error: Option<Cow<'static, str>> },
}

/// The request's facts for the access log: its headers and body are long gone by then.
#[derive(Debug, Default)]
struct LogContext {
    request_id: Option<String>,
    /// When its headers arrived.
    started: Time,
    trace_id: Option<String>,
    /// Its trace, where there are traces.
    trace: Option<TraceContext>,
    /// The client's `tracestate`, if its spans are exported.
    trace_state: Option<String>,
    /// The status that the client gets; zero if it is not known.
    status: u16,
    method: Cow<'static, str>,
    /// As requested, without the query.
    path: String,
    user_agent: Option<String>,
    caller: Option<Rc<Caller>>,
    /// The requested model's name; the model need not exist.
    asked_model: Option<String>,
    model: Option<String>,
    /// The body's size, once it is complete.
    size: usize,
    /// The client's error, without the parts that repeat the request.
    refusal: Option<Box<ApiError>>,
    findings: Vec<Finding>,
    /// The work of the prompt's judges.
    judged: Vec<JudgeReport>,
    /// When the request was complete.
    received: Option<Time>,
    /// When the gateway replied by itself.
    replied: Option<Time>,
    /// When the gateway last decided about the request; only if its spans are exported.
    decided: Option<Time>,
    /// The limit that rejected it: `team=research/requests/minute`.
    limit: Option<Rc<str>>,
    /// The prompt as an attribute of a span, where spans have contents.
    prompt: Option<String>,
    /// The gateway role's own facts.
    about: About,
}

/// The result of a step, besides effects.
#[derive(Debug)]
pub enum Outcome {
    /// Continue with this flow.
    Step(Flow),
    /// Wait for the reply to this call.
    Ask(Call),
    /// Wait for the replies to these calls, which are numbered from 0.
    AskAll(Vec<Call>),
    /// Wait for an identical request: [`RequestPipeline::woken`] follows at the worker's next tick.
    Wait,
    /// The effects replace the request's body with one of this size. The caller then sends the event of the whole body again.
    Unpacked(usize),
    /// Forward the request to its first target: store the request state where the provider role finds it.
    Forward(Box<RequestState>),
}

/// A rejected request.
#[derive(Debug)]
struct Refused {
    error: Box<ApiError>,
    /// Further headers of the reply.
    headers: Vec<(&'static str, String)>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error: error.into(), headers: Vec::new() }
    }
}

impl From<Unreadable> for Refused {
    fn from(unreadable: Unreadable) -> Self {
        ApiError::from(unreadable).into()
    }
}

impl From<Exhausted> for Refused {
    fn from(exhausted: Exhausted) -> Self {
        exhausted.error().into()
    }
}

impl Context<'_> {
    fn moment(&mut self) -> StoreContext<'_> {
        StoreContext { now: self.now(), shared: self.shared, effects: self.effects }
    }
}

impl RequestPipeline {
    /// A new request.
    pub fn new(worker: Rc<Worker>) -> Self {
        Self {
            _in_flight: worker.recorder().enters(),
            worker,
            client: &openai_chat::CLIENT,
            phase: Phase::Start,
            log_context: LogContext::default(),
        }
    }

    /// Handles a callback of the request.
    pub fn request(
        &mut self,
        event: Event,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let cx = &mut Context::new(view, shared, effects);
        let outcome = match event {
            Event::RequestHeaders { end } => {
                let outcome = self.headers(end, cx);
                self.log_context.received = end.then(|| cx.now());
                outcome
            }
            Event::RequestBody { size, end } => match self.arrives(size) {
                Ok(()) if end => {
                    (self.log_context.size, self.log_context.received) = (size, Some(cx.now()));
                    self.body(size, cx)
                }
                arrived => arrived.map(|()| Outcome::Step(Flow::Pause)),
            },
            _ => Ok(Outcome::Step(Flow::Pause)),
        };
        self.conclude(outcome, cx)
    }

    /// Handles the reply to a call; `number` tells those of [`Outcome::AskAll`] apart. The request may continue only if the outcome says so.
    pub fn called(
        &mut self,
        number: usize,
        called: &Called,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let cx = &mut Context::new(view, shared, effects);
        let outcome = match std::mem::replace(&mut self.phase, Phase::Taken) {
            Phase::Readying => self.redis_answered(called, cx),
            Phase::Authenticating(pending) => self.recognised(*pending, called, cx),
            Phase::Seeking(seeking) => self.found(*seeking, called, cx),
            Phase::Reserving(reserving) => self.reserved(*reserving, called, cx),
            Phase::LookingUp(waiting) => self.looked_up(waiting, called, cx),
            Phase::Embedding(waiting) => self.embedded(waiting, called, cx),
            Phase::Judging(waiting, judging) => self.judge_replied((waiting, judging), (number, called), cx),
            other => {
                self.phase = other;
                Ok(Outcome::Step(Flow::Pause))
            }
        };
        self.conclude(outcome, cx)
    }

    fn conclude(&mut self, outcome: Result<Outcome, Refused>, cx: &mut Context<'_>) -> Outcome {
        if !matches!(outcome, Ok(Outcome::Step(Flow::Pause) | Outcome::Wait)) && self.sampled().is_some() {
            self.log_context.decided = Some(cx.now());
        }
        match outcome {
            Ok(outcome) => {
                if let Outcome::Step(Flow::Reply(reply)) = &outcome {
                    self.log_context.status = reply.status;
                }
                outcome
            }
            Err(refused) => {
                let reply = self.refuse(refused, cx.effects);
                self.log_context.status = reply.status;
                let body = || match self.log_context.size {
                    0 => RetainedBody::Whole(Vec::new()), // The body was not read.
                    size => cx.view.body(0..size).map_or(RetainedBody::Gone, RetainedBody::Whole),
                };
                self.log_context.refusal =
                    self.log_context.refusal.take().map(|error| access_log::for_the_log(*error, body).into());
                Outcome::Step(Flow::Reply(reply))
            }
        }
    }

    /// Handles the headers of a response. Only responses that the provider role passed, or that the gateway made, continue. Envoy's own
    /// errors, and responses that it no longer retried, are replaced.
    pub fn response(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let flow = self.respond(state, view, shared, effects);
        match &flow {
            Flow::Reply(reply) => self.log_context.status = reply.status,
            _ if self.sampled().is_some() => self.log_context.status = status(view),
            _ => {}
        }
        flow
    }

    fn respond(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Some(state) = state else {
            self.log_context.replied = Some(view.now());
            return match self.phase {
                Phase::Answered { .. } | Phase::CacheHit(_) => Flow::Continue,
                _ => {
                    let cx = &mut Context::new(view, shared, effects);
                    self.withdraw(cx);
                    Flow::Reply(self.refuse(from_envoy(status(view)).into(), cx.effects))
                }
            };
        };
        let headers = state.bill.billing.headers().into_iter().chain(self.log_context.about.cache_state.headers());
        if state.progress.stage == Stage::Underway {
            let named = state.progress.attempts.last().is_some_and(|attempt| attempt.target.provider.is_named());
            self.log_context.about.transport = transport::failure(&view.transport_failure(), named);
            let error = state.final_error(status(view), view.now(), shared);
            let mut reply = refusal(state.request.scanned.client, &error, &state.progress.attempts);
            let name = self.name().filter(|(header, _)| !reply.headers.iter().any(|(known, _)| known == header));
            reply.headers.extend(headers.chain(name));
            reply.headers.extend(self.report(state, view));
            return Flow::Reply(reply);
        }
        let name = match self.name_unless_named(view) {
            Ok(name) => name,
            Err(Unreadable) => return Flow::Reply(self.on_host_call_failure(Some(state), view, shared, effects)),
        };
        let headers = headers.chain(name).chain(self.report(state, view));
        effects.extend(headers.map(|(name, value)| Effect::SetHeader(name, value.into())));
        if let Phase::Underway(fill) = &mut self.phase {
            *fill = self.log_context.about.cache_state.fill(state, view);
            if fill.is_none() && self.log_context.about.cache_state.leads() {
                self.log_context.about.cache_state.land(Landing::without_entry(status(view)), view.now(), shared);
            }
        }
        if matches!(state.progress.stage, Stage::Answering | Stage::Complete) {
            access_log::forget_body(state, self.worker.config.log);
        }
        Flow::Continue
    }

    /// Envoy rejected a decided change: neither the request nor its response continues.
    pub fn on_host_call_failure(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Reply {
        match state {
            Some(state) => {
                self.phase = Phase::Answered { error: host_call_failure::error().code };
                host_call_failure::end(state, &mut Context::new(view, shared, effects))
            }
            None => {
                let cx = &mut Context::new(view, shared, effects);
                self.withdraw(cx);
                self.refuse(host_call_failure::error().into(), cx.effects)
            }
        }
    }

    /// The request id, in the response header of the client's format; for most formats that is Envoy's own.
    fn name(&self) -> Option<(&'static str, String)> {
        self.client.provider.headers.request_id.zip(self.log_context.request_id.clone())
    }

    /// The same, unless the response has the header: a provider of the client's own format sets it.
    fn name_unless_named(&self, view: &dyn View) -> Result<Option<(&'static str, String)>, Unreadable> {
        let Some((header, name)) = self.name() else { return Ok(None) };
        Ok(view.header(header)?.is_none().then_some((header, name)))
    }

    fn refuse(&mut self, refused: Refused, effects: &mut Vec<Effect>) -> Reply {
        let Refused { error, headers } = refused;
        let caller = self.log_context.caller.as_deref();
        let key = caller.map(|caller| &*caller.key_id);
        notes::refused(self.log_context.request_id.as_deref(), key, &error);
        let mut reply = refusal(self.client, &admission::public(&error), &[]);
        self.log_context.refusal = Some(error.clone());
        let known = |name: &str, reply: &Reply| reply.headers.iter().any(|(header, _)| *header == name);
        let headers: Vec<_> = headers.into_iter().chain(self.name()).filter(|(name, _)| !known(name, &reply)).collect();
        reply.headers.extend(headers);
        let reason = error.code.unwrap_or("invalid_request".into());
        if reason == memory_limiter::OVERLOADED {
            effects.push(Effect::Count(metric::OVERLOADED));
        }
        self.phase = Phase::Answered { error: Some(reason) };
        reply
    }
}

impl LogContext {
    fn read(headers: &HeaderMap, trace: Option<TraceContext>, started: Time) -> Self {
        let request_id = headers.text("x-request-id").filter(|id| id.len() <= 128);
        let path = headers.text(":path").unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        Self {
            started,
            trace_id: match trace {
                Some(trace) => Some(trace.id()),
                None => trace_id(headers.text("traceparent"), request_id),
            },
            trace,
            trace_state: trace.filter(|trace| trace.sampled && trace.parent.is_some()).and_then(|_| state(headers)),
            request_id: request_id.map(str::to_owned),
            method: match headers.text(":method").unwrap_or_default() {
                "POST" => "POST".into(),
                "GET" => "GET".into(),
                other => bounded(other, 32).into(),
            },
            path: bounded(path, 256),
            user_agent: headers.text("user-agent").map(|agent| bounded(agent, 256)),
            ..Self::default()
        }
    }
}

/// The beginning of a client's text.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { text.chars().take(most).collect() }
}

/// The status of Envoy's local reply.
fn status(view: &dyn View) -> u16 {
    view.header(":status").ok().flatten().and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(503)
}

/// Quotes a client's text in an error message: bounded and without control characters.
fn quoted(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("`{short}`")
}
