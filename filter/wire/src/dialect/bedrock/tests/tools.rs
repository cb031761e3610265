//! Tools, and settings for them that Converse does not have.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::ToolChoice;

fn wish(choice: Option<ToolChoice>) -> Request {
    Request { tools: vec![tool()], tool_choice: choice, ..hi() }
}

/// A conversation in which a tool was called.
fn history() -> Vec<Message> {
    vec![says(Role::User, "?"), message(Role::Assistant, vec![call("c", "{}")]), result("c", vec![words("3")])]
}

#[test]
fn choices() {
    let choice = |choice| body(&wish(choice))["toolConfig"].get("toolChoice").cloned();
    assert_eq!(choice(None), None);
    assert_eq!(choice(Some(ToolChoice::Auto)), Some(json!({"auto": {}})));
    assert_eq!(choice(Some(ToolChoice::Required)), Some(json!({"any": {}})));
    assert_eq!(choice(Some(ToolChoice::Named("f".to_owned()))), Some(json!({"tool": {"name": "f"}})));
    let required = Request { tool_choice: Some(ToolChoice::Required), ..hi() };
    assert_eq!(refused(&required, CLAUDE), "tool_choice");
}

#[test]
fn no_call_means_no_tools() {
    let request = wish(Some(ToolChoice::None));
    assert_eq!(body(&request).get("toolConfig"), None);
    assert_eq!(dropped(&request, CLAUDE), Vec::<String>::new());
}

#[test]
fn tools_stay_beside_a_history_with_calls_though_none_is_wished_for() {
    let request = Request { messages: history(), ..wish(Some(ToolChoice::None)) };
    let config = &body(&request)["toolConfig"];
    assert_eq!(config["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(config.get("toolChoice"), None);
    assert_eq!(dropped(&request, CLAUDE), ["tool_choice"]);
}

#[test]
fn a_history_with_calls_and_no_tools_declares_what_was_called() {
    let request = chat([history(), history()].concat());
    let empty = json!({"json": {"type": "object", "properties": {}}});
    assert_eq!(
        body(&request)["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": empty}}]})
    );
}

#[test]
fn one_call_at_most_is_said_in_anthropics_words_alone() {
    let single = |choice| Request { parallel_tool_calls: Some(false), ..wish(choice) };
    for (choice, expected) in [
        (None, json!({"type": "auto", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Required), json!({"type": "any", "disable_parallel_tool_use": true})),
    ] {
        let body = body(&single(choice));
        assert_eq!(body["additionalModelRequestFields"]["tool_choice"], expected);
        assert_eq!(body["toolConfig"].get("toolChoice"), None);
    }
    assert_eq!(dropped(&single(None), NOVA), ["parallel_tool_calls"]);
    // `parallel_tool_calls` has no effect without tools.
    let none = Request { parallel_tool_calls: Some(false), ..hi() };
    assert_eq!(dropped(&none, NOVA), Vec::<String>::new());
}

#[test]
fn strict_is_for_models_that_know_it() {
    let request = Request { tools: vec![Tool { strict: Some(true), ..tool() }], ..hi() };
    assert_eq!(body(&request)["toolConfig"]["tools"][0]["toolSpec"]["strict"], true);
    assert_eq!(dropped(&request, LLAMA), ["tools.function.strict"]);
}

#[test]
fn an_empty_description_is_left_out() {
    let request = Request { tools: vec![Tool { description: Some(String::new()), ..tool() }], ..hi() };
    assert_eq!(body(&request)["toolConfig"]["tools"][0]["toolSpec"].get("description"), None);
}
