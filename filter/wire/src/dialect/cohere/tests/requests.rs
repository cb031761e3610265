//! Writes requests for Cohere.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{OutputFormat, Reasoning, Source, ToolChoice};

#[test]
fn a_named_choice_leaves_only_that_tool_and_requires_it() {
    let tools = vec![tool("a", None), tool("b", None)];
    let choose = |name: &str| Some(ToolChoice::Named(name.to_owned()));
    let written = body(&Request { tools: tools.clone(), tool_choice: choose("b"), ..hi() });
    assert_eq!(written["tool_choice"], "REQUIRED");
    assert_eq!(written["tools"].as_array().unwrap().len(), 1);
    assert_eq!(written["tools"][0]["function"]["name"], "b");
    assert_eq!(refused(&Request { tools, tool_choice: choose("c"), ..hi() }), "tool_choice");
    assert_eq!(refused(&Request { tool_choice: choose("a"), ..hi() }), "tool_choice");
}

#[test]
fn auto_is_no_word_and_none_needs_tools() {
    let with = |choice, tools| body(&Request { tools, tool_choice: Some(choice), ..hi() });
    assert_eq!(with(ToolChoice::Auto, vec![tool("a", None)]).get("tool_choice"), None);
    assert_eq!(with(ToolChoice::None, vec![tool("a", None)])["tool_choice"], "NONE");
    assert_eq!(with(ToolChoice::None, Vec::new()).get("tool_choice"), None);
}

#[test]
fn strict_tools_are_all_of_them_or_none() {
    let tools = |strict: [Option<bool>; 2]| Request { tools: strict.map(|one| tool("a", one)).to_vec(), ..hi() };
    assert_eq!(body(&tools([Some(true), Some(true)]))["strict_tools"], true);
    let mixed = tools([Some(true), None]);
    assert_eq!((body(&mixed).get("strict_tools"), dropped(&mixed)), (None, vec!["tools[].function.strict".to_owned()]));
    assert!(dropped(&tools([None, Some(false)])).is_empty());
}

#[test]
fn a_tool_without_arguments_has_a_schema_all_the_same() {
    let bare = Tool { parameters: None, ..tool("now", None) };
    let written = body(&Request { tools: vec![bare], ..hi() });
    assert_eq!(written["tools"][0]["function"]["parameters"], json!({"type": "object", "properties": {}}));
}

#[test]
fn a_schema_for_the_answer_stands_in_a_json_object() {
    let schema = Json::parse(r#"{"type":"object"}"#).unwrap();
    let output = OutputFormat::JsonSchema { name: "x".to_owned(), description: None, schema, strict: None };
    let written = body(&Request { output: Some(output), ..hi() });
    assert_eq!(written["response_format"], json!({"type": "json_object", "json_schema": {"type": "object"}}));
    let written = body(&Request { output: Some(OutputFormat::JsonObject), ..hi() });
    assert_eq!(written["response_format"], json!({"type": "json_object"}));
}

#[test]
fn numbers_beyond_coheres_bounds_are_moved_and_named_or_refused() {
    let far = Request { top_p: Some(1.0), top_k: Some(1000), seed: Some(-1), presence_penalty: Some(2.0), ..hi() };
    let written = body(&far);
    assert_eq!((&written["p"], &written["k"], &written["presence_penalty"]), (&json!(0.99), &json!(500), &json!(1.0)));
    assert_eq!(written.get("seed"), None);
    assert_eq!(dropped(&far), ["top_p", "top_k", "seed", "presence_penalty"]);
    assert_eq!(refused(&Request { frequency_penalty: Some(-0.5), ..hi() }), "frequency_penalty");
    let stop = vec!["x".to_owned(); 6];
    assert_eq!(refused(&Request { stop, ..hi() }), "stop");
}

#[test]
fn a_penalty_of_zero_is_left_out_for_models_take_only_one() {
    let written = body(&Request { frequency_penalty: Some(0.0), presence_penalty: Some(0.5), ..hi() });
    assert_eq!((written.get("frequency_penalty"), &written["presence_penalty"]), (None, &json!(0.5)));
}

#[test]
fn single_calls_are_not_coheres_to_promise() {
    let request = Request { parallel_tool_calls: Some(false), tools: vec![tool("a", None)], ..hi() };
    assert_eq!(dropped(&request), ["parallel_tool_calls"]);
    assert!(write(&Request { tools: Vec::new(), ..request.clone() }).is_ok());
    assert!(write(&Request { parallel_tool_calls: Some(true), ..request }).is_ok());
}

#[test]
fn thinking_is_a_budget_with_room_for_the_answer() {
    let thinking = |wish: Reasoning, max_tokens| {
        let request = Request { reasoning: Some(wish), max_tokens, ..hi() };
        (body(&request)["thinking"].clone(), dropped(&request))
    };
    let enabled = |budget: u64| json!({"type": "enabled", "token_budget": budget});
    let effort = |word: &str| Reasoning::Effort(word.to_owned());
    assert_eq!(thinking(effort("low"), None), (enabled(2048), vec![]));
    assert_eq!(thinking(effort("high"), Some(1000)), (enabled(500), vec![]));
    assert_eq!(thinking(effort("none"), None), (json!({"type": "disabled"}), vec![]));
    assert_eq!(thinking(Reasoning::Disabled, None), (json!({"type": "disabled"}), vec![]));
    assert_eq!(thinking(Reasoning::Adaptive, None), (json!(null), vec![]));
    assert_eq!(thinking(Reasoning::Budget(300), Some(1000)), (enabled(300), vec![]));
    assert_eq!(thinking(Reasoning::Budget(3000), Some(1000)), (enabled(999), vec!["thinking".to_owned()]));
    assert_eq!(thinking(effort("low"), Some(1)), (json!(null), vec!["reasoning_effort".to_owned()]));
    assert_eq!(refused(&Request { reasoning: Some(effort("much")), ..hi() }), "reasoning_effort");
}

#[test]
fn reasoning_under_anothers_signature_is_left_out_and_named() {
    let signed = Part::Thinking { text: "Hm.".to_owned(), signature: Some("EqQ".to_owned()) };
    let redacted = Part::RedactedThinking { data: "gemini#x".to_owned() };
    let request = chat(vec![message(Role::Assistant, vec![signed, redacted, words("Hello")])]);
    assert_eq!(body(&request)["messages"], json!([{"role": "assistant", "content": "Hello"}]));
    assert_eq!(dropped(&request), ["messages[].thinking_blocks"]);
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let request = chat(vec![message(Role::Assistant, vec![call("c", "")])]);
    let written = body(&request);
    assert_eq!(written["messages"][0]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(written["messages"][0].get("content"), None);
}

#[test]
fn results_and_words_of_one_turn_become_messages_of_their_own() {
    let outcome =
        Part::ToolResult { call: "c".to_owned(), content: vec![words("a"), words("b")], is_error: true, cache: None };
    let request = chat(vec![message(Role::User, vec![words("And?"), outcome])]);
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(
        body(&request)["messages"],
        json!([{"role": "tool", "tool_call_id": "c", "content": parts}, {"role": "user", "content": "And?"}])
    );
    assert_eq!(dropped(&request), ["is_error"]);
}

#[test]
fn documents_and_pictures_out_of_place_are_refused_by_their_message() {
    let pdf = Source::Base64 { media_type: "application/pdf".to_owned(), data: "AAAA".to_owned() };
    let document = Part::Document { source: pdf.clone(), name: None, cache: None };
    let image = Part::Image { source: pdf, detail: None, cache: None };
    for request in [
        chat(vec![message(Role::User, vec![document])]),
        chat(vec![result("c", vec![image.clone()])]),
        chat(vec![message(Role::System, vec![image])]),
    ] {
        assert_eq!(refused(&request), "messages[0].content[0]");
    }
}

#[test]
fn what_the_conversation_has_no_words_for_is_refused_when_read() {
    let with = |field: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}],{field}}}"#);
    for (field, param) in [
        (r#""documents":["x"]"#, "documents"),
        (r#""safety_mode":"OFF""#, "safety_mode"),
        (r#""logprobs":true"#, "logprobs"),
        (r#""tool_choice":"auto""#, "tool_choice"),
        (r#""thinking":{"type":"maybe"}"#, "thinking.type"),
    ] {
        let error = COHERE.read_request(with(field).as_bytes()).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)));
    }
}
