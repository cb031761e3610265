//! The state of a request after its headers, once the caller is authenticated.

use std::rc::Rc;

use sluice_wire::coding::Coding;
use sluice_wire::dialect::Client;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::keys::caller::Caller;
use crate::memory_limiter::Permit;
use crate::routing::routing_headers::RoutingHeaders;
use crate::trace::TraceContext;

/// A request with parsed headers and an authenticated caller.
#[derive(Debug)]
pub struct RequestHead {
    /// When its headers arrived.
    pub started: Time,
    /// The authenticated caller.
    pub caller: Rc<Caller>,
    /// The client's format.
    pub client: &'static Client,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// Its routing headers.
    pub routing_headers: RoutingHeaders,
    /// Method, path and content type, for a request that is passed through.
    pub pass_through: Option<PassThrough>,
    /// The body's content coding, until it is decompressed.
    pub coding: Option<Coding>,
    /// Its trace, where there are traces.
    pub trace: Option<TraceContext>,
    /// Its memory at the worker's memory limiter.
    pub permit: Permit,
}

/// The parts of a passed-through request that its provider needs besides the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThrough {
    /// The method.
    pub method: String,
    /// The path below the provider's base URL.
    pub path: String,
    /// The body's content type.
    pub content_type: Option<String>,
}
