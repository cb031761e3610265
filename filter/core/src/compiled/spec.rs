//! The gateway file's options for the access log, forwarded headers and reservations.

use serde::{Deserialize, Serialize};

/// The detail of client addresses and of providers' error messages in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// How much of the client's address is logged.
    pub client: LoggedClient,
    /// How much of a provider's error message is logged.
    pub provider_messages: LoggedMessages,
}

/// How much of the client's address is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LoggedClient {
    /// The whole address.
    #[default]
    Full,
    /// The network: the first 24 bits of an IPv4 address, 48 of an IPv6 address.
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
    /// The message without each run of 12 characters that also occurs in the request: providers repeat parts of prompts. For a request
    /// longer than 256 KiB, nothing.
    #[default]
    Cut,
    /// The whole message, including parts of prompts.
    Full,
}

/// A client header that carries more of a trace than its id, such as the user of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ForwardedHeader {
    /// `tracestate`: vendor-specific trace data of other systems (W3C Trace Context).
    Tracestate,
    /// `baggage`: properties that the application attaches to the request (W3C Baggage).
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

/// How many tokens are reserved before the response is known. The reservation is settled when the response ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Reservation {
    /// The maximum number of output tokens to reserve for one response, even if the request or the model allows more. Default: 4096.
    pub output_tokens: u64,
    /// Input tokens to reserve for each part of a prompt that the request only references: an earlier response, a conversation, a file, a
    /// document by URL, the results of a hosted tool. Never more than the model accepts. Default: 32000.
    pub unknown_input: u64,
}

impl Default for Reservation {
    fn default() -> Self {
        Self { output_tokens: 4096, unknown_input: 32_000 }
    }
}
