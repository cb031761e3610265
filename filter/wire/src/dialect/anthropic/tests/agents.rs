//! Requests of coding agents, for other providers' models.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, Source};

fn read(body: &str) -> Request {
    ANTHROPIC.read_request(body.as_bytes()).unwrap()
}

/// The messages of a conversation with these turns.
fn turns(turns: &str) -> Vec<Message> {
    read(&format!(r#"{{"model":"m","max_tokens":9,"messages":[{turns}]}}"#)).messages
}

/// The parts of one user turn with these blocks.
fn parts(blocks: &str) -> Vec<Part> {
    let [message] = <[Message; 1]>::try_from(turns(&format!(r#"{{"role":"user","content":[{blocks}]}}"#))).unwrap();
    message.parts
}

fn marked(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: Some(CacheMark { ttl: None }) }
}

#[test]
fn a_system_message_stands_where_it_was_said_and_goes_when_it_is_cleared() {
    let user = |text: &str| format!(r#"{{"role":"user","content":"{text}"}}"#);
    let system = |text: &str, more: &str| format!(r#"{{"role":"system","content":"{text}"{more}}}"#);
    let cleared = r#","clear_at":"next_user_message""#;
    let kept = system("kept", r#","clear_at":"never""#);
    let before = [user("a"), system("gone", cleared), kept, system("gone too", cleared), user("b")];
    let after = [before.join(","), system("stays", cleared)].join(",");
    assert_eq!(
        turns(&after),
        [says(Role::User, "a"), says(Role::System, "kept"), says(Role::User, "b"), says(Role::System, "stays"),]
    );
}

#[test]
fn documents_of_text_and_of_blocks_become_what_they_hold() {
    assert_eq!(
        parts(
            r#"{"type":"document","title":"T","context":"C","cache_control":{"type":"ephemeral"},
                "source":{"type":"text","media_type":"text/plain","data":"words"}}"#
        ),
        [marked("T\n\nC\n\nwords")]
    );
    let image = Source::Base64 { media_type: "image/png".to_owned(), data: "aaaa".to_owned() };
    assert_eq!(
        parts(
            r#"{"type":"document","title":"T","cache_control":{"type":"ephemeral"},"source":{"type":"content","content":[
                {"type":"text","text":"one"},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"aaaa"}}]}}"#
        ),
        [words("T"), words("one"), Part::Image { source: image, detail: None, cache: Some(CacheMark { ttl: None }) }]
    );
    let pdf = Source::Base64 { media_type: "application/pdf".to_owned(), data: "aaaa".to_owned() };
    assert_eq!(
        parts(
            r#"{"type":"document","title":"T.pdf","context":"C",
                "source":{"type":"base64","media_type":"application/pdf","data":"aaaa"}}"#
        ),
        [words("C"), Part::Document { source: pdf, name: Some("T.pdf".to_owned()), cache: None }]
    );
}

#[test]
fn what_a_client_has_found_is_text_with_its_source_also_in_a_tools_result() {
    let found = r#"{"type":"search_result","source":"https://s.test","title":"T",
        "content":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"citations":{"enabled":false}}"#;
    let text = || words("T\nhttps://s.test\n\none\n\ntwo");
    assert_eq!(parts(found), [text()]);
    let reference = r#"{"type":"tool_reference","tool_name":"f"}"#;
    let answer = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{found},{reference}]}}"#);
    let [Part::ToolResult { content, .. }] = &*parts(&answer) else { panic!("no result") };
    assert_eq!(content, &[text(), words("The tool f is available.")]);
}

#[test]
fn a_compaction_is_its_summary_and_one_that_failed_is_nothing() {
    let summary = r#"{"type":"compaction","content":"So far.","encrypted_content":"e","signature":"s"}"#;
    let failed = r#"{"type":"compaction","content":null}"#;
    assert_eq!(
        parts(&format!(r#"{summary},{failed},{{"type":"text","text":"Go on."}}"#)),
        [words("So far."), words("Go on.")]
    );
}

#[test]
fn a_thought_that_nobody_has_signed_stays_a_thought() {
    let unsigned = r#"{"type":"thinking","thinking":"Hm","signature":""}"#;
    let message = turns(&format!(r#"{{"role":"assistant","content":[{unsigned}]}}"#)).remove(0);
    assert_eq!(message.parts, [Part::Thinking { text: "Hm".to_owned(), signature: None }]);
}

/// Claude Code sends a web search as a request with only that tool; other requests offer functions.
#[test]
fn tools_that_run_at_anthropic_are_left_out_beside_functions_and_else_refused_by_name() {
    let function = r#"{"name":"f","input_schema":{"type":"object"}}"#;
    let ask = |tools: &str, more: &str| {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}],"tools":[{tools}]{more}}}"#
        );
        ANTHROPIC.read_request(body.as_bytes())
    };
    for (kind, left_out) in [
        ("web_search_20250305", true),
        ("web_fetch_20250910", true),
        ("code_execution_20250825", true),
        ("tool_search_tool_regex_20251119", true),
        ("mcp_toolset", true),
        ("made_up", true),
        ("bash_20250124", false),
        ("text_editor_20250728", false),
        ("memory_20250818", false),
        ("computer_20250124", false),
    ] {
        let tool = format!(r#"{{"type":"{kind}","name":"n","max_uses":2}}"#);
        let beside = ask(&format!("{tool},{function}"), "");
        match left_out {
            true => {
                let beside = beside.unwrap();
                assert_eq!((beside.tools.len(), beside.dropped), (1, vec![format!("tools.{kind}")]));
            }
            false => assert_eq!(beside.unwrap_err().param.as_deref(), Some("tools[0].type")),
        }
        let named = ask(&format!("{tool},{function}"), r#","tool_choice":{"type":"tool","name":"n"}"#);
        for error in [ask(&tool, "").unwrap_err(), named.unwrap_err()] {
            assert_eq!((error.status, error.param.as_deref()), (400, Some("tools[0].type")), "{kind}");
            assert!(error.message.contains(kind), "{}", error.message);
        }
    }
}
