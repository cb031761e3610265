//! Judges of responses beside other guardrails.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A judge of responses, and a mask of prompts whose texts the client gets back.
fn restoring(window: u64) -> Value {
    let mut guards = guard("answers", json!({"window": window}), json!({}));
    guards["mails"] = json!({"detect": ["email"], "patterns": {"quote": "\"[A-Z]+\""}, "action": "mask",
        "style": "numbered", "restore": true, "on": ["prompts"]});
    guards
}

#[test]
fn judges_see_placeholders_and_the_client_gets_its_own_texts_back() {
    for replies in WHEN {
        for (streams, pieces, said, read_back) in [
            (false, &["To [EMAIL_1]"][..], "To [EMAIL_1]", "To ann@example.com"),
            (true, &["To [EMA", "IL_1]"], "To [EMAIL_1]", "To ann@example.com"),
            (false, &["SECRET: [EMAIL_1]."], "SECRET: [EMAIL_1].", "[X]: ann@example.com."),
            (true, &["SEC", "RET: [EMA", "IL_", "1]", "."], "SECRET: [EMAIL_1].", "[X]: ann@example.com."),
        ] {
            let gateway = Gateway::at(&restoring(1000), replies);
            let script = if streams { chat_stream(pieces) } else { whole("gpt", CHAT, &pieces.concat()) };
            let body = body(CHAT, "gpt", streams, "write to ann@example.com");
            let seen = gateway.send((CHAT, &body), &[script]);
            assert_eq!(gateway.asked(), [json!([said])], "{streams}");
            let text = if streams { read(CHAT, &seen.body) } else { seen.body };
            assert!(text.contains(read_back) && !text.contains("EMAIL"), "{streams}: {text}");
        }
    }
}

#[test]
fn texts_come_back_in_every_window_of_a_judged_stream() {
    let long = "0123456789".repeat(7);
    let gateway = Gateway::new(&restoring(64));
    let body = body(CHAT, "gpt", true, "write to ann@example.com");
    let seen = gateway.send((CHAT, &body), &[chat_stream(&[&long, " [EMAIL", "_1] ", &long, "[EMAIL_1]"])]);
    assert_eq!(read(CHAT, &seen.body), format!("{long} ann@example.com {long}ann@example.com"), "{}", seen.body);
    assert!(gateway.asked().iter().all(|asked| !asked.to_string().contains("ann@")), "{:?}", gateway.asked());
}

#[test]
fn texts_that_come_back_in_json_are_escaped() {
    for streams in [false, true] {
        let gateway = Gateway::new(&restoring(64));
        let mut body = body(CHAT, "checked", streams, "say \"HI\"");
        body["response_format"] = json!({"type": "json_object"});
        let text = r#"{"say":"[QUOTE_1]"}"#;
        let script = if streams { chat_stream(&[text]) } else { whole("gpt", CHAT, text) };
        let seen = gateway.send((CHAT, &body), &[script]);
        assert_eq!(gateway.asked(), [json!([text])]);
        let whole = || serde_json::from_str::<Value>(&seen.body).unwrap();
        let text = if streams {
            read(CHAT, &seen.body)
        } else {
            whole()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        };
        assert_eq!(text, r#"{"say":"\"HI\""}"#, "{streams}: {}", seen.body);
    }
}

#[test]
fn a_judge_in_shadow_mode_lets_a_stream_pass_that_the_gateway_cannot_read() {
    let gateway = Gateway::new(&guard("answers", json!({"mode": "shadow", "window": 64}), json!({})));
    let chunk = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": choice}))
    };
    let call = json!({"index": 0, "id": "t", "type": "odd", "odd": {"input": "ls"}});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}});
    let events = [
        chunk(json!({"role": "assistant", "content": "Before. "}), Value::Null),
        chunk(json!({"tool_calls": [call]}), Value::Null),
        chunk(json!({"content": "After."}), Value::Null),
        chunk(json!({}), "tool_calls".into()),
        format!("data: {usage}\n\n"),
        "data: [DONE]\n\n".to_owned(),
    ];
    let mut body = body(CHAT, "gpt", true, "hi");
    body["stream_options"] = json!({"include_usage": true});
    let script = sse(&events.iter().map(String::as_str).collect::<Vec<_>>());
    let seen = gateway.send((CHAT, &body), &[script]);
    assert_eq!((seen.status, &*seen.body), (200, &*events.concat()));
    assert_eq!(seen.log["guards"], json!(["g: not judged (answers, log)"]));
}
