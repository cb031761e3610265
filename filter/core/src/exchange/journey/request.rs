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
use crate::peek::Outline;
use crate::routing::hints::Hints;
use crate::routing::target::Model;

use super::{Asked, Passage};

/// A request.
#[derive(Debug)]
pub struct Request {
    /// When the gateway saw its headers.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
    /// What the headers say about its way.
    pub hints: Hints,
    /// The model that is asked for.
    pub model: Rc<Model>,
    /// What is asked of it.
    pub asks: Asked,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// What is only known of a request that is passed through.
    pub passage: Option<Passage>,
    /// The body's first bytes, up to where something may have to be spliced in; empty when that is far.
    pub head: Vec<u8>,
    /// What was masked in its prompt, by the names of what it was.
    pub masked: Vec<String>,
    /// What the answer has to pass; `None` where that is nothing.
    pub checks: Option<Rc<Checks>>,
    /// What it does to a batch, if it is about one.
    pub errand: Option<Errand>,
}

/// A value that nobody changes any more: it can be read, and there is no way to write it.
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
    pub fn rewritten(&mut self, outline: Outline) {
        self.asks.outline = outline;
        self.asks.outline.stream &= self.asks.client.asks.streams();
    }

    /// What was masked in its prompt, as a header for the client.
    pub fn masked_header(&self) -> Option<(&'static str, String)> {
        (!self.masked.is_empty()).then(|| ("x-sluice-masked", self.masked.join(", ")))
    }

    /// For how long what is reserved for it is held, if nobody settles it: no request for the model that was asked for may
    /// last longer. That a client wants to wait for less changes nothing: leases of all lengths would each need room.
    pub fn lease(&self) -> Duration {
        self.model.way.timeouts.total
    }

    /// The request's own name, which stands in for an answer's.
    pub fn request_id(&self) -> &str {
        self.forwarded.text("x-request-id").unwrap_or_default()
    }
}
