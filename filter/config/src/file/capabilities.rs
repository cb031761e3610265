//! The section `capabilities`: the kind, release date and abilities of models.

use serde::{Deserialize, Serialize};
use sluice_core::routing;
use sluice_core::routing::spec::ModelKind;

/// The kind, release date and abilities of a model. An ability that is omitted is unknown, and does not exclude the model for any request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// The model's kind, listed by `GET /v1/models`. For information only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ModelKind>,
    /// The release date in seconds since 1970, listed by `GET /v1/models`. For information only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// The maximum number of prompt tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input: Option<u64>,
    /// Whether the model accepts tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Whether the model can call several tools at once. For information only: it does not exclude the model for any request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// Whether the model accepts images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
    /// Whether the model can respond according to a JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<bool>,
    /// Whether the model reasons. It does not exclude the model for any request, but makes the default timeout for the first token longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Whether the model accepts audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// Whether the model accepts documents, such as PDFs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<bool>,
}

impl Capabilities {
    /// Merges two descriptions: fields that are set here take precedence over `other`.
    pub fn over(self, other: Self) -> Self {
        Self {
            kind: self.kind.or(other.kind),
            created: self.created.or(other.created),
            max_input: self.max_input.or(other.max_input),
            tools: self.tools.or(other.tools),
            parallel_tools: self.parallel_tools.or(other.parallel_tools),
            vision: self.vision.or(other.vision),
            structured_output: self.structured_output.or(other.structured_output),
            reasoning: self.reasoning.or(other.reasoning),
            audio: self.audio.or(other.audio),
            documents: self.documents.or(other.documents),
        }
    }
}

impl From<&Capabilities> for routing::capabilities::Capabilities {
    fn from(written: &Capabilities) -> Self {
        // Parallel tool calls never exclude a target, so routing does not need the field.
        let Capabilities {
            kind,
            created,
            max_input,
            tools,
            parallel_tools: _,
            vision,
            structured_output,
            reasoning,
            audio,
            documents,
        } = *written;
        Self { kind, created, max_input, tools, vision, structured_output, audio, documents, reasoning }
    }
}
