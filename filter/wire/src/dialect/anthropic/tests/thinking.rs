//! Thinking: requests for it, and thinking in the history.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Reasoning, ToolChoice};

fn effort(effort: &str) -> Request {
    Request { reasoning: Some(Reasoning::Effort(effort.to_owned())), ..hi() }
}

#[test]
fn efforts_become_budgets_and_leave_room_for_an_answer() {
    for (word, budget) in [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16384), ("xhigh", 24576)] {
        let body = body(&effort(word));
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": budget}), "{word}");
        assert_eq!(body["max_tokens"], budget + 4096);
    }
    assert_eq!(body(&effort("none"))["thinking"], json!({"type": "disabled"}));
    assert_eq!(refused(&effort("extreme")), "reasoning_effort");
}

#[test]
fn a_budget_stays_below_an_explicit_max_tokens() {
    let roomy = Request { max_tokens: Some(10_000), ..effort("high") };
    assert_eq!(body(&roomy)["thinking"]["budget_tokens"], 5000);
    assert_eq!(body(&roomy)["max_tokens"], 10_000);
    let tight = Request { max_tokens: Some(2047), ..effort("low") };
    assert!(body(&tight).get("thinking").is_none());
    assert_eq!(dropped(&tight), ["reasoning_effort"]);
}

#[test]
fn other_wishes_for_reasoning_map_directly() {
    let wish = |wish| Request { reasoning: Some(wish), max_tokens: Some(5000), ..hi() };
    let budget = |budget| wish(Reasoning::Budget(budget));
    assert_eq!(body(&budget(3000))["thinking"], json!({"type": "enabled", "budget_tokens": 3000}));
    assert_eq!(body(&budget(9000))["thinking"]["budget_tokens"], 4999);
    assert_eq!(dropped(&budget(9000)), ["thinking"]);
    assert_eq!(body(&budget(10))["thinking"]["budget_tokens"], 1024);
    assert_eq!(body(&wish(Reasoning::Adaptive))["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body(&wish(Reasoning::Disabled))["thinking"], json!({"type": "disabled"}));
}

#[test]
fn thinking_excludes_other_sampling() {
    let request = Request { temperature: Some(0.3), top_k: Some(5), top_p: Some(0.5), ..effort("low") };
    let body = body(&request);
    assert!(["temperature", "top_k", "top_p"].iter().all(|name| body.get(name).is_none()));
    assert_eq!(dropped(&request), ["temperature", "top_p", "top_k"]);
    assert!(dropped(&Request { temperature: Some(1.0), top_p: Some(0.96), ..effort("low") }).is_empty());
}

#[test]
fn a_forced_call_excludes_thinking() {
    let request = Request { tools: vec![tool(None)], tool_choice: Some(ToolChoice::Required), ..effort("low") };
    assert!(body(&request).get("thinking").is_none());
    assert_eq!(dropped(&request), ["reasoning_effort"]);
}

#[test]
fn thinking_is_left_out_where_the_history_lost_it() {
    let history = |parts| {
        let mut request = effort("low");
        request.messages.extend([message(Role::Assistant, parts), result("a", vec![words("1")])]);
        request
    };
    let lost = history(vec![call("a", "{}")]);
    assert!(body(&lost).get("thinking").is_none());
    assert_eq!(dropped(&lost), ["reasoning_effort"]);
    let signed = Part::Thinking { text: "Hm".to_owned(), signature: Some("s".to_owned()) };
    assert!(body(&history(vec![signed, call("a", "{}")])).get("thinking").is_some());
    let mut prefill = effort("low");
    prefill.messages.push(says(Role::Assistant, "Well"));
    assert!(body(&prefill).get("thinking").is_none());
}

#[test]
fn thinking_in_the_history_is_unchanged_and_before_calls() {
    let request = chat(vec![
        says(Role::User, "Hi"),
        message(
            Role::Assistant,
            vec![
                call("a", "{}"),
                Part::Thinking { text: " Hm ".to_owned(), signature: Some("sig".to_owned()) },
                Part::RedactedThinking { data: "xyz".to_owned() },
            ],
        ),
    ]);
    let content = &body(&request)["messages"][1]["content"];
    assert_eq!(content[0], json!({"type": "thinking", "thinking": " Hm ", "signature": "sig"}));
    assert_eq!(content[1], json!({"type": "redacted_thinking", "data": "xyz"}));
    assert_eq!(content[2]["type"], "tool_use");
}

#[test]
fn thinking_without_a_signature_cannot_be_sent() {
    let parts = vec![Part::Thinking { text: "Hm".to_owned(), signature: None }, words("Hello")];
    let request = chat(vec![says(Role::User, "Hi"), message(Role::Assistant, parts), says(Role::User, "Bye")]);
    assert_eq!(body(&request)["messages"][1]["content"], "Hello");
    assert_eq!(dropped(&request), ["messages.reasoning_content"]);
}
