//! The table of provider kinds. Source: the services' own documentation, November 2026.

use sluice_wire::dialect::anthropic::hosted;
use sluice_wire::dialect::count::{COUNT_TOKENS, INPUT_TOKENS};
use sluice_wire::dialect::openai_chat::servers;
use sluice_wire::dialect::{
    Provider, anthropic, bedrock, cohere, completions, gemini, gemini_embed, openai_chat, openai_embeddings, responses,
};

use super::super::layout::Surface;
use super::{BEARER, Presented, Row};

type Formats = &'static [&'static Provider];

const OPENAI_ITSELF: Formats =
    &[&openai_chat::PROVIDER, &responses::PROVIDER, INPUT_TOKENS.provider, &openai_embeddings::PROVIDER];
const OPENAI: Formats = &[&openai_chat::PROVIDER, &responses::PROVIDER, &openai_embeddings::PROVIDER];
const ANTHROPIC: Formats = &[&anthropic::PROVIDER, COUNT_TOKENS.provider];
const GROQ: Formats = &[&servers::GROQ];
const MISTRAL: Formats = &[&servers::MISTRAL, &openai_embeddings::PROVIDER];
const DEEPSEEK: Formats = &[&servers::DEEPSEEK];
const OLDER_FULL: Formats = &[&servers::OLDER, &completions::PROVIDER, &openai_embeddings::PROVIDER];
const OPENROUTER: Formats = &[&servers::OPENROUTER];
const TEMPLATED: Formats = &[&servers::TEMPLATED, &completions::PROVIDER, &openai_embeddings::PROVIDER];

/// The values that most rows share.
const COMPATIBLE: Row = Row {
    name: "",
    about: "",
    url: None,
    hosts: &[],
    formats: OPENAI,
    surface: Surface::Plain,
    credential: BEARER,
    prompt_cache_key: false,
    telemetry: None,
    prices: None,
};

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "openai",
        about: "OpenAI, or with a `url` any server with OpenAI's API.",
        url: Some("https://api.openai.com/v1"),
        formats: OPENAI_ITSELF,
        prompt_cache_key: true,
        prices: Some("openai"),
        ..COMPATIBLE
    },
    Row {
        name: "anthropic",
        about: "Anthropic, or with a `url` any server with Anthropic's API.",
        url: Some("https://api.anthropic.com/v1"),
        formats: ANTHROPIC,
        credential: Presented { header: "x-api-key", prefix: "" },
        prices: Some("anthropic"),
        ..COMPATIBLE
    },
    Row {
        name: "azure",
        about: "Azure OpenAI: `url` is the resource's, `https://NAME.openai.azure.com`; a target's `model` is a deployment.",
        hosts: &[".openai.azure.com", ".cognitiveservices.azure.com"],
        surface: Surface::Azure,
        credential: Presented { header: "api-key", prefix: "" },
        prompt_cache_key: true,
        telemetry: Some("azure.ai.openai"),
        prices: Some("azure"),
        ..COMPATIBLE
    },
    Row {
        name: "gemini",
        about: "Google's Gemini API.",
        url: Some("https://generativelanguage.googleapis.com/v1beta"),
        formats: &[&gemini::PROVIDER, &gemini_embed::PROVIDER],
        credential: Presented { header: "x-goog-api-key", prefix: "" },
        telemetry: Some("gcp.gemini"),
        prices: Some("gemini"),
        ..COMPATIBLE
    },
    Row {
        name: "vertex",
        about: "Google's models on Vertex AI: `url` is \
            `https://LOCATION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/LOCATION/publishers/google`.",
        hosts: &["aiplatform.googleapis.com", "-aiplatform.googleapis.com"],
        formats: &[&gemini::PROVIDER],
        telemetry: Some("gcp.vertex_ai"),
        prices: Some("vertex_ai"),
        ..COMPATIBLE
    },
    Row {
        name: "vertex-anthropic",
        about: "Anthropic's models on Vertex AI: `url` as for `vertex`, with `anthropic` in place of `google` at its end.",
        formats: &[&hosted::VERTEX],
        telemetry: Some("gcp.vertex_ai"),
        prices: Some("vertex_ai"),
        ..COMPATIBLE
    },
    Row {
        name: "bedrock",
        about: "AWS Bedrock's Converse: `url` is `https://bedrock-runtime.REGION.amazonaws.com`.",
        hosts: &[".amazonaws.com"],
        formats: &[&bedrock::PROVIDER],
        telemetry: Some("aws.bedrock"),
        prices: Some("bedrock"),
        ..COMPATIBLE
    },
    Row {
        name: "bedrock-anthropic",
        about: "Anthropic's models on AWS Bedrock, asked in Anthropic's own format: `url` as for `bedrock`.",
        formats: &[&hosted::BEDROCK],
        telemetry: Some("aws.bedrock"),
        prices: Some("bedrock"),
        ..COMPATIBLE
    },
    Row {
        name: "cohere",
        about: "Cohere.",
        url: Some("https://api.cohere.com/v2"),
        hosts: &["api.cohere.ai"],
        formats: &[&cohere::PROVIDER, &cohere::embed::PROVIDER],
        prices: Some("cohere"),
        ..COMPATIBLE
    },
    Row {
        name: "deepseek",
        about: "DeepSeek.",
        url: Some("https://api.deepseek.com"),
        formats: DEEPSEEK,
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
        about: "llama.cpp's server. Its default port is the gateway's too: change one of them.",
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
        telemetry: Some("mistral_ai"),
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
        about: "Perplexity's Agent API.",
        url: Some("https://api.perplexity.ai/v1"),
        formats: &[&responses::PROVIDER],
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
        formats: &[&servers::XAI, &responses::PROVIDER],
        telemetry: Some("x_ai"),
        prices: Some("xai"),
        ..COMPATIBLE
    },
];
