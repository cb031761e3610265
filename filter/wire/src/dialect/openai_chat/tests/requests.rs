//! Requests: parsed from clients, and written for providers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::write::write;
use super::super::{Variation, variations};
use super::{conversation, request_with, say, text};
use crate::conversation::{CacheMark, Message, OutputFormat, Part, Reasoning, Request, Role, Source};
use crate::dialect::halves::OPENAI_CHAT;

fn written(request: &Request, variation: Variation) -> (String, Vec<String>) {
    let written = write(request, "p", &variation).unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

#[test]
fn broken_requests_are_400s_that_name_the_place() {
    let messages = |messages: &str| format!(r#"{{"model":"m","messages":{messages}}}"#);
    let cases = [
        (messages("[]"), Some("messages")),
        (messages("3"), Some("messages")),
        (messages("[3]"), Some("messages[0]")),
        (messages("[{}]"), Some("messages[0].role")),
        (messages(r#"[{"role":"function","content":"a"}]"#), Some("messages[0].role")),
        (messages(r#"[{"role":"user"}]"#), Some("messages[0].content")),
        (messages(r#"[{"role":"user","content":[]}]"#), Some("messages[0].content")),
        (messages(r#"[{"role":"user","content":{}}]"#), Some("messages[0].content")),
        (messages(r#"[{"role":"user","content":[{"type":"video"}]}]"#), Some("messages[0].content[0].type")),
        (messages(r#"[{"role":"system","content":[{"type":"image_url"}]}]"#), Some("messages[0].content[0].type")),
        (messages(r#"[{"role":"user","content":[{"type":"text","text":1}]}]"#), Some("messages[0].content[0].text")),
        (
            messages(r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://a"}}]}]"#),
            Some("messages[0].content[0].image_url.url"),
        ),
        (
            messages(
                r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,a b"}}]}]"#,
            ),
            Some("messages[0].content[0].image_url.url"),
        ),
        (
            messages(r#"[{"role":"user","content":[{"type":"file","file":{"file_data":"https://a/b"}}]}]"#),
            Some("messages[0].content[0].file.file_data"),
        ),
        (messages(r#"[{"role":"tool","content":"a"}]"#), Some("messages[0].tool_call_id")),
        (
            messages(r#"[{"role":"assistant","tool_calls":[{"id":"c","function":{}}]}]"#),
            Some("messages[0].tool_calls[0].function.name"),
        ),
        (r#"{"model":"m"}"#.to_owned(), Some("messages")),
        (r#"{"messages":[]}"#.to_owned(), Some("model")),
        (request_with(r#""temperature":"hot""#), Some("temperature")),
        (request_with(r#""n":0"#), Some("n")),
        (request_with(r#""stop":[1]"#), Some("stop")),
        (request_with(r#""tool_choice":"any""#), Some("tool_choice")),
        (request_with(r#""response_format":{"type":"xml"}"#), Some("response_format.type")),
        (request_with(r#""response_format":{"type":"json_schema"}"#), Some("response_format.json_schema")),
        (request_with(r#""reasoning_effort":"low","thinking":{"type":"adaptive"}"#), Some("thinking")),
        (request_with(r#""user":"a","user":"b""#), None),
        ("[]".to_owned(), None),
        ("".to_owned(), None),
    ];
    for (body, param) in cases {
        let error = OPENAI_CHAT.read_request(body.as_bytes()).expect_err(&body);
        assert_eq!((error.status, error.param.as_deref()), (400, param), "{body}: {}", error.message);
    }
    let deep = format!(r#"{{"model":"m","messages":{}"#, "[".repeat(100_000));
    assert_eq!(OPENAI_CHAT.read_request(deep.as_bytes()).unwrap_err().status, 400);
    assert_eq!(OPENAI_CHAT.read_request(b"{\"model\":\"\xff\"}").unwrap_err().status, 400);
}

#[test]
fn reasoning_of_earlier_turns_is_read_from_any_of_its_fields() {
    let assistant = |fields: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":"a",{fields}}}]}}"#);
        OPENAI_CHAT.read_request(body.as_bytes()).unwrap().messages[0].parts.clone()
    };
    let plain = Part::Thinking { text: "t".to_owned(), signature: None };
    assert_eq!(assistant(r#""reasoning_content":"t""#), [plain.clone(), text("a")]);
    assert_eq!(assistant(r#""reasoning":"t""#), [plain, text("a")]);
    let blocks = r#""reasoning_content":"t","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},
        {"type":"redacted_thinking","data":"d"}]"#;
    let signed = Part::Thinking { text: "t".to_owned(), signature: Some("s".to_owned()) };
    assert_eq!(assistant(blocks), [signed, Part::RedactedThinking { data: "d".to_owned() }, text("a")]);
}

#[test]
fn a_mark_on_a_message_stands_on_its_last_part() {
    let body = r#"{"model":"m","messages":[
        {"role":"user","content":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},
        {"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}],"cache_control":{"type":"ephemeral"}}]}"#;
    let read = OPENAI_CHAT.read_request(body.as_bytes()).unwrap();
    let mark = Some(CacheMark { ttl: Some("1h".to_owned()) });
    assert_eq!(read.messages[0].parts, [Part::Text { text: "a".to_owned(), cache: mark }]);
    assert_eq!(read.dropped, ["messages[].cache_control"]);
}

#[test]
fn openai_gets_no_extensions_and_each_is_named() {
    let thinking = Part::Thinking { text: "t".to_owned(), signature: Some("s".to_owned()) };
    let marked = Part::Text { text: "a".to_owned(), cache: Some(CacheMark { ttl: None }) };
    let request = Request {
        top_k: Some(5),
        reasoning: Some(Reasoning::Disabled),
        ..conversation(vec![say(Role::User, vec![marked]), say(Role::Assistant, vec![thinking, text("b")])])
    };
    let plain = r#"{"model":"p","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
    let dropped = ["cache_control", "thinking_blocks", "thinking", "top_k"].map(str::to_owned).to_vec();
    assert_eq!(written(&request, variations::OPENAI), (plain.to_owned(), dropped));
    let full = concat!(
        r#"{"model":"p","messages":[{"role":"user","content":[{"type":"text","text":"a","#,
        r#""cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":"b","#,
        r#""reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"}]}],"#,
        r#""top_k":5,"reasoning_effort":"none"}"#
    );
    let extended = variations::OPENROUTER;
    assert_eq!(written(&request, extended), (full.to_owned(), vec![]));
}

#[test]
fn a_budget_becomes_an_effort() {
    for (budget, effort) in [(1024, "low"), (4096, "low"), (4097, "medium"), (16384, "medium"), (32000, "high")] {
        let request = Request {
            reasoning: Some(Reasoning::Budget(budget)),
            ..conversation(vec![say(Role::User, vec![text("a")])])
        };
        let (body, _) = written(&request, variations::OPENAI);
        assert!(body.contains(&format!(r#""reasoning_effort":"{effort}""#)), "{body}");
    }
}

#[test]
fn a_failed_tool_loses_its_flag_by_name() {
    let part = Part::ToolResult { call: "c".to_owned(), content: vec![text("no")], is_error: true, cache: None };
    let (_, dropped) = written(&conversation(vec![say(Role::Tool, vec![part])]), variations::OPENAI);
    assert_eq!(dropped, ["is_error"]);
}

#[test]
fn what_has_no_place_in_a_message_is_refused() {
    let document = Part::Document { source: Source::Url("https://a/b.pdf".to_owned()), name: None, cache: None };
    let call = Part::ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: String::new() };
    let image = Part::Image { source: Source::Url("https://a/b".to_owned()), detail: None, cache: None };
    let cases: [Message; 4] = [
        say(Role::User, vec![document]),
        say(Role::User, vec![call]),
        say(Role::Assistant, vec![image]),
        say(Role::Tool, vec![text("a")]),
    ];
    for message in cases {
        let error = OPENAI_CHAT.write_request(&conversation(vec![message]), "p").unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("messages[0].content[0]")));
    }
}

#[test]
fn a_schema_is_copied_as_it_stands() {
    let schema = r#"{ "type" : "object",  "$defs":{"x":1.50} }"#;
    let body = request_with(&format!(
        r#""response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}"#
    ));
    let read = OPENAI_CHAT.read_request(body.as_bytes()).unwrap();
    assert!(matches!(&read.output, Some(OutputFormat::JsonSchema { schema: read, .. }) if read.text() == schema));
    assert!(written(&read, variations::OPENAI).0.contains(schema));
}

#[test]
fn a_user_whose_name_openai_would_refuse_is_left_out_and_named() {
    let request = |letters: usize| Request {
        user: Some("ø".repeat(letters)),
        ..conversation(vec![say(Role::User, vec![text("Hi")])])
    };
    let (body, dropped) = written(&request(64), variations::OPENAI);
    assert!(body.contains("\"user\":\"ø") && dropped.is_empty());
    let request = Request { dropped: vec!["betas".to_owned()], ..request(65) };
    let (body, dropped) = written(&request, variations::OPENAI);
    assert!(!body.contains("\"user\":\"ø"));
    assert_eq!(dropped, ["betas", "user"], "what was dropped when it was read is named too");
}
