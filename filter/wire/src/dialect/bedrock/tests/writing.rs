//! Writes requests for Converse.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, Json, OutputFormat, Reasoning, Source};
use crate::dialect::halves::BEDROCK;
use crate::dialect::policies;

fn file(media_type: &str, name: Option<&str>) -> Part {
    let source = Source::Base64 { media_type: media_type.to_owned(), data: "AAAA".to_owned() };
    Part::Document { source, name: name.map(str::to_owned), cache: None }
}

fn image(url: &str) -> Part {
    Part::Image { source: Source::Url(url.to_owned()), detail: None, cache: None }
}

fn marked(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: Some(CacheMark { ttl: Some("1h".to_owned()) }) }
}

#[test]
fn every_field_has_its_fate() {
    policies::every_row_is_true(BEDROCK, CLAUDE);
}

#[test]
fn the_path_names_the_model_and_the_stream() {
    assert_eq!(BEDROCK.path(CLAUDE, false), "/model/eu.anthropic.claude-x-v1%3A0/converse");
    assert_eq!(BEDROCK.path(CLAUDE, true), "/model/eu.anthropic.claude-x-v1%3A0/converse-stream");
}

#[test]
fn neighbours_of_one_role_share_a_turn_and_results_come_first() {
    let messages = vec![
        says(Role::User, "a"),
        says(Role::User, "b"),
        says(Role::Assistant, " "),
        says(Role::User, "c"),
        message(Role::Assistant, vec![call("1", ""), call("2", "{}")]),
        says(Role::User, "and"),
        result("1", vec![words("x")]),
        result("2", vec![words("")]),
    ];
    let body = body(&chat(messages));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "1", "name": "get_weather", "input": {}}},
                {"toolUse": {"toolUseId": "2", "name": "get_weather", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}]}},
                {"toolResult": {"toolUseId": "2", "content": []}},
                {"text": "and"},
            ]},
        ])
    );
}

#[test]
fn a_failed_call_says_so_and_a_good_one_says_nothing() {
    let failed = Part::ToolResult { call: "c_".to_owned(), content: vec![words("no")], is_error: true, cache: None };
    let request = chat(vec![message(Role::Assistant, vec![call("c_", "")]), message(Role::Tool, vec![failed])]);
    let body = body(&request);
    let outcome = &body["messages"][1]["content"][0]["toolResult"];
    assert_eq!(outcome, &json!({"toolUseId": "c_", "content": [{"text": "no"}], "status": "error"}));
    assert_eq!(body["messages"][0]["content"][0]["toolUse"]["toolUseId"], "c_");
}

#[test]
fn nothing_but_blanks_is_no_conversation() {
    assert_eq!(refused(&chat(vec![says(Role::User, " "), says(Role::Assistant, "")]), CLAUDE), "messages");
}

#[test]
fn arguments_that_are_no_object_are_the_clients_fault() {
    let request = chat(vec![message(Role::Assistant, vec![call("c", "[1]")])]);
    assert_eq!(refused(&request, CLAUDE), "messages[0].tool_calls[0].function.arguments");
}

#[test]
fn images_are_base64_in_a_known_format() {
    let body = body(&chat(vec![message(Role::User, vec![image("data:image/JPG;base64,/9j/")])]));
    assert_eq!(body["messages"][0]["content"][0], json!({"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}}));
    for url in ["https://example.com/a.png", "data:image/bmp;base64,AAAA", "data:image/png,AAAA"] {
        let request = chat(vec![message(Role::User, vec![words("?"), image(url)])]);
        assert_eq!(refused(&request, CLAUDE), "messages[0].content[1]", "{url}");
    }
    let error = write(&chat(vec![message(Role::User, vec![image("http://a/b")])]), CLAUDE).unwrap_err();
    assert!(error.message.contains("by URL"), "{}", error.message);
}

#[test]
fn a_pdf_given_as_an_image_is_a_document() {
    let body = body(&chat(vec![message(Role::User, vec![image("data:application/pdf;base64,AAAA")])]));
    let expected = json!({"document": {"format": "pdf", "name": "document", "source": {"bytes": "AAAA"}}});
    assert_eq!(body["messages"][0]["content"][0], expected);
}

#[test]
fn a_document_never_comes_without_a_word() {
    let content = |parts| body(&chat(vec![message(Role::User, parts)]))["messages"][0]["content"].clone();
    let text = |text: &str| Part::Text { text: text.to_owned(), cache: None };
    let alone = content(vec![file("application/pdf", None)]);
    assert_eq!((alone.as_array().map(Vec::len), &alone[1]), (Some(2), &json!({"text": "(document)"})));
    let with_words = content(vec![file("application/pdf", None), text("What is it?")]);
    assert_eq!((with_words.as_array().map(Vec::len), &with_words[1]), (Some(2), &json!({"text": "What is it?"})));
}

#[test]
fn documents_have_names_of_allowed_letters_and_no_name_twice() {
    let long = "x".repeat(300);
    let names = [
        (Some("report.pdf"), "report-pdf"),
        (Some("Report.pdf"), "Report-pdf 2"),
        (None, "document"),
        (Some(""), "document 2"),
        (Some("  a \t b (1) [2]-3 "), "a b (1) [2]-3"),
        (Some("é_ü"), "---"),
        (Some(&long), &long[..56]),
    ];
    let parts = names.iter().map(|(name, _)| file("text/csv", *name)).collect();
    let body = body(&chat(vec![message(Role::User, parts)]));
    for (index, (_, expected)) in names.iter().enumerate() {
        let document = &body["messages"][0]["content"][index]["document"];
        assert_eq!((document["name"].as_str(), document["format"].as_str()), (Some(*expected), Some("csv")));
    }
    let unknown = chat(vec![message(Role::User, vec![file("audio/wav", None)])]);
    assert_eq!(refused(&unknown, CLAUDE), "messages[0].content[0]");
}

#[test]
fn marks_stand_behind_what_they_mark_and_move_with_it() {
    let cached = Part::ToolResult {
        call: "1".to_owned(),
        content: vec![marked("x")],
        is_error: false,
        cache: Some(CacheMark { ttl: None }),
    };
    let request = Request {
        tools: vec![Tool { cache: Some(CacheMark { ttl: None }), ..tool() }, tool()],
        ..chat(vec![
            message(Role::System, vec![marked("s")]),
            message(Role::Assistant, vec![call("1", "")]),
            says(Role::User, "and"),
            message(Role::Tool, vec![cached]),
        ])
    };
    let body = body(&request);
    assert_eq!(body["system"], json!([{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]));
    assert_eq!(body["messages"][1]["content"][1], json!({"cachePoint": {"type": "default"}}));
    assert_eq!(body["messages"][1]["content"][2], json!({"text": "and"}));
    assert_eq!(body["toolConfig"]["tools"][1], json!({"cachePoint": {"type": "default"}}));
    // Cache marks inside a result are dropped.
    assert_eq!(dropped(&request, CLAUDE), ["cache_control"]);
}

#[test]
fn models_that_know_no_marks_get_none() {
    let request = chat(vec![message(Role::User, vec![marked("a")])]);
    assert!(!dropped(&request, NOVA).contains(&"cache_control".to_owned()));
    assert_eq!(dropped(&request, LLAMA), ["cache_control"]);
    let tools = Request { tools: vec![Tool { cache: Some(CacheMark { ttl: None }), ..tool() }], ..hi() };
    assert_eq!(dropped(&tools, NOVA), ["cache_control"]);
    let blank = chat(vec![message(Role::User, vec![marked(" "), words("a")])]);
    assert_eq!(dropped(&blank, CLAUDE), ["cache_control"]);
}

#[test]
fn thinking_is_anthropics_and_leaves_room() {
    let request = Request { reasoning: Some(Reasoning::Effort("low".to_owned())), top_k: Some(3), ..hi() };
    let body = body(&request);
    assert_eq!(body["additionalModelRequestFields"], json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}));
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 6144}));
    assert_eq!(dropped(&request, CLAUDE), ["top_k"]);
    assert_eq!(dropped(&request, NOVA), ["reasoning_effort"]);
    let budget = Request { reasoning: Some(Reasoning::Budget(2048)), ..hi() };
    assert_eq!(dropped(&budget, LLAMA), ["thinking"]);
}

#[test]
fn parameters_of_the_models_own_are_sent_to_those_that_have_them() {
    let request = Request { top_k: Some(3), ..hi() };
    let extras = |model| {
        let body: Value = serde_json::from_slice(&write(&request, model).unwrap().body).unwrap();
        body.get("additionalModelRequestFields").cloned()
    };
    assert_eq!(extras(CLAUDE), Some(json!({"top_k": 3})));
    assert_eq!(extras(NOVA), Some(json!({"inferenceConfig": {"topK": 3}})));
    assert_eq!(extras(LLAMA), None);
    assert_eq!(dropped(&request, LLAMA), ["top_k"]);
    assert_eq!(dropped(&request, "arn:aws:bedrock:eu-west-1:1:application-inference-profile/a"), ["top_k"]);
}

#[test]
fn reasoning_goes_back_to_its_owner_only_and_before_calls() {
    let thinking = |signature: &str| Part::Thinking { text: "Hm".to_owned(), signature: Some(signature.to_owned()) };
    let redacted = Part::RedactedThinking { data: "xyz".to_owned() };
    let history =
        |parts| chat(vec![says(Role::User, "?"), message(Role::Assistant, parts), result("c", vec![words("3")])]);
    let request = history(vec![call("c", "{}"), thinking("s"), redacted]);
    assert_eq!(
        body(&request)["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "xyz"}},
            {"toolUse": {"toolUseId": "c", "name": "get_weather", "input": {}}},
        ])
    );
    assert_eq!(dropped(&request, NOVA), ["messages.reasoning_content"]);
    for foreign in ["gemini#s", "openai#s", ""] {
        let request = history(vec![thinking(foreign), call("c", "{}")]);
        assert_eq!(dropped(&request, CLAUDE), ["messages.reasoning_content"], "{foreign}");
    }
    // Thinking cannot continue without the thinking that led to the call.
    let wish = Request { reasoning: Some(Reasoning::Budget(2048)), ..history(vec![call("c", "{}")]) };
    assert!(body(&wish).get("additionalModelRequestFields").is_none());
    assert_eq!(dropped(&wish, CLAUDE), ["thinking"]);
}

#[test]
fn a_schema_is_sent_as_text_and_an_object_is_asked_for() {
    let schema = Json::parse(r#"{"type": "object","additionalProperties":false}"#).unwrap();
    let (name, description) = ("city".to_owned(), Some("A city.".to_owned()));
    let format = OutputFormat::JsonSchema { name, description, schema, strict: None };
    let request = Request { output: Some(format), ..hi() };
    assert_eq!(
        body(&request)["outputConfig"],
        json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "schema": "{\"type\": \"object\",\"additionalProperties\":false}", "name": "city", "description": "A city."
        }}}})
    );
    let object = Request { output: Some(OutputFormat::JsonObject), ..hi() };
    assert!(body(&object)["system"][0]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(dropped(&object, CLAUDE), ["response_format"]);
}

#[test]
fn what_would_change_the_answer_is_refused_and_what_would_not_is_named() {
    assert_eq!(refused(&Request { n: Some(2), ..hi() }, CLAUDE), "n");
    assert_eq!(refused(&Request { presence_penalty: Some(1.0), ..hi() }, CLAUDE), "presence_penalty");
    let hot = Request { temperature: Some(1.5), stop: vec![" ".to_owned()], ..hi() };
    assert_eq!(body(&hot)["inferenceConfig"], json!({"temperature": 1.0}));
    assert_eq!(dropped(&hot, LLAMA), ["temperature", "stop"]);
    let tier = |tier: &str| Request { service_tier: Some(tier.to_owned()), ..hi() };
    assert_eq!(body(&tier("default")).get("serviceTier"), None);
    assert_eq!(dropped(&tier("scale"), CLAUDE), ["service_tier"]);
    let earlier = Request { dropped: vec!["store".to_owned()], seed: Some(1), ..hi() };
    assert_eq!(dropped(&earlier, CLAUDE), ["store", "seed"]);
}
