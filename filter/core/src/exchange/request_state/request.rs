//! The request itself: all that is known of it when it leaves. Until then it may still be changed, as guardrails mask its prompt;
//! afterwards both roles read it, and neither can write it.

use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::batch::Errand;
use crate::guard::answer::Checks;
use crate::keys::caller::Caller;
use crate::peek::BodyPeek;
use crate::routing::hints::RoutingHeaders;
use crate::routing::target::Model;

use super::{Asked, PassThrough};

/// A request.
#[derive(Debug)]
pub struct Request {
    /// When the gateway saw its headers.
    pub started: Time,
    /// The caller.
    pub caller: Rc<Caller>,
    /// Routing hints from its headers.
    pub hints: RoutingHeaders,
    /// The model that is asked for.
    pub model: Rc<Model>,
    /// Client format, outline, prompt and extra costs.
    pub asks: Asked,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// Method, path and content type, for a request that is passed through.
    pub passage: Option<PassThrough>,
    /// The body's first bytes, up to where something may have to be spliced in; empty when that is far.
    pub head: Vec<u8>,
    /// Labels of the values that were masked in its prompt.
    pub masked: Vec<String>,
    /// Guardrails and schema for the answer; `None` if there are none.
    pub checks: Option<Rc<Checks>>,
    /// The operation on a batch, if it is one.
    pub errand: Option<Errand>,
}

/// A value that can be read and not written.
#[derive(Debug)]
pub struct Fixed<T>(T);

impl<T> Fixed<T> {
    /// From here on.
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
    /// Its body is another one now.
    pub fn rewritten(&mut self, peek: BodyPeek) {
        self.asks.peek = peek;
        self.asks.peek.stream &= self.asks.client.asks.streams();
    }

    /// The `x-sluice-masked` header for the client.
    pub fn masked_header(&self) -> Option<(&'static str, String)> {
        (!self.masked.is_empty()).then(|| ("x-sluice-masked", self.masked.join(", ")))
    }

    /// The lease of its reservation, should the settlement get lost: no request for the model that was asked for may
    /// last longer. A client's shorter timeout does not shorten it: each length of lease takes room in the store.
    pub fn lease(&self) -> Duration {
        self.model.way.timeouts.total
    }

    /// The request's own name, which stands in for an answer's.
    pub fn request_id(&self) -> &str {
        self.forwarded.text("x-request-id").unwrap_or_default()
    }
}
