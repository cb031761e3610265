//! Requests: what is read from clients, and what providers get.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::super::write::write;
use super::super::{Variation, variations};
use super::{conversation, request_with, say, text};
use crate::conversation::{
    CacheMark, Json, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool, ToolChoice,
};
use crate::dialect::halves::OPENAI_CHAT;

const GOLDEN: &str = r#"{"model":"gpt-x","messages":[
  {"role":"system","content":"Be brief."},
  {"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBOR","detail":"low"}}]},
  {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}}]},
  {"role":"tool","tool_call_id":"call_1","content":"{\"t\":3}"}],
 "tools":[{"type":"function","function":{"name":"get_weather","description":"w","parameters":{"type":"object","properties":{},"additionalProperties":false},"strict":true}}],
 "tool_choice":"auto","max_completion_tokens":256,"max_tokens":9,"stop":["END"],"stream":true,"stream_options":{"include_usage":true}}"#;

fn golden() -> Request {
    let image = Part::Image {
        source: Source::Base64 { media_type: "image/png".to_owned(), data: "iVBOR".to_owned() },
        detail: Some("low".to_owned()),
        cache: None,
    };
    let call = Part::ToolCall {
        id: "call_1".to_owned(),
        name: "get_weather".to_owned(),
        arguments: r#"{"city":"Oslo"}"#.to_owned(),
    };
    Request {
        model: "gpt-x".to_owned(),
        tools: vec![Tool {
            name: "get_weather".to_owned(),
            description: Some("w".to_owned()),
            parameters: Some(Json::parse(r#"{"type":"object","properties":{},"additionalProperties":false}"#).unwrap()),
            strict: Some(true),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Auto),
        max_tokens: Some(256),
        stop: vec!["END".to_owned()],
        stream: true,
        include_usage: true,
        ..conversation(vec![
            say(Role::System, vec![text("Be brief.")]),
            say(Role::User, vec![text("What is this?"), image]),
            say(Role::Assistant, vec![call]),
            say(Role::Tool, vec![result("call_1", vec![text(r#"{"t":3}"#)])]),
        ])
    }
}

fn result(call: &str, content: Vec<Part>) -> Part {
    Part::ToolResult { call: call.to_owned(), content, is_error: false, cache: None }
}

fn written(request: &Request, variation: Variation) -> (String, Vec<String>) {
    let written = write(request, "p", &variation).unwrap();
    (String::from_utf8(written.body).unwrap(), written.dropped)
}

#[test]
fn the_golden_request_is_read_and_written() {
    assert_eq!(OPENAI_CHAT.read_request(GOLDEN.as_bytes()).unwrap(), golden());
    let expected = concat!(
        r#"{"model":"p","messages":[{"role":"system","content":"Be brief."},"#,
        r#"{"role":"user","content":[{"type":"text","text":"What is this?"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBOR","detail":"low"}}]},"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","#,
        r#""function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"call_1","content":"{\"t\":3}"}],"#,
        r#""tools":[{"type":"function","function":{"name":"get_weather","description":"w","#,
        r#""parameters":{"type":"object","properties":{},"additionalProperties":false},"strict":true}}],"tool_choice":"auto","#,
        r#""max_completion_tokens":256,"stop":["END"],"stream":true,"stream_options":{"include_usage":true}}"#
    );
    assert_eq!(written(&golden(), variations::OPENAI), (expected.to_owned(), vec![]));
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
    let sealed = Part::Thinking { text: "t".to_owned(), signature: Some("s".to_owned()) };
    assert_eq!(assistant(blocks), [sealed, Part::RedactedThinking { data: "d".to_owned() }, text("a")]);
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
        r#""thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"}]}],"#,
        r#""top_k":5,"thinking":{"type":"disabled"}}"#
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
fn media_in_tool_results_follows_in_a_user_message() {
    let image = Part::Image { source: Source::Url("https://a/b".to_owned()), detail: None, cache: None };
    let request = conversation(vec![
        say(Role::Tool, vec![result("c1", vec![text("seen"), image])]),
        say(Role::User, vec![result("c2", vec![]), text("go on")]),
    ]);
    let expected = concat!(
        r#"{"model":"p","messages":[{"role":"tool","tool_call_id":"c1","content":"seen"},"#,
        r#"{"role":"tool","tool_call_id":"c2","content":""},"#,
        r#"{"role":"user","content":[{"type":"text","text":"From the result of tool call c1:"},"#,
        r#"{"type":"image_url","image_url":{"url":"https://a/b"}}]},{"role":"user","content":"go on"}]}"#
    );
    assert_eq!(written(&request, variations::OPENAI), (expected.to_owned(), vec![]));
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
