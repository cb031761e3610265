//! The ends of translated responses: by finish reason, by content, or missing.

use crate::envoy::SECRET;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A stream of chunks with these choices, up to the terminator.
fn chunks(choices: &[&str]) -> String {
    let mut stream = String::new();
    for choice in choices {
        stream.push_str(&format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,{choice}}}]}}\n\n"));
    }
    stream + "data: [DONE]\n\n"
}

/// The response that an Anthropic client receives.
fn asked(model: &str, stream: bool, answers: &[Script]) -> Seen {
    let body = format!(
        r#"{{"model":"{model}","max_tokens":9,"stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let headers = [("x-api-key", SECRET.as_bytes())];
    Envoy::new().send("POST", "/v1/messages", &headers, body.as_bytes(), answers)
}

/// The events of an Anthropic stream.
fn events(seen: &Seen) -> Vec<serde_json::Value> {
    let data = seen.body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn stop_reason(seen: &Seen) -> String {
    let events = events(seen);
    let end = events.iter().find(|event| event["type"] == "message_delta");
    end.map(|end| end["delta"]["stop_reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}

const CALL: &str = r#""delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#;
const HALF: &str =
    r#""delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]}"#;
const STOP: &str = r#""delta":{},"finish_reason":"stop""#;
const TEXT: &str = r#""delta":{"role":"assistant","content":"so it"}"#;

#[test]
fn an_answer_that_holds_a_call_waits_for_its_result_whatever_its_reason_says() {
    let answer = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}"#;
    let seen = asked("gpt", false, &[json(200, answer)]);
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["stop_reason"], "tool_use", "{body}");
    assert_eq!(stop_reason(&asked("gpt", true, &[sse(&[&chunks(&[CALL, STOP])])])), "tool_use");
    // In the other direction: Anthropic's finish reason for a chat completions client.
    let call = r#"{"type":"tool_use","id":"t","name":"n","input":{"k":"v"}}"#;
    let answer = ANTHROPIC.replace(r#"{"type":"text","text":"from anthropic"}"#, call);
    let body: serde_json::Value = serde_json::from_str(&whole("claude", &[json(200, &answer)]).body).unwrap();
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls", "{body}");
    // A finish reason of length is kept: the call may be incomplete.
    let seen = asked("gpt", true, &[sse(&[&chunks(&[HALF, r#""delta":{},"finish_reason":"length""#])])]);
    assert_eq!(stop_reason(&seen), "max_tokens");
}

#[test]
fn a_terminator_without_a_reason_ends_an_answer_whose_calls_are_whole() {
    let seen = asked("gpt", true, &[sse(&[&chunks(&[CALL])])]);
    assert_eq!(stop_reason(&seen), "tool_use", "{}", seen.body);
    assert!(seen.body.contains("message_stop"));
    let two = CALL.replace("\"index\":0", "\"index\":1").replace("c1", "c2");
    assert_eq!(stop_reason(&asked("gpt", true, &[sse(&[&chunks(&[CALL, &two])])])), "tool_use");
}

#[test]
fn a_terminator_without_a_reason_ends_an_answer_whose_tokens_were_counted() {
    let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    let seen = asked("gpt", true, &[sse(&[&chunks(&[TEXT]).replace("data: [DONE]\n\n", usage)])]);
    assert_eq!(stop_reason(&seen), "end_turn", "{}", seen.body);
}

#[test]
fn a_terminator_without_a_reason_behind_half_an_answer_is_no_end() {
    for half in [&[TEXT][..], &[HALF], &[CALL, HALF], &[TEXT, HALF]] {
        let half: Vec<String> =
            half.iter().enumerate().map(|(n, it)| it.replace("\"index\":0", &format!("\"index\":{n}"))).collect();
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        let stream = chunks(&half);
        let (first, rest) = stream.split_once("\n\n").unwrap();
        let seen = asked("gpt", true, &[sse(&[&format!("{first}\n\n"), rest])]);
        assert!(seen.body.contains("event: error"), "{half:?}: {}", seen.body);
        assert!(!seen.body.contains("message_stop"), "{}", seen.body);
        assert_eq!(seen.log["error"], "stream_truncated", "{}", seen.log);
    }
    // Until the client has received something, the gateway tries another target.
    let seen = asked("chat", true, &[sse(&[&chunks(&[HALF])]), sse(&ANTHROPIC_STREAM)]);
    assert!(seen.body.contains("from anthropic"), "{}", seen.body);
    // The gateway does so in the client's own dialect too. The earlier events stay unchanged.
    let stream = chunks(&[TEXT]);
    let (first, rest) = stream.split_once("\n\n").unwrap();
    let seen = super::stream("gpt", &[sse(&[&format!("{first}\n\n"), rest])]);
    assert!(seen.body.starts_with(first) && !seen.body.contains("[DONE]"), "{}", seen.body);
    assert_eq!(seen.log["error"], "stream_truncated", "{}", seen.log);
}

#[test]
fn an_error_in_any_shape_ends_a_stream_as_an_error() {
    let bare = [
        r#"{"object":"error","message":"out of memory","type":"InternalServerError","code":500}"#,
        r#"{"message":"out of memory","code":500}"#,
        r#"{"detail":"out of memory"}"#,
        r#"{"type":"error","message":"out of memory"}"#,
        r#"{"error":"out of memory"}"#,
        r#"[{"error":{"code":500,"message":"out of memory","status":"INTERNAL"}}]"#,
    ];
    for error in bare {
        let stream = chunks(&[TEXT]).replace("data: [DONE]", &format!("data: {error}\n\ndata: [DONE]"));
        for seen in [asked("gpt", true, &[sse(&[&stream])]), super::stream("gpt", &[sse(&[&stream])])] {
            assert!(seen.body.contains("out of memory"), "{error}: {}", seen.body);
            assert!(!seen.body.contains("message_stop") && !seen.body.contains("[DONE]"), "{error}: {}", seen.body);
            assert_eq!(seen.log["error"], "error_in_answer", "{error}: {}", seen.log);
        }
        // Before the first content, the gateway tries another target.
        let first = format!("data: {error}\n\ndata: [DONE]\n\n");
        let seen = asked("chat", true, &[sse(&[&first]), sse(&ANTHROPIC_STREAM)]);
        assert!(seen.body.contains("from anthropic"), "{error}: {}", seen.body);
        assert_eq!(seen.log["tried"][0]["failure"], "error_in_answer", "{error}");
        // An error in place of a complete response.
        let seen = asked("chat", false, &[json(200, error), json(200, ANTHROPIC)]);
        assert_eq!(seen.log["tried"][0]["failure"], "error_in_answer", "{error}");
    }
}

#[test]
fn an_error_of_anthropics_in_any_shape_ends_a_stream_as_an_error() {
    for error in [
        "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
        "event: error\ndata: {\"message\":\"busy\"}\n\n",
        "event: error\ndata: {\"error\":{\"message\":\"busy\"}}\n\n",
        "data: {\"error\":{\"message\":\"busy\"}}\n\n",
        "data: {\"object\":\"error\",\"message\":\"busy\"}\n\n",
    ] {
        let stream = [&ANTHROPIC_STREAM[..4], &[error], &ANTHROPIC_STREAM[6..]].concat();
        for seen in [asked("claude", true, &[sse(&stream)]), super::stream("claude", &[sse(&stream)])] {
            assert!(seen.body.contains("busy"), "{error}: {}", seen.body);
            assert!(!seen.body.contains("message_stop") && !seen.body.contains("[DONE]"), "{error}: {}", seen.body);
            assert_eq!(seen.log["error"], "error_in_answer", "{error}");
        }
    }
}

#[test]
fn calls_whose_pieces_alternate_are_blocks_one_after_the_other() {
    let call = |index: u32, start: bool, arguments: &str| {
        let head = if start { format!(r#""id":"c{index}","type":"function","#) } else { String::new() };
        let name = if start { format!(r#""name":"f{index}","#) } else { String::new() };
        let arguments = serde_json::to_string(arguments).unwrap();
        format!(r#""delta":{{"tool_calls":[{{"index":{index},{head}"function":{{{name}"arguments":{arguments}}}}}]}}"#)
    };
    let pieces = [
        call(0, true, ""),
        call(1, true, ""),
        call(0, false, "{\"a\":"),
        call(1, false, "{\"b\":"),
        call(0, false, "\"}\"}"),
        call(1, false, "2}"),
        r#""delta":{},"finish_reason":"tool_calls""#.to_owned(),
    ];
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let seen = asked("gpt", true, &[sse(&[&chunks(&pieces)])]);
    let (mut open, mut inputs) = (None, Vec::new());
    for event in events(&seen) {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(open.replace(event["index"].as_u64().unwrap()), None, "{}", seen.body);
                inputs.push(String::new());
            }
            "content_block_delta" => {
                assert_eq!(open, event["index"].as_u64(), "{}", seen.body);
                inputs.last_mut().unwrap().push_str(event["delta"]["partial_json"].as_str().unwrap());
            }
            "content_block_stop" => assert_eq!(open.take(), event["index"].as_u64(), "{}", seen.body),
            _ => {}
        }
    }
    assert_eq!(inputs, [r#"{"a":"}"}"#, r#"{"b":2}"#]);
    assert_eq!(stop_reason(&seen), "tool_use");
}
