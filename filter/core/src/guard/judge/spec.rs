//! The gateway file's options for judges.

use serde::{Deserialize, Serialize};

/// The API of a judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JudgeType {
    /// OpenAI's moderation endpoint, or a server that offers the same.
    OpenaiModeration,
    /// The analyzer of Microsoft Presidio, which finds personal data.
    Presidio,
    /// Text analysis of Azure AI Content Safety.
    AzureContentSafety,
    /// `ApplyGuardrail` of Amazon Bedrock.
    Bedrock,
    /// Google Cloud's Model Armor.
    ModelArmor,
    /// A webhook of your own, with the gateway's own request and response.
    Webhook,
    /// A guardrail webhook for agentgateway.
    Agentgateway,
    /// A guardrail service for LiteLLM's generic guardrail API.
    Litellm,
}

impl JudgeType {
    /// Its name in the gateway file.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiModeration => "openai_moderation",
            Self::Presidio => "presidio",
            Self::AzureContentSafety => "azure_content_safety",
            Self::Bedrock => "bedrock",
            Self::ModelArmor => "model_armor",
            Self::Webhook => "webhook",
            Self::Agentgateway => "agentgateway",
            Self::Litellm => "litellm",
        }
    }
}

/// The decision about a text that a judge did not judge: it did not respond, or not as its API says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Let the text pass.
    Allow,
    /// Block the text.
    Block,
}

/// Whether a judge's verdict has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum JudgeMode {
    /// The gateway does what the judge says.
    #[default]
    Enforce,
    /// The gateway lets every text pass, and logs the verdict.
    Shadow,
}
