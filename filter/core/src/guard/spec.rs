//! The words of a gateway file for guardrails.

use serde::{Deserialize, Serialize};

/// Which way a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client: all texts of its request.
    Prompts,
    /// To the client: what the model says, thinks, and gives to tools. An answer is held back until all of it was looked at, a
    /// streamed one too.
    Answers,
}

/// What becomes of a text in which a guardrail finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It goes no further. Of an answer, another target's is asked for (`retry.on: guardrail`).
    #[default]
    Block,
    /// Of prompts only: what was found is replaced by its name, as in `[email]`.
    Mask,
    /// It goes on, and the log tells.
    Log,
}

/// What Sluice knows how to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// An e-mail address.
    Email,
    /// A telephone number in its international form, with a `+`.
    Phone,
    /// A payment card's number, its check digit included.
    CreditCard,
    /// An international bank account number, its check digits included.
    Iban,
    /// A social security number of the United States, with its hyphens.
    UsSsn,
    /// An address of the internet, version 4 or 6.
    IpAddress,
    /// A private key in PEM: as much of it as is there.
    PrivateKey,
    /// A secret of a service that marks its secrets: OpenAI, Anthropic, GitHub, GitLab, Google, Slack, Stripe, npm, and our own keys.
    ApiKey,
    /// The id of an access key of Amazon's.
    AwsAccessKey,
    /// A JSON Web Token that is signed.
    Jwt,
}

impl Detector {
    /// Its word in the gateway file.
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
