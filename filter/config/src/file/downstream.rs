//! How clients reach the gateway: TLS, CORS and readiness.

use serde::{Deserialize, Serialize};

/// The web pages that may call the gateway from a browser (CORS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Allowed origins: `https://chat.example.com`, `https://*.example.com` for all subdomains, or `*` for every page. A page that calls
    /// the gateway contains a key, which every visitor of the page can read.
    pub origins: Vec<String>,
}

/// When `/ready` reports that this instance can receive requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Ready {
    /// Whether the instance is ready while Redis does not respond. Default: `optional`.
    pub redis: ReadyRedis,
}

/// Whether an instance is ready without Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReadyRedis {
    /// Ready. `redis.when_down` decides how requests are handled.
    #[default]
    Optional,
    /// Not ready. If all instances share one Redis, its failure takes all of them out of service.
    Required,
}

/// The certificate that a listener presents. Envoy reloads the files when they change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the certificate, followed by its intermediate certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// A PEM file with the certificate's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The certificate and key as an SDS secret that another program maintains, instead of `certificate` and `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sds: Option<Sds>,
    /// A PEM file with CA certificates. Clients must present a certificate of one of them (mTLS). Default: none, any client may connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
}

/// A file from which Envoy reads secrets through its secret discovery service (SDS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sds {
    /// The file, a `DiscoveryResponse` of Envoy in YAML or JSON.
    pub file: String,
    /// The name of the secret in the file.
    pub name: String,
}
