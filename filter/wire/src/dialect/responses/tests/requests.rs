//! Requests read from clients.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{call, input, read, request_with, result, say, text, thought};
use crate::conversation::{Part, Request, Role, ToolChoice};

#[test]
fn items_of_one_turn_of_the_model_are_one_message() {
    let items = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"},
        {"type":"function_call","call_id":"a","name":"f","arguments":""},
        {"type":"function_call_output","call_id":"a","output":""},
        {"role":"assistant","content":"One."},{"role":"assistant","content":""},
        {"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}"#;
    let signed = Part::RedactedThinking { data: "openai#rs_1.e".to_owned() };
    let expected = [
        say(Role::Assistant, vec![signed, call("a", "f", "")]),
        say(Role::Tool, vec![result("a", vec![text("")])]),
        say(Role::Assistant, vec![text("One."), Part::Refusal { text: "No.".to_owned() }]),
    ];
    assert_eq!(read(&input(items)).unwrap().messages, expected);
}

#[test]
fn signatures_come_back_as_their_owners_made_them() {
    let part = |summary: &str, encrypted: &str| {
        let item =
            format!(r#"{{"type":"reasoning","id":"rs_x_0","summary":[{summary}],"encrypted_content":"{encrypted}"}}"#);
        read(&input(&item)).unwrap().messages.pop().and_then(|mut message| message.parts.pop())
    };
    let summary = r#"{"type":"summary_text","text":"t"}"#;
    assert_eq!(part(summary, "anthropic#EqQ="), Some(thought("t", Some("EqQ="))));
    assert_eq!(part(summary, "gemini#CiQ"), Some(thought("t", Some("gemini#CiQ"))));
    assert_eq!(part(summary, "gAAAA"), Some(thought("t", Some("openai#rs_x_0.gAAAA"))));
    assert_eq!(part("", "anthropic#Er"), Some(Part::RedactedThinking { data: "Er".to_owned() }));
    assert_eq!(part(r#"{"type":"summary_text","text":""}"#, "gemini#x"), Some(thought("", Some("gemini#x"))));
    // Without readable text and signature there is nothing to send.
    assert_eq!(part("", ""), None);
    let own = r#"{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"r"}]}"#;
    assert_eq!(read(&input(own)).unwrap().messages[0].parts, [thought("r", None)]);
}

#[test]
fn stored_state_is_refused_by_name() {
    let cases = [
        (request_with(r#""previous_response_id":"resp_1""#), "previous_response_id"),
        (request_with(r#""conversation":{"id":"conv_1"}"#), "conversation"),
        (request_with(r#""background":true"#), "background"),
        // With a prompt template, the missing input is not an error.
        (r#"{"prompt":{"id":"pmpt_1"}}"#.to_owned(), "prompt"),
        (
            input(r#"{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}"#),
            "input[0].content[0].file_id",
        ),
    ];
    for (body, param) in cases {
        let error = read(&body).expect_err(&body);
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{body}");
        assert!(error.message.contains("only a provider with its own Responses API"), "{body}");
    }
}

#[test]
fn tools_that_run_at_openai_are_left_out_beside_functions_and_else_refused_by_name() {
    for word in
        ["web_search", "file_search", "code_interpreter", "mcp", "computer_use_preview", "tool_search", "made_up"]
    {
        let beside = request_with(&format!(r#""tools":[{{"type":"function","name":"f"}},{{"type":"{word}","x":1}}]"#));
        let beside = read(&beside).unwrap();
        assert_eq!((beside.tools.len(), beside.dropped), (1, vec![format!("tools.{word}")]));
        let tool = request_with(&format!(r#""tools":[{{"type":"{word}"}}]"#));
        let choice = |choice: &str| {
            let tools = format!(r#""tools":[{{"type":"function","name":"f"}},{{"type":"{word}"}}]"#);
            request_with(&format!(r#"{tools},"tool_choice":{{{choice}}}"#))
        };
        let allowed = choice(&format!(r#""type":"allowed_tools","mode":"required","tools":[{{"type":"{word}"}}]"#));
        let named = choice(&format!(r#""type":"{word}""#));
        let item =
            input(r#"{"role":"user","content":"a"},{"type":"computer_call","id":"x"}"#).replace("computer", "made_up");
        for (body, param, word) in [
            (tool, "tools[0].type", word),
            (named, "tool_choice.type", word),
            (allowed, "tool_choice.tools[0].type", word),
            (item, "input[1].type", "made_up_call"),
        ] {
            let error = read(&body).expect_err(&body);
            assert_eq!(error.param.as_deref(), Some(param), "{body}");
            assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{body}");
            assert!(error.message.contains(word), "{}", error.message);
        }
    }
}

#[test]
fn of_allowed_tools_the_others_are_left_out() {
    let tools =
        r#""tools":[{"type":"function","name":"f"},{"type":"function","name":"g"},{"type":"function","name":"h"}],"#;
    let choice = |mode: &str, tools_in: &str| {
        let choice = format!(r#""tool_choice":{{"type":"allowed_tools","mode":"{mode}","tools":[{tools_in}]}}"#);
        read(&request_with(&format!("{tools}{choice}")))
    };
    let named = |request: &Request| request.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
    let two = r#"{"type":"function","name":"h"},{"type":"function","name":"f"}"#;
    let request = choice("required", two).unwrap();
    assert_eq!((named(&request).join(""), request.tool_choice), ("fh".to_owned(), Some(ToolChoice::Required)));
    assert_eq!(choice("auto", two).unwrap().tool_choice, Some(ToolChoice::Auto));
    assert_eq!(choice("none", two).unwrap_err().param.as_deref(), Some("tool_choice.mode"));
    let other = choice("auto", r#"{"type":"mcp","server_label":"s"}"#).unwrap_err();
    assert_eq!(other.param.as_deref(), Some("tool_choice.tools[0].type"));
    let unknown = choice("auto", r#"{"type":"function","name":"x"}"#).unwrap_err();
    assert_eq!(unknown.param.as_deref(), Some("tool_choice.tools[0].name"));
}

#[test]
fn storing_is_counted_only_when_it_was_asked_for() {
    assert!(read(&request_with("")).unwrap().dropped.is_empty());
    assert!(read(&request_with(r#""store":false,"truncation":"disabled","metadata":{}"#)).unwrap().dropped.is_empty());
    assert_eq!(read(&request_with(r#""store":true"#)).unwrap().dropped, ["store"]);
}

#[test]
fn broken_requests_are_400s_that_name_the_place() {
    let content = |part: &str| input(&format!(r#"{{"role":"user","content":[{part}]}}"#));
    let cases = [
        (r#"{"model":"m"}"#.to_owned(), Some("input")),
        (r#"{"input":"a"}"#.to_owned(), Some("model")),
        (r#"{"model":"m","input":3}"#.to_owned(), Some("input")),
        (input(""), Some("input")),
        (input("3"), Some("input[0]")),
        (input("{}"), Some("input[0].type")),
        (input(r#"{"role":"tool","content":"a"}"#), Some("input[0].role")),
        (input(r#"{"type":"message","content":"a"}"#), Some("input[0].role")),
        (input(r#"{"role":"user"}"#), Some("input[0].content")),
        (input(r#"{"role":"user","content":[]}"#), Some("input[0].content")),
        (input(r#"{"role":"user","content":{}}"#), Some("input[0].content")),
        (input(r#"{"role":"user","content":"a","made_up":1}"#), Some("input[0].made_up")),
        (content(r#"{"type":"output_text","text":"a"}"#), Some("input[0].content[0].type")),
        (content(r#"{"type":"input_text"}"#), Some("input[0].content[0].text")),
        (content(r#"{"type":"input_image","image_url":"ftp://a"}"#), Some("input[0].content[0].image_url")),
        (content(r#"{"type":"input_file"}"#), Some("input[0].content[0].file_data")),
        (content(r#"{"type":"input_file","file_data":"https://a/b"}"#), Some("input[0].content[0].file_data")),
        (
            content(r#"{"type":"input_file","file_url":"https://a/b","file_data":"data:a/b;base64,AA=="}"#),
            Some("input[0].content[0].file_url"),
        ),
        (input(r#"{"type":"function_call","name":"f"}"#), Some("input[0].call_id")),
        (input(r#"{"type":"function_call_output","call_id":"c"}"#), Some("input[0].output")),
        (input(r#"{"type":"reasoning","summary":3}"#), Some("input[0].summary")),
        (request_with(r#""tools":[{"name":"f"}]"#), Some("tools[0].type")),
        (request_with(r#""tools":[{"type":"function","function":{"name":"f"}}]"#), Some("tools[0].name")),
        (request_with(r#""tool_choice":"any""#), Some("tool_choice")),
        (request_with(r#""text":{"format":{"type":"xml"}}"#), Some("text.format.type")),
        (request_with(r#""text":{"format":{"type":"json_schema","name":"n"}}"#), Some("text.format.schema")),
        (request_with(r#""messages":[]"#), Some("messages")),
        (request_with(r#""include":["message.output_text.logprobs"]"#), Some("include")),
        ("[]".to_owned(), None),
        (String::new(), None),
    ];
    for (body, param) in cases {
        let error = read(&body).expect_err(&body);
        assert_eq!((error.status, error.param.as_deref()), (400, param), "{body}: {}", error.message);
    }
}
