//! What is known of a request when its headers are read and its caller may call.

use std::rc::Rc;

use sluice_wire::coding::Coding;
use sluice_wire::dialect::Client;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::gate::Share;
use crate::keys::caller::Caller;
use crate::routing::hints::Hints;

/// What is known of a request when its headers are read and its caller may call.
#[derive(Debug)]
pub struct Arrival {
    /// When they came.
    pub started: Time,
    /// Who asks.
    pub caller: Rc<Caller>,
    /// How the client speaks.
    pub client: &'static Client,
    /// The client's headers that a provider may see.
    pub forwarded: HeaderMap,
    /// What the headers say about its way.
    pub hints: Hints,
    /// What is only known of a request that is passed through.
    pub passage: Option<Passage>,
    /// How its body is compressed, until it is not any more.
    pub coding: Option<Coding>,
    /// Its bytes, at the worker's gate.
    pub share: Share,
}

/// Of a request that is passed through, what its provider has to know besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// How it was asked.
    pub method: String,
    /// Where it goes, below the provider's base URL.
    pub path: String,
    /// What its body is.
    pub content_type: Option<String>,
}
