//! The gateway's own requests to Envoy's clusters. Core describes them; Envoy sends them.

use std::time::Duration;

use sluice_wire::headers::HeaderMap;

/// The cluster that reaches Redis over HTTP.
pub const REDIS_CLUSTER: &str = "sluice-redis";

/// A request of the gateway's own, to one of Envoy's clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which cluster.
    pub cluster: &'static str,
    /// With `:method`, `:path` and `:authority`.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

/// The answer to a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Its body.
    pub body: Vec<u8>,
}
