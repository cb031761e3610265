//! How clients reach the gateway: over TLS, from web pages, and when they should.

use serde::{Deserialize, Serialize};

/// The web pages that may call the gateway from a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Their origins: `https://chat.example.com`, `https://*.example.com` for all below a domain, or `*` for every page. A page
    /// that calls the gateway has a key, and whoever opens the page can read it.
    pub origins: Vec<String>,
}

/// When `/ready` says that this instance should be sent requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Ready {
    /// What becomes of it while Redis does not answer.
    pub redis: ReadyRedis,
}

/// Whether an instance is ready without Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReadyRedis {
    /// It is: `redis.when_down` decides what becomes of requests.
    #[default]
    Optional,
    /// It is not. One failure of a Redis that all instances share takes all of them out.
    Required,
}

/// The certificate that a listener presents. Envoy reads the files again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with the certificate, and those between it and its authority behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// A PEM file with its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The certificate and key as a secret that something else keeps for Envoy, in place of `certificate` and `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sds: Option<Sds>,
    /// A PEM file with authorities: clients must present a certificate of one of them (mTLS). Any client may connect when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
}

/// A file from which Envoy reads secrets by its own protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sds {
    /// The file, as Envoy's `DiscoveryResponse` in YAML or JSON.
    pub file: String,
    /// The secret's name in it.
    pub name: String,
}
