//! Writes requests for Google.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{OutputFormat, ToolChoice};

const SCHEMA: &str = r##"{"type":"object","$defs":{"c":{"type":"string"}},"properties":{"city":{"$ref":"#/$defs/c"}},"additionalProperties":false}"##;

#[test]
fn neighbours_of_one_role_share_a_turn_and_instructions_are_joined_wherever_they_stand() {
    let request = chat(vec![
        says(Role::System, "One."),
        says(Role::User, "Hi"),
        says(Role::Developer, "Two."),
        says(Role::User, "there"),
        says(Role::Assistant, "a"),
        says(Role::Assistant, "b"),
        says(Role::Assistant, ""),
    ]);
    let body = body(&request);
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "One."}, {"text": "Two."}]}));
    assert_eq!(
        body["contents"],
        json!([
            {"role": "user", "parts": [{"text": "Hi"}, {"text": "there"}]},
            {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]},
        ])
    );
    assert_eq!(refused(&chat(vec![says(Role::System, "Alone.")])), "messages");
}

#[test]
fn all_functions_stand_in_one_tool() {
    let request = Request { tools: vec![tool("f", None), tool("g", Some("{}"))], ..hi() };
    assert_eq!(
        body(&request)["tools"],
        json!([{"functionDeclarations": [
            {"name": "f", "description": "…"},
            {"name": "g", "description": "…", "parametersJsonSchema": {}},
        ]}])
    );
}

#[test]
fn results_have_the_name_of_their_call_and_stand_first_in_the_order_of_the_calls() {
    let two = vec![call("a", "f", ""), call("b", "g", "{}")];
    let contents = contents(
        vec![
            says(Role::User, "Hi"),
            message(Role::Assistant, two),
            says(Role::User, "Well?"),
            result("b", "second"),
            result("a", "first"),
        ],
        GEMINI_2,
    );
    assert_eq!(contents[1]["parts"][0], json!({"functionCall": {"name": "f", "args": {}}}));
    assert_eq!(
        contents[2]["parts"],
        json!([
            {"functionResponse": {"name": "f", "response": {"output": "first"}}},
            {"functionResponse": {"name": "g", "response": {"output": "second"}}},
            {"text": "Well?"},
        ])
    );
}

#[test]
fn identifiers_are_not_sent_for_vertex_refuses_them() {
    let request = chat(vec![message(Role::Assistant, vec![call("call_1", "f", "{}")]), result("call_1", "x")]);
    assert!(!String::from_utf8(write(&request).body).unwrap().contains("call_1"));
}

#[test]
fn a_result_of_no_known_call_is_refused_by_its_field() {
    let request = chat(vec![says(Role::User, "Hi"), result("call_9", "3")]);
    assert_eq!(refused(&request), "messages[1].tool_call_id");
}

#[test]
fn a_result_is_an_object_whatever_the_function_returned() {
    let outcome = |text: &[&str], is_error| {
        let content = text.iter().map(|text| words(text)).collect();
        let result = Part::ToolResult { call: "c".to_owned(), content, is_error, cache: None };
        let turns = vec![message(Role::Assistant, vec![call("c", "f", "{}")]), message(Role::Tool, vec![result])];
        contents(turns, GEMINI_2)[1]["parts"][0]["functionResponse"]["response"].take()
    };
    assert_eq!(outcome(&["3"], false), json!({"output": "3"}));
    assert_eq!(outcome(&[r#"{"t":3}"#], false), json!({"output": r#"{"t":3}"#}));
    assert_eq!(outcome(&["a", "b"], false), json!({"output": "a\nb"}));
    assert_eq!(outcome(&[], false), json!({"output": ""}));
    assert_eq!(outcome(&["no"], true), json!({"error": "no"}));
}

#[test]
fn arguments_that_are_no_object_are_refused_by_their_field() {
    for arguments in ["[1]", "{", "\"a\"", "{} {}"] {
        let request = chat(vec![message(Role::Assistant, vec![words("a"), call("c", "f", arguments)])]);
        assert_eq!(refused(&request), "messages[0].tool_calls[0].function.arguments", "{arguments}");
    }
}

#[test]
fn tool_choices_become_modes() {
    let mode = |choice, strict| {
        let tools = vec![Tool { strict, ..tool("f", None) }];
        body(&Request { tools, tool_choice: choice, ..hi() })["toolConfig"]["functionCallingConfig"].take()
    };
    assert_eq!(mode(None, None), json!(null));
    assert_eq!(mode(Some(ToolChoice::Auto), Some(false)), json!({"mode": "AUTO"}));
    assert_eq!(mode(None, Some(true)), json!({"mode": "VALIDATED"}));
    assert_eq!(mode(Some(ToolChoice::Auto), Some(true)), json!({"mode": "VALIDATED"}));
    assert_eq!(mode(Some(ToolChoice::None), Some(true)), json!({"mode": "NONE"}));
    assert_eq!(mode(Some(ToolChoice::Required), Some(true)), json!({"mode": "ANY"}));
    let named = Some(ToolChoice::Named("f".to_owned()));
    assert_eq!(mode(named, None), json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));

    let without = |choice| Request { tool_choice: Some(choice), ..hi() };
    assert_eq!(refused(&without(ToolChoice::Required)), "tool_choice");
    assert_eq!(body(&without(ToolChoice::Auto))["toolConfig"], json!(null));
}

#[test]
fn one_call_at_a_time_is_not_googles_to_promise() {
    let request = |parallel| Request { parallel_tool_calls: Some(parallel), tools: vec![tool("f", None)], ..hi() };
    assert_eq!(write(&request(false)).dropped, ["parallel_tool_calls"]);
    assert!(write(&request(true)).dropped.is_empty());
    assert!(write(&Request { tools: Vec::new(), ..request(false) }).dropped.is_empty());
}

#[test]
fn sampling_goes_by_googles_names() {
    let request = Request {
        temperature: Some(1.5),
        top_p: Some(0.5),
        top_k: Some(40),
        n: Some(2),
        seed: Some(-7),
        presence_penalty: Some(0.5),
        frequency_penalty: Some(-0.5),
        stop: ["1", "", "2", "3", "4"].map(str::to_owned).to_vec(),
        ..hi()
    };
    assert_eq!(
        tree(&write_for(&request, OLDER).unwrap().body)["generationConfig"],
        json!({"temperature": 1.5, "topP": 0.5, "topK": 40, "candidateCount": 2, "seed": -7,
            "presencePenalty": 0.5, "frequencyPenalty": -0.5, "stopSequences": ["1", "2", "3", "4"]})
    );
    assert_eq!(write_for(&request, OLDER).unwrap().dropped, ["stop"]);
}

#[test]
fn more_than_five_stops_are_refused() {
    assert_eq!(refused(&Request { stop: vec!["x".to_owned(); 6], ..hi() }), "stop");
}

#[test]
fn wide_seeds_are_folded_into_32_bits() {
    let seed = |seed| body(&Request { seed: Some(seed), ..hi() })["generationConfig"]["seed"].as_i64().unwrap();
    assert_eq!(seed(i64::from(i32::MAX)), i64::from(i32::MAX));
    assert_eq!(seed(1 << 40 | 5), 5);
    assert_eq!(seed(i64::MIN), 0);
    assert_eq!(seed(-(1 << 40) - 1), seed(-(1 << 40) - 1));
}

#[test]
fn structured_output_has_a_media_type_and_the_whole_schema() {
    let config = |output| body(&Request { output: Some(output), ..hi() })["generationConfig"].take();
    let (name, schema) = ("n".to_owned(), Json::parse(SCHEMA).unwrap());
    let with_schema = OutputFormat::JsonSchema { name, description: None, schema, strict: Some(true) };
    let schema = tree(SCHEMA.as_bytes());
    assert_eq!(config(with_schema), json!({"responseMimeType": "application/json", "responseJsonSchema": schema}));
    assert_eq!(config(OutputFormat::JsonObject), json!({"responseMimeType": "application/json"}));
}

#[test]
fn what_stands_in_the_wrong_place_is_refused() {
    let result = || Part::ToolResult { call: "c".to_owned(), content: Vec::new(), is_error: false, cache: None };
    assert_eq!(refused(&chat(vec![message(Role::Assistant, vec![words("a"), result()])])), "messages[0].content[1]");
    assert_eq!(refused(&chat(vec![message(Role::User, vec![call("c", "f", "")])])), "messages[0].content[0]");
    assert_eq!(refused(&chat(vec![message(Role::System, vec![result()])])), "messages[0].content[0]");
}
