use std::cell::RefCell;

use crate::envoy::{Envoy, Script, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

thread_local! {
    /// `None` in other tests, whose allocations may be counted.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// A logger that records the messages of the test's own thread.
struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        HEARD.with_borrow_mut(|heard| heard.as_mut().map(|heard| heard.push(record.args().to_string())));
    }
    fn flush(&self) {}
}

/// The log messages of a request for `model` with a secret in it.
fn noted(key: &str, model: &str, scripts: &[Script]) -> Vec<String> {
    // Fails if another test has set it already.
    let _ = log::set_logger(&Ear);
    log::set_max_level(log::LevelFilter::Debug);
    HEARD.set(Some(Vec::new()));
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"swordfish"}}]}}"#);
    let headers = [("authorization", key.as_bytes()), ("x-request-id", b"r-1")];
    Envoy::new().send("POST", "/v1/chat/completions", &headers, body.as_bytes(), scripts);
    let heard = HEARD.take().unwrap_or_default();
    let all = heard.join("\n");
    assert!(!all.contains("swordfish") && !all.contains("sk-"), "{all}");
    heard
}

#[test]
fn who_was_asked_and_why_it_failed_are_noted_without_the_prompt() {
    let overloaded = json(503, r#"{"error":{"message":"no swordfish today","type":"server_error"}}"#);
    let answer = json(
        200,
        r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"swordfish"}],
        "stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}"#,
    );
    let heard = noted("Bearer sk-test", "chat", &[overloaded, answer]);
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert_eq!(heard[0], "r-1: model chat, strategy fallback: oai/gpt, ant/claude");
    assert_eq!(heard[1], "r-1: attempt 1 asks oai/gpt");
    assert_eq!(heard[2], "r-1: oai/gpt failed: status_503; next: ant/claude");
    assert_eq!(heard[3], "r-1: attempt 2 asks ant/claude");
}

#[test]
fn the_last_failure_is_noted_and_an_attempt_that_ended_without_a_callback() {
    let heard = noted("Bearer sk-test", "gpt", &[Script::Nothing, Script::Nothing]);
    let failures = heard.iter().filter(|line| line.contains("no_answer")).collect::<Vec<_>>();
    assert_eq!(failures.len(), 2, "{heard:?}");
    assert!(failures[0].ends_with("next: oai/gpt") && failures[1].ends_with("next: none"), "{heard:?}");
}

#[test]
fn a_refusal_is_noted_by_its_code() {
    assert_eq!(noted("Bearer sk-wrong", "chat", &[]), ["r-1: refused with 401 unknown_api_key, key -"]);
    assert_eq!(noted("Bearer sk-test", "nonesuch", &[]), ["r-1: refused with 404 model_not_found, key k"]);
}
