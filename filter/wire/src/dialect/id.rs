//! Identifies a wire format. Formats are compared by id and named by it in logs and documentation.

/// One wire format of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Id {
    /// OpenAI's chat completions, also of other vendors.
    OpenAiChat,
    /// OpenAI's Responses API.
    Responses,
    /// OpenAI's legacy completions.
    Completions,
    /// Anthropic's Messages API.
    Anthropic,
    /// Anthropic's token counting.
    CountTokens,
    /// OpenAI's token counting.
    InputTokens,
    /// Anthropic's Messages API on Google's Vertex AI.
    AnthropicOnVertex,
    /// Anthropic's Messages API on AWS Bedrock.
    AnthropicOnBedrock,
    /// Google's `generateContent`.
    Gemini,
    /// AWS Bedrock's Converse API.
    Bedrock,
    /// Cohere's chat.
    Cohere,
    /// OpenAI's embeddings.
    OpenAiEmbeddings,
    /// Cohere's embeddings.
    CohereEmbed,
    /// Google's `batchEmbedContents`.
    GeminiEmbed,
    /// Image generation.
    Images,
    /// Image edits.
    ImageEdits,
    /// Image variations.
    ImageVariations,
    /// Text to speech.
    Speech,
    /// Speech to text.
    Transcriptions,
    /// Speech to English text.
    AudioTranslations,
    /// Moderation of texts and images.
    Moderations,
    /// Ranking of documents by relevance.
    Rerank,
    /// Objects that a provider stores for clients: files, batches, responses.
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

    /// Whether a stream reports usage only if the client asks for it in `stream_options`.
    pub const fn takes_stream_options(self) -> bool {
        matches!(self, Self::OpenAiChat | Self::Completions)
    }
}
