//! HTTP calls of the gateway itself to Envoy's clusters. Core describes them; Envoy sends them.

use std::borrow::Cow;
use std::time::Duration;

use sluice_wire::headers::HeaderMap;

/// The cluster of the HTTP endpoint for Redis.
pub const REDIS_CLUSTER: &str = "sluice-redis";

/// The cluster of the collector for metrics.
pub const METRICS_CLUSTER: &str = "sluice-metrics";

/// The cluster of the webhook for alerts.
pub const ALERTS_CLUSTER: &str = "sluice-alerts";

/// The name of the cluster for embeddings of the provider with this cluster. Unlike that one, it has no filter that expects a planned attempt.
pub fn embeddings_cluster(of: &str) -> String {
    format!("sluice-embeddings-{of}")
}

/// An HTTP call of the gateway itself to one of Envoy's clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The cluster's name.
    pub cluster: Cow<'static, str>,
    /// Headers, including `:method`, `:path` and `:authority`.
    pub headers: HeaderMap,
    /// The request body.
    pub body: Vec<u8>,
    /// Timeout for the whole response.
    pub timeout: Duration,
}

/// Where the gateway itself sends requests: a collector or a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The `:authority`.
    pub authority: String,
    /// Whether it uses TLS.
    pub tls: bool,
    /// The path.
    pub path: String,
}

impl Endpoint {
    /// A POST of a JSON body.
    pub fn post(&self, cluster: &'static str, body: Vec<u8>, timeout: Duration) -> Call {
        self.post_to(&self.path, Cow::Borrowed(cluster), body, timeout)
    }

    /// A POST of a JSON body to another path at the same server.
    #[cold]
    pub fn post_to(&self, path: &str, cluster: Cow<'static, str>, body: Vec<u8>, timeout: Duration) -> Call {
        let headers = [
            (":method", "POST"),
            (":path", path),
            (":authority", &*self.authority),
            (":scheme", if self.tls { "https" } else { "http" }),
            ("content-type", "application/json"),
            ("user-agent", concat!("sluice/", env!("CARGO_PKG_VERSION"))),
        ];
        Call { cluster, headers: headers.into_iter().collect(), body, timeout }
    }
}

/// The response to a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The HTTP status; `None` without a response.
    pub status: Option<u16>,
    /// The response body.
    pub body: Vec<u8>,
}
