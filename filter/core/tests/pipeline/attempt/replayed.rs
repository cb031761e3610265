//! Response fields that clients send back in their next request.

use serde_json::{Value, json as value};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn asks(model: &str, said: &Value) -> Value {
    value!({"model": model, "messages": [{"role": "user", "content": "hi"}, said, {"role": "user", "content": "and?"}]})
}

fn sent(model: &str, said: &Value) -> (Value, Seen) {
    let answer = if model == "claude" { ANTHROPIC } else { OPENAI };
    let seen = Envoy::new().chat(&asks(model, said).to_string(), &[json(200, answer)]);
    let received = seen.received.last().unwrap_or_else(|| panic!("{model}: {}", seen.body));
    (serde_json::from_str(&received.body).unwrap(), seen)
}

/// An assistant message as OpenAI's library serializes it after a gateway's response.
fn dumped() -> Value {
    value!({"role": "assistant", "content": "a", "refusal": null, "annotations": [], "audio": null, "function_call": null,
        "tool_calls": null, "prefix": false,
        "reasoning_details": [{"type": "reasoning.text", "text": "h"}],
        "provider_specific_fields": {"citations": null},
        "extra_content": {"other": {"a": 1}}})
}

#[test]
fn outputs_that_come_back_are_no_error_anywhere() {
    for model in ["claude", "gemini", "cohere"] {
        let (_, seen) = sent(model, &dumped());
        let dropped =
            seen.headers.text("x-sluice-dropped").unwrap_or_default().to_owned() + &seen.log["dropped"].to_string();
        for field in ["reasoning_details", "provider_specific_fields", "extra_content"] {
            assert!(dropped.contains(field), "{model}: {dropped}");
        }
    }
}

#[test]
fn outputs_are_not_passed_to_a_provider_that_refuses_them() {
    let mut said = dumped();
    said["tool_calls"] = value!([{"id": "abcDEF123", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "QQ=="}}, "provider_specific_fields": {"thought_signature": "QQ=="}}]);
    for (model, refused) in [
        (
            "mistral",
            &[
                "audio",
                "function_call",
                "annotations",
                "reasoning_details",
                "provider_specific_fields",
                "extra_content",
            ][..],
        ),
        ("groq", &["annotations", "reasoning_details", "provider_specific_fields", "extra_content"]),
    ] {
        let (body, _) = sent(model, &said);
        for field in refused {
            assert!(body["messages"][1].get(field).is_none(), "{model}: {field} in {body}");
            assert!(body["messages"][1]["tool_calls"][0].get(field).is_none(), "{model}: {field} in {body}");
        }
        assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["name"], "f");
    }
    // OpenAI's own API receives the client's message unchanged.
    assert_eq!(sent("gpt", &said).0["messages"][1], said);
}

#[test]
fn a_signature_of_googles_reaches_google_however_it_is_wrapped() {
    let call = |more: Value| {
        let mut call = value!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value!({"role": "assistant", "content": null, "tool_calls": [call]})
    };
    let mut detailed = call(value!({}));
    detailed["reasoning_details"] =
        value!([{"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": "c", "data": "UVE9PQ=="}]);
    for said in [
        call(value!({"extra_content": {"google": {"thought_signature": "UVE9PQ=="}}})),
        call(value!({"provider_specific_fields": {"thought_signature": "UVE9PQ=="}})),
        detailed,
    ] {
        let (body, seen) = sent("gemini", &said);
        let parts = &body["contents"][1]["parts"];
        assert_eq!(parts[0]["thoughtSignature"], "UVE9PQ==", "{body}");
        assert_eq!(parts[0]["functionCall"]["name"], "f", "{body}");
        assert_eq!(seen.headers.get("x-sluice-dropped"), None);
    }
    let said =
        value!({"role": "assistant", "content": "a", "extra_content": {"google": {"thought_signature": "UVE9PQ=="}}});
    let parts = sent("gemini", &said).0["contents"][1]["parts"].clone();
    assert_eq!((&parts[0]["text"], &parts[0]["thoughtSignature"]), (&value!("a"), &value!("UVE9PQ==")));
}

#[test]
fn anthropics_thinking_reaches_anthropic_by_openrouters_words_and_no_other() {
    let details = |format: &str| {
        value!({"role": "assistant", "content": "a", "reasoning": "hm", "reasoning_details": [
            {"type": "reasoning.text", "format": format, "text": "hm", "signature": "EqQBCg==", "index": 0},
            {"type": "reasoning.encrypted", "format": format, "data": "RW5j", "index": 1}]})
    };
    let (body, _) = sent("claude", &details("anthropic-claude-v1"));
    let content = &body["messages"][1]["content"];
    assert_eq!(content[0], value!({"type": "thinking", "thinking": "hm", "signature": "EqQBCg=="}), "{body}");
    assert_eq!(content[1], value!({"type": "redacted_thinking", "data": "RW5j"}), "{body}");
    let (body, _) = sent("claude", &details("openai-responses-v1"));
    assert!(!body.to_string().contains("EqQBCg"), "{body}");
}
