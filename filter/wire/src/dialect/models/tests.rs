//! Names of models at their hosts, and the parameters of those models.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::claude::{Calls, Chance, Claude, Thinks};
use super::openai::OpenAi;

#[test]
fn a_model_is_the_same_whoever_hosts_it() {
    for names in [
        &[
            "claude-opus-4-7",
            "claude-opus-4-7-20260416",
            "anthropic.claude-opus-4-7-v1:0",
            "us.anthropic.claude-opus-4-7",
            "global.anthropic.claude-opus-4-7-v1",
            "claude-opus-4-7@20260101",
            "anthropic/claude-opus-4.7",
            "anthropic/claude-4.7-opus-20260416",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-7-v1:0",
            "databricks-claude-opus-4-7",
            "Claude-Opus-4-7-latest",
        ][..],
        &[
            "claude-3-7-sonnet-20250219",
            "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "anthropic/claude-3.7-sonnet:beta",
        ],
        &[
            "claude-opus-4-20250514",
            "anthropic.claude-opus-4-20250514-v1:0",
            "claude-opus-4@20250514",
            "claude-opus-4-0",
        ],
        &["claude-3-5-haiku-20241022", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "anthropic/claude-3.5-sonnet"],
        &["claude-3-haiku@20240307", "anthropic.claude-v2:1", "claude-instant-1.2"],
        &["claude-sonnet-4-5-20250929", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"],
    ] {
        for name in names {
            assert_eq!(Claude::of(name), Claude::of(names[0]), "{name}");
        }
    }
}

#[test]
fn a_number_in_an_operators_own_name_is_no_generation() {
    for name in ["claude-prod-2", "my-claude-team-9", "claude-sim-9"] {
        assert_eq!(Claude::of(name).most_tokens, None, "{name}");
    }
}

#[test]
fn claudes_generations_are_told_apart() {
    use Calls::{Always, Never, WithoutThinking};
    use Chance::{All, Defaults, OneOfTwo};
    let rows = [
        ("claude-3-5-sonnet-latest", Thinks::Never, true, None, All, WithoutThinking, true),
        ("claude-sonnet-4-20250514", Thinks::Budget, true, None, All, WithoutThinking, true),
        ("claude-opus-4-1-20250805", Thinks::Budget, true, None, OneOfTwo, WithoutThinking, true),
        ("claude-haiku-4-5", Thinks::Budget, true, None, OneOfTwo, WithoutThinking, true),
        ("claude-opus-4-5", Thinks::Budget, true, Some("high"), OneOfTwo, WithoutThinking, true),
        ("claude-sonnet-4-6", Thinks::Both, true, Some("max"), OneOfTwo, WithoutThinking, false),
        ("claude-opus-4-7", Thinks::Adaptive, true, Some("max"), Defaults, WithoutThinking, false),
        ("claude-opus-4-8", Thinks::Adaptive, true, Some("max"), Defaults, Always, false),
        ("claude-sonnet-5", Thinks::Adaptive, true, Some("max"), Defaults, Always, false),
        ("claude-opus-5", Thinks::Adaptive, true, Some("max"), Defaults, Always, false),
        ("claude-fable-5", Thinks::Adaptive, false, Some("max"), Defaults, Always, false),
        ("claude-fable-5-1", Thinks::Adaptive, false, Some("max"), Defaults, Never, false),
        ("claude-mythos-preview", Thinks::Both, false, Some("max"), Defaults, Always, false),
        ("claude-opus-5-5", Thinks::Adaptive, false, Some("max"), Defaults, Never, false),
        ("claude-haiku-5-5", Thinks::Adaptive, false, Some("max"), Defaults, Always, false),
        // A model newer than the table.
        ("claude-opus-6", Thinks::Adaptive, false, Some("max"), Defaults, Never, false),
        ("claude-nova-7-2", Thinks::Adaptive, false, Some("max"), Defaults, Never, false),
        ("claude-opus-latest", Thinks::Adaptive, false, Some("max"), Defaults, Never, false),
        // Unknown names.
        ("claude-x", Thinks::Both, true, None, All, WithoutThinking, true),
        ("kimi-k3", Thinks::Both, true, None, All, WithoutThinking, true),
        ("", Thinks::Both, true, None, All, WithoutThinking, true),
    ];
    for (name, thinks, off, most, chance, calls, prefill) in rows {
        let model = Claude::of(name);
        let found = (model.thinks, model.can_be_off, model.efforts.last().copied());
        assert_eq!(found, (thinks, off, most), "{name}");
        assert_eq!((model.chance, model.calls, model.prefill), (chance, calls, prefill), "{name}");
    }
    assert!(Claude::of("claude-sonnet-5").by_itself && !Claude::of("claude-opus-4-8").by_itself);
    assert!(!Claude::of("claude-opus-4-6").efforts.contains(&"xhigh"));
}

#[test]
fn openais_models_are_told_apart() {
    let efforts = |name: &str| OpenAi::of(name).map(|model| (model.efforts.join(" "), model.by_itself));
    for (name, known, by_itself) in [
        ("gpt-4o", "", false),
        ("gpt-4o-2024-08-06", "", false),
        ("gpt-4.1-mini", "", false),
        ("gpt-4-turbo", "", false),
        ("gpt-3.5-turbo", "", false),
        ("gpt-35-turbo", "", false),
        ("chatgpt-4o-latest", "", false),
        ("ft:gpt-4o-2024-08-06:acme::1", "", false),
        ("gpt-5-chat-latest", "", false),
        ("o1-mini", "", true),
        ("o1-preview-2024-09-12", "", true),
        ("o1", "low medium high", true),
        ("o3-mini-2025-01-31", "low medium high", true),
        ("openai/o4-mini", "low medium high", true),
        ("gpt-5", "minimal low medium high", true),
        ("gpt-5-mini-2025-08-07", "minimal low medium high", true),
        ("azure/gpt-5-nano", "minimal low medium high", true),
        ("gpt-5-codex", "low medium high", true),
        ("gpt-5-pro", "high", true),
        ("gpt-5.1", "none low medium high", false),
        ("gpt-5.1-codex-mini", "low medium high", true),
        ("gpt-5.1-codex-max", "low medium high xhigh", true),
        ("gpt-5.1-chat-latest", "medium", true),
        ("gpt-5.2-2025-12-11", "none low medium high xhigh", false),
        ("gpt-5.2-pro", "medium high xhigh", true),
        ("gpt-5.3-codex", "low medium high xhigh", true),
        ("gpt-5.4-mini", "none low medium high xhigh", false),
        ("gpt-5.5", "none low medium high xhigh", true),
        ("openai/gpt-5.6-sol", "none low medium high xhigh max", true),
        ("gpt-5.9", "none low medium high xhigh max", true),
        ("gpt-6-astra", "low medium high xhigh max", true),
        ("gpt-7", "low medium high xhigh max", true),
        ("openai.gpt-oss-120b-1:0", "low medium high", true),
    ] {
        assert_eq!(efforts(name), Some((known.to_owned(), by_itself)), "{name}");
    }
    for name in
        ["llama-3.3-70b", "ollama", "omni", "o", "gpt-image-1", "gpt-realtime-2", "gpt-", "deepseek-chat", "m", ""]
    {
        assert_eq!(OpenAi::of(name), None, "{name}");
    }
    assert!(OpenAi::of("gpt-5.2").is_some_and(|model| model.calls_in_chat));
    assert!(OpenAi::of("gpt-5.4").is_some_and(|model| !model.calls_in_chat));
}
