//! The words of a gateway file for the access log, for headers, and for how much is reserved.

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

/// A header that says more of a trace than its id: whose request it is, for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ForwardedHeader {
    /// What other systems in the trace keep of it (W3C Trace Context).
    Tracestate,
    /// What the application says of the request (W3C Baggage).
    Baggage,
}

impl ForwardedHeader {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracestate => "tracestate",
            Self::Baggage => "baggage",
        }
    }
}

/// How much is reserved before the answer is known, and settled when it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Reservation {
    /// The most output tokens that are reserved for one answer, whatever the request or the model allow.
    pub output_tokens: u64,
    /// Input tokens that are reserved for each part of a prompt that stands elsewhere: an answer before, a conversation, a file, a
    /// document by its URL, what a hosted tool will read. At most what the model takes.
    pub unknown_input: u64,
}

impl Default for Reservation {
    fn default() -> Self {
        Self { output_tokens: 4096, unknown_input: 32_000 }
    }
}
