//! The guardrail keywords of a gateway file.

use serde::{Deserialize, Serialize};

/// The texts that a guardrail checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client: all texts of its request.
    Prompts,
    /// To the client: text, reasoning and tool arguments of the model. The response is held back until all of it was checked, a stream too.
    Answers,
}

/// The action when a guardrail matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Rejects the text. For a response, the next target is tried (`retry.on: guardrail`).
    #[default]
    Block,
    /// For prompts only: replaces each match by its name, as in `[email]`.
    Mask,
    /// Passes the text and logs the match.
    Log,
}

/// A built-in detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// An e-mail address.
    Email,
    /// A telephone number in international form, with a `+`.
    Phone,
    /// A payment card number with a valid check digit.
    CreditCard,
    /// An international bank account number (IBAN) with valid check digits.
    Iban,
    /// A US social security number, with hyphens.
    UsSsn,
    /// An IP address, version 4 or 6.
    IpAddress,
    /// A private key in PEM, complete or not.
    PrivateKey,
    /// A secret with a known prefix: OpenAI, Anthropic, GitHub, GitLab, Google, Slack, Stripe, npm, and our own keys.
    ApiKey,
    /// An AWS access key id.
    AwsAccessKey,
    /// A signed JSON Web Token.
    Jwt,
}

impl Detector {
    /// The keyword in the gateway file.
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
