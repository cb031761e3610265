//! The administration API, without I/O: virtual keys, usage and configuration, for callers with the administrator's key. Every request ends
//! in a [`Flow::Reply`]; none is forwarded to a provider.
//!
//! Its contract is `openapi.json`, which it serves. Keys are only written to Redis. Each change is one script, so that one of two
//! concurrent changes wins. Keys in the gateway file change with the file.
//!
//! An operation is a chain of steps: each ends with a response, or with a Redis command and the step that reads the reply. A step owns the
//! operation's state; [`AdminRequest`] only stores it in between.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sluice_config::Diagnostic;
use sluice_config::file;
use sluice_config::plugin::Reload;
use sluice_core::callout::{Call, Called};
use sluice_core::compiled::CompiledConfig;
use sluice_core::key_hash::KeyHash;
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::{Effect, Event, Flow, Reply as HttpReply, Unreadable, View, host_call_failure, property};
use sluice_core::store::redis::wire::{Command, RedisReply, Wire};
use sluice_core::store::{SharedData, Unavailable};
use sluice_wire::headers::HeaderMap;
use sluice_wire::json::json_string;
use sluice_wire::time::Time;

mod answer;
mod change;
mod configuration;
mod csv;
mod fields;
mod key;
mod limits;
mod list;
pub mod metrics_text;
pub mod plugin;
mod purge;
mod records;
mod route;
mod usage;

pub use answer::write_error;
use answer::{AdminError, AdminReply};
use metrics_text::Format;
use route::{Operation, Query};

/// The maximum size of a request body, in bytes.
const LARGEST_BODY: usize = 64 << 10;
/// The minimum timeout of Redis.
const SHORTEST_WAIT: Duration = Duration::from_secs(2);

/// The API's OpenAPI description, `openapi.json`, compressed with gzip.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// The data behind the API.
#[derive(Debug)]
pub struct Service {
    /// The gateway file without secrets.
    pub shown: Map<String, Value>,
    /// The gateway file's keys.
    pub keys: Vec<file::Key>,
    /// The gateway file's provider names.
    pub providers: BTreeSet<String>,
    /// The compiled gateway file.
    pub gateway: CompiledConfig,
    /// The active version and the last change; `None` if the configuration cannot change at runtime.
    pub reload: Option<Reload>,
}

impl Service {
    /// Compiles a gateway file. `text` is the same file as JSON.
    pub fn new(file: file::File, text: Map<String, Value>, reload: Option<Reload>) -> Result<Self, Vec<Diagnostic>> {
        let gateway = sluice_config::compile(&file)?;
        let shown = configuration::shown(&file, text);
        Ok(Self { shown, providers: file.providers.into_keys().collect(), keys: file.keys, gateway, reload })
    }
}

/// The result of an event, besides effects.
#[derive(Debug)]
pub enum AdminOutcome {
    /// No call is needed.
    Step(Flow),
    /// The request waits for this call; its result goes to [`AdminRequest::called`].
    Ask(Call),
}

/// One request to the API, with its phase.
#[derive(Debug)]
pub struct AdminRequest {
    service: Rc<Service>,
    phase: Phase,
    log_context: LogContext,
}

enum Phase {
    /// Before the request headers.
    Start,
    /// Waiting for the body of this operation.
    Body(Operation),
    /// Waiting for Redis.
    Asking(Command, Then),
    /// The response was sent.
    Answered,
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("Start"),
            Self::Body(operation) => f.debug_tuple("Body").field(operation).finish(),
            Self::Asking(..) => f.write_str("Asking"),
            Self::Answered => f.write_str("Answered"),
        }
    }
}

/// Fields for the access log.
#[derive(Debug, Default)]
struct LogContext {
    request_id: Option<String>,
    operation: Option<&'static str>,
    key: Option<String>,
}

/// The inputs of an operation.
struct AdminContext<'a> {
    service: &'a Service,
    now: Time,
    shared: &'a dyn SharedData,
    random: &'a mut dyn FnMut(&mut [u8]) -> bool,
    log_context: &'a mut LogContext,
}

/// The result of a step.
enum Next {
    Answer(AdminReply),
    Ask(Command, Then),
}

type Step = Result<Next, AdminError>;
/// The step after a Redis command. It receives the reply, or the reason why the reply is unusable.
type Then = Box<dyn FnOnce(Result<RedisReply, String>, &mut AdminContext) -> Step>;

impl Next {
    /// Sends a Redis command. A failure ends the request.
    fn ask(command: Command, then: impl FnOnce(RedisReply, &mut AdminContext) -> Step + 'static) -> Self {
        Self::Ask(
            command,
            Box::new(move |reply, context| match reply {
                Ok(reply) => then(reply, context),
                Err(why) => Err(AdminError::unavailable(&why)),
            }),
        )
    }
}

impl AdminRequest {
    /// Creates the state of a new request.
    pub fn new(service: Rc<Service>) -> Self {
        Self { service, phase: Phase::Start, log_context: LogContext::default() }
    }

    /// Handles an event of the request. `random` fills a buffer with secure random bytes, or returns false.
    pub fn request(
        &mut self,
        event: Event,
        view: &dyn View,
        shared: &dyn SharedData,
        random: &mut dyn FnMut(&mut [u8]) -> bool,
        effects: &mut Vec<Effect>,
    ) -> AdminOutcome {
        let service = self.service.clone();
        let step = match (event, &self.phase) {
            (Event::RequestHeaders { end }, Phase::Start) => {
                let headers = match view.headers() {
                    Ok(headers) => headers,
                    Err(Unreadable) => return AdminOutcome::Step(Flow::Reply(self.on_host_call_failure(effects))),
                };
                self.log_context.request_id =
                    headers.text("x-request-id").filter(|id| id.len() <= 128).map(str::to_owned);
                match self.headers(end, &headers) {
                    Ok(None) => return AdminOutcome::Step(Flow::Pause),
                    Ok(Some((operation, query))) => {
                        let mut context = AdminContext {
                            service: &service,
                            now: view.now(),
                            shared,
                            random,
                            log_context: &mut self.log_context,
                        };
                        perform(operation, query, &[], &mut context)
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            (Event::RequestBody { size, .. }, Phase::Body(_)) if size > LARGEST_BODY => Err(too_large()),
            (Event::RequestBody { size, end: true }, Phase::Body(_)) => {
                let Phase::Body(operation) = std::mem::replace(&mut self.phase, Phase::Answered) else {
                    return AdminOutcome::Step(Flow::Pause);
                };
                let Ok(body) = view.body(0..size) else {
                    return AdminOutcome::Step(Flow::Reply(self.on_host_call_failure(effects)));
                };
                let mut context = AdminContext {
                    service: &service,
                    now: view.now(),
                    shared,
                    random,
                    log_context: &mut self.log_context,
                };
                perform(operation, Query::none(), &body, &mut context)
            }
            _ => return AdminOutcome::Step(Flow::Pause),
        };
        self.proceed(step, effects)
    }

    /// Handles the result of the last [`AdminOutcome::Ask`].
    pub fn called(
        &mut self,
        called: &Called,
        view: &dyn View,
        shared: &dyn SharedData,
        random: &mut dyn FnMut(&mut [u8]) -> bool,
        effects: &mut Vec<Effect>,
    ) -> AdminOutcome {
        let service = self.service.clone();
        let Phase::Asking(command, then) = std::mem::replace(&mut self.phase, Phase::Answered) else {
            return AdminOutcome::Step(Flow::Pause);
        };
        let reply = read(&service, called);
        if let (Ok(reply), Some(whole)) = (&reply, command.with_source())
            && reply.is_unknown_script()
        {
            return self.proceed(Ok(Next::Ask(whole, then)), effects);
        }
        let mut context =
            AdminContext { service: &service, now: view.now(), shared, random, log_context: &mut self.log_context };
        let step = then(reply, &mut context);
        self.proceed(step, effects)
    }

    /// Reads the request headers. Returns `None` while the body has yet to arrive.
    fn headers(&mut self, end: bool, headers: &HeaderMap) -> Result<Option<(Operation, Query)>, AdminError> {
        let method = headers.text(":method").unwrap_or_default();
        let path = headers.text(":path").unwrap_or_default();
        let path = path.split('#').next().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let found = Operation::find(method, path);
        // The description contains no secret. Everything else, including 404s, requires a key.
        match &found {
            Ok(Operation::OpenApi) => {}
            Ok(Operation::Metrics(_)) => self.authenticate_scraper(headers)?,
            _ => self.authenticate(headers)?,
        }
        let mut operation = found?;
        if let (Operation::Metrics(format), Some(accept)) = (&mut operation, headers.text("accept")) {
            *format = Format::accepted(accept);
        }
        self.log_context.operation = Some(operation.name());
        self.log_context.key = operation.key().map(str::to_owned);
        let mut query = Query::read(query)?;
        if matches!(operation, Operation::Usage | Operation::TopUsage)
            && headers.text("accept").is_some_and(csv::is_accepted)
        {
            query.default("format", "csv");
        }
        if !operation.has_body() {
            return Ok(Some((operation, query)));
        }
        query.finish()?;
        if !is_json(headers.text("content-type")) {
            let message = "The body must be JSON, with the content-type application/json.";
            return Err(AdminError::new(415, "unsupported_media_type", message));
        }
        let declared = headers.text("content-length").and_then(|text| text.parse::<usize>().ok());
        if declared.is_some_and(|length| length > LARGEST_BODY) {
            return Err(too_large());
        }
        if end {
            return Ok(Some((operation, Query::none())));
        }
        self.phase = Phase::Body(operation);
        Ok(None)
    }

    /// Checks the administrator's key. All failures have the same response.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), AdminError> {
        Self::has_key(headers, &[self.service.gateway.admin.as_ref()]).ok_or_else(|| {
            let message = "The administrator's key is missing or incorrect. Send it as 'Authorization: Bearer <key>'.";
            AdminError::new(401, "unauthorized", message)
        })
    }

    /// Checks the key of a request for the metrics, unless they are public.
    fn authenticate_scraper(&self, headers: &HeaderMap) -> Result<(), AdminError> {
        let gateway = &self.service.gateway;
        if gateway.metrics.public {
            return Ok(());
        }
        Self::has_key(headers, &[gateway.metrics.scraper.as_ref(), gateway.admin.as_ref()]).ok_or_else(|| {
            let message = "The key for metrics is missing or incorrect. Send the key of `metrics.sha256`, or the \
                           administrator's key, as 'Authorization: Bearer <key>'.";
            AdminError::new(401, "unauthorized", message)
        })
    }

    /// Whether the request has one of these keys.
    fn has_key(headers: &HeaderMap, expected: &[Option<&KeyHash>]) -> Option<()> {
        let value = headers.get("authorization")?;
        let (scheme, token) = value.split_at_checked(7)?;
        let hash = KeyHash(Sha256::digest(token.trim_ascii()).into());
        let is_one = scheme.eq_ignore_ascii_case(b"bearer ") && expected.iter().flatten().any(|key| hash.same(key));
        is_one.then_some(())
    }

    /// Returns the error response after Envoy rejected an action.
    pub fn on_host_call_failure(&mut self, effects: &mut Vec<Effect>) -> HttpReply {
        let error = host_call_failure::error();
        let refusal = AdminError::new(error.status, "gateway_failed", error.message);
        self.answered(refusal.reply(), Some(refusal.code), effects)
    }

    fn proceed(&mut self, step: Step, effects: &mut Vec<Effect>) -> AdminOutcome {
        let (reply, error) = match step {
            Ok(Next::Ask(command, then)) => match call(&self.service, &command) {
                Some(call) => {
                    self.phase = Phase::Asking(command, then);
                    return AdminOutcome::Ask(call);
                }
                None => {
                    let refusal = records::no_store();
                    (refusal.reply(), Some(refusal.code))
                }
            },
            Ok(Next::Answer(answer)) => (answer.reply(), None),
            Err(refusal) => (refusal.reply(), Some(refusal.code)),
        };
        AdminOutcome::Step(Flow::Reply(self.answered(reply, error, effects)))
    }

    /// Sends the response.
    fn answered(&mut self, reply: HttpReply, error: Option<&'static str>, effects: &mut Vec<Effect>) -> HttpReply {
        self.phase = Phase::Answered;
        effects.push(Effect::SetProperty(property::LOG, Cow::Owned(self.log_context.fragment(error))));
        reply
    }
}

impl LogContext {
    /// The remaining fields of the access log's object.
    fn fragment(&self, error: Option<&str>) -> String {
        let fields = [
            ("request_id", self.request_id.as_deref()),
            ("admin", self.operation),
            ("key", self.key.as_deref()),
            ("error", error),
        ];
        let known = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.map(|(name, value)| format!(",\"{name}\":{}", json_string(value))).collect()
    }
}

fn perform(operation: Operation, mut query: Query, body: &[u8], context: &mut AdminContext) -> Step {
    match operation {
        Operation::ListKeys => list::list(query, context),
        Operation::CreateKey => change::create(body, context),
        Operation::ReadKey(id) => query.finish().and_then(|()| change::read(&id, context)),
        Operation::UpdateKey(id) => change::update(&id, body, context),
        Operation::RevokeKey(id) => change::revoke(&id, body, context),
        Operation::RotateKey(id) => change::rotate(&id, body, context),
        Operation::Usage => {
            let asked = usage::ByDay::read(&mut query)?;
            query.finish()?;
            asked.step(context)
        }
        Operation::TopUsage => {
            let asked = usage::Top::read(&mut query)?;
            query.finish()?;
            asked.step(context)
        }
        Operation::PurgeCache => purge::purge(body, context),
        Operation::Limits => limits::limits(query, context),
        Operation::Prices => query.finish().and_then(|()| configuration::prices(context)),
        Operation::Config => query.finish().and_then(|()| configuration::config(context)),
        Operation::Health => query.finish().and_then(|()| configuration::health(context)),
        Operation::OpenApi => query.finish().and_then(|()| AdminReply::compressed(OPENAPI)).map(Next::Answer),
        Operation::Metrics(format) => {
            let mut snapshot = Snapshot::read(context.shared, context.now);
            if !context.service.gateway.metrics.key_label {
                snapshot.hide_keys();
            }
            let text = metrics_text::write(&snapshot, format);
            Ok(Next::Answer(AdminReply::text(format.content_type(), text)))
        }
    }
}

/// A missing content type counts as JSON, since an empty body has none.
fn is_json(content_type: Option<&str>) -> bool {
    let Some(text) = content_type else { return true };
    let essence = text.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/merge-patch+json"].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn too_large() -> AdminError {
    AdminError::new(
        413,
        "too_large",
        format!("The request body is larger than the limit of {} KiB.", LARGEST_BODY >> 10),
    )
}

/// The Redis call for a command; `None` with the embedded store.
fn call(service: &Service, command: &Command) -> Option<Call> {
    let redis = service.gateway.redis.as_ref()?;
    let mut call = Wire::new(redis).write(command);
    // The timeout for client requests would be too short for a list, and no client waits here.
    call.timeout = call.timeout.max(SHORTEST_WAIT);
    Some(call)
}

fn read(service: &Service, called: &Called) -> Result<RedisReply, String> {
    let redis = service.gateway.redis.as_ref().ok_or_else(|| "`redis` is not configured".to_owned())?;
    Wire::new(redis).read(called).map_err(|Unavailable(why)| why)
}

#[cfg(test)]
mod tests;
