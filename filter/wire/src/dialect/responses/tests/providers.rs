//! Requests written for providers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{call, conversation, say, text, thought};
use crate::conversation::{CacheMark, Json, Part, Reasoning, Request, Role, Tool};
use crate::dialect::halves::RESPONSES;

fn written(request: &Request) -> (String, Vec<String>) {
    let written = RESPONSES.write_request(request, "p").unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

fn tool(strict: Option<bool>) -> Tool {
    let parameters = Some(Json::parse(r#"{"type":"object","properties":{},"additionalProperties":false}"#).unwrap());
    Tool { name: "f".to_owned(), description: None, parameters, strict, cache: None }
}

#[test]
fn a_function_is_strict_only_where_it_says_so() {
    for (strict, word) in [(None, "false"), (Some(false), "false"), (Some(true), "true")] {
        let request = Request { tools: vec![tool(strict)], ..conversation(vec![say(Role::User, vec![text("a")])]) };
        assert!(written(&request).0.contains(&format!(r#""strict":{word}"#)));
    }
}

#[test]
fn encrypted_reasoning_is_asked_for_only_where_reasoning_is() {
    let with = |reasoning| written(&Request { reasoning, ..conversation(vec![say(Role::User, vec![text("a")])]) });
    assert!(with(Some(Reasoning::Budget(5000))).0.contains(r#""reasoning":{"effort":"medium"},"include":["#));
    assert!(!with(Some(Reasoning::Effort("none".to_owned()))).0.contains("include"));
    assert!(!with(None).0.contains("include") && !with(Some(Reasoning::Adaptive)).0.contains("reasoning"));
    assert_eq!(with(Some(Reasoning::Disabled)).1, ["thinking"]);
}

#[test]
fn reasoning_of_others_is_left_out_and_named() {
    let parts = vec![
        thought("t", Some("EqQ=")),
        thought("t", Some("gemini#x")),
        thought("t", None),
        Part::RedactedThinking { data: "Er".to_owned() },
        text("Hi"),
    ];
    let (body, dropped) = written(&conversation(vec![say(Role::Assistant, parts)]));
    let input = r#""input":[{"type":"message","role":"assistant","content":"Hi"}]"#;
    assert!(body.contains(input), "{body}");
    assert_eq!(dropped, ["messages[].thinking_blocks"]);
}

#[test]
fn hints_without_words_are_left_out_and_named() {
    let cache = Some(CacheMark { ttl: None });
    let failed = Part::ToolResult { call: "c".to_owned(), content: vec![], is_error: true, cache: cache.clone() };
    let mut user = say(Role::User, vec![failed, Part::Text { text: "a".to_owned(), cache }]);
    user.name = Some("n".to_owned());
    let request = Request { seed: Some(1), top_k: Some(2), ..conversation(vec![user]) };
    let (body, dropped) = written(&request);
    assert_eq!(dropped, ["messages[].name", "is_error", "cache_control", "top_k", "seed"]);
    let output =
        r#"{"type":"function_call_output","call_id":"c","output":""},{"type":"message","role":"user","content":"a"}"#;
    assert!(body.contains(output), "{body}");
}

#[test]
fn what_would_change_the_answer_is_refused() {
    let plain = || conversation(vec![say(Role::User, vec![text("a")])]);
    let cases = [
        (Request { stop: vec!["x".to_owned()], ..plain() }, "stop"),
        (Request { n: Some(2), ..plain() }, "n"),
        (Request { frequency_penalty: Some(0.5), ..plain() }, "frequency_penalty"),
        (Request { presence_penalty: Some(-1.0), ..plain() }, "presence_penalty"),
        (conversation(vec![say(Role::User, vec![call("c", "f", "")])]), "messages[0].content[0]"),
        (conversation(vec![say(Role::User, vec![thought("t", None)])]), "messages[0].content[0]"),
        (conversation(vec![say(Role::Tool, vec![text("a")])]), "messages[0].content[0]"),
    ];
    for (request, param) in cases {
        let error = RESPONSES.write_request(&request, "p").unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)));
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"));
    }
}
