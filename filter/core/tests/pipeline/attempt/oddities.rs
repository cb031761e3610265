//! Stream events that only one provider sends.

use crate::envoy::SECRET;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn chunk(choice: &str) -> String {
    format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,{choice}}}]}}\n\n")
}

/// The response that a client of this path receives.
fn asked(path: &str, model: &str, answers: &[Script]) -> Seen {
    let asked = if path == "/v1/responses" { "input" } else { "messages" };
    let body =
        format!(r#"{{"model":"{model}","max_tokens":9,"stream":true,"{asked}":[{{"role":"user","content":"hi"}}]}}"#);
    let body = if asked == "input" { body.replace("\"max_tokens\":9,", "") } else { body };
    Envoy::new().send("POST", path, &[("x-api-key", SECRET.as_bytes())], body.as_bytes(), answers)
}

/// The texts of a stream in Anthropic's or OpenAI's formats.
fn texts(seen: &Seen) -> String {
    let mut text = String::new();
    for data in seen.body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(data) else { continue };
        let places = [&event["delta"]["text"], &event["choices"][0]["delta"]["content"]];
        let responses = if event["type"] == "response.output_text.delta" { event["delta"].as_str() } else { None };
        text.extend(places.iter().filter_map(|place| place.as_str()).chain(responses));
    }
    text
}

#[test]
fn a_text_beside_the_delta_says_the_same_and_is_not_said_twice() {
    let hello = r#""text":"Hello","delta":{"role":"assistant","content":"Hello"},"finish_reason":null"#;
    let last = r#""text":"","delta":{"content":""},"finish_reason":"stop""#;
    let stream = chunk(hello) + &chunk(last) + "data: [DONE]\n\n";
    for path in ["/v1/messages", "/v1/responses"] {
        let seen = asked(path, "older", &[sse(&[&stream])]);
        assert_eq!(texts(&seen), "Hello", "{path}: {}", seen.body);
    }
}

#[test]
fn a_comment_before_the_first_chunk_leaves_the_message_its_id_and_model() {
    let chunks = chunk(r#""delta":{"content":"a"}"#) + &chunk(r#""delta":{},"finish_reason":"stop""#);
    let stream = format!(": OPENROUTER PROCESSING\n\n{chunks}data: [DONE]\n\n");
    let seen = asked("/v1/messages", "gpt", &[sse(&[&stream])]);
    assert!(seen.body.contains(r#""id":"c""#) && seen.body.contains(r#""model":"m""#), "{}", seen.body);
    assert_eq!((texts(&seen).as_str(), seen.body.matches("message_start").count()), ("a", 2), "{}", seen.body);
    let seen = asked("/v1/responses", "older", &[sse(&[&stream])]);
    assert!(seen.body.contains(r#""id":"resp_c""#) && seen.body.contains(r#""model":"m""#), "{}", seen.body);
}

const STARTED: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",",
    "\"model\":\"claude\",\"content\":[{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"a\":1},",
    "\"caller\":{\"type\":\"code_execution_20250825\",\"tool_id\":\"srvtoolu_1\"}}],\"stop_reason\":\"tool_use\",",
    "\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

#[test]
fn a_stream_whose_content_stands_in_its_start_is_an_answer() {
    let seen = asked("/v1/messages", "claude", &[sse(&[STARTED])]);
    assert_eq!((seen.status, seen.body.as_str()), (200, STARTED));
    let seen = asked("/v1/chat/completions", "claude", &[sse(&[STARTED])]);
    assert!(seen.body.contains(r#""arguments":"{\"a\":1}""#), "{}", seen.body);
    assert!(seen.body.contains(r#""finish_reason":"tool_calls""#), "{}", seen.body);
    let said = STARTED.replace("\"type\":\"tool_use\",", "\"type\":\"text\",\"text\":\"so it is\",");
    assert_eq!(texts(&asked("/v1/chat/completions", "claude", &[sse(&[&said])])), "so it is");
}

#[test]
fn half_an_emoji_does_not_lose_an_answer() {
    let halves = [r#""delta":{"content":"hi \ud83d"}"#, r#""delta":{"content":"\ude00 there"}"#];
    let stop = r#""delta":{},"finish_reason":"stop""#;
    let stream = chunk(halves[0]) + &chunk(halves[1]) + &chunk(stop) + "data: [DONE]\n\n";
    let seen = asked("/v1/messages", "gpt", &[sse(&[&stream])]);
    let text = texts(&seen);
    assert!(["hi \u{fffd}\u{fffd} there", "hi 😀 there"].contains(&&*text), "{text}: {}", seen.body);
    assert!(seen.body.contains("message_stop"));
    // If both use the same dialect, the client's library joins the halves.
    let seen = super::stream("gpt", &[sse(&[&stream])]);
    assert_eq!((seen.status, seen.body.as_str()), (200, stream.as_str()));
    let answer = OPENAI.replace("from openai", r#"cut \ud83d but \\ud83d and \ud83d\ude00"#);
    assert_eq!(whole("gpt", &[json(200, &answer)]).body, answer);
    let body = r#"{"model":"gpt","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let seen = Envoy::new().send(
        "POST",
        "/v1/messages",
        &[("x-api-key", SECRET.as_bytes())],
        body.as_bytes(),
        &[json(200, &answer)],
    );
    let read: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(read["content"][0]["text"], "cut \u{fffd} but \\ud83d and 😀", "{}", seen.body);
    // A stream in Anthropic's dialect.
    let stream = ANTHROPIC_STREAM.join("").replace("from anthropic", r#"\ud83d"#);
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let seen = asked(path, "claude", &[sse(&[&stream])]);
        assert_eq!((seen.status, seen.log["error"].as_str()), (200, None), "{}", seen.body);
    }
}

#[test]
fn blocks_of_reasoning_in_a_stream_are_numbered_as_openais_library_wants_them() {
    let redacted = |index: u32| {
        format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"redacted_thinking\",\"data\":\"d{index}\"}}}}\n\n"
        )
    };
    let blocks = [redacted(7), redacted(8)];
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let stream = [&ANTHROPIC_STREAM[..1], &blocks, &ANTHROPIC_STREAM[2..]].concat();
    let seen = super::stream("claude", &[sse(&stream)]);
    let events = seen.body.lines().filter_map(|line| line.strip_prefix("data: {"));
    let chunks = events.map(|data| serde_json::from_str::<serde_json::Value>(&format!("{{{data}")).unwrap());
    let blocks: Vec<_> =
        chunks.filter_map(|chunk| chunk["choices"][0]["delta"].get("thinking_blocks").cloned()).collect();
    assert_eq!(
        serde_json::Value::from(blocks).to_string(),
        r#"[[{"data":"d7","index":0,"type":"redacted_thinking"}],[{"data":"d8","index":1,"type":"redacted_thinking"}]]"#
    );
}

#[test]
fn two_signatures_in_a_row_stay_two() {
    let part = |signature: &str| format!(r#"{{"text":"","thoughtSignature":"{signature}"}}"#);
    let event = |parts: &str, more: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{parts}]}}{more}}}]}}\n\n")
    };
    let stream = event(&part("QUFBQQ=="), "")
        + &event(&part("QkJCQg=="), "")
        + &event(r#"{"text":"so it is"}"#, r#","finishReason":"STOP""#);
    for path in ["/v1/messages", "/v1/responses", "/v1/chat/completions"] {
        let seen = asked(path, "gemini", &[sse(&[&stream])]);
        let signatures = ["\"gemini#text:QUFBQQ==\"", "\"gemini#text:QkJCQg==\""];
        assert!(
            signatures.iter().all(|signature| seen.body.contains(signature)) || path == "/v1/responses",
            "{path}: {}",
            seen.body
        );
        assert!(!seen.body.contains("==gemini"), "{path}: {}", seen.body);
        assert_eq!(texts(&seen), "so it is", "{path}");
    }
}
