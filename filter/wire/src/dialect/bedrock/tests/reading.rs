//! Reads requests like AWS.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, Reasoning, ToolChoice};

fn read(fields: &str) -> Result<Request, ApiError> {
    let body = format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"Hi"}}]}}],{fields}}}"#);
    BEDROCK.read_request(body.as_bytes())
}

fn block(block: &str) -> Result<Request, ApiError> {
    BEDROCK.read_request(format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#).as_bytes())
}

#[test]
fn parameters_of_the_models_own() {
    let request = read(
        r#""additionalModelRequestFields":{"thinking":{"type":"adaptive"},"inferenceConfig":{"topK":4},
            "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}"#,
    )
    .unwrap();
    assert_eq!((request.reasoning, request.top_k), (Some(Reasoning::Adaptive), Some(4)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert_eq!(request.parallel_tool_calls, Some(false));
}

#[test]
fn results_that_are_json_are_text() {
    let request =
        block(r#"{"toolResult":{"toolUseId":"c","content":[{"json":{"t": 3}}],"status":"error"}},{"text":"and"}"#);
    let expected =
        Part::ToolResult { call: "c".to_owned(), content: vec![words(r#"{"t": 3}"#)], is_error: true, cache: None };
    let messages = vec![message(Role::Tool, vec![expected]), says(Role::User, "and")];
    assert_eq!(request.unwrap().messages, messages);
}

#[test]
fn a_cache_point_marks_what_stands_before_it() {
    let request = block(r#"{"text":"a"},{"cachePoint":{"type":"default","ttl":"1h"}},{"text":"b"}"#).unwrap();
    let cache = Some(CacheMark { ttl: Some("1h".to_owned()) });
    let parts = vec![Part::Text { text: "a".to_owned(), cache }, words("b")];
    assert_eq!(request.messages, [message(Role::User, parts)]);
}

#[test]
fn hints_are_named() {
    let request = read(r#""performanceConfig":{"latency":"optimized"},"requestMetadata":{"a":"b"}"#).unwrap();
    assert_eq!(request.dropped, ["performanceConfig", "requestMetadata"]);
}

#[test]
fn what_is_not_known_is_refused_by_its_path() {
    let fields = [
        (r#""guardrailConfig":{}"#, "guardrailConfig"),
        (r#""inferenceConfig":{"x":1}"#, "inferenceConfig.x"),
        (r#""toolConfig":{"tools":[{"toolSpec":{"name":"f","x":1}}]}"#, "toolConfig.tools[0].toolSpec.x"),
        (r#""additionalModelRequestFields":{"x":1}"#, "additionalModelRequestFields.x"),
        (r#""outputConfig":{"effort":"low"}"#, "outputConfig.effort"),
        (r#""serviceTier":{"type":"flex","x":1}"#, "serviceTier.x"),
    ];
    for (text, at) in fields {
        let error = read(text).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(at)), "{text}");
    }
    let blocks = [
        (r#"{"video":{}}"#, "messages[0].content[0]"),
        (r#"{"cachePoint":{"type":"default"}}"#, "messages[0].content[0]"),
        (r#"{"image":{"format":"png","source":{"s3Location":{}}}}"#, "messages[0].content[0].image.source.s3Location"),
        (r#"{"image":{"format":"bmp","source":{"bytes":""}}}"#, "messages[0].content[0].image.format"),
        (r#"{"text":"a","image":{}}"#, "messages[0].content[0].image"),
        (
            r#"{"toolResult":{"toolUseId":"c","content":[{"toolResult":{}}]}}"#,
            "messages[0].content[0].toolResult.content[0]",
        ),
        (r#"{"toolUse":{"toolUseId":"c","name":"f","input":[]}}"#, "messages[0].content[0].toolUse.input"),
    ];
    for (text, at) in blocks {
        let error = block(text).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(at)), "{text}");
    }
}
