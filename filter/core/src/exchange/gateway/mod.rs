//! The gateway role: a request as the client sent it, once. Who is calling, may they, what is asked, may it be spent, where
//! may it go; and on the way back nothing, unless no provider gave an answer fit for the client.
//!
//! A step that has to know what Redis says ends with [`Outcome::Ask`], and goes on with [`Exchange::called`].

use std::borrow::Cow;
use std::rc::Rc;

use sluice_wire::dialect::{Client, openai_chat};
use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;

use crate::callout::{Call, Called};
use crate::gate::{self, Full};
use crate::guard::Finding;
use crate::keys::caller::Caller;
use crate::store::SharedData;

use super::cache_state::CacheFill;
use super::echo::Kept;
use super::notes;
use super::record::{self, About, trace_id};
use super::refusal::refusal;
use super::request_state::{RequestHead, RequestState, Stage, from_envoy};
use super::trace;
use super::transport;
use super::worker::{StoreContext, Worker};
use super::{Context, Effect, Event, Flow, Reply, Unreadable, View, metric, undone};

mod admission;
mod asking;
mod batches;
mod cached;
mod counting;
pub mod dry_run;
mod early;
mod ending;
pub mod endpoint;
mod health;
mod lineup;
mod metrics;
mod models;
mod path;
mod permission;
mod planning;
mod presented;
mod screening;
mod unpacking;

use admission::PendingAuth;
use planning::{Reserving, Seeking};

/// One request, in the phase it has reached.
#[derive(Debug)]
pub struct Exchange {
    worker: Rc<Worker>,
    /// How the client speaks; OpenAI's way until its path is known.
    client: &'static Client,
    phase: Phase,
    trail: LogContext,
}

/// Each phase owns what is known by then.
#[derive(Debug)]
enum Phase {
    /// Nothing is known.
    Start,
    /// A step has it in hand: it is another one by the time that the step is over.
    Taken,
    /// Redis is asked whether it answers.
    Readying,
    /// Redis is asked whose the key is.
    Knocking(Box<PendingAuth>),
    /// The caller is known and may call; the body is on its way.
    Body(RequestHead),
    /// Redis is asked what is known of the batch, or of its file, that the request is about.
    Seeking(Box<Seeking>),
    /// Redis is asked whether the request fits its limits and budgets.
    Reserving(Box<Reserving>),
    /// The request is on its way to providers: the journey was handed out. The answer may be one that is to be kept.
    Underway(Option<CacheFill>),
    /// The client has all of its answer, and the request is settled and written down; its provider has not ended the stream.
    Settled,
    /// The answer came from the cache: the journey never began, and is settled with the others.
    Recalled(Box<RequestState>),
    /// The gateway answered by itself.
    Answered { error: Option<Cow<'static, str>> },
}

/// What the log will say of the request itself: its headers and body are long gone by then.
#[derive(Debug, Default)]
struct LogContext {
    request_id: Option<String>,
    trace_id: Option<String>,
    method: Cow<'static, str>,
    /// As it was asked for, without a query.
    path: String,
    user_agent: Option<String>,
    /// The caller, once known.
    caller: Option<Rc<Caller>>,
    /// The name of the model that was asked for, known or not.
    asked_model: Option<String>,
    model: Option<String>,
    /// How long the body is, once all of it is here.
    size: usize,
    /// What the client was told in place of an answer, without what that repeats of the request.
    refusal: Option<Box<ApiError>>,
    /// What guardrails found in it.
    findings: Vec<Finding>,
    /// The gateway role's own part of the log line.
    about: About,
}

/// What the gateway asks for besides effects.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Step(Flow),
    /// The request waits for the answer to this.
    Ask(Call),
    /// The effects replace the request's body with one of this size. Afterwards the caller sends the event that the whole body is here.
    Unpacked(usize),
    /// The request leaves for its first target: keep the journey where the provider role finds it.
    Depart(Box<RequestState>),
}

/// A request that goes no further.
#[derive(Debug)]
struct Refused {
    error: Box<ApiError>,
    /// For the reply, besides those of the error.
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

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        full.error().into()
    }
}

impl Context<'_> {
    fn moment(&mut self) -> StoreContext<'_> {
        StoreContext { now: self.now(), shared: self.shared, effects: self.effects }
    }
}

impl Exchange {
    /// A request of which nothing is known.
    pub fn new(worker: Rc<Worker>) -> Self {
        Self { worker, client: &openai_chat::CLIENT, phase: Phase::Start, trail: LogContext::default() }
    }

    /// Handles a part of the request.
    pub fn request(
        &mut self,
        event: Event,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let cx = &mut Context::new(view, shared, effects);
        let outcome = match event {
            Event::RequestHeaders { end } => self.headers(end, cx),
            Event::RequestBody { size, end } => match self.arrives(size) {
                Ok(()) if end => {
                    self.trail.size = size;
                    self.body(size, cx)
                }
                arrived => arrived.map(|()| Outcome::Step(Flow::Pause)),
            },
            _ => Ok(Outcome::Step(Flow::Pause)),
        };
        self.conclude(outcome, cx)
    }

    /// Handles the answer to what was asked last. The request may move on only if the outcome says so.
    pub fn called(
        &mut self,
        called: &Called,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let cx = &mut Context::new(view, shared, effects);
        let outcome = match std::mem::replace(&mut self.phase, Phase::Taken) {
            Phase::Readying => self.redis_answered(called, cx),
            Phase::Knocking(knock) => self.recognised(*knock, called, cx),
            Phase::Seeking(seeking) => self.found(*seeking, called, cx),
            Phase::Reserving(reserving) => self.reserved(*reserving, called, cx),
            other => {
                self.phase = other;
                Ok(Outcome::Step(Flow::Pause))
            }
        };
        self.conclude(outcome, cx)
    }

    fn conclude(&mut self, outcome: Result<Outcome, Refused>, cx: &mut Context<'_>) -> Outcome {
        match outcome {
            Ok(outcome) => outcome,
            Err(refused) => {
                let reply = self.refuse(refused, cx.effects);
                let body = || match self.trail.size {
                    0 => Kept::Whole(Vec::new()), // Nothing of it was read.
                    size => cx.view.body(0..size).map_or(Kept::Gone, Kept::Whole),
                };
                self.trail.refusal = self.trail.refusal.take().map(|error| record::for_the_log(*error, body).into());
                Outcome::Step(Flow::Reply(reply))
            }
        }
    }

    /// Handles the headers of an answer. Only what a provider role let through, or what the gateway made itself, goes
    /// on; Envoy's own errors, and answers that it did not retry any more, are replaced.
    pub fn response(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Flow {
        let Some(state) = state else {
            return match self.phase {
                Phase::Answered { .. } | Phase::Recalled(_) => Flow::Continue,
                _ => Flow::Reply(refusal(self.client, &from_envoy(status(view)), &[])),
            };
        };
        let headers = state.bill.billing.headers().into_iter().chain(self.trail.about.recall.header());
        if state.progress.stage == Stage::Underway {
            let named = state.progress.attempts.last().is_some_and(|tried| tried.target.provider.is_named());
            self.trail.about.transport = transport::failure(&view.transport_failure(), named);
            let error = state.final_error(status(view), view.now(), shared);
            let mut reply = refusal(state.request.asks.client, &error, &state.progress.attempts);
            let name = self.name().filter(|(header, _)| !reply.headers.iter().any(|(known, _)| known == header));
            reply.headers.extend(headers.chain(name));
            effects.extend(trace::failure(state));
            return Flow::Reply(reply);
        }
        let name = match self.name_unless_named(view) {
            Ok(name) => name,
            Err(Unreadable) => return Flow::Reply(self.undone(Some(state), view, shared, effects)),
        };
        let headers = headers.chain(name);
        effects.extend(headers.map(|(name, value)| Effect::SetHeader(name, value.into())));
        if let Phase::Underway(filling) = &mut self.phase {
            *filling = self.trail.about.recall.filling(state, view);
        }
        if matches!(state.progress.stage, Stage::Answering | Stage::Complete) {
            record::forget_body(state, self.worker.gateway.log);
        }
        Flow::Continue
    }

    /// Envoy refused what was decided: neither the request nor its answer goes on.
    pub fn undone(
        &mut self,
        state: Option<&mut RequestState>,
        view: &dyn View,
        shared: &dyn SharedData,
        effects: &mut Vec<Effect>,
    ) -> Reply {
        match state {
            Some(state) => {
                self.phase = Phase::Answered { error: undone::error().code };
                undone::end(state, &mut Context::new(view, shared, effects))
            }
            None => {
                // What was reserved is given back when the request is over.
                let owing = matches!(self.phase, Phase::Reserving(_) | Phase::Recalled(_));
                let owing = owing.then(|| std::mem::replace(&mut self.phase, Phase::Taken));
                let reply = self.refuse(undone::error().into(), effects);
                if let Some(owing) = owing {
                    self.phase = owing;
                }
                reply
            }
        }
    }

    /// The request's name, in the header where its client looks for it; for most that is Envoy's own.
    fn name(&self) -> Option<(&'static str, String)> {
        self.client.provider.headers.request_id.zip(self.trail.request_id.clone())
    }

    /// The same for an answer that does not have it: a provider of the client's own format has named it already.
    fn name_unless_named(&self, view: &dyn View) -> Result<Option<(&'static str, String)>, Unreadable> {
        let Some((header, name)) = self.name() else { return Ok(None) };
        Ok(view.header(header)?.is_none().then_some((header, name)))
    }

    fn refuse(&mut self, refused: Refused, effects: &mut Vec<Effect>) -> Reply {
        let Refused { error, headers } = refused;
        let caller = self.trail.caller.as_deref();
        let key = caller.map(|caller| &*caller.key_id);
        notes::refused(self.trail.request_id.as_deref(), key, &error);
        let mut reply = refusal(self.client, &admission::public(&error), &[]);
        self.trail.refusal = Some(error.clone());
        let known = |name: &str, reply: &Reply| reply.headers.iter().any(|(header, _)| *header == name);
        let headers: Vec<_> = headers.into_iter().chain(self.name()).filter(|(name, _)| !known(name, &reply)).collect();
        reply.headers.extend(headers);
        let reason = error.code.unwrap_or("invalid_request".into());
        if reason == gate::OVERLOADED {
            effects.push(Effect::Count(metric::OVERLOADED));
        }
        let gateway = &self.worker.gateway;
        trace::asked(gateway, caller, self.trail.model.as_deref(), None, effects);
        effects.extend(trace::failed(gateway, reason.clone()));
        self.phase = Phase::Answered { error: Some(reason) };
        reply
    }
}

impl LogContext {
    fn read(headers: &HeaderMap) -> Self {
        let request_id = headers.text("x-request-id").filter(|id| id.len() <= 128);
        let path = headers.text(":path").unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        Self {
            trace_id: trace_id(headers.text("traceparent"), request_id),
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

/// The beginning of what a client sent.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { text.chars().take(most).collect() }
}

/// The status of an answer that Envoy made up.
fn status(view: &dyn View) -> u16 {
    view.header(":status").ok().flatten().and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(503)
}

/// A client's own word in an error message: bounded and without control characters.
fn quoted(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("`{short}`")
}
