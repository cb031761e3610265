//! What the access log says of people and of what providers say.

use serde::{Deserialize, Serialize};

/// What the access log says of people and of what providers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much of a client's address.
    pub client: LoggedClient,
    /// How much of a provider's error message.
    pub provider_messages: LoggedMessages,
}

/// How much of a client's address the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LoggedClient {
    /// The address.
    #[default]
    Full,
    /// Its network: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
    Network,
    /// Neither the address nor the client's `user-agent`.
    Off,
}

/// How much of a provider's error message the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LoggedMessages {
    /// Nothing.
    Off,
    /// The message without every run of 12 characters that also stands in the request: providers repeat parts of prompts.
    /// Where the request is longer than 256 KiB, nothing of the message.
    #[default]
    Cut,
    /// All of it, prompts too.
    Full,
}
