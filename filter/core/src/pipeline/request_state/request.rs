//! The request as it is forwarded. Until then guardrails may still mask its prompt; afterwards both roles can only read it.

use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::batch::BatchOperation;
use crate::guard::answer::Checks;
use crate::keys::caller::Caller;
use crate::peek::BodyPeek;
use crate::routing::routing_headers::RoutingHeaders;
use crate::routing::target::Model;
use crate::trace::TraceContext;

use super::{PassThrough, ScannedRequest};

/// A request, as both roles see it.
#[derive(Debug)]
pub struct Request {
    /// When its headers arrived.
    pub started: Time,
    /// The authenticated caller.
    pub caller: Rc<Caller>,
    /// Its routing headers.
    pub routing_headers: RoutingHeaders,
    /// The requested model.
    pub model: Rc<Model>,
    /// Client format, body scan, prompt and extra costs.
    pub scanned: ScannedRequest,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// Method, path and content type, for a request that is passed through.
    pub pass_through: Option<PassThrough>,
    /// Its trace, where there are traces.
    pub trace: Option<TraceContext>,
    /// The body's first bytes, up to the last possible splice; empty if that is far.
    pub head: Vec<u8>,
    /// Labels of the masked values in its prompt.
    pub masked: Vec<String>,
    /// Guardrails and schema for the response; `None` if there are none.
    pub checks: Option<Rc<Checks>>,
    /// The operation on a batch, if it is one.
    pub batch_operation: Option<BatchOperation>,
}

/// An immutable value.
#[derive(Debug)]
pub struct Fixed<T>(T);

impl<T> Fixed<T> {
    /// Freezes a value.
    pub fn new(known: T) -> Self {
        Self(known)
    }
}

impl<T> Deref for Fixed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Request {
    /// Replaces the scan after a change of the body.
    pub fn rewritten(&mut self, mut peek: BodyPeek) {
        peek.caching = self.scanned.peek.caching;
        self.scanned.peek = peek;
        self.scanned.peek.stream &= self.scanned.client.asks.streams();
    }

    /// The `x-sluice-masked` header for the client.
    pub fn masked_header(&self) -> Option<(&'static str, String)> {
        (!self.masked.is_empty()).then(|| ("x-sluice-masked", self.masked.join(", ")))
    }

    /// The lease of its reservation, in case the settlement is lost: no request to the requested model may last longer. A client's shorter
    /// timeout does not shorten it, because each distinct lease takes room in the store.
    pub fn lease(&self) -> Duration {
        self.model.policy.timeouts.total
    }

    /// The request id, which replaces a missing response id.
    pub fn request_id(&self) -> &str {
        self.forwarded.text("x-request-id").unwrap_or_default()
    }
}
