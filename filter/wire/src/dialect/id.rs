//! Which wire format it is: formats are compared by this, and named by it in logs and documentation.

/// One wire format of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    /// OpenAI's chat completions, whoever serves them.
    OpenAiChat,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's legacy completions.
    Completions,
    /// Anthropic's messages.
    Anthropic,
    /// Anthropic's count of a prompt's tokens.
    CountTokens,
    /// OpenAI's count of a prompt's tokens.
    InputTokens,
    /// Anthropic's messages as Google's Vertex AI takes them.
    AnthropicOnVertex,
    /// Anthropic's messages as AWS Bedrock takes them.
    AnthropicOnBedrock,
    /// Google's `generateContent`.
    Gemini,
    /// AWS Bedrock's Converse.
    Bedrock,
    /// Cohere's chat.
    Cohere,
    /// OpenAI's embeddings.
    OpenAiEmbeddings,
    /// Cohere's embeddings.
    CohereEmbed,
    /// Google's `batchEmbedContents`.
    GeminiEmbed,
    /// Images that are made.
    Images,
    /// Images that are changed by a text.
    ImageEdits,
    /// Images that are varied.
    ImageVariations,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcriptions,
    /// Speech to English text.
    AudioTranslations,
    /// Verdicts on texts and images.
    Moderations,
    /// Documents in the order of their relevance.
    Rerank,
    /// What a provider keeps for its clients: files, batches, stored responses.
    Stored,
}

impl Id {
    /// The name in logs and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::Responses => "responses",
            Self::Completions => "completions",
            Self::Anthropic => "anthropic",
            Self::CountTokens => "anthropic_count_tokens",
            Self::InputTokens => "responses_input_tokens",
            Self::AnthropicOnVertex => "anthropic_vertex",
            Self::AnthropicOnBedrock => "anthropic_bedrock",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
            Self::OpenAiEmbeddings => "openai_embeddings",
            Self::CohereEmbed => "cohere_embed",
            Self::GeminiEmbed => "gemini_embed",
            Self::Images => "images",
            Self::ImageEdits => "image_edits",
            Self::ImageVariations => "image_variations",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
            Self::Stored => "stored",
        }
    }

    /// Whether a stream of the format brings usage only to those who ask for it in `stream_options`.
    pub const fn takes_stream_options(self) -> bool {
        matches!(self, Self::OpenAiChat | Self::Completions)
    }
}
