//! The section `capabilities`: the kind, the age and the abilities of models.

use serde::{Deserialize, Serialize};

/// The task of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Answers to messages.
    Chat,
    /// Texts that continue a prompt.
    Completion,
    /// Vectors of texts.
    Embedding,
    /// Images.
    Image,
    /// Spoken words of a text.
    Speech,
    /// The text of spoken words.
    Transcription,
    /// Whether a text is harmful.
    Moderation,
    /// The order of several texts by how well they fit a question.
    Rerank,
}

impl ModelKind {
    /// The likeliest kind of a model with this name, for a model whose kind nobody stated.
    pub fn likely(name: &str) -> Self {
        const MARKS: [(&str, ModelKind); 12] = [
            ("embed", ModelKind::Embedding),
            ("rerank", ModelKind::Rerank),
            ("moderation", ModelKind::Moderation),
            ("whisper", ModelKind::Transcription),
            ("transcribe", ModelKind::Transcription),
            ("tts", ModelKind::Speech),
            ("dall-e", ModelKind::Image),
            ("gpt-image", ModelKind::Image),
            ("imagen", ModelKind::Image),
            ("davinci-002", ModelKind::Completion),
            ("babbage-002", ModelKind::Completion),
            ("turbo-instruct", ModelKind::Completion),
        ];
        let name = name.to_ascii_lowercase();
        MARKS.into_iter().find_map(|(mark, kind)| name.contains(mark).then_some(kind)).unwrap_or(Self::Chat)
    }
}

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
