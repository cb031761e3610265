//! Providers that respond without streaming to a streaming request, and the reverse.

use crate::envoy::SECRET;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn messages(model: &str, stream: bool, answers: &[Script]) -> Seen {
    let body = format!(
        r#"{{"model":"{model}","max_tokens":9,"stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    Envoy::new().send("POST", "/v1/messages", &[("x-api-key", SECRET.as_bytes())], body.as_bytes(), answers)
}

fn typed(kind: &'static str, portions: &[&str]) -> Script {
    let portions = portions.iter().map(|portion| portion.as_bytes().to_vec()).collect();
    Script::Answer(200, vec![("content-type", kind)], portions)
}

const CALLS: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"so","reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

#[test]
fn a_whole_answer_is_the_clients_stream() {
    // The conversion works with any content type, and in the client's own dialect.
    for answer in [json(200, OPENAI), typed("text/event-stream", &[OPENAI]), typed("text/plain", &[OPENAI])] {
        let seen = stream("gpt", std::slice::from_ref(&answer));
        assert_eq!(collected(&seen), ("from openai".to_owned(), true), "{}", seen.body);
        assert_eq!(seen.headers.text("content-type"), Some("text/event-stream"));
        assert!(seen.headers.text("content-length").is_none_or(|length| length == seen.body.len().to_string()));
        assert!(!seen.body.contains("\"usage\":{"), "the client did not ask for usage: {}", seen.body);
        assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(9), Some(2)));
        assert_eq!(seen.log["error"].as_str(), None);
        let seen = messages("gpt", true, &[answer]);
        assert!(seen.body.contains("from openai") && seen.body.contains("message_stop"), "{}", seen.body);
        assert_eq!(seen.headers.text("content-type"), Some("text/event-stream"));
    }
    let seen = messages("gpt", true, &[json(200, CALLS)]);
    let kinds =
        ["\"thinking_delta\"", "\"text_delta\"", "\"name\":\"f\"", "{\\\"a\\\":1}", "\"name\":\"g\"", "\"tool_use\"}"];
    let mut rest = seen.body.as_str();
    for kind in &kinds[..5] {
        rest = rest.split_once(kind).unwrap_or_else(|| panic!("{kind}: {}", seen.body)).1;
    }
    assert!(rest.contains(r#""stop_reason":"tool_use""#), "{}", seen.body);
    assert!(seen.body.contains(r#""input_tokens":9"#), "{}", seen.body);
    let seen = stream("claude", &[json(200, ANTHROPIC)]);
    assert_eq!(collected(&seen), ("from anthropic".to_owned(), true), "{}", seen.body);
}

#[test]
fn a_stream_is_the_clients_whole_answer() {
    for kind in ["text/event-stream", "application/json", "text/plain; charset=utf-8"] {
        let seen = whole("gpt", &[typed(kind, &OPENAI_STREAM)]);
        let body: serde_json::Value =
            serde_json::from_str(&seen.body).unwrap_or_else(|_| panic!("{kind}: {}", seen.body));
        assert_eq!(body["choices"][0]["message"]["content"], "from openai", "{kind}");
        assert_eq!(body["choices"][0]["finish_reason"], "stop", "{kind}");
        assert_eq!((body["model"].as_str(), body["usage"]["prompt_tokens"].as_u64()), (Some("gpt-2026"), Some(9)));
        assert_eq!(seen.headers.text("content-type"), Some("application/json"));
        assert_eq!(seen.headers.text("content-length"), Some(&*seen.body.len().to_string()));
        assert_eq!(seen.log["output_tokens"], 2);
        let seen = messages("gpt", false, &[typed(kind, &OPENAI_STREAM)]);
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(
            (body["content"][0]["text"].as_str(), body["stop_reason"].as_str()),
            (Some("from openai"), Some("end_turn"))
        );
        let seen = whole("claude", &[typed(kind, &ANTHROPIC_STREAM)]);
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "from anthropic");
        // A stream with another content type.
        let seen = stream("gpt", &[typed(kind, &OPENAI_STREAM)]);
        assert_eq!(collected(&seen), ("from openai".to_owned(), true), "{kind}: {}", seen.body);
    }
}

#[test]
fn what_is_no_answer_in_either_form_is_none() {
    let error = r#"{"error":{"message":"boom","type":"server_error"}}"#;
    for answer in [json(200, error), typed("text/event-stream", &[error])] {
        let seen = stream("chat", &[answer, sse(&ANTHROPIC_STREAM)]);
        assert_eq!(collected(&seen).0, "from anthropic");
        assert_eq!(seen.log["tried"][0]["failure"], "error_in_answer");
    }
    for (broken, reason) in [
        (typed("text/event-stream", &OPENAI_STREAM[..3]), "stream_truncated"),
        (typed("application/json", &["data: {\"error\":{\"message\":\"boom\"}}\n\n"]), "error_in_answer"),
        (typed("application/json", &["data: {\"id\":\n\n"]), "bad_answer"),
        (typed("text/html", &["<html>hello</html>"]), "bad_answer"),
    ] {
        let seen = whole("chat", &[broken.clone(), json(200, ANTHROPIC)]);
        assert!(seen.body.contains("from anthropic"), "{reason}: {}", seen.body);
        assert_eq!(seen.log["tried"][0]["failure"], reason);
    }
}

#[test]
fn vocabulary_of_a_provider_does_not_reach_clients_who_do_not_know_it() {
    let groq = OPENAI.replace(r#""usage":"#, r#""service_tier":"on_demand","usage":"#);
    let asked = |path: &str, tier: &str, answer: &str| {
        let (input, limit) = if path == "/v1/responses" { ("input", "") } else { ("messages", r#""max_tokens":9,"#) };
        let body = format!(r#"{{"model":"gpt",{limit}"{input}":[{{"role":"user","content":"hi"}}]}}"#);
        let answer = answer.replace("on_demand", tier);
        let model = if path == "/v1/responses" { "older" } else { "gpt" };
        let body = body.replace(r#""gpt""#, &format!("{model:?}"));
        let seen = Envoy::new().send(
            "POST",
            path,
            &[("x-api-key", SECRET.as_bytes())],
            body.as_bytes(),
            &[json(200, &answer)],
        );
        serde_json::from_str::<serde_json::Value>(&seen.body).unwrap()
    };
    for (tier, anthropics, openais) in [
        ("on_demand", Some("standard"), Some("default")),
        ("default", Some("standard"), Some("default")),
        ("priority", Some("priority"), Some("priority")),
        ("flex", None, Some("flex")),
        ("auto", None, Some("auto")),
        ("performance", None, None),
    ] {
        let answer = asked("/v1/messages", tier, &groq);
        assert_eq!(answer["usage"]["service_tier"].as_str(), anthropics, "{tier}");
        assert_eq!(asked("/v1/responses", tier, &groq)["service_tier"].as_str(), openais, "{tier}");
    }
}

#[test]
fn a_call_of_coheres_without_arguments_has_none() {
    let answer = r#"{"id":"r","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"null"}}]},"usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}"#;
    let read = |seen: Seen| serde_json::from_str::<serde_json::Value>(&seen.body).unwrap();
    assert_eq!(read(messages("cohere", false, &[json(200, answer)]))["content"][0]["input"], serde_json::json!({}));
    let body = read(whole("cohere", &[json(200, answer)]));
    assert_eq!(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{}");
    let event = |data: &str| format!("data: {data}\n\n");
    let events = [
        event(r#"{"type":"message-start","id":"r"}"#),
        event(
            r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"f","arguments":""}}}}}"#,
        ),
        event(
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"nu"}}}}}"#,
        ),
        event(
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"ll"}}}}}"#,
        ),
        event(r#"{"type":"tool-call-end","index":0}"#),
        event(r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}"#),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let seen = stream("cohere", &[sse(&events)]);
    assert!(seen.body.contains(r#""arguments":"{}""#) && !seen.body.contains(r#""arguments":"nu"#), "{}", seen.body);
    // A history with such arguments.
    let history = r#"{"model":"claude","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"null"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}"#;
    let seen = Envoy::new().chat(history, &[json(200, ANTHROPIC)]);
    assert!(seen.received[0].body.contains(r#""input":{}"#), "{}", seen.body);
}
