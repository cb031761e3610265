use super::*;
use crate::check::Checked;

const CONFIG: &str = "
model_list:
  - model_name: chat
    litellm_params: { model: openai/gpt-5-mini, api_key: os.environ/MY_OPENAI, rpm: 60, tpm: 1000 }
  - model_name: chat
    litellm_params: { model: azure/my-gpt, api_base: \"https://x.openai.azure.com/\", api_version: 2024-10-21, api_key: os.environ/AZURE, rpm: 30 }
    model_info: { mode: chat }
  - model_name: claude
    litellm_params: { model: claude-haiku-4-5, api_key: sk-hidden, temperature: 0 }
  - model_name: local
    litellm_params: { model: ollama_chat/llama3.2, api_base: \"http://127.0.0.1:11434\" }
  - model_name: \"anthropic/*\"
    litellm_params: { model: \"anthropic/*\", api_key: sk-hidden }
  - model_name: \"*\"
    litellm_params: { model: \"openai/*\", api_key: os.environ/MY_OPENAI }
  - model_name: odd
    litellm_params: { model: sagemaker/thing }
  - model_name: mine
    litellm_params: { model: openai/served, api_base: \"http://10.0.0.9:8000/v1\", api_key: none }
litellm_settings: { drop_params: true, request_timeout: 600, success_callback: [langfuse], fallbacks: [{ chat: [claude, nobody] }] }
router_settings: { routing_strategy: least-busy, model_group_alias: { gpt-4: chat, lost: gone }, redis_host: h }
general_settings: { master_key: sk-hidden, database_url: \"postgres://u:sk-hidden@h/d\" }
environment_variables: { X: sk-hidden }
";

fn converted_text(text: &str) -> (Draft, String) {
    let mut draft = converted(&check::yaml_of(text).unwrap());
    draft.listen = "127.0.0.1:8080".to_owned();
    (draft.id, draft.team, draft.sha256) = ("me".to_owned(), "t".to_owned(), "9f86d081884c7d65".repeat(4));
    let text = draft.text();
    (draft, text)
}

fn checked(text: &str) -> Checked {
    check::check(text).unwrap_or_else(|diagnostics| panic!("{text}{diagnostics:?}"))
}

#[test]
fn models_limits_fallbacks_and_aliases_are_converted() {
    let (_, text) = converted_text(CONFIG);
    let Checked { file, gateway, .. } = checked(&text);
    let targets = |name: &str| {
        let found = gateway.find(name, false).unwrap_or_else(|| panic!("{name}")).model;
        found.targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(targets("chat"), ["openai/gpt-5-mini", "azure/my-gpt", "anthropic/claude-haiku-4-5"]);
    assert_eq!(targets("gpt-4"), targets("chat"));
    assert_eq!(targets("anthropic/claude-x"), ["anthropic/claude-x"]);
    assert_eq!(targets("gpt-99"), ["openai/gpt-99"]);
    assert_eq!(targets("local"), ["ollama/llama3.2"]);
    assert_eq!(file.providers["ollama"].url.as_deref(), Some("http://127.0.0.1:11434/v1"));
    assert_eq!(file.providers["openai"].key.as_ref().unwrap().env.as_deref(), Some("MY_OPENAI"));
    assert_eq!(file.providers["openai-2"].url.as_deref(), Some("http://10.0.0.9:8000/v1"));
    assert_eq!(file.providers["azure"].api_version.as_deref(), Some("2024-10-21"));
    let chat = &file.models["chat"];
    assert_eq!(chat.strategy.name(), "least_busy");
    assert!(chat.allow_lower_tier && chat.targets[2].tier == 2);
    assert_eq!(file.limits.len(), 2);
    assert_eq!(file.limits[0].limits.requests_per_minute, Some(60));
    assert_eq!(file.timeouts.total, "600s");
}

#[test]
fn what_is_not_converted_is_named_and_no_secret_is_taken_over() {
    let (draft, text) = converted_text(CONFIG);
    let notes = draft.notes.join("\n");
    for place in [
        "model_list[1].model_info: ",
        "model_list[2].litellm_params.api_key: the secret is in LiteLLM's file; set ANTHROPIC_API_KEY to it",
        "model_list[2].litellm_params.temperature: ",
        "model_list[6]: sagemaker/thing: ",
        "litellm_settings.drop_params: ",
        "litellm_settings.success_callback: ",
        "fallbacks: nobody is not in model_list",
        "router_settings.model_group_alias.lost: ",
        "router_settings.redis_host: ",
        "general_settings.master_key: ",
        "general_settings.database_url: ",
        "environment_variables: ",
    ] {
        assert!(notes.contains(place), "{place}\n{notes}");
    }
    assert!(!text.contains("sk-hidden") && !notes.contains("sk-hidden"), "{text}{notes}");
}

#[test]
fn whatever_stands_in_the_file_the_converter_ends() {
    for text in ["a: 1", "model_list: 5", "model_list: [1, {}, {model_name: x}]", "[]", "router_settings: [1]"] {
        let _ = converted(&check::yaml_of(text).unwrap());
    }
    for (at, _) in CONFIG.char_indices() {
        if let Ok(value) = check::yaml_of(&CONFIG[..at]) {
            let _ = converted(&value);
        }
    }
}
