//! The log's findings of streams that did not end well.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FOUND: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Write to a@b.io now \"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"broken\"}}\n\n";

#[test]
fn a_stream_that_breaks_off_keeps_its_findings() {
    for action in ["log", "mask"] {
        let worker = worker(&guard(json!({"action": action})));
        let request = body(CHAT, "gpt", true, "hi");
        for script in [Script::Lost(vec![FOUND]), sse(&[FOUND]), sse(&[FOUND, ERROR])] {
            let seen = send(&worker, &request, script);
            assert_eq!(seen.status, 200, "{}", seen.body);
            assert_eq!(seen.log["guards"], json!([format!("pii: email (answers, {action})")]), "{}", seen.log);
        }
    }
}

#[test]
fn what_blocked_a_response_before_its_content_is_in_the_log() {
    let worker = worker(&guard(json!({})));
    let found = json!(["pii: email (answers, block)"]);
    for stream_it in [false, true] {
        let request = body(CHAT, "gpt", stream_it, "hi");
        let pieces = [(Kind::Text, "a@b.io now")];
        let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a@b.io"}}]});
        let script = if stream_it { stream("gpt", CHAT, &pieces) } else { answers(200, &whole.to_string()) };
        let seen = send(&worker, &request, script);
        assert_eq!((seen.status, &seen.log["guards"]), (400, &found), "{}", seen.body);
        assert_eq!(seen.log["content_filter"], Value::Null, "the provider's has found nothing");
    }
    let seen = send(&worker, &body(CHAT, "gpt", true, "hi"), sse(&[&FOUND.replace("a@b.io", "me"), FOUND]));
    assert_eq!((seen.status, &seen.log["guards"]), (200, &found), "{}", seen.body);
    assert_eq!(seen.log["content_filter"], Value::Null, "{}", seen.log);
}
