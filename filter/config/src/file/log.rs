//! The access log: what it says, and where it goes.

use serde::{Deserialize, Serialize};
use sluice_core::compiled::spec::{LoggedClient, LoggedMessages};

use super::Secret;

/// The detail of the access log, and where Envoy writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much of the client's address is logged. Default: `full`.
    pub client: LoggedClient,
    /// How much of a provider's error message is logged. Default: `cut`.
    pub provider_messages: LoggedMessages,
    /// The file that the log is appended to; a relative path begins at the gateway file. Default: standard output.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Exports the log to a collector, in addition to the file or standard output. Default: none.
    #[cfg(not(target_arch = "wasm32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
}

/// Exports each line of the access log as a log record with OpenTelemetry's protocol over HTTP (OTLP/HTTP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector's URL, such as `http://collector:4318`. `/v1/logs` is appended.
    pub url: String,
    /// The collector's bearer token. Never sent to the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}
