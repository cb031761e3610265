//! The kinds there are. Facts are the services' own documentation's, of November 2026.

use sluice_wire::dialect::Dialect;
use sluice_wire::dialect::anthropic::{Anthropic, AnthropicOnBedrock, AnthropicOnVertex};
use sluice_wire::dialect::bedrock::Bedrock;
use sluice_wire::dialect::cohere::{Cohere, CohereEmbed};
use sluice_wire::dialect::completions::Completions;
use sluice_wire::dialect::count::{COUNT_TOKENS, INPUT_TOKENS};
use sluice_wire::dialect::gemini::Gemini;
use sluice_wire::dialect::gemini_embed::GeminiEmbed;
use sluice_wire::dialect::openai_chat::{OpenAiChat, OpenAiCompatible, variations};
use sluice_wire::dialect::openai_embeddings::OpenAiEmbeddings;
use sluice_wire::dialect::responses::Responses;

use super::super::layout::Surface;
use super::{BEARER, Presented, Row};

type Formats = &'static [&'static dyn Dialect];

const OPENAI_ITSELF: Formats = &[&OpenAiChat, &Responses, &INPUT_TOKENS, &OpenAiEmbeddings];
const OPENAI: Formats = &[&OpenAiChat, &Responses, &OpenAiEmbeddings];
const ANTHROPIC: Formats = &[&Anthropic, &COUNT_TOKENS];
const GROQ: Formats = &[&OpenAiCompatible(variations::GROQ)];
const MISTRAL: Formats = &[&OpenAiCompatible(variations::MISTRAL), &OpenAiEmbeddings];
const OLDER: Formats = &[&OpenAiCompatible(variations::OLDER)];
const OLDER_FULL: Formats = &[&OpenAiCompatible(variations::OLDER), &Completions, &OpenAiEmbeddings];
const OPENROUTER: Formats = &[&OpenAiCompatible(variations::OPENROUTER)];
const TEMPLATED: Formats = &[&OpenAiCompatible(variations::TEMPLATED), &Completions, &OpenAiEmbeddings];

/// What most rows have.
const COMPATIBLE: Row = Row {
    name: "",
    about: "",
    url: None,
    hosts: &[],
    formats: OPENAI,
    surface: Surface::Plain,
    credential: BEARER,
    prices: None,
};

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "openai",
        about: "OpenAI, or with a `url` any server that speaks as OpenAI does.",
        url: Some("https://api.openai.com/v1"),
        formats: OPENAI_ITSELF,
        prices: Some("openai"),
        ..COMPATIBLE
    },
    Row {
        name: "anthropic",
        about: "Anthropic, or with a `url` any server that speaks as Anthropic does.",
        url: Some("https://api.anthropic.com/v1"),
        formats: ANTHROPIC,
        credential: Presented { header: "x-api-key", prefix: "" },
        prices: Some("anthropic"),
        ..COMPATIBLE
    },
    Row {
        name: "azure",
        about: "Azure OpenAI: `url` is the resource's, `https://NAME.openai.azure.com`, and a target's `model` a deployment.",
        hosts: &[".openai.azure.com", ".cognitiveservices.azure.com"],
        surface: Surface::Azure,
        credential: Presented { header: "api-key", prefix: "" },
        prices: Some("azure"),
        ..COMPATIBLE
    },
    Row {
        name: "gemini",
        about: "Google's Gemini API.",
        url: Some("https://generativelanguage.googleapis.com/v1beta"),
        formats: &[&Gemini, &GeminiEmbed],
        credential: Presented { header: "x-goog-api-key", prefix: "" },
        prices: Some("gemini"),
        ..COMPATIBLE
    },
    Row {
        name: "vertex",
        about: "Google's models on Vertex AI: `url` is \
            `https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/publishers/google`.",
        hosts: &["aiplatform.googleapis.com", "-aiplatform.googleapis.com"],
        formats: &[&Gemini],
        prices: Some("vertex_ai"),
        ..COMPATIBLE
    },
    Row {
        name: "vertex-anthropic",
        about: "Anthropic's models on Vertex AI: `url` as for `vertex`, with `anthropic` in place of `google` at its end.",
        formats: &[&AnthropicOnVertex],
        prices: Some("vertex_ai"),
        ..COMPATIBLE
    },
    Row {
        name: "bedrock",
        about: "AWS Bedrock's Converse: `url` is `https://bedrock-runtime.REGION.amazonaws.com`.",
        hosts: &[".amazonaws.com"],
        formats: &[&Bedrock],
        prices: Some("bedrock"),
        ..COMPATIBLE
    },
    Row {
        name: "bedrock-anthropic",
        about: "Anthropic's models on AWS Bedrock, asked in Anthropic's own format: `url` as for `bedrock`.",
        formats: &[&AnthropicOnBedrock],
        prices: Some("bedrock"),
        ..COMPATIBLE
    },
    Row {
        name: "cohere",
        about: "Cohere.",
        url: Some("https://api.cohere.com/v2"),
        hosts: &["api.cohere.ai"],
        formats: &[&Cohere, &CohereEmbed],
        prices: Some("cohere"),
        ..COMPATIBLE
    },
    Row {
        name: "deepseek",
        about: "DeepSeek.",
        url: Some("https://api.deepseek.com"),
        formats: OLDER,
        prices: Some("deepseek"),
        ..COMPATIBLE
    },
    Row {
        name: "fireworks",
        about: "Fireworks AI.",
        url: Some("https://api.fireworks.ai/inference/v1"),
        formats: OLDER_FULL,
        prices: Some("fireworks_ai"),
        ..COMPATIBLE
    },
    Row {
        name: "groq",
        about: "Groq.",
        url: Some("https://api.groq.com/openai/v1"),
        formats: GROQ,
        prices: Some("groq"),
        ..COMPATIBLE
    },
    Row {
        name: "llamacpp",
        about: "The server of llama.cpp; its usual address is the gateway's own too, so that one of them has to move.",
        url: Some("http://127.0.0.1:8080/v1"),
        formats: OLDER_FULL,
        ..COMPATIBLE
    },
    Row {
        name: "lmstudio",
        about: "LM Studio's local server.",
        url: Some("http://127.0.0.1:1234/v1"),
        formats: OLDER_FULL,
        ..COMPATIBLE
    },
    Row {
        name: "mistral",
        about: "Mistral AI.",
        url: Some("https://api.mistral.ai/v1"),
        hosts: &["codestral.mistral.ai"],
        formats: MISTRAL,
        prices: Some("mistral"),
        ..COMPATIBLE
    },
    Row { name: "ollama", about: "Ollama.", url: Some("http://127.0.0.1:11434/v1"), formats: OLDER_FULL, ..COMPATIBLE },
    Row {
        name: "openrouter",
        about: "OpenRouter.",
        url: Some("https://openrouter.ai/api/v1"),
        formats: OPENROUTER,
        ..COMPATIBLE
    },
    Row {
        name: "perplexity",
        about: "Perplexity.",
        url: Some("https://api.perplexity.ai"),
        formats: OLDER,
        prices: Some("perplexity"),
        ..COMPATIBLE
    },
    Row {
        name: "together",
        about: "Together AI.",
        url: Some("https://api.together.xyz/v1"),
        hosts: &["api.together.ai"],
        formats: OLDER_FULL,
        prices: Some("together_ai"),
        ..COMPATIBLE
    },
    Row { name: "vllm", about: "vLLM.", url: Some("http://127.0.0.1:8000/v1"), formats: TEMPLATED, ..COMPATIBLE },
    Row {
        name: "xai",
        about: "xAI.",
        url: Some("https://api.x.ai/v1"),
        formats: &[&OpenAiCompatible(variations::XAI), &Responses],
        prices: Some("xai"),
        ..COMPATIBLE
    },
];
