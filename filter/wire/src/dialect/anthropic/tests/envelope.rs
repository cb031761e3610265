//! Requests of Anthropic's clients in the envelopes of the clouds.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::dialect::WrittenRequest;
use crate::dialect::halves::{ANTHROPIC_ON_BEDROCK, ANTHROPIC_ON_VERTEX, Both};
use crate::error::ApiError;
use crate::headers::HeaderMap;

const CLOUDS: [Both; 2] = [ANTHROPIC_ON_BEDROCK, ANTHROPIC_ON_VERTEX];

fn envelop(cloud: Both, body: &str, betas: &[&str]) -> Result<WrittenRequest, ApiError> {
    let headers: HeaderMap = betas.iter().map(|beta| ("anthropic-beta", *beta)).collect();
    cloud.envelop(body.as_bytes(), "anthropic.claude-opus-4-8", &headers)
}

fn text(written: &WrittenRequest) -> String {
    String::from_utf8(written.body.clone()).unwrap()
}

/// A request with `more` in a cloud's envelope, and the dropped fields.
fn with(cloud: Both, more: Value) -> (Value, Vec<String>) {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let written = envelop(cloud, &body.to_string(), &[]).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.dropped)
}

fn refused(cloud: Both, more: Value) -> String {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let error = envelop(cloud, &body.to_string(), &[]).unwrap_err();
    assert_eq!(error.status, 400);
    error.param.unwrap()
}

#[test]
fn every_other_byte_stays() {
    let body = r#"{ "model":"m\u0061", "stream" : true,"max_tokens":9, "x_new":{"a":1.50},
        "messages":[{"role":"user","content":[{"type":"text","text":"h\u0069","x":[1e3]}]}], "thinking":{"type":"adaptive"}}"#;
    let aws = envelop(ANTHROPIC_ON_BEDROCK, body, &[]).unwrap();
    let expected =
        body.replace(r#" "model":"m\u0061", "stream" : true,"#, r#""anthropic_version":"bedrock-2023-05-31", "#);
    assert_eq!((text(&aws), aws.dropped), (expected, vec![]));
    let google = envelop(ANTHROPIC_ON_VERTEX, body, &[]).unwrap();
    let expected = body.replace(r#" "model":"m\u0061","#, r#""anthropic_version":"vertex-2023-10-16","#);
    assert_eq!((text(&google), google.dropped), (expected, vec![]));
}

#[test]
fn betas_that_the_cloud_knows_go_where_it_wants_them() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[],"betas":["computer-use-2025-11-24"]}"#;
    let betas = ["claude-code-20250219,context-1m-2025-08-07", "advanced-tool-use-2025-11-20, context-1m-2025-08-07"];
    let aws = envelop(ANTHROPIC_ON_BEDROCK, body, &betas).unwrap();
    let known = r#"["context-1m-2025-08-07","tool-search-tool-2025-10-19","computer-use-2025-11-24"]"#;
    let expected = format!(
        r#"{{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":{known},"max_tokens":9,"messages":[]}}"#
    );
    assert_eq!((text(&aws), aws.dropped), (expected, vec!["anthropic-beta".to_owned()]));
    let google = envelop(ANTHROPIC_ON_VERTEX, body, &betas).unwrap();
    assert!(!text(&google).contains("beta"));
    assert_eq!(
        ANTHROPIC_ON_VERTEX.header_beside("anthropic-beta", betas[1]).as_deref(),
        Some("tool-search-tool-2025-10-19,context-1m-2025-08-07")
    );
    for (cloud, name, value) in [
        (CLOUDS[1], "anthropic-beta", "claude-code-20250219"),
        (CLOUDS[1], "anthropic-version", "2023-06-01"),
        (CLOUDS[0], "anthropic-beta", "context-1m-2025-08-07"),
    ] {
        assert_eq!(cloud.header_beside(name, value), None);
    }
}

#[test]
fn hints_that_a_cloud_refuses_are_left_out_and_named() {
    for cloud in CLOUDS {
        for hint in ["cache_control", "diagnostics", "fallbacks", "service_tier", "speed", "user_profile_id"] {
            let (body, dropped) = with(cloud, json!({hint: "x"}));
            assert!(body.get(hint).is_none());
            assert_eq!(dropped, [hint]);
        }
        for field in ["billing_policy", "container", "inference_geo", "mcp_servers", "thread"] {
            assert_eq!(refused(cloud, json!({field: "x"})), field);
        }
        assert!(with(cloud, json!({"mcp_servers": []})).0.get("mcp_servers").is_none());
    }
}

#[test]
fn the_form_of_an_answer_has_its_newer_name() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    for cloud in CLOUDS {
        let (body, _) = with(cloud, json!({"output_format": format}));
        assert_eq!((&body["output_config"], body.get("output_format")), (&json!({"format": format}), None));
        let (body, dropped) = with(
            cloud,
            json!({"output_format": format, "output_config": {"effort": "low", "task_budget": {"type": "tokens"}}}),
        );
        assert_eq!(body["output_config"], json!({"effort": "low", "format": format}));
        assert_eq!(dropped, ["output_config.task_budget"]);
    }
}

#[test]
fn marks_for_the_cache_are_those_that_the_cloud_knows() {
    let mark = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    let block = json!({"type": "text", "text": "a", "cache_control": mark});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [block]});
    let more = json!({
        "system": [block],
        "tools": [{"name": "f", "input_schema": {}, "cache_control": mark, "custom": {"defer_loading": true}},
            {"name": "g", "input_schema": {"properties": {"scope": {}}}, "cache_control": mark}],
        "messages": [{"role": "user", "content": [block, result]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"cache_control": mark}}]}]
    });
    for cloud in CLOUDS {
        let (body, dropped) = with(cloud, more.clone());
        let kept = json!({"type": "ephemeral", "ttl": "1h"});
        assert_eq!(body["system"][0]["cache_control"], kept);
        assert_eq!((&body["tools"][0]["cache_control"], body["tools"][0].get("custom")), (&kept, None));
        assert_eq!(body["tools"][1]["cache_control"], kept);
        assert_eq!(body["messages"][0]["content"][0]["cache_control"], kept);
        assert_eq!(body["messages"][0]["content"][1]["content"][0]["cache_control"], kept);
        assert_eq!(body["messages"][1]["content"][0]["input"]["cache_control"], mark, "a call's arguments stay");
        assert_eq!(dropped, ["tools[].custom", "cache_control.scope"]);
    }
    let old = json!({"max_tokens": 9, "system": [block], "messages": []}).to_string();
    let written =
        ANTHROPIC_ON_BEDROCK.envelop(old.as_bytes(), "anthropic.claude-opus-4-1-v1:0", &HeaderMap::default()).unwrap();
    assert_eq!(written.dropped, ["cache_control.scope", "cache_control.ttl"]);
    assert!(!text(&written).contains("ttl"));
}

#[test]
fn care_for_long_conversations_is_taken_where_it_is_known() {
    let care = |kind: &str| json!({"context_management": {"edits": [{"type": kind}]}});
    for kind in ["compact_20260112", "clear_thinking_20251015"] {
        assert!(with(ANTHROPIC_ON_VERTEX, care(kind)).0.get("context_management").is_some());
    }
    assert!(with(ANTHROPIC_ON_BEDROCK, care("compact_20260112")).0.get("context_management").is_some());
    let (body, dropped) = with(ANTHROPIC_ON_BEDROCK, care("clear_thinking_20251015"));
    assert!(body.get("context_management").is_none());
    assert_eq!(dropped, ["context_management"]);
}

#[test]
fn what_a_cloud_cannot_run_or_fetch_is_refused_by_its_place() {
    let tool = |kind: &str| json!({"tools": [{"type": kind, "name": "x"}]});
    let source = |kind: &str| {
        let image = json!({"type": "image", "source": {"type": kind, kind: "x"}});
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, image]}]})
    };
    for cloud in CLOUDS {
        assert_eq!(refused(cloud, tool("web_fetch_20250910")), "tools[0].type");
        assert_eq!(refused(cloud, source("file")), "messages[0].content[1]");
        with(cloud, tool("bash_20250124"));
        with(cloud, source("base64"));
    }
    assert_eq!(refused(ANTHROPIC_ON_BEDROCK, tool("web_search_20250305")), "tools[0].type");
    assert_eq!(refused(ANTHROPIC_ON_BEDROCK, source("url")), "messages[0].content[1]");
    with(ANTHROPIC_ON_VERTEX, tool("web_search_20250305"));
    with(ANTHROPIC_ON_VERTEX, source("url"));
    let direct = json!({"tools": [{"name": "f", "input_schema": {}, "allowed_callers": ["direct"]}]});
    let (body, dropped) = with(ANTHROPIC_ON_BEDROCK, direct);
    assert!(body["tools"][0].get("allowed_callers").is_none());
    assert_eq!(dropped, ["tools[].allowed_callers"]);
    let code = json!({"tools": [{"name": "f", "input_schema": {}, "allowed_callers": ["code_execution"]}]});
    assert_eq!(refused(ANTHROPIC_ON_BEDROCK, code), "tools[0].allowed_callers");
}

#[test]
fn what_is_no_request_is_a_400_and_no_panic() {
    for body in [
        "",
        "[]",
        "{",
        "3",
        r#"{"tools":3}"#,
        r#"{"output_config":[]}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"messages":"x","scope":1}"#,
    ] {
        for cloud in CLOUDS {
            assert_eq!(envelop(cloud, body, &[]).unwrap_err().status, 400, "{body}");
        }
    }
    for body in [r#"{"system":3,"messages":"x"}"#, "{}", r#"{"system":[3,[],null]}"#] {
        for cloud in CLOUDS {
            let written = envelop(cloud, body, &[]).unwrap();
            assert!(serde_json::from_slice::<Value>(&written.body).is_ok(), "{}", text(&written));
        }
    }
}
