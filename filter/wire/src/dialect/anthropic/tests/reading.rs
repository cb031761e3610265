//! Reads requests of Anthropic's clients.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::Reasoning;

fn read(body: &str) -> Result<Request, ApiError> {
    ANTHROPIC.read_request(body.as_bytes())
}

/// A minimal body with `more` fields.
fn with(more: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"Hi"}}]{more}}}"#)
}

fn blamed(body: &str) -> String {
    let error = read(body).unwrap_err();
    assert_eq!(error.status, 400, "{body}");
    error.param.unwrap_or_default()
}

/// The path that an error about this content of a user message names.
fn blamed_content(content: &str) -> String {
    blamed(&format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":{content}}}]}}"#))
}

#[test]
fn required_fields_are_named() {
    assert_eq!(blamed(r#"{"max_tokens":9,"messages":[]}"#), "model");
    assert_eq!(blamed(r#"{"model":"m","messages":[]}"#), "max_tokens");
    assert_eq!(blamed(r#"{"model":"m","max_tokens":9}"#), "messages");
    assert_eq!(blamed(r#"{"model":"m","max_tokens":9,"messages":[]}"#), "messages");
    assert_eq!(blamed_content("null"), "messages[0].content");
}

#[test]
fn a_body_that_is_not_an_object_is_refused() {
    for body in ["", "[]", "{", "7"] {
        assert_eq!(blamed(body), "");
    }
    assert_eq!(ANTHROPIC.read_request(b"\xff").unwrap_err().status, 400);
}

#[test]
fn fields_that_are_in_no_table_are_refused() {
    assert_eq!(blamed(&with(r#","invented":1"#)), "invented");
    assert!(read(&with(r#","invented":null"#)).is_ok());
}

#[test]
fn wrong_values_are_blamed_by_their_path() {
    assert_eq!(blamed(&with(r#","temperature":"hot""#)), "temperature");
    assert_eq!(blamed(&with(r#","stop_sequences":"END""#)), "stop_sequences");
    assert_eq!(blamed(&with(r#","metadata":{"user_id":"u","x":1}"#)), "metadata.x");
    assert_eq!(blamed(&with(r#","tool_choice":{"type":"some"}"#)), "tool_choice.type");
    assert_eq!(blamed(&with(r#","tool_choice":{"type":"tool"}"#)), "tool_choice.name");
    assert_eq!(blamed(&with(r#","thinking":{"type":"enabled"}"#)), "thinking.budget_tokens");
    assert_eq!(blamed(&with(r#","system":[{"type":"image"}]"#)), "system[0]");
    assert_eq!(blamed(&with(r#","tools":[{"type":"web_search_20250305","name":"w"}]"#)), "tools[0].type");
    assert_eq!(
        blamed(&with(r#","tools":[{"name":"f","input_schema":{},"allowed_callers":["code_execution_20250825"]}]"#)),
        "tools[0].allowed_callers"
    );
    assert_eq!(
        blamed(&with(r#","context_management":{"edits":[{"type":"compact_20260112","pause_after_compaction":true}]}"#)),
        "context_management.edits[0].pause_after_compaction"
    );
    assert_eq!(blamed_content(r#"[{"type":"text"}]"#), "messages[0].content[0].text");
    assert_eq!(blamed_content(r#"[{"type":"text","text":"a","x":1}]"#), "messages[0].content[0].x");
    assert_eq!(blamed_content(r#"[{"type":"container_upload"}]"#), "messages[0].content[0]");
    assert_eq!(
        blamed_content(r#"[{"type":"image","source":{"type":"file","file_id":"f"}}]"#),
        "messages[0].content[0].source"
    );
    assert_eq!(
        blamed_content(r#"[{"type":"tool_use","id":"a","name":"f","input":"{}"}]"#),
        "messages[0].content[0].input"
    );
}

#[test]
fn blocks_do_not_nest_beyond_a_tools_result() {
    let inner = r#"[{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]}]"#;
    assert_eq!(blamed_content(inner), "messages[0].content[0].content[0]");
    let mut deep = String::from("\"x\"");
    for _ in 0..2000 {
        deep = format!(r#"[{{"type":"tool_result","tool_use_id":"a","content":{deep}}}]"#);
    }
    assert_eq!(blamed_content(&deep), "messages[0].content[0].content[0]");
}

#[test]
fn a_document_of_plain_text_is_a_text() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
        {"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"words"}}]}]}"#;
    assert_eq!(read(body).unwrap().messages[0].parts, [words("T\n\nwords")]);
}

#[test]
fn efforts_and_thinking_become_one_wish() {
    let wish = |more: &str| {
        let request = read(&with(more)).unwrap();
        (request.reasoning, request.dropped)
    };
    let effort = |word: &str| Some(Reasoning::Effort(word.to_owned()));
    assert_eq!(wish(r#","output_config":{"effort":"max"}"#), (Some(Reasoning::Work("max".to_owned())), vec![]));
    assert_eq!(wish(r#","thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#), (effort("low"), vec![]));
    assert_eq!(
        wish(r#","thinking":{"type":"disabled","display":"omitted"},"output_config":{"effort":"low"}"#),
        (Some(Reasoning::Disabled), vec!["thinking.display".to_owned(), "output_config.effort".to_owned()])
    );
    assert_eq!(wish(r#","thinking":{"type":"adaptive"}"#), (Some(Reasoning::Adaptive), vec![]));
}

#[test]
fn hints_inside_blocks_are_named() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[
        {"type":"text","text":"a","citations":[{}]},
        {"type":"tool_use","id":"t","name":"f","input":{},"cache_control":{"type":"ephemeral"}}]}]}"#;
    let dropped = ["messages[].content[].text.citations", "messages[].content[].tool_use.cache_control"];
    assert_eq!(read(body).unwrap().dropped, dropped);
}

#[test]
fn what_a_tool_of_anthropics_did_in_an_earlier_turn_is_left_out_and_what_came_of_it_stays() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Is it raining?"},
        {"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"rain"}},
          {"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u","title":"t",
            "encrypted_content":"e","page_age":null}]},
          {"type":"text","text":"It is.","citations":[]}]},
        {"role":"assistant","content":[{"type":"mcp_tool_use","id":"c","name":"n","server_name":"s","input":{}},
          {"type":"mcp_tool_result","tool_use_id":"c","is_error":false,"content":[]}]},
        {"role":"user","content":"And now?"}]}"#;
    let request = read(body).unwrap();
    let parts: Vec<&Part> = request.messages.iter().flat_map(|message| &message.parts).collect();
    assert_eq!(parts, [&words("Is it raining?"), &words("It is."), &words("And now?")]);
    let dropped = ["server_tool_use", "web_search_tool_result", "text.citations", "mcp_tool_use", "mcp_tool_result"];
    assert_eq!(request.dropped, dropped.map(|name| format!("messages[].content[].{name}")));
}
