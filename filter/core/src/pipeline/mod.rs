//! The pipeline of a request, without I/O. Each Envoy callback becomes an [`Event`] with a [`View`] of the readable state. The results are
//! [`Effect`]s and one [`Flow`]; a reply is a flow, so a request gets at most one.
//!
//! Two state machines share a request. [`gateway::RequestPipeline`] runs once, on the client's side: it authenticates the caller and ranks
//! the targets. [`attempt::Attempt`] runs for each upstream attempt: it writes the provider's request and judges its response. They share
//! the [`request_state::RequestState`]. Neither machine reads a clock or touches a header directly, so unit tests cover every path.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::ops::Range;

pub mod access_log;
pub mod attempt;
pub mod billing;
pub mod cache_state;
pub mod cached_key;
pub mod failure;
pub mod gateway;
pub mod gauges;
pub mod host_call_failure;
mod memory;
mod missing;
pub mod notes;
pub mod outgoing;
pub mod provider_error;
mod rare_warning;
mod redaction;
pub mod redis_cache;
pub mod redis_client;
pub mod refusal;
pub mod request_state;
mod rewrite;
pub mod similar;
pub mod similar_requests;
pub mod span_queue;
pub mod transport;
pub mod worker;

use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::store::SharedData;

pub use crate::memory_limiter::{LARGEST_BODY, LARGEST_REWRITTEN};

/// The response code details of the filter's local replies.
pub const REPLY_DETAILS: &str = "sluice";

/// The cluster without hosts for a request with no target left.
pub const NO_CLUSTER: &str = "none";

/// The cluster of the trace collector.
pub const TRACING_CLUSTER: &str = "sluice-tracing";

/// The cluster of the collector that the access log is exported to.
pub const LOG_CLUSTER: &str = "sluice-log";

/// The properties (Envoy's filter state, below `wasm.`) that pass decisions on to Envoy.
pub mod property {
    /// The cluster of the next attempt. Envoy's route matcher reads it before each attempt.
    pub const TARGET: &str = "sluice.target";
    /// `stream` for a streamed response: selects the route with the timeouts for streams.
    pub const MODE: &str = "sluice.mode";
    /// `anthropic` where the client expects errors in Anthropic's format: for Envoy's local replies after the client's headers were
    /// replaced with a provider's.
    pub const CLIENT: &str = "sluice.client";
    /// The key under which the provider role finds the request state.
    pub const REQUEST_STATE: &str = "sluice.exchange";
    /// The access log's fields, as the rest of a JSON object: `,"name":value…`.
    pub const LOG: &str = "sluice.log";
    /// The body of the `/ready` response besides its status, as the rest of a JSON object: `,"name":value…`, or empty.
    pub const READY: &str = "sluice.ready";
}

/// The names of counters and gauges, below `wasmcustom.` in Envoy's statistics.
pub mod metric {
    use crate::metrics::Recorder;
    use crate::metrics::instruments::events;

    macro_rules! names {
        ($(#[$about:meta])* $all:ident: $($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
            $($(#[$doc])* pub const $name: &str = $text;)*

            $(#[$about])*
            pub const $all: &[&str] = &[$($text),*];
        };
    }

    names! {
        /// All counters.
        COUNTERS:
        /// A request passed a budget that is at least 80% used.
        BUDGET_80 = "sluice.budget.used_80";
        /// A request passed a budget that is used up: a soft one, or one that leads to another model.
        BUDGET_100 = "sluice.budget.used_100";
        /// A limit rejected a request.
        LIMITED = "sluice.refused.limit";
        /// A budget rejected a request.
        OVER_BUDGET = "sluice.refused.budget";
        /// Redis did not reply to a request's call, or its reply was invalid.
        REDIS_DOWN = "sluice.redis.unavailable";
        /// A request passed unchecked, because the store was unavailable.
        UNCHECKED = "sluice.store.unchecked";
        /// A response came from another target than the first one tried.
        FALLBACK = "sluice.fallback";
        /// A response came from a target of a lower tier than the model's best.
        LOWER_TIER = "sluice.lower_tier";
        /// A request or response was rejected because the worker, or the key, holds too many bytes.
        OVERLOADED = "sluice.refused.memory";
        /// A guardrail blocked a request. Blocked responses count as failed attempts.
        GUARD_BLOCKED = "sluice.guard.blocked";
        /// A guardrail masked a part of a request.
        GUARD_MASKED = "sluice.guard.masked";
        /// A guardrail that only logs matched a request or its response.
        GUARD_LOGGED = "sluice.guard.logged";
        /// A debit was reserved without a lease, because its shard is full: if it is lost, it stays charged.
        UNLEASED = "sluice.store.unleased";
        /// A settlement was dropped: the reserved amount stays charged until its lease ends.
        UNSETTLED = "sluice.store.unsettled";
        /// An attempt failed: its provider could not be reached.
        FAILED_UNREACHABLE = "sluice.failed.unreachable";
        /// An attempt failed: it took too long.
        FAILED_TIMEOUT = "sluice.failed.timeout";
        /// An attempt failed: its stream went silent.
        FAILED_STALLED = "sluice.failed.stalled";
        /// An attempt failed: its response ended early.
        FAILED_TRUNCATED = "sluice.failed.truncated";
        /// An attempt failed: its provider timed out waiting for the request.
        FAILED_REQUEST_TIMEOUT = "sluice.failed.request_timeout";
        /// An attempt failed: its provider reported a conflict.
        FAILED_CONFLICT = "sluice.failed.conflict";
        /// An attempt failed: its provider limits the rate.
        FAILED_RATE_LIMITED = "sluice.failed.rate_limited";
        /// An attempt failed: its provider has an error.
        FAILED_SERVER_ERROR = "sluice.failed.server_error";
        /// An attempt failed: its provider rejected the gateway's credential.
        FAILED_REFUSED_CREDENTIAL = "sluice.failed.refused_credential";
        /// An attempt failed: its response was invalid.
        FAILED_BAD_ANSWER = "sluice.failed.bad_answer";
        /// An attempt failed: a response with a success status contained an error.
        FAILED_ERROR_IN_ANSWER = "sluice.failed.error_in_answer";
        /// An attempt failed: its response was empty.
        FAILED_EMPTY_ANSWER = "sluice.failed.empty_answer";
        /// An attempt failed: the request was too long for the model.
        FAILED_CONTEXT_LENGTH = "sluice.failed.context_length";
        /// An attempt failed: its provider does not know the model.
        FAILED_MODEL_NOT_FOUND = "sluice.failed.model_not_found";
        /// An attempt failed: a guardrail blocked its response.
        FAILED_GUARDRAIL = "sluice.failed.guardrail";
        /// An attempt failed: its response did not match the client's schema.
        FAILED_INVALID_STRUCTURED_OUTPUT = "sluice.failed.invalid_structured_output";
        /// The spans of a request were dropped, because the trace collector did not accept them.
        SPANS_DROPPED = "sluice.tracing.dropped";
        /// A response came from the cache.
        CACHE_HIT = "sluice.cache.hit";
        /// A cache lookup found no response.
        CACHE_MISS = "sluice.cache.miss";
        /// A provider's response was stored in the cache.
        CACHE_STORED = "sluice.cache.stored";
        /// A call to the shared cache in Redis failed, or was not made because an earlier one failed.
        SHARED_CACHE_FAILED = "sluice.cache.shared_failed";
        /// An embedding for the semantic cache failed.
        EMBEDDING_FAILED = "sluice.cache.embedding_failed";
    }

    /// Counts the same event in the registry of [`metrics`](crate::metrics), which has all other counts with labels.
    pub fn count(name: &str, recorder: &Recorder) {
        recorder.event(match name {
            REDIS_DOWN => events::REDIS_UNAVAILABLE,
            UNCHECKED => events::UNCHECKED,
            UNLEASED => events::UNLEASED,
            UNSETTLED => events::UNSETTLED,
            OVERLOADED => events::OVERLOADED,
            SPANS_DROPPED => events::SPANS_DROPPED,
            SHARED_CACHE_FAILED => events::SHARED_CACHE_FAILED,
            EMBEDDING_FAILED => events::EMBEDDING_FAILED,
            _ => return,
        });
    }

    names! {
        /// All gauges.
        GAUGES:
        /// 1 if the last gateway file is active, 0 if it was rejected.
        RELOAD_SUCCESSFUL = "sluice.config.last_reload_successful";
        /// When the active gateway file was loaded, in seconds since 1970.
        RELOAD_TIME = "sluice.config.last_reload_success_timestamp_seconds";
    }
}

/// Response headers from the provider role to Envoy's router. Envoy removes them before the client sees them.
pub mod signal {
    /// Makes Envoy retry, whatever its value.
    pub const RETRY: &str = "x-sluice-retry";
    /// Whole seconds to wait before the retry.
    pub const RETRY_AFTER: &str = "x-sluice-retry-after";
}

/// A callback. Sizes are those of the body buffered at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Request headers.
    RequestHeaders {
        /// No body follows.
        end: bool,
    },
    /// A portion of the request body.
    RequestBody {
        /// Bytes in the buffer.
        size: usize,
        /// No more follows.
        end: bool,
    },
    /// Response headers.
    ResponseHeaders {
        /// No body follows.
        end: bool,
    },
    /// A portion of the response body.
    ResponseBody {
        /// Bytes in the buffer.
        size: usize,
        /// No more follows.
        end: bool,
    },
    /// Response trailers. If none of the body is buffered any more, nothing can be added to it.
    ResponseTrailers {
        /// Bytes in the buffer.
        size: usize,
    },
}

/// Envoy rejected a read. The content is unknown, which differs from empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl From<Unreadable> for ApiError {
    fn from(Unreadable: Unreadable) -> Self {
        failure::not_carried_out()
    }
}

/// The state that can be read while an event is handled. Each method may cost a host call. Reads of a message report a failed host call; a
/// property that cannot be read counts as missing.
pub trait View {
    /// The wall-clock time.
    fn now(&self) -> Time;
    /// All headers of the event's message.
    fn headers(&self) -> Result<HeaderMap, Unreadable>;
    /// The first header of that name.
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable>;
    /// A range of the event's buffered body, complete.
    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable>;
    /// The address of the client's connection.
    fn source(&self) -> Option<IpAddr>;
    /// At the end of a request: whether the provider closed the connection before the response was complete.
    fn provider_left(&self) -> bool;
    /// At the end of a request: whether Envoy closed the client's connection, as it does at shutdown.
    fn shut_down(&self) -> bool {
        false
    }
    /// Envoy's report on its last attempt, if that got no response.
    fn transport_failure(&self) -> transport::TransportReport {
        transport::TransportReport::default()
    }
}

/// The input and output of one step.
pub struct Context<'a> {
    /// The readable state.
    pub view: &'a dyn View,
    /// The memory that Envoy's workers share.
    pub shared: &'a dyn SharedData,
    /// The effects to apply.
    pub effects: &'a mut Vec<Effect>,
    now: OnceCell<Time>,
}

impl<'a> Context<'a> {
    /// Creates the context of one step.
    pub fn new(view: &'a dyn View, shared: &'a dyn SharedData, effects: &'a mut Vec<Effect>) -> Self {
        Self { view, shared, effects, now: OnceCell::new() }
    }

    /// The time of the step. A step never waits, so the clock is read once.
    pub fn now(&self) -> Time {
        *self.now.get_or_init(|| self.view.now())
    }
}

/// The actions on the event's message, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Replaces all headers.
    ReplaceHeaders(HeaderMap),
    /// Sets a header, replacing any existing value.
    SetHeader(&'static str, Cow<'static, str>),
    /// Removes a header.
    RemoveHeader(Cow<'static, str>),
    /// Replaces the first `drain` bytes of the body with `with`.
    ReplaceBody {
        /// How many bytes to remove.
        drain: usize,
        /// The replacement.
        with: Vec<u8>,
    },
    /// Sets a property for Envoy to read.
    SetProperty(&'static str, Cow<'static, str>),
    /// Makes Envoy choose the route again, from the current properties.
    ClearRoute,
    /// Increments a counter of [`metric`].
    Count(&'static str),
    /// Logs a warning for the operator; never a secret, a prompt, or a key.
    Warn(String),
}

/// A local reply by the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: Cow<'static, str>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply with a JSON body.
    pub fn json(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json".into(), headers, body }
    }
}

/// The next step for the message.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    /// It continues.
    Continue,
    /// It waits for a later event.
    Pause,
    /// It stops here: the client gets this reply.
    Reply(Reply),
}
