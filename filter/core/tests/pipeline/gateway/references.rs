//! Stored objects that a body refers to: a key may use them if it may use their path.

use crate::envoy::{SECRET, Seen, json};

use super::pass_through::{code, envoy};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ANSWER: &str = r#"{"id":"resp_2","object":"response","status":"completed","model":"gpt","output":[]}"#;
const BODY: &str = r#"{"model":"gpt","input":"go on","previous_response_id":"resp_1"}"#;

fn ask(key: &str, path: &str, body: &str, answer: &str) -> Seen {
    envoy(key).send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), &[json(200, answer)])
}

#[test]
fn a_reference_needs_the_permission_of_its_own_path() {
    for (key, status) in [
        ("", 403),
        (r#","endpoints":["/v1/responses"]"#, 403),
        (r#","endpoints":["/v1/responses","/v1/files/*"]"#, 403),
        (r#","endpoints":["/v1/responses","/v1/responses/resp_2"]"#, 403),
        (r#","endpoints":["/v1/responses","/v1/responses/resp_1"]"#, 200),
        (r#","endpoints":["/v1/responses*"]"#, 200),
        (r#","endpoints":["*"]"#, 200),
    ] {
        let seen = ask(key, "/v1/responses", BODY, ANSWER);
        assert_eq!(seen.status, status, "{key}: {}", seen.body);
        assert_eq!(seen.received.len(), usize::from(status == 200), "{key}");
    }
}

#[test]
fn the_refusal_names_the_field_the_path_and_what_to_do() {
    let seen = ask("", "/v1/responses", BODY, ANSWER);
    let error = &serde_json::from_str::<serde_json::Value>(&seen.body).unwrap()["error"];
    assert_eq!(code(&seen), "endpoint_not_allowed");
    assert_eq!((&error["param"], &error["type"]), (&"previous_response_id".into(), &"invalid_request_error".into()));
    let message = error["message"].as_str().unwrap();
    for part in ["`previous_response_id`", "/v1/responses/{id}", "`/v1/responses/*`", "`endpoints`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(seen.log["error"], "endpoint_not_allowed");
}

#[test]
fn anthropics_clients_read_it_in_their_format() {
    let body = r#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":[
        {"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let seen = ask("", path, body, "{}");
        assert_eq!(seen.status, 403, "{path}: {}", seen.body);
        let error = serde_json::from_str::<serde_json::Value>(&seen.body).unwrap();
        assert_eq!((&error["type"], &error["error"]["type"]), (&"error".into(), &"permission_error".into()));
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("messages[0].content[0].source.file_id"), "{message}");
    }
}

#[test]
fn what_only_looks_like_a_reference_is_none() {
    let body = r#"{"model":"gpt","messages":[{"role":"user","content":"{\"file_id\":\"file-1\"}"}],
        "tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"file_id":{"type":"string"}}}}}]}"#;
    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    assert_eq!(ask("", "/v1/chat/completions", body, answer).status, 200);
}
