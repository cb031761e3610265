//! Hosted tools: targets that run them come first, and other targets receive the request without them.

use std::rc::Rc;

use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FUNCTION: &str = r#"{"type":"function","name":"f"}"#;
const SEARCH: &str = r#"{"type":"web_search"}"#;
const RESPONSES: &str = "/v1/responses";

fn ask(path: &str, body: &str, scripts: &[Script]) -> Seen {
    let file = format!(
        r#"{{"providers":{{"gem":{{"kind":"gemini"}},"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"m":{{"targets":[{{"provider":"gem","model":"gemini-2.5-flash"}},{{"provider":"oai","model":"gpt-5"}},
                                        {{"provider":"ant","model":"claude-sonnet-5"}}]}},
                      "alone":{{"targets":[{{"provider":"gem","model":"gemini-2.5-flash"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]}}"#,
        sha256(SECRET),
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    let worker = Rc::new(Worker::new(Rc::new(config), [7; 16]));
    let headers = [("api-key", SECRET.as_bytes())];
    Envoy::with(worker, Rc::<Shared>::default()).send("POST", path, &headers, body.as_bytes(), scripts)
}

fn responses(model: &str, tools: &str) -> String {
    format!(r#"{{"model":"{model}","input":"hi","tools":[{tools}]}}"#)
}

fn messages(tools: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}],"tools":[{tools}]}}"#)
}

/// The providers that were tried, in order, when all of them fail.
fn asked(path: &str, body: &str) -> Vec<String> {
    let seen = ask(path, body, &[json(503, "{}"), json(503, "{}"), json(503, "{}")]);
    let host = |host: &str| host.split('.').rev().nth(1).unwrap_or(host).to_owned();
    seen.received.iter().map(|received| host(received.headers.text(":authority").unwrap())).collect()
}

#[test]
fn targets_that_have_the_tool_come_first() {
    let both = format!("{FUNCTION},{SEARCH}");
    assert_eq!(asked(RESPONSES, &responses("m", FUNCTION)), ["googleapis", "openai", "anthropic"]);
    assert_eq!(asked(RESPONSES, &responses("m", &both)), ["openai", "googleapis", "anthropic"]);
    let custom = format!(r#"{{"type":"custom","name":"c"}},{FUNCTION}"#);
    assert_eq!(asked(RESPONSES, &responses("m", &custom)), ["googleapis", "openai", "anthropic"]);
    let (function, search) =
        (r#"{"name":"f","input_schema":{}}"#, r#"{"type":"web_search_20250305","name":"web_search"}"#);
    assert_eq!(asked("/v1/messages", &messages(function)), ["googleapis", "openai", "anthropic"]);
    assert_eq!(
        asked("/v1/messages", &messages(&format!("{function},{search}"))),
        ["anthropic", "googleapis", "openai"]
    );
}

#[test]
fn without_functions_beside_it_only_they_are_asked() {
    assert_eq!(asked(RESPONSES, &responses("m", SEARCH)), ["openai"]);
    let seen = ask(RESPONSES, &responses("alone", SEARCH), &[]);
    assert!(seen.status == 400 && seen.body.contains("web_search"), "{} {}", seen.status, seen.body);
}

#[test]
fn where_no_target_has_it_the_answer_says_that_it_was_left_out() {
    let body = responses("alone", &format!("{SEARCH},{FUNCTION}"));
    let answer = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}"#;
    let seen = ask(RESPONSES, &body, &[json(200, answer)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-dropped")), (200, Some("tools.web_search")));
    assert!(!seen.received[0].body.contains("web_search"));
}

#[test]
fn reasoning_that_another_provider_has_signed_does_not_reach_one_that_would_refuse_it() {
    let item = |signature: &str| {
        format!(r#"{{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"{signature}"}}"#)
    };
    let input = |signature: &str| {
        let (item, search) = (item(signature), format!("{SEARCH},{FUNCTION}"));
        format!(
            r#"{{"model":"m","input":[{{"role":"user","content":"hi"}},{item},{{"role":"user","content":"and?"}}],"tools":[{search}]}}"#
        )
    };
    let answer = r#"{"id":"resp_1","object":"response","model":"gpt-5","status":"completed","output":[]}"#;
    for (signature, left_out) in [("gemini#C", true), ("anthropic#E", true), ("gAAAA", false)] {
        let seen = ask(RESPONSES, &input(signature), &[json(200, answer)]);
        assert_eq!(seen.status, 200, "{}", seen.body);
        assert_eq!(seen.received[0].body.contains("encrypted_content"), !left_out, "{signature}");
        assert_eq!(
            seen.headers.text("x-sluice-dropped"),
            left_out.then_some("input[].encrypted_content"),
            "{signature}"
        );
    }
    let thinking = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[
        {"type":"thinking","thinking":"t","signature":"gemini#C"},{"type":"text","text":"a"}]},{"role":"user","content":"and?"}],
        "tools":[{"name":"f","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}]}"#;
    let claude = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":"end_turn","usage":{}}"#;
    let seen = ask("/v1/messages", thinking, &[json(200, claude)]);
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("messages[].content[].thinking"));
    assert!(!seen.received[0].body.contains("signature") && seen.received[0].body.contains(r#""text":"a""#));
}
