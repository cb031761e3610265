//! What is known of a request when its headers are read and its caller may call.

use std::rc::Rc;

use sluice_wire::coding::Coding;
use sluice_wire::dialect::Client;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::gate::Share;
use crate::keys::caller::Caller;
use crate::routing::hints::RoutingHeaders;

/// A request whose headers are read and whose caller is allowed.
#[derive(Debug)]
pub struct RequestHead {
    /// When they came.
    pub started: Time,
    /// The caller.
    pub caller: Rc<Caller>,
    /// How the client speaks.
    pub client: &'static Client,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// Routing hints from its headers.
    pub hints: RoutingHeaders,
    /// Method, path and content type, for a request that is passed through.
    pub passage: Option<PassThrough>,
    /// How its body is compressed, until it is not any more.
    pub coding: Option<Coding>,
    /// Its bytes, at the worker's gate.
    pub share: Share,
}

/// The parts of a passed-through request that its provider needs besides the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassThrough {
    /// How it was asked.
    pub method: String,
    /// The path below the provider's base URL.
    pub path: String,
    /// The body's content type.
    pub content_type: Option<String>,
}
