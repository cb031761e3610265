//! The pipeline of a request, without I/O: what Envoy's callbacks see goes in as an [`Event`] with a [`View`] of what can
//! be read at that moment, and what is to be done comes out as [`Effect`]s and a [`Flow`]: a request is answered by a flow, so by one.
//!
//! Two machines share a request. [`gateway::Exchange`] sees it once, on the client's side: it knows the caller and makes
//! the plan. [`attempt::Attempt`] sees every try at a provider: it writes the provider's request and judges its answer.
//! What one knows and the other needs is the [`journey::Journey`], which both are handed. Neither machine reads a clock or
//! touches a header by itself, so every path runs in plain unit tests.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::ops::Range;

pub mod attempt;
pub mod billing;
pub mod cache_state;
pub mod complaint;
pub mod counter_sync;
mod echo;
pub mod failure;
pub mod gateway;
mod memory;
mod missing;
pub mod notes;
pub mod record;
pub mod redis_client;
pub mod refusal;
pub mod remembered;
pub mod request_state;
mod rewrite;
pub mod trace;
pub mod transport;
pub mod undone;
pub mod worker;

use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::store::SharedData;

pub use crate::gate::{LARGEST_BODY, LARGEST_REWRITTEN};

/// What Envoy knows a reply of ours by: its response code details.
pub const REPLY_DETAILS: &str = "sluice";

/// The cluster without hosts that a request is sent to when nothing is left to try.
pub const NO_CLUSTER: &str = "none";

/// The cluster that reaches the collector of traces.
pub const TRACING_CLUSTER: &str = "sluice-tracing";

/// The properties (Envoy's filter state, below `wasm.`) through which Envoy itself is told what was decided.
pub mod property {
    /// The cluster of the next attempt: the route's matcher reads it before every try.
    pub const TARGET: &str = "sluice.target";
    /// `stream` for a streamed answer: chooses the route with the limits for streams.
    pub const MODE: &str = "sluice.mode";
    /// `anthropic` where the client reads errors in Anthropic's format: for those that Envoy writes in the filter's place once the
    /// request's own headers have given way to a provider's.
    pub const CLIENT: &str = "sluice.client";
    /// Where the provider role finds the journey.
    pub const EXCHANGE: &str = "sluice.exchange";
    /// The access log's fields, as the rest of a JSON object: `,"name":value…`.
    pub const LOG: &str = "sluice.log";
    /// What the answer to `/ready` says besides its status, as the rest of a JSON object: `,"name":value…`, or nothing.
    pub const READY: &str = "sluice.ready";
    /// For spans: the key's public id.
    pub const KEY: &str = "sluice.key";
    /// For spans: the key's team.
    pub const TEAM: &str = "sluice.team";
    /// For spans: the model that was asked for.
    pub const MODEL: &str = "sluice.model";
    /// For spans: in which order targets were to be asked.
    pub const STRATEGY: &str = "sluice.strategy";
    /// For spans: why the request, or the attempt under way, failed.
    pub const ERROR: &str = "sluice.error";
}

/// The names of the counters and gauges, below `wasmcustom.` in Envoy's statistics.
pub mod metric {
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
        /// A request passed a budget of which at least 80% is used.
        BUDGET_80 = "sluice.budget.used_80";
        /// A request passed a budget that is used up: a soft one, or one that leads to another model.
        BUDGET_100 = "sluice.budget.used_100";
        /// A request was refused by a limit.
        LIMITED = "sluice.refused.limit";
        /// A request was refused by a budget.
        OVER_BUDGET = "sluice.refused.budget";
        /// Redis did not answer a request's question, or made no sense.
        REDIS_DOWN = "sluice.redis.unavailable";
        /// A request passed without being checked, because the store could not say.
        UNCHECKED = "sluice.store.unchecked";
        /// An answer came from another target than the first that was asked.
        FALLBACK = "sluice.fallback";
        /// An answer came from a target of a lower tier than the model's best.
        LOWER_TIER = "sluice.lower_tier";
        /// A request or an answer was refused because the worker, or its key, holds as many bytes as it may.
        OVERLOADED = "sluice.refused.memory";
        /// A guardrail blocked a request. Answers that are blocked count as failed attempts.
        GUARD_BLOCKED = "sluice.guard.blocked";
        /// Something in a request was masked.
        GUARD_MASKED = "sluice.guard.masked";
        /// A guardrail found something that it only logs, in a request or in its answer.
        GUARD_LOGGED = "sluice.guard.logged";
        /// Something was reserved that stays charged should it be lost: there was no room on its page for another lease.
        UNLEASED = "sluice.store.unleased";
        /// A settlement was given up: the request stays charged as it was reserved until its lease ends.
        UNSETTLED = "sluice.store.unsettled";
        /// An attempt failed: its provider could not be reached.
        FAILED_UNREACHABLE = "sluice.failed.unreachable";
        /// An attempt failed: it took too long.
        FAILED_TIMEOUT = "sluice.failed.timeout";
        /// An attempt failed: its stream fell silent.
        FAILED_STALLED = "sluice.failed.stalled";
        /// An attempt failed: its answer was cut short.
        FAILED_TRUNCATED = "sluice.failed.truncated";
        /// An attempt failed: its provider gave up waiting for the request.
        FAILED_REQUEST_TIMEOUT = "sluice.failed.request_timeout";
        /// An attempt failed: its provider saw a conflict.
        FAILED_CONFLICT = "sluice.failed.conflict";
        /// An attempt failed: its provider limits the rate.
        FAILED_RATE_LIMITED = "sluice.failed.rate_limited";
        /// An attempt failed: its provider has an error.
        FAILED_SERVER_ERROR = "sluice.failed.server_error";
        /// An attempt failed: its provider refused the credential.
        FAILED_REFUSED_CREDENTIAL = "sluice.failed.refused_credential";
        /// An attempt failed: its answer made no sense.
        FAILED_BAD_ANSWER = "sluice.failed.bad_answer";
        /// An attempt failed: an answer that began well had an error in it.
        FAILED_ERROR_IN_ANSWER = "sluice.failed.error_in_answer";
        /// An attempt failed: its answer was empty.
        FAILED_EMPTY_ANSWER = "sluice.failed.empty_answer";
        /// An attempt failed: the request was too long for the model.
        FAILED_CONTEXT_LENGTH = "sluice.failed.context_length";
        /// An attempt failed: its provider does not know the model.
        FAILED_MODEL_NOT_FOUND = "sluice.failed.model_not_found";
        /// An attempt failed: a guardrail blocked its answer.
        FAILED_GUARDRAIL = "sluice.failed.guardrail";
        /// An attempt failed: its answer was not what the client's schema asks for.
        FAILED_INVALID_STRUCTURED_OUTPUT = "sluice.failed.invalid_structured_output";
        /// An answer came from the cache.
        CACHE_HIT = "sluice.cache.hit";
        /// An answer was looked for in the cache and not found.
        CACHE_MISS = "sluice.cache.miss";
        /// A provider's answer was put into the cache.
        CACHE_STORED = "sluice.cache.stored";
    }

    names! {
        /// All gauges.
        GAUGES:
        /// 1 when the last gateway file that was read is in force, 0 when it was refused.
        RELOAD_SUCCESSFUL = "sluice.config.last_reload_successful";
        /// Since when the gateway file is in force, in seconds since 1970.
        RELOAD_TIME = "sluice.config.last_reload_success_timestamp_seconds";
    }
}

/// Response headers between the provider role and Envoy's router; Envoy removes them from what leaves.
pub mod signal {
    /// Its presence makes Envoy try again.
    pub const RETRY: &str = "x-sluice-retry";
    /// Whole seconds that Envoy waits before it does.
    pub const RETRY_AFTER: &str = "x-sluice-retry-after";
}

/// What a callback tells. Sizes are of the body buffered at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The request's headers are here; `end` means that no body follows.
    RequestHeaders {
        /// No body follows.
        end: bool,
    },
    /// A portion of the request's body is here.
    RequestBody {
        /// Bytes in the buffer.
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// The answer's headers are here.
    ResponseHeaders {
        /// No body follows.
        end: bool,
    },
    /// A portion of the answer's body is here.
    ResponseBody {
        /// Bytes in the buffer.
        size: usize,
        /// Nothing follows.
        end: bool,
    },
    /// The answer ends with trailers: to a body of which nothing is buffered any more, nothing can be added.
    ResponseTrailers {
        /// Bytes in the buffer.
        size: usize,
    },
}

/// Envoy refused a read. The content is unknown, which differs from empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl From<Unreadable> for ApiError {
    fn from(Unreadable: Unreadable) -> Self {
        failure::not_carried_out()
    }
}

/// What can be read while an event is handled. Each call may cost a call to the host. Of a message that must be known, a call that
/// fails is told. A property that cannot be read is as one that Envoy does not have.
pub trait View {
    /// The time now, by the clock.
    fn now(&self) -> Time;
    /// All headers of the event's message.
    fn headers(&self) -> Result<HeaderMap, Unreadable>;
    /// The first header of that name, if there is one.
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable>;
    /// A part of the event's body: all of it.
    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable>;
    /// The address at the other end of the client's connection.
    fn source(&self) -> Option<IpAddr>;
    /// Once a request is over: whether its provider ended the connection before the answer was complete.
    fn provider_left(&self) -> bool;
    /// Once a request is over: whether Envoy closed its client's connection, as it does when it shuts down.
    fn shut_down(&self) -> bool {
        false
    }
    /// What Envoy says of its last attempt where it got no answer.
    fn transport_failure(&self) -> transport::Said {
        transport::Said::default()
    }
}

/// What a step is taken with.
pub struct Context<'a> {
    /// What can be read.
    pub view: &'a dyn View,
    /// The memory that Envoy's workers share.
    pub shared: &'a dyn SharedData,
    /// What is to be done.
    pub effects: &'a mut Vec<Effect>,
    now: OnceCell<Time>,
}

impl<'a> Context<'a> {
    /// For one step.
    pub fn new(view: &'a dyn View, shared: &'a dyn SharedData, effects: &'a mut Vec<Effect>) -> Self {
        Self { view, shared, effects, now: OnceCell::new() }
    }

    /// The time of the step: a step waits for nothing, so the clock is read once.
    pub fn now(&self) -> Time {
        *self.now.get_or_init(|| self.view.now())
    }
}

/// What is to be done to the event's message, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// These headers, and no others.
    ReplaceHeaders(HeaderMap),
    /// This value, whatever there was.
    SetHeader(&'static str, Cow<'static, str>),
    /// No header of this name.
    RemoveHeader(Cow<'static, str>),
    /// The first `drain` bytes of the body give way to `with`.
    ReplaceBody {
        /// How many bytes go.
        drain: usize,
        /// What comes in their place.
        with: Vec<u8>,
    },
    /// A property for Envoy to read.
    SetProperty(&'static str, Cow<'static, str>),
    /// The route is to be chosen anew, by the properties as they are now.
    ClearRoute,
    /// A counter of [`metric`] goes up by one.
    Count(&'static str),
    /// The operator should know; never a secret, a prompt, or a key.
    Warn(String),
}

/// An answer that the gateway gives by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// What the body is.
    pub content_type: Cow<'static, str>,
    /// Besides the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// One whose body is JSON, as all are that the gateway has written itself.
    pub fn json(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json".into(), headers, body }
    }
}

/// What happens to the message next.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    /// It moves on.
    Continue,
    /// It waits for a later event.
    Pause,
    /// It goes no further: this answers the request.
    Reply(Reply),
}
