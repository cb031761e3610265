//! Gateway-file settings for the access log, forwarded headers and reservations.

use serde::{Deserialize, Serialize};

/// Client addresses and provider messages in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much of a client's address is logged.
    pub client: LoggedClient,
    /// How much of a provider's error message is logged.
    pub provider_messages: LoggedMessages,
}

/// How much of a client's address is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LoggedClient {
    /// The full address.
    #[default]
    Full,
    /// Its network: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
    Network,
    /// Neither the address nor the client's `user-agent`.
    Off,
}

/// How much of a provider's error message is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LoggedMessages {
    /// Nothing.
    Off,
    /// The message without any run of 12 characters that also occurs in the request, since providers repeat parts of prompts. Nothing if
    /// the request is longer than 256 KiB.
    #[default]
    Cut,
    /// The whole message, including any part of the prompt.
    Full,
}

/// A trace header with data beyond the trace id, such as the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ForwardedHeader {
    /// Data of other systems in the trace (W3C Trace Context).
    Tracestate,
    /// Data of the application about the request (W3C Baggage).
    Baggage,
}

impl ForwardedHeader {
    /// The header's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracestate => "tracestate",
            Self::Baggage => "baggage",
        }
    }
}

/// Amounts that are reserved before the response is known, and settled afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Reservation {
    /// The most output tokens reserved for one response, whatever the request or the model allows.
    pub output_tokens: u64,
    /// Input tokens reserved for each part of a prompt that is not in the request: a previous response, a conversation, a file, a document
    /// by URL, input that a hosted tool fetches. At most what the model accepts.
    pub unknown_input: u64,
}

impl Default for Reservation {
    fn default() -> Self {
        Self { output_tokens: 4096, unknown_input: 32_000 }
    }
}
