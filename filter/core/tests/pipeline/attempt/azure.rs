//! Azure OpenAI: its own paths, and its content filter results.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The event before the first frame with content.
const PROMPT_FILTER: &str = concat!(
    r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":"#,
    r#"[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
    "\n\n"
);

fn with_filter() -> Vec<&'static str> {
    std::iter::once(PROMPT_FILTER).chain(OPENAI_STREAM).collect()
}

#[test]
fn a_deployment_is_the_model_of_the_surface_without_versions_and_the_path_of_another() {
    for (model, path) in [
        ("azure", "/openai/v1/chat/completions"),
        ("azure-dated", "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"),
    ] {
        let seen = whole(model, &[json(200, OPENAI)]);
        assert_eq!(seen.received[0].headers.text(":path"), Some(path));
        assert!(seen.received[0].body.contains(r#""model":"my-gpt""#), "{}", seen.received[0].body);
    }
}

#[test]
fn the_first_frame_of_a_stream_is_the_prompts_filter_and_not_its_usage() {
    let seen = stream("azure", &[sse(&with_filter())]);
    assert_eq!(collected(&seen), ("from openai".to_owned(), true));
    assert!(seen.body.starts_with(PROMPT_FILTER), "it passes, as all that is not asked for by the gateway");
    assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(9), Some(2)));
}

#[test]
fn an_error_behind_the_first_frame_is_still_a_reason_to_ask_elsewhere() {
    let error = "data: {\"error\":{\"message\":\"boom\",\"code\":\"InternalServerError\"}}\n\n";
    let seen = stream("azure", &[sse(&[PROMPT_FILTER, error]), sse(&ANTHROPIC_STREAM)]);
    assert_eq!(collected(&seen), ("from anthropic".to_owned(), true));
    assert_eq!(seen.log["tried"][0]["failure"], "error_in_answer");
}

#[test]
fn what_the_filter_forbids_is_the_clients_and_is_never_asked_again() {
    let filtered = r#"{"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#;
    let seen = whole("azure", &[json(400, filtered)]);
    assert_eq!((seen.status, seen.received.len()), (400, 1));
    assert_eq!(code(&seen), "content_filter");
    assert!(seen.log["tried"][0]["failure"] == "status_400", "{}", seen.log);
    // A content filter error in a stream with a success status.
    let event = format!("data: {filtered}\n\n");
    let seen = stream("azure", &[sse(&[PROMPT_FILTER, &event])]);
    assert_eq!((seen.received.len(), code(&seen).as_str()), (1, "content_filter"));
}
