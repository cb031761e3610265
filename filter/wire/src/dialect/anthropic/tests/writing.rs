//! Writes requests for Anthropic.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, OutputFormat, Source, ToolChoice};

fn picture(source: Source) -> Part {
    Part::Image { source, detail: None, cache: None }
}

fn base64(media_type: &str) -> Source {
    Source::Base64 { media_type: media_type.to_owned(), data: "iVBOR".to_owned() }
}

fn marked(text: &str, ttl: Option<&str>) -> Part {
    Part::Text { text: text.to_owned(), cache: Some(CacheMark { ttl: ttl.map(str::to_owned) }) }
}

#[test]
fn system_and_developer_messages_are_joined_in_order_wherever_they_stand() {
    let request = chat(vec![
        says(Role::System, "One."),
        says(Role::User, "Hi"),
        says(Role::Developer, "Two."),
        says(Role::User, "there"),
    ]);
    let body = body(&request);
    assert_eq!(body["system"], json!([{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]));
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}])
    );
}

#[test]
fn cache_marks_become_cache_control() {
    let mut request = chat(vec![
        message(Role::System, vec![marked("Long.", Some("1h"))]),
        message(Role::User, vec![marked("Hi", None)]),
    ]);
    request.tools = vec![Tool { cache: Some(CacheMark { ttl: None }), ..tool(None) }];
    let body = body(&request);
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])
    );
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
}

#[test]
fn consecutive_tool_results_share_one_user_turn_with_the_text_that_follows() {
    let body = body(&chat(vec![
        says(Role::User, "Weather?"),
        message(Role::Assistant, vec![call("a", "{}"), call("b", "")]),
        result("a", vec![words("1")]),
        result("b", vec![words("2"), picture(base64("image/jpg"))]),
        says(Role::User, "And now?"),
    ]));
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    let last = &body["messages"][2];
    assert_eq!(last["role"], "user");
    let kinds: Vec<_> = last["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
    assert_eq!(last["content"][0]["content"], "1");
    assert_eq!(last["content"][1]["content"][1]["source"]["media_type"], "image/jpeg");
    assert_eq!(body["messages"][1]["content"][1]["input"], json!({}), "empty arguments are an empty object");
}

#[test]
fn tool_results_stand_before_text_of_the_same_turn() {
    let body = body(&chat(vec![
        message(Role::Assistant, vec![call("a", "{}")]),
        says(Role::User, "wait"),
        result("a", vec![words("1")]),
        result("b", vec![]),
    ]));
    let content = &body["messages"][1]["content"];
    assert_eq!(content[0]["tool_use_id"], "a");
    assert_eq!(content[1], json!({"type": "tool_result", "tool_use_id": "b"}));
    assert_eq!(content[2]["text"], "wait");
}

#[test]
fn consecutive_turns_of_one_role_are_merged() {
    let body = body(&chat(vec![
        says(Role::User, "a"),
        says(Role::Assistant, "b"),
        message(Role::Assistant, vec![call("x", "{}")]),
    ]));
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    assert_eq!(body["messages"][1]["content"].as_array().unwrap().len(), 2);
}

#[test]
fn arguments_that_are_not_an_object_are_refused_by_their_path() {
    for bad in ["{", "[]", "3", "\"x\"", "{} {}", "nul"] {
        let turn = message(Role::Assistant, vec![words("w"), call("a", "{}"), call("b", bad)]);
        let request = chat(vec![says(Role::User, "Hi"), turn]);
        assert_eq!(refused(&request), "messages[1].tool_calls[1].function.arguments", "{bad}");
    }
}

#[test]
fn arguments_are_copied_as_they_stand() {
    let turn = message(Role::Assistant, vec![call("a", r#" {"b": 1.0, "a":1e2} "#)]);
    let written = write(&chat(vec![says(Role::User, "Hi"), turn])).unwrap();
    assert!(String::from_utf8(written.body).unwrap().contains(r#""input":{"b": 1.0, "a":1e2}"#));
}

#[test]
fn images_of_other_kinds_are_refused() {
    for source in [base64("image/tiff"), base64("text/plain"), Source::Url("data:image/svg+xml,<svg/>".to_owned())] {
        let request = chat(vec![message(Role::User, vec![words("x"), picture(source)])]);
        assert_eq!(refused(&request), "messages[0].content[1]");
    }
}

#[test]
fn an_image_by_url_is_fetched_by_the_provider() {
    let source = Source::Url("https://example.com/a.png".to_owned());
    let body = body(&chat(vec![message(Role::User, vec![picture(source)])]));
    let expected = json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}});
    assert_eq!(body["messages"][0]["content"][0], expected);
}

#[test]
fn a_data_uri_is_taken_apart() {
    let source = Source::Url("data:image/webp;base64,AAAA".to_owned());
    let body = body(&chat(vec![message(Role::User, vec![picture(source)])]));
    let expected = json!({"type": "base64", "media_type": "image/webp", "data": "AAAA"});
    assert_eq!(body["messages"][0]["content"][0]["source"], expected);
}

#[test]
fn a_pdf_is_a_document_however_it_comes() {
    let sources = [
        base64("application/pdf"),
        Source::Url("https://a/b.PDF?x=1".to_owned()),
        Source::Url("https://a/b.pdf".to_owned()),
    ];
    for source in sources {
        let body = body(&chat(vec![message(Role::User, vec![picture(source)])]));
        assert_eq!(body["messages"][0]["content"][0]["type"], "document");
    }
    let named = Part::Document { source: base64("application/pdf"), name: Some("a.pdf".to_owned()), cache: None };
    assert_eq!(body(&chat(vec![message(Role::User, vec![named])]))["messages"][0]["content"][0]["title"], "a.pdf");
}

#[test]
fn blank_texts_are_dropped_and_turns_that_are_left_empty_with_them() {
    let body = body(&chat(vec![
        message(Role::User, vec![words(""), words("Hi"), words(" \n")]),
        says(Role::Assistant, ""),
        says(Role::User, "there"),
    ]));
    let expected =
        json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn a_conversation_without_a_turn_is_refused() {
    assert_eq!(refused(&chat(vec![says(Role::System, "Be brief."), says(Role::User, "")])), "messages");
}

#[test]
fn a_prefill_does_not_end_in_blanks() {
    let body = body(&chat(vec![says(Role::User, "Hi"), says(Role::Assistant, "Well, \n")]));
    assert_eq!(body["messages"][1]["content"], "Well,");
}

#[test]
fn max_tokens_has_a_default() {
    assert_eq!(body(&hi())["max_tokens"], 4096);
    assert_eq!(body(&Request { max_tokens: Some(7), ..hi() })["max_tokens"], 7);
}

#[test]
fn blank_stop_texts_are_dropped_and_named() {
    let request = Request { stop: ["", "END", " \n"].map(str::to_owned).to_vec(), ..hi() };
    assert_eq!(body(&request)["stop_sequences"], json!(["END"]));
    assert_eq!(dropped(&request), ["stop"]);
}

#[test]
fn a_temperature_above_one_is_clamped_and_named() {
    let request = Request { temperature: Some(1.7), ..hi() };
    assert_eq!(body(&request)["temperature"], 1.0);
    assert_eq!(dropped(&request), ["temperature"]);
    assert_eq!(body(&Request { temperature: Some(0.5), ..hi() })["temperature"], 0.5);
}

#[test]
fn a_top_p_of_one_beside_a_temperature_says_nothing() {
    let request = Request { temperature: Some(0.5), top_p: Some(1.0), ..hi() };
    assert!(body(&request).get("top_p").is_none());
    assert!(dropped(&request).is_empty());
}

#[test]
fn several_answers_are_refused() {
    assert_eq!(refused(&Request { n: Some(2), ..hi() }), "n");
    assert!(write(&Request { n: Some(1), ..hi() }).is_ok());
}

#[test]
fn penalties_are_refused_unless_they_do_nothing() {
    assert_eq!(refused(&Request { frequency_penalty: Some(0.5), ..hi() }), "frequency_penalty");
    assert_eq!(refused(&Request { presence_penalty: Some(-1.0), ..hi() }), "presence_penalty");
    assert!(dropped(&Request { frequency_penalty: Some(0.0), ..hi() }).is_empty());
}

#[test]
fn hints_without_words_are_named() {
    let mut request = Request { seed: Some(7), dropped: vec!["store".to_owned()], ..hi() };
    request.messages[0].name = Some("Ada".to_owned());
    assert_eq!(dropped(&request), ["store", "messages.name", "seed"]);
}

#[test]
fn schemas_are_carried_whole() {
    let schema = r##"{"$defs":{"a":{"type":"string"}}, "type":"object","properties":{"x":{"$ref":"#/$defs/a"}}}"##;
    let request = Request { tools: vec![tool(Some(schema))], ..hi() };
    assert!(String::from_utf8(write(&request).unwrap().body).unwrap().contains(schema));
}

#[test]
fn a_tool_without_parameters_gets_an_empty_schema() {
    for parameters in [None, Some("{ }")] {
        let request = Request { tools: vec![tool(parameters)], ..hi() };
        assert_eq!(body(&request)["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    }
}

#[test]
fn tool_choices() {
    let choices = [
        (ToolChoice::Auto, json!({"type": "auto"})),
        (ToolChoice::None, json!({"type": "none"})),
        (ToolChoice::Required, json!({"type": "any"})),
        (ToolChoice::Named("f".to_owned()), json!({"type": "tool", "name": "f"})),
    ];
    for (choice, expected) in choices {
        let request = Request { tools: vec![tool(None)], tool_choice: Some(choice), ..hi() };
        assert_eq!(body(&request)["tool_choice"], expected);
    }
    assert_eq!(refused(&Request { tool_choice: Some(ToolChoice::Required), ..hi() }), "tool_choice");
    assert!(body(&Request { tool_choice: Some(ToolChoice::None), ..hi() }).get("tool_choice").is_none());
}

#[test]
fn one_call_at_a_time_needs_a_tool_choice_and_tools() {
    let mut request = Request { parallel_tool_calls: Some(false), ..hi() };
    assert!(body(&request).get("tool_choice").is_none());
    request.tools = vec![tool(None)];
    assert_eq!(body(&request)["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(body(&request)["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(body(&request)["tool_choice"], json!({"type": "none"}));
}

#[test]
fn a_schema_for_the_answer_is_an_output_format() {
    let schema = Json::parse(r#"{"type":"object","additionalProperties":false}"#).unwrap();
    let output = OutputFormat::JsonSchema { name: "a".to_owned(), description: None, schema, strict: Some(true) };
    let body = body(&Request { output: Some(output), ..hi() });
    let expected =
        json!({"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": false}}});
    assert_eq!(body["output_config"], expected);
}

#[test]
fn any_json_object_is_asked_for_in_system_and_named() {
    let request = Request { output: Some(OutputFormat::JsonObject), ..hi() };
    assert!(body(&request)["system"].as_str().unwrap().contains("JSON object"));
    assert_eq!(dropped(&request), ["response_format"]);
}

#[test]
fn the_end_user_is_metadata() {
    let body = body(&Request { user: Some("u1".to_owned()), ..hi() });
    assert_eq!(body["metadata"], json!({"user_id": "u1"}));
}

#[test]
fn service_tiers() {
    let tier = |tier: &str| Request { service_tier: Some(tier.to_owned()), ..hi() };
    assert_eq!(body(&tier("auto"))["service_tier"], "auto");
    assert_eq!(body(&tier("default"))["service_tier"], "standard_only");
    assert!(body(&tier("flex")).get("service_tier").is_none());
    assert_eq!(dropped(&tier("flex")), ["service_tier"]);
}

#[test]
fn content_that_a_role_cannot_have_is_refused() {
    let image = || picture(base64("image/png"));
    assert_eq!(refused(&chat(vec![message(Role::System, vec![image()])])), "messages[0].content[0]");
    assert_eq!(refused(&chat(vec![message(Role::Assistant, vec![image()])])), "messages[0].content[0]");
    assert_eq!(refused(&chat(vec![message(Role::User, vec![call("a", "{}")])])), "messages[0].content[0]");
}
