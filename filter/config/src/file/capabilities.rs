//! The section `capabilities`: the kind, the age and the abilities of models.

use serde::{Deserialize, Serialize};
use sluice_core::routing;
use sluice_core::routing::spec::ModelKind;

/// The kind, the age and the abilities of a model. An ability that is left out is unknown, and keeps no request from the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Its kind, for people: `GET /v1/models` lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ModelKind>,
    /// The day of its release, in seconds since 1970, for people: `GET /v1/models` lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// The most tokens of a prompt that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input: Option<u64>,
    /// Whether it takes tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<bool>,
    /// Whether it calls several tools at once. For people: no request is kept from it for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tools: Option<bool>,
    /// Whether it takes images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
    /// Whether it answers by a JSON schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_output: Option<bool>,
    /// Whether it reasons. No request is kept from it for that, and its first token is waited for longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<bool>,
    /// Whether it takes sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
    /// Whether it takes documents, such as PDFs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documents: Option<bool>,
}

impl Capabilities {
    /// What is stated here, and for the rest what `other` states.
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
        // Whether there can be several calls at once keeps no request from a target.
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
