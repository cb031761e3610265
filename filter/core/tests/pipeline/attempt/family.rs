//! Providers that speak the client's dialect with deviations.

use crate::envoy::SECRET;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_a_quirk_names_is_changed_and_every_other_byte_passes() {
    let body = r#"{ "model":"mistral","seed":7 , "messages":[{"role":"user","content":"h\u0069"}],"x":1e3}"#;
    let seen = Envoy::new().chat(body, &[json(200, OPENAI)]);
    assert_eq!((seen.status, seen.body.as_str()), (200, OPENAI), "the answer passes as it is");
    let expected = body.replace(r#""mistral""#, r#""large""#).replace(r#""seed""#, r#""random_seed""#);
    assert_eq!(seen.received[0].body, expected);
    assert_eq!(seen.received[0].headers.text("content-length"), Some(&*expected.len().to_string()));
    assert_eq!(seen.headers.get("x-sluice-dropped"), None);
}

#[test]
fn what_a_quirk_drops_is_told_though_the_answer_passes() {
    let body = r#"{"model":"mistral","user":"u","messages":[{"role":"user","content":"hi"}]}"#;
    let seen = Envoy::new().chat(body, &[json(200, OPENAI)]);
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("user"));
    assert_eq!(seen.log["dropped"], serde_json::json!(["user"]));
    assert!(!seen.received[0].body.contains("user\":\"u"));
}

#[test]
fn a_provider_that_would_refuse_a_field_is_passed_over_before_any_attempt() {
    let body = r#"{"model":"groq-first","logprobs":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let seen = Envoy::new().chat(body, &[json(200, OPENAI)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("oai")));
    assert_eq!(seen.received.len(), 1);
    let alone = Envoy::new().chat(&body.replace("groq-first", "groq"), &[]);
    assert_eq!(alone.status, 400);
    assert!(alone.body.contains("'logprobs'"), "{}", alone.body);
}

#[test]
fn a_fallback_gets_the_request_by_its_own_quirks() {
    let body = r#"{"model":"groq-last","n":1,"messages":[{"role":"user","content":"hi","name":"x"}]}"#;
    let seen = Envoy::new().chat(body, &[json(503, "{}"), json(200, OPENAI)]);
    assert_eq!(seen.received[0].body, body.replace("groq-last", "gpt"));
    assert_eq!(seen.received[1].body, r#"{"model":"llama","n":1,"messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("messages[].name"));
}

#[test]
fn usage_is_not_asked_for_where_nobody_understands() {
    for model in ["mistral", "old"] {
        let body = format!(
            r#"{{"model":"{model}","stream":true,"stream_options":{{"include_usage":true}},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let seen = Envoy::new().chat(&body, &[sse(&OPENAI_STREAM)]);
        assert_eq!(collected(&seen), ("from openai".to_owned(), true));
        assert!(!seen.received[0].body.contains("stream_options"), "{}", seen.received[0].body);
        assert_eq!(seen.log["output_tokens"], 2);
    }
}

#[test]
fn numbers_beyond_a_servers_own_are_moved_in_what_passes_too() {
    let body = r#"{"model":"mistral","temperature": 1.9,"messages":[{"role":"user","content":"hi"}]}"#;
    let seen = Envoy::new().chat(body, &[json(200, OPENAI)]);
    assert_eq!(seen.received[0].body, body.replace(r#""mistral""#, r#""large""#).replace("1.9", "1.5"));
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("temperature"));
}

#[test]
fn what_a_server_does_not_take_of_a_translated_request_has_the_clients_own_name() {
    let error = r#"{"error":{"message":"Unsupported value: 'reasoning_effort'.","type":"invalid_request_error","param":"reasoning_effort","code":"unsupported_value"}}"#;
    let rows = [
        (
            "/v1/messages",
            r#"{"model":"mistral","max_tokens":9,"metadata":{"user_id":"u"},"messages":[{"role":"user","content":"hi"}]}"#,
            "metadata.user_id",
            "output_config.effort",
        ),
        ("/v1/responses", r#"{"model":"mistral","user":"u","input":"hi"}"#, "user", "reasoning.effort"),
    ];
    for (path, body, dropped, field) in rows {
        let ask =
            |answer| Envoy::new().send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), &[answer]);
        assert_eq!(ask(json(200, OPENAI)).headers.text("x-sluice-dropped"), Some(dropped), "{path}");
        let refused = ask(json(400, error));
        assert_eq!(refused.status, 400);
        assert!(refused.body.contains(&format!("'{field}'")), "{path}: {}", refused.body);
    }
}
