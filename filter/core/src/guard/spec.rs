//! The gateway file's options for guardrails.

use serde::{Deserialize, Serialize};

/// The direction of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client: all texts of a request.
    Prompts,
    /// To the client: the model's output, its reasoning, and the arguments of tool calls.
    Answers,
}

impl Side {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Answers => "answers",
        }
    }
}

impl Action {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Mask => "mask",
            Self::Log => "log",
        }
    }
}

/// The action for a text that matches a guardrail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Reject it. A blocked response is retried at another target (`retry.on: guardrail`); a stream that the client has begun to receive
    /// ends instead.
    #[default]
    Block,
    /// Replace each match by a placeholder, such as `[email]`: see `style`.
    Mask,
    /// Let it pass, and log the match.
    Log,
}

/// How a guardrail on responses delivers streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GuardDelivery {
    /// As they arrive, without text that may still become a match.
    #[default]
    Windows,
    /// Once they are complete, so that a blocked response is retried at another target.
    Whole,
}

/// The placeholder of a masked text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MaskStyle {
    /// Its name: `[email]`.
    #[default]
    Label,
    /// Its name and a number: `[EMAIL_1]`. In one request, the same text has the same number.
    Numbered,
    /// Its name and its last four letters and digits: `[credit_card 1111]`; only the name if it has fewer than 12.
    LastFour,
    /// Its name and a short keyed hash, which is the same in every request: `[email 5f0c93a1]`.
    Hash,
    /// This text.
    Text(String),
}

/// A built-in detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// An e-mail address.
    Email,
    /// A telephone number in international format, with a `+`.
    Phone,
    /// A payment card number with a valid check digit.
    CreditCard,
    /// An international bank account number with valid check digits.
    Iban,
    /// A US social security number, with its hyphens.
    UsSsn,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A private key in PEM format, complete or cut off.
    PrivateKey,
    /// An API key with a recognizable prefix: OpenAI, Anthropic, GitHub, GitLab, Google, Slack, Stripe, npm, and Sluice's own keys.
    ApiKey,
    /// An AWS access key id.
    AwsAccessKey,
    /// A signed JSON Web Token.
    Jwt,
}

impl Detector {
    /// All detectors.
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::Phone,
        Self::CreditCard,
        Self::Iban,
        Self::UsSsn,
        Self::IpAddress,
        Self::PrivateKey,
        Self::ApiKey,
        Self::AwsAccessKey,
        Self::Jwt,
    ];

    /// The detector's name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::UsSsn => "us_ssn",
            Self::IpAddress => "ip_address",
            Self::PrivateKey => "private_key",
            Self::ApiKey => "api_key",
            Self::AwsAccessKey => "aws_access_key",
            Self::Jwt => "jwt",
        }
    }
}
