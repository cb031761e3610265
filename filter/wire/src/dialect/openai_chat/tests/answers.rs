//! Non-streamed responses.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::text;
use crate::conversation::{Choice, Finish, Part, Response, Usage};
use crate::dialect::ResponseSummary;
use crate::dialect::halves::OPENAI_CHAT;
use crate::error::ErrorKind;

const USAGE: Usage = Usage { input: 9, cached: 4, cache_write: 0, output: 6, reasoning: 2 };

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
    String::from_utf8(OPENAI_CHAT.write_response(response, 99)).unwrap()
}

#[test]
fn an_answer_without_a_date_has_that_of_now_and_one_without_a_word_an_empty_text() {
    let undated = written(&Response { created: None, ..answer(vec![], Finish::Stop) });
    assert!(undated.contains(r#""created":99"#) && undated.contains(r#""content":"""#), "{undated}");
}

fn read(choice: &str) -> Choice {
    let body = format!(r#"{{"id":"x","choices":[{choice}],"usage":null,"made_up":{{}}}}"#);
    OPENAI_CHAT.read_response(body.as_bytes()).unwrap().choices.remove(0)
}

#[test]
fn compatible_servers_answers_are_read() {
    let thinking = Part::Thinking { text: "t".to_owned(), signature: None };
    for field in ["reasoning_content", "reasoning"] {
        let choice = format!(r#"{{"message":{{"content":"a","{field}":"t"}},"finish_reason":"stop"}}"#);
        assert_eq!(read(&choice).parts, [thinking.clone(), text("a")]);
    }
    let parts = r#"{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},
        {"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]}}"#;
    assert_eq!(read(parts).parts, [thinking, text("a")]);
    let call = r#"{"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}"#;
    let expected =
        Part::ToolCall { id: "call_x_0_0".to_owned(), name: "f".to_owned(), arguments: r#"{"a":1}"#.to_owned() };
    assert_eq!(read(call), Choice { parts: vec![expected], finish: Finish::ToolCalls });
}

#[test]
fn a_call_that_is_said_in_the_old_way_is_a_call() {
    let expected = Part::ToolCall { id: "call_x_0_0".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let old =
        r#"{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call"}"#;
    assert_eq!(read(old), Choice { parts: vec![expected], finish: Finish::ToolCalls });
    // Some servers send both, or the field without a call.
    let both = r#"{"message":{"function_call":{"name":"f"},"tool_calls":[{"id":"a","function":{"name":"g"}}]}}"#;
    assert_eq!(read(both).parts.len(), 1);
    for none in ["null", "{}", "\"none\"", "[]"] {
        let choice = format!(r#"{{"message":{{"content":"a","function_call":{none}}},"finish_reason":"stop"}}"#);
        assert_eq!(read(&choice), Choice { parts: vec![text("a")], finish: Finish::Stop }, "{none}");
    }
    for none in ["null", "false", "\"none\"", "[]"] {
        let choice =
            format!(r#"{{"message":{{"tool_calls":[{{"id":"a","function":{{"name":"g"}},"custom":{none}}}]}}}}"#);
        assert_eq!(read(&choice).parts.len(), 1, "{none}");
    }
}

#[test]
fn finish_reasons_are_mapped() {
    let cases = [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::Length),
        ("function_call", Finish::ToolCalls),
        ("content_filter", Finish::ContentFilter),
        ("made_up", Finish::Stop),
    ];
    for (word, finish) in cases {
        assert_eq!(read(&format!(r#"{{"message":{{}},"finish_reason":"{word}"}}"#)).finish, finish);
    }
    for (word, kind) in [("error", ErrorKind::Server), ("insufficient_system_resource", ErrorKind::Overloaded)] {
        let body = format!(r#"{{"choices":[{{"message":{{}},"finish_reason":"{word}"}}]}}"#);
        assert_eq!(OPENAI_CHAT.read_response(body.as_bytes()).unwrap_err().kind, kind);
        assert_eq!(OPENAI_CHAT.peek_response(body.as_bytes()).unwrap_err().kind, kind);
    }
}

#[test]
fn usage_is_inclusive_whoever_counts() {
    let usage = |usage: &str| {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"a"}}}}],"usage":{usage},"model":"m"}}"#);
        let summary = OPENAI_CHAT.peek_response(body.as_bytes()).unwrap();
        let read = OPENAI_CHAT.read_response(body.as_bytes()).unwrap().usage;
        assert_eq!(
            summary,
            ResponseSummary { model: Some("m".to_owned()), usage: read, finished: false, ..ResponseSummary::default() }
        );
        read
    };
    let counted = |text: &str| usage(text).unwrap();
    let deepseek = counted(r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#);
    assert_eq!(deepseek, Usage { input: 9, cached: 4, output: 1, ..Usage::default() });
    let xai = r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":5}}"#;
    assert_eq!(counted(xai), Usage { input: 9, output: 6, reasoning: 5, ..Usage::default() });
    let floats = r#"{"prompt_tokens":9.0,"completion_tokens":null,"total_tokens":"10","prompt_tokens_details":null}"#;
    assert_eq!(counted(floats), Usage { input: 9, output: 1, ..Usage::default() });
    let huge = r#"{"prompt_tokens":18446744073709551615,"completion_tokens":1e300,"completion_tokens_details":{"reasoning_tokens":9}}"#;
    assert_eq!(usage(huge), None, "nobody has used so many");
}

#[test]
fn what_is_not_an_answer_is_an_error() {
    for body in ["", "<html>", "[]", "{}", r#"{"choices":[]}"#, r#"{"choices":null}"#, "null"] {
        for error in [
            OPENAI_CHAT.read_response(body.as_bytes()).unwrap_err(),
            OPENAI_CHAT.peek_response(body.as_bytes()).unwrap_err(),
        ] {
            assert_eq!((error.status, error.code.as_deref()), (502, Some("invalid_provider_response")), "{body}");
        }
    }
    let hidden = br#"{"error":{"message":"slow","type":"rate_limit_error"},"choices":[{}]}"#;
    assert_eq!(OPENAI_CHAT.read_response(hidden).unwrap_err().kind, ErrorKind::RateLimit);
    assert_eq!(OPENAI_CHAT.peek_response(hidden).unwrap_err().status, 429);
}
