//! Whole answers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{call, text, thought};
use crate::conversation::{Choice, Finish, Part, Response, Usage};
use crate::dialect::Glance;
use crate::dialect::halves::RESPONSES;
use crate::error::ErrorKind;

const USAGE: Usage = Usage { input: 9, cached: 4, cache_write: 1, output: 6, reasoning: 2 };

fn answer(parts: Vec<Part>, finish: Finish) -> Response {
    Response {
        id: "chatcmpl-1".to_owned(),
        model: "m".to_owned(),
        created: Some(7),
        choices: vec![Choice { parts, finish }],
        usage: Some(USAGE),
        service_tier: None,
        guises: crate::conversation::Guises::none(),
    }
}

fn written(response: &Response) -> String {
    String::from_utf8(RESPONSES.write_response(response, 99)).unwrap()
}

#[test]
fn an_answer_is_written_in_openais_shape() {
    let parts = vec![
        thought("t", Some("EqQ=")),
        Part::RedactedThinking { data: "gemini#x".to_owned() },
        text("Hi"),
        Part::Refusal { text: "no".to_owned() },
        call("c", "f", ""),
    ];
    let expected = concat!(
        r#"{"id":"resp_chatcmpl-1","object":"response","created_at":7,"status":"completed","background":false,"#,
        r#""error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"metadata":{},"model":"m","#,
        r#""output":[{"type":"reasoning","id":"rs_chatcmpl-1_0","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"anthropic#EqQ="},"#,
        r#"{"type":"reasoning","id":"rs_chatcmpl-1_1","summary":[],"encrypted_content":"gemini#x"},"#,
        r#"{"type":"message","id":"msg_chatcmpl-1_2","status":"completed","role":"assistant","content":["#,
        r#"{"type":"output_text","annotations":[],"logprobs":[],"text":"Hi"},{"type":"refusal","refusal":"no"}]},"#,
        r#"{"type":"function_call","id":"fc_chatcmpl-1_3","call_id":"c","name":"f","arguments":"{}","status":"completed"}],"#,
        r#""parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,"#,
        r#""temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","#,
        r#""usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"output_tokens":6,"#,
        r#""output_tokens_details":{"reasoning_tokens":2},"total_tokens":15},"user":null}"#
    );
    assert_eq!(written(&answer(parts, Finish::ToolCalls)), expected);
}

#[test]
fn what_cut_an_answer_short_is_said() {
    for (finish, reason) in [(Finish::Length, "max_output_tokens"), (Finish::ContentFilter, "content_filter")] {
        let written = written(&answer(vec![text("Hi")], finish));
        assert!(written.contains(&format!(r#""incomplete_details":{{"reason":"{reason}"}}"#)), "{written}");
        assert_eq!(written.matches(r#""status":"incomplete""#).count(), 2, "of the answer and its last item");
        assert_eq!(RESPONSES.read_response(written.as_bytes()).unwrap().choices[0].finish, finish);
    }
}

#[test]
fn names_are_made_where_the_provider_has_none_and_are_never_too_long() {
    let nameless = Response { id: String::new(), created: None, usage: None, ..answer(vec![], Finish::Stop) };
    let written_nameless = written(&nameless);
    assert!(written_nameless.starts_with(r#"{"id":"resp_99""#) && written_nameless.contains(r#""usage":null"#));
    let long = Response { id: "é".repeat(100), ..answer(vec![text("Hi")], Finish::Stop) };
    assert!(written(&long).contains(&format!(r#""id":"msg_{}_0""#, "é".repeat(40))));
}

fn read(output: &str, more: &str) -> Choice {
    let body = format!(r#"{{"id":"resp_1","output":[{output}],"usage":null,"made_up":{{}}{more}}}"#);
    RESPONSES.read_response(body.as_bytes()).unwrap().choices.remove(0)
}

#[test]
fn openais_items_are_read_and_unknown_ones_are_left_out() {
    let output = r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gA"},
        {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gB"},{"type":"reasoning","id":"rs_3","summary":[]},
        {"type":"web_search_call","id":"ws_1","status":"completed","content":3,"action":{}},
        {"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[{}]},{"type":"refusal","refusal":"no"}]},
        {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}"}"#;
    let expected = vec![
        thought("a\n\nb", Some("openai#rs_1.gA")),
        Part::RedactedThinking { data: "openai#rs_2.gB".to_owned() },
        text("Hi"),
        Part::Refusal { text: "no".to_owned() },
        call("call_1", "f", r#"{"a":1}"#),
    ];
    assert_eq!(read(output, ""), Choice { parts: expected, finish: Finish::ToolCalls });
    let nameless = read(r#"{"type":"function_call","name":"f"}"#, "");
    assert_eq!(nameless.parts, [call("call_resp1_0_0", "f", "")]);
}

#[test]
fn an_answer_incomplete_for_any_reason_is_cut_short() {
    let finish = |details: &str| read("", &format!(r#","status":"incomplete","incomplete_details":{details}"#)).finish;
    assert_eq!(finish(r#"{"reason":"max_output_tokens"}"#), Finish::Length);
    assert_eq!(finish(r#"{"reason":"content_filter"}"#), Finish::ContentFilter);
    for details in [r#"{"reason":"made_up"}"#, "null", "3", "{}"] {
        assert_eq!(finish(details), Finish::Length);
    }
    assert_eq!(read("", r#","status":"made_up""#).finish, Finish::Stop);
}

#[test]
fn a_failure_hidden_in_a_200_is_an_error() {
    let cases = [
        (
            r#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"},"output":[]}"#,
            ErrorKind::RateLimit,
        ),
        (
            r#"{"status":"failed","error":{"code":"invalid_prompt","message":"m"},"output":[]}"#,
            ErrorKind::InvalidRequest,
        ),
        (r#"{"status":"failed","error":null,"output":[]}"#, ErrorKind::Server),
        (r#"{"status":"cancelled","output":[]}"#, ErrorKind::Server),
        (r#"{"error":{"message":"m","code":"insufficient_quota"}}"#, ErrorKind::InsufficientQuota),
    ];
    for (body, kind) in cases {
        assert_eq!(RESPONSES.read_response(body.as_bytes()).unwrap_err().kind, kind, "{body}");
        assert_eq!(RESPONSES.peek_response(body.as_bytes()).unwrap_err().kind, kind, "{body}");
    }
    for body in ["", "<html>", "[]", "{}", r#"{"output":null}"#, "null"] {
        let read = RESPONSES.read_response(body.as_bytes()).unwrap_err();
        let peeked = RESPONSES.peek_response(body.as_bytes()).unwrap_err();
        for error in [read, peeked] {
            assert_eq!((error.status, error.code.as_deref()), (502, Some("invalid_provider_response")), "{body}");
        }
    }
}

#[test]
fn an_answer_in_the_background_passes_and_is_none_to_translate() {
    let body = br#"{"id":"resp_1","status":"queued","model":"m","output":[],"usage":null,"error":null}"#;
    assert_eq!(
        RESPONSES.peek_response(body).unwrap(),
        Glance { model: Some("m".to_owned()), id: Some("resp_1".to_owned()), ..Glance::default() }
    );
    assert_eq!(RESPONSES.read_response(body).unwrap_err().status, 502);
}

#[test]
fn usage_is_inclusive_and_owed_by_an_answer_that_is_no_good() {
    let failed = br#"{"status":"failed","usage":{"input_tokens":9.0,"output_tokens":"6","input_tokens_details":{"cached_tokens":4},"output_tokens_details":null}}"#;
    assert_eq!(RESPONSES.usage_of(failed), Some(Usage { input: 9, cached: 4, output: 6, ..Usage::default() }));
    assert_eq!(RESPONSES.usage_of(br#"{"usage":{}}"#), None);
    assert_eq!(RESPONSES.usage_of(b"<html>"), None);
}
