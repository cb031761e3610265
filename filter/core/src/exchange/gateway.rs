//! The gateway role: a request as the client sent it, once. Who is calling, may they, what is asked, where may it go; and
//! on the way back nothing, unless no provider gave an answer fit for the client.

use std::borrow::Cow;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::config::{Caller, Gateway, KeyHash, Model};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::OpenAiChat;
use crate::error::{ApiError, ErrorKind};
use crate::keys;

use super::headers::HeaderMap;
use super::journey::{Arrival, Journey, Stage, from_envoy};
use super::outline::{Outline, json_string};
use super::record::{Record, trace_id};
use super::{Effect, Event, Flow, LARGEST_BODY, Reply, Time, View, property};

/// The most of a body's front that is kept for splicing; past it, it is fetched again.
const LONGEST_HEAD: usize = 1024;

/// Headers of the client that a provider may see. Everything else stays here: credentials, cookies, addresses.
const FORWARDED: [&[u8]; 7] =
    [b":method", b"x-request-id", b"traceparent", b"tracestate", b"baggage", b"user-agent", b"idempotency-key"];

/// One request, in the phase it has reached.
#[derive(Debug)]
pub struct Exchange {
    gateway: Rc<Gateway>,
    phase: Phase,
    trail: Trail,
}

/// Each phase owns what is known by then.
#[derive(Debug)]
enum Phase {
    /// Nothing is known.
    Start,
    /// The caller is known and may call; the body is on its way.
    Body(Arrival),
    /// The request is on its way to providers: the journey was handed out.
    Underway,
    /// The gateway answered by itself.
    Answered { caller: Option<Rc<Caller>>, error: Option<Cow<'static, str>> },
}

/// What the log will say of the request itself: its headers and body are long gone by then.
#[derive(Debug, Default)]
struct Trail {
    request_id: Option<String>,
    trace_id: Option<String>,
    model: Option<String>,
}

/// What the gateway asks for besides effects.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Step(Flow),
    /// The request leaves for its first target: keep the journey where the provider role finds it.
    Depart(Box<Journey>),
}

impl Exchange {
    /// A request of which nothing is known.
    pub fn new(gateway: Rc<Gateway>) -> Self {
        Self { gateway, phase: Phase::Start, trail: Trail::default() }
    }

    /// Handles a part of the request.
    pub fn request(&mut self, event: Event, view: &dyn View, effects: &mut Vec<Effect>) -> Outcome {
        let step = match event {
            Event::RequestHeaders { end } => self.headers(end, view, effects),
            Event::RequestBody { size, .. } if size > LARGEST_BODY => Err(from_envoy(413)),
            Event::RequestBody { size, end: true } => match self.body(size, view) {
                Ok(Some(journey)) => {
                    self.phase = Phase::Underway;
                    set_out(&journey, effects);
                    return Outcome::Depart(journey);
                }
                Ok(None) => Ok(Flow::Continue),
                Err(error) => Err(error),
            },
            _ => Ok(Flow::Pause),
        };
        Outcome::Step(step.unwrap_or_else(|error| self.refuse(error, effects)))
    }

    /// Handles the headers of an answer. Only what a provider role let through, or what the gateway made itself, goes
    /// on; Envoy's own errors, and answers that it did not retry any more, are replaced.
    pub fn response(&mut self, journey: Option<&mut Journey>, view: &dyn View, effects: &mut Vec<Effect>) -> Flow {
        let fit = match (&self.phase, journey.as_deref()) {
            (Phase::Answered { .. }, _) => true,
            (_, Some(journey)) => journey.stage != Stage::Underway,
            (_, None) => false,
        };
        if fit {
            return Flow::Continue;
        }
        let status = view.header(":status").and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(503);
        match journey {
            Some(journey) => {
                let error = journey.last_word(status, view.now());
                let attempts = journey.attempts.len();
                effects.push(Effect::Reply(refusal(journey.client, &error, attempts)));
            }
            None => effects.push(Effect::Reply(refusal(&OpenAiChat, &from_envoy(status), 0))),
        }
        Flow::Continue
    }

    /// The request is over: what the access log says of it.
    pub fn record(&self, journey: Option<&Journey>, effects: &mut Vec<Effect>) {
        let mut record = Record {
            request_id: self.trail.request_id.as_deref(),
            trace_id: self.trail.trace_id.as_deref(),
            model: self.trail.model.as_deref(),
            ..Record::default()
        };
        match &self.phase {
            Phase::Start | Phase::Underway => {}
            Phase::Body(Arrival { caller, .. }) => {
                record.key = Some(&caller.key_id);
                record.team = Some(&caller.team);
            }
            Phase::Answered { caller, error } => {
                record.key = caller.as_ref().map(|caller| &*caller.key_id);
                record.team = caller.as_ref().map(|caller| &*caller.team);
                record.error = error.as_deref();
            }
        }
        if let Some(journey) = journey {
            record = record.with_journey(journey);
        }
        effects.push(Effect::SetProperty(property::LOG, record.fragment().into()));
    }

    fn headers(&mut self, end: bool, view: &dyn View, effects: &mut Vec<Effect>) -> Result<Flow, ApiError> {
        let headers = view.headers();
        let now = view.now();
        self.trail = Trail::read(&headers);
        strip(&headers, effects);
        let method = headers.text(":method").unwrap_or_default();
        let path = headers.text(":path").unwrap_or_default();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match (method, path) {
            ("POST", "/v1/chat/completions") => {
                let caller = self.authenticate(&headers, path, now)?;
                let declared = headers.text("content-length").and_then(|text| text.parse::<usize>().ok());
                self.phase = Phase::Body(Arrival { started: now, caller, forwarded: forwarded(&headers) });
                if declared.is_some_and(|length| length > LARGEST_BODY) {
                    return Err(from_envoy(413));
                }
                if end {
                    return Err(Outline::read(&[]).err().unwrap_or_else(|| from_envoy(400)));
                }
                Ok(Flow::Pause)
            }
            ("GET", "/v1/models") => {
                let caller = self.authenticate(&headers, path, now)?;
                let body = list_models(&self.gateway, &caller);
                self.phase = Phase::Answered { caller: Some(caller), error: None };
                effects.push(Effect::Reply(Reply { status: 200, headers: Vec::new(), body }));
                Ok(Flow::Pause)
            }
            _ => Err(ApiError::new(404, ErrorKind::NotFound, format!("Unknown request URL: {method} {path}. This gateway serves POST /v1/chat/completions and GET /v1/models."))
                .with_code("unknown_url")),
        }
    }

    fn authenticate(&self, headers: &HeaderMap, path: &str, now: Time) -> Result<Rc<Caller>, ApiError> {
        let Some(key) = credential(headers) else {
            return Err(unauthorized("You didn't provide an API key. Send it as 'Authorization: Bearer <key>'."));
        };
        let credential = self.gateway.keys.get(&KeyHash(Sha256::digest(key).into()));
        // The log's word; `public` gives the caller theirs.
        keys::admit(credential, key, now.seconds(), path, || None)
            .map_err(|denied| denied.error().with_code(denied.code()))
    }

    /// The whole body is here: the plan. `None` when there is nothing to plan.
    fn body(&mut self, size: usize, view: &dyn View) -> Result<Option<Box<Journey>>, ApiError> {
        let Phase::Body(arrival) = &self.phase else { return Ok(None) };
        let body = view.body(0..size);
        let outline = Outline::read(&body)?;
        // A name that is not ours may be anything, a prompt too: it is not for the log.
        self.trail.model = self.gateway.models.get(&outline.model).map(|model| model.name.clone());
        let model = self.resolve(&arrival.caller, &outline.model)?;
        let mut journey = Journey::new(arrival.clone(), model, &OpenAiChat, outline, self.gateway.timeouts);
        journey.head =
            body.get(..journey.outline.reach()).filter(|head| head.len() <= LONGEST_HEAD).unwrap_or_default().to_vec();
        choose_first(&mut journey, &body)?;
        Ok(Some(Box::new(journey)))
    }

    fn resolve(&self, caller: &Caller, name: &str) -> Result<Rc<Model>, ApiError> {
        let Some(model) = self.gateway.models.get(name) else {
            let message = format!("The model {} does not exist. GET /v1/models lists those that do.", quoted(name));
            return Err(ApiError {
                param: Some("model".to_owned()),
                ..ApiError::new(404, ErrorKind::NotFound, message)
            }
            .with_code("model_not_found"));
        };
        if !caller.may_use(name) {
            let message =
                format!("This key may not use the model {}. GET /v1/models lists those it may.", quoted(name));
            return Err(ApiError {
                param: Some("model".to_owned()),
                ..ApiError::new(403, ErrorKind::Permission, message)
            }
            .with_code("model_not_allowed"));
        }
        Ok(model.clone())
    }

    fn refuse(&mut self, error: ApiError, effects: &mut Vec<Effect>) -> Flow {
        let caller = match &self.phase {
            Phase::Body(arrival) => Some(arrival.caller.clone()),
            _ => None,
        };
        effects.push(Effect::Reply(refusal(&OpenAiChat, &public(&error), 0)));
        self.phase = Phase::Answered { caller, error: error.code.or(Some("invalid_request".into())) };
        Flow::Pause
    }
}

impl Trail {
    fn read(headers: &HeaderMap) -> Self {
        let request_id = headers.text("x-request-id").filter(|id| id.len() <= 128);
        Self {
            trace_id: trace_id(headers.text("traceparent"), request_id),
            request_id: request_id.map(str::to_owned),
            model: None,
        }
    }
}

/// Tells Envoy where the request goes first.
fn set_out(journey: &Journey, effects: &mut Vec<Effect>) {
    effects.push(Effect::SetProperty(property::TARGET, journey.next_cluster().to_owned().into()));
    if journey.outline.stream {
        effects.push(Effect::SetProperty(property::MODE, "stream".into()));
    }
    effects.push(Effect::ClearRoute);
}

/// Leaves out targets at the head of the plan that cannot take this request, so that the first attempt is one that can;
/// an error when none can. A later target is only looked at when it is its turn: most never are.
fn choose_first(journey: &mut Journey, body: &[u8]) -> Result<(), ApiError> {
    let mut refused = None;
    while let Some(target) = journey.targets.first() {
        if target.provider.dialect.name() == journey.client.name() {
            return Ok(());
        }
        let written = journey
            .client
            .read_request(body)
            .and_then(|request| target.provider.dialect.write_request(&request, &target.model));
        match written {
            Ok(written) => {
                journey.ready = Some(written);
                return Ok(());
            }
            Err(error) => {
                refused.get_or_insert(error);
                journey.targets.remove(0);
            }
        }
    }
    Err(refused.unwrap_or_else(|| from_envoy(503)))
}

/// Headers that only the gateway, or the router behind it, may be told.
fn strip(headers: &HeaderMap, effects: &mut Vec<Effect>) {
    const ENVOYS_OWN: [&[u8]; 2] = [b"x-envoy-internal", b"x-envoy-external-address"];
    for (name, _) in headers.iter() {
        let ours = name.starts_with(b"x-sluice-") || (name.starts_with(b"x-envoy-") && !ENVOYS_OWN.contains(&name));
        if ours && let Ok(name) = std::str::from_utf8(name) {
            effects.push(Effect::RemoveHeader(name.to_owned().into()));
        }
    }
}

fn forwarded(headers: &HeaderMap) -> HeaderMap {
    headers.iter().filter(|(name, _)| FORWARDED.contains(name)).collect()
}

/// The virtual key: a bearer token, or what Anthropic's and Azure's clients send instead.
fn credential(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get("authorization").and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    [bearer, headers.get("x-api-key"), headers.get("api-key")].into_iter().flatten().find(|key| !key.is_empty())
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(401, ErrorKind::Authentication, message).with_code("invalid_api_key")
}

/// The log tells why a key is not valid; the caller is not told.
fn public(error: &ApiError) -> Cow<'_, ApiError> {
    match error.code.as_deref() {
        Some("malformed_api_key" | "unknown_api_key" | "expired_api_key" | "revoked_api_key") => {
            Cow::Owned(error.clone().with_code("invalid_api_key"))
        }
        _ => Cow::Borrowed(error),
    }
}

/// A client's own word in an error message: bounded and without control characters.
fn quoted(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("`{short}`")
}

/// OpenAI's list of models: those the caller may use.
fn list_models(gateway: &Gateway, caller: &Caller) -> Vec<u8> {
    let entries: Vec<String> = gateway
        .models
        .keys()
        .filter(|name| caller.may_use(name))
        .map(|name| format!(r#"{{"id":{},"object":"model","created":0,"owned_by":"sluice"}}"#, json_string(name)))
        .collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, entries.join(",")).into_bytes()
}

/// An error as a reply in the client's dialect. Without an attempt nothing is said of attempts.
pub(super) fn refusal(client: &dyn Dialect, error: &ApiError, attempts: usize) -> Reply {
    let mut headers = Vec::new();
    if attempts > 0 {
        headers.push(("x-sluice-attempts", attempts.to_string()));
    }
    if let Some(wait) = error.retry_after {
        headers.push(("retry-after", wait.as_secs_f64().ceil().to_string()));
        headers.push(("retry-after-ms", wait.as_millis().to_string()));
    }
    Reply { status: client.status(error), headers, body: client.write_error(error) }
}

#[cfg(test)]
mod tests;
