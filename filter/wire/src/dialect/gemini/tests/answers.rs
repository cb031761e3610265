//! Non-streamed responses: reading, writing and peeking.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{Choice, Finish, Response, Usage};
use crate::error::ErrorKind;

const ANSWER: &str = include_str!("../../../../tests/goldens/thinking.gemini.answer.json");

fn read(body: &Value) -> Result<Response, ApiError> {
    GEMINI.read_response(body.to_string().as_bytes())
}

/// The first choice of a body with this candidate.
fn candidate(candidate: Value) -> Result<Choice, ApiError> {
    read(&json!({"candidates": [candidate], "responseId": "r1"})).map(|mut answer| answer.choices.remove(0))
}

#[test]
fn an_answer_that_is_read_is_written_as_it_came() {
    let answer = GEMINI.read_response(ANSWER.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(GEMINI.write_response(&answer, 0)).unwrap(), ANSWER.trim_end());
}

#[test]
fn every_reason_to_finish() {
    let text = json!({"parts": [{"text": "a"}]});
    let finish = |reason: &str| candidate(json!({"content": text, "finishReason": reason})).map(|choice| choice.finish);
    for reason in ["STOP", "LANGUAGE", "OTHER", "IMAGE_OTHER", "NO_IMAGE", "FINISH_REASON_UNSPECIFIED", "INVENTED"] {
        assert_eq!(finish(reason), Ok(Finish::Stop), "{reason}");
    }
    assert_eq!(finish("MAX_TOKENS"), Ok(Finish::Length));
    let filtered = [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    ];
    for reason in filtered {
        assert_eq!(finish(reason), Ok(Finish::ContentFilter), "{reason}");
    }
    for reason in ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"] {
        let error = finish(reason).unwrap_err();
        assert_eq!((error.status, error.kind), (502, ErrorKind::Server), "{reason}");
    }
}

#[test]
fn a_stop_after_calls_waits_for_their_results() {
    let call = json!({"parts": [{"functionCall": {"name": "f", "args": {"a": 1.50}}}]});
    let choice = candidate(json!({"content": call, "finishReason": "STOP"})).unwrap();
    assert_eq!(choice.finish, Finish::ToolCalls);
    let cut = candidate(json!({"content": call, "finishReason": "MAX_TOKENS"})).unwrap();
    assert_eq!(cut.finish, Finish::Length);
}

#[test]
fn calls_without_an_identifier_get_one_that_no_other_has() {
    let parts = json!({"parts": [
        {"functionCall": {"name": "f"}},
        {"functionCall": {"id": "own", "name": "f", "args": null}},
        {"functionCall": {"name": "f", "args": {}}},
    ]});
    let body = json!({"candidates": [{"content": parts}, {"content": parts, "index": 1}], "responseId": "a-1_b"});
    let answer = read(&body).unwrap();
    let ids: Vec<&str> = answer.choices.iter().flat_map(|choice| &choice.parts).filter_map(id).collect();
    assert_eq!(ids, ["call_a1b_0_0", "own", "call_a1b_0_2", "call_a1b_1_0", "own", "call_a1b_1_2"]);
    assert_eq!(answer.choices[0].parts[0], call("call_a1b_0_0", "f", "{}"));
    assert_eq!(read(&body).unwrap(), answer, "the same every time");
}

fn id(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall { id, .. } => Some(id),
        _ => None,
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_that_was_filtered() {
    for reason in ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"] {
        let body = json!({"promptFeedback": {"blockReason": reason, "safetyRatings": []},
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}, "responseId": "r"});
        let answer = read(&body).unwrap();
        assert_eq!(answer.choices, [Choice { parts: Vec::new(), finish: Finish::ContentFilter }], "{reason}");
        assert_eq!(answer.usage, Some(Usage { input: 9, ..Usage::default() }));
    }
}

#[test]
fn an_answer_cut_before_it_said_anything_has_no_parts() {
    for content in [json!({}), json!({"role": "model"}), json!(null), json!({"parts": null})] {
        let choice = candidate(json!({"content": content, "finishReason": "MAX_TOKENS"})).unwrap();
        assert_eq!(choice, Choice { parts: Vec::new(), finish: Finish::Length });
    }
}

#[test]
fn what_tools_of_googles_own_did_is_left_out() {
    let parts = json!([{"executableCode": {"code": "1"}}, {"text": "a"}, {"codeExecutionResult": {"output": "1"}}]);
    assert_eq!(candidate(json!({"content": {"parts": parts}})).unwrap().parts, [words("a")]);
}

#[test]
fn usage_includes_what_google_counts_apart() {
    let usage = |usage: Value| GEMINI.usage_of(json!({"usageMetadata": usage}).to_string().as_bytes());
    let counted = usage(json!({"promptTokenCount": 20, "cachedContentTokenCount": 8, "toolUsePromptTokenCount": 100,
        "candidatesTokenCount": 5, "thoughtsTokenCount": 12, "totalTokenCount": 137, "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}]}));
    assert_eq!(counted, Some(Usage { input: 120, cached: 8, cache_write: 0, output: 17, reasoning: 12 }));
    assert_eq!(usage(json!({"promptTokenCount": 3})), Some(Usage { input: 3, ..Usage::default() }));
    assert_eq!(usage(json!({})), None);
    assert_eq!(usage(json!(null)), None);
    assert_eq!(GEMINI.usage_of(b"{"), None);
}

#[test]
fn an_error_in_a_200_is_an_error() {
    let error = json!({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}});
    for body in [error.clone(), json!([error])] {
        let error = read(&body).unwrap_err();
        assert_eq!((error.status, error.kind), (503, ErrorKind::Overloaded));
    }
}

#[test]
fn what_is_no_answer_is_a_bad_answer() {
    for body in ["", "{", "{}", "3", "[]", r#"[{"candidates":[]}]"#, r#"{"candidates":[]}"#, r#"{"candidates":7}"#] {
        let error = GEMINI.read_response(body.as_bytes()).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("invalid_provider_response"), "{body}");
    }
    let nameless = json!({"content": {"parts": [{"functionCall": {"args": {}}}]}});
    assert!(candidate(nameless).is_err());
}
