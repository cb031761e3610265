//! Attempts, their outcomes, and the client's response, for every way in which a provider may fail.

use std::rc::Rc;

use sluice_core::pipeline::worker::Worker;
use sluice_core::routing::target_health::circuit;
use sluice_wire::time::Time;

use crate::envoy::{Envoy, Script, Seen, config, json, sse};
use crate::shared::Shared;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod aliases;
mod azure;
mod content_filter;
#[cfg(not(target_arch = "wasm32"))]
mod endless;
mod ends;
mod family;
mod hosted;
mod keys;
mod moments;
mod next_target;
mod oddities;
mod recast;
mod replayed;

const OPENAI: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","x":{"y":1.50},"model":"gpt-2026","choices":[{"index":0,"message":{"role":"assistant","content":"from openai"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-2026","content":[{"type":"text","text":"from anthropic"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_read_input_tokens":4,"output_tokens":2}}"#;
const OPENAI_STREAM: [&str; 6] = [
    "data: {\"id\":\"c\",\"model\":\"gpt-2026\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"from \"}}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"openai\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
    "data: [DONE]\n\n",
];
const ANTHROPIC_STREAM: [&str; 7] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-2026\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"from anthropic\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

fn whole(model: &str, providers: &[Script]) -> Seen {
    Envoy::new().chat(&format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#), providers)
}

fn stream(model: &str, providers: &[Script]) -> Seen {
    let body = format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    Envoy::new().chat(&body, providers)
}

/// The text that an OpenAI client assembles, and whether the terminator came.
fn collected(seen: &Seen) -> (String, bool) {
    let mut text = String::new();
    for data in seen.body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")) {
        if let Ok(chunk) = serde_json::from_str::<serde_json::Value>(data) {
            text.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
    }
    (text, seen.body.ends_with("data: [DONE]\n\n"))
}

fn code(seen: &Seen) -> String {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert!(body["error"]["message"].is_string(), "{body}");
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_answer_of_the_clients_own_dialect_passes_byte_for_byte() {
    let seen = whole("chat", &[json(200, OPENAI)]);
    assert_eq!((seen.status, seen.body.as_str()), (200, OPENAI));
    assert_eq!(seen.headers.text("x-sluice-provider"), Some("oai"));
    assert_eq!(seen.headers.text("x-sluice-model"), Some("gpt"));
    assert_eq!(seen.headers.text("x-sluice-attempts"), Some("1"));
    assert_eq!(seen.log["input_tokens"], 9);
    assert_eq!(seen.received[0].body, r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#);
}

#[test]
fn an_answer_without_a_name_has_the_requests() {
    let send = |stream: bool, answer: Script| {
        let body = format!(r#"{{"model":"claude","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
        let headers = [("api-key", crate::envoy::SECRET.as_bytes()), ("x-request-id", &b"request-1"[..])];
        Envoy::new().send("POST", "/v1/chat/completions", &headers, body.as_bytes(), &[answer]).body
    };
    let nameless = ANTHROPIC.replace(r#""id":"msg_1","#, "");
    let stream = ANTHROPIC_STREAM.map(|event| event.replace(r#""id":"msg_1","#, ""));
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    for answer in [send(false, json(200, &nameless)), send(true, sse(&stream))] {
        assert!(answer.contains(r#""id":"request-1""#), "{answer}");
    }
}

#[test]
fn an_answer_of_another_dialect_is_translated_whole_with_its_length() {
    let seen = whole("claude", &[json(200, ANTHROPIC)]);
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "from anthropic");
    assert_eq!(body["usage"]["prompt_tokens"], 9);
    assert_eq!(seen.headers.text("content-length"), Some(seen.body.len().to_string().as_str()));
    assert_eq!((seen.log["cached_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(4), Some(2)));
}

#[test]
fn hints_that_the_provider_has_no_words_for_are_named() {
    let body = r#"{"model":"claude","seed":7,"temperature":1.5,"messages":[{"role":"user","content":"hi"}]}"#;
    let seen = Envoy::new().chat(body, &[json(200, ANTHROPIC)]);
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("temperature, seed"));
    assert_eq!(seen.log["dropped"], serde_json::json!(["temperature", "seed"]));
    // A provider of the client's own dialect receives the request unchanged.
    let seen = Envoy::new().chat(&body.replace("claude", "gpt"), &[json(200, OPENAI)]);
    assert_eq!(seen.headers.get("x-sluice-dropped"), None);
}

#[test]
fn every_failure_that_blames_the_provider_moves_on() {
    let failures = [
        (json(502, "{}"), "status_502"),
        (json(503, "<html>down</html>"), "status_503"),
        (json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#), "status_529"),
        (json(429, r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#), "status_429"),
        (json(401, r#"{"error":{"message":"bad key sk-provider"}}"#), "status_401"),
        (Script::Answer(503, vec![], vec![]), "status_503"),
        (Script::Answer(200, vec![], vec![]), "empty_answer"),
        (json(200, " \n"), "empty_answer"),
        (json(200, r#"{"error":{"message":"boom","type":"server_error"}}"#), "error_in_answer"),
        (json(200, "<html>hello</html>"), "bad_answer"),
        (Script::Answer(200, vec![("content-encoding", "gzip")], vec![b"\x1f\x8b".to_vec()]), "bad_answer"),
        (Script::Nothing, "no_answer"),
    ];
    for (failure, reason) in failures {
        let seen = whole("chat", &[failure.clone(), json(200, ANTHROPIC)]);
        assert!(seen.body.contains("from anthropic"), "{reason}: {seen:?}");
        assert_eq!(seen.headers.text("x-sluice-attempts"), Some("2"), "{reason}");
        assert_eq!(seen.log["tried"][0]["failure"], reason);
    }
}

#[test]
fn one_500_is_asked_again_at_the_same_target_and_a_409_nowhere_else() {
    let seen = whole("chat", &[json(500, "{}"), json(200, OPENAI)]);
    assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("oai"), 2));
    let seen = whole("chat", &[json(500, "{}"), json(500, "{}"), json(200, ANTHROPIC)]);
    assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("ant"), 3));
    let seen = whole("chat", &[json(409, "{}"), json(200, OPENAI)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("oai")));
    let seen = whole("chat", &[json(409, "{}"), json(409, "{}")]);
    assert_eq!((seen.status, seen.received.len()), (409, 2));
}

#[test]
fn a_failure_that_blames_the_request_is_the_clients_and_is_never_retried() {
    for (status, body, expected) in [
        (404, r#"{"error":{"message":"no such file","code":"file_not_found"}}"#, "file_not_found"),
        (422, r#"{"detail":"wrong"}"#, ""),
    ] {
        let seen = whole("chat", &[json(status, body)]);
        assert_eq!((seen.status, code(&seen).as_str(), seen.received.len()), (status, expected, 1));
        assert_eq!(seen.headers.text("x-sluice-provider"), Some("oai"));
    }
}

#[test]
fn when_nothing_is_left_the_last_failure_speaks_in_the_clients_dialect() {
    let down = json(503, "<html>down</html>");
    let seen = whole("chat", &[down.clone(), json(529, "{}")]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-attempts")), (503, Some("2")));
    code(&seen);
    // The last target is tried once more: the connection may have been stale.
    let seen = whole("chat", &[down, Script::Nothing, Script::Nothing]);
    assert_eq!((seen.status, code(&seen).as_str()), (503, "provider_unavailable"));
    assert_eq!(
        seen.headers.text("x-sluice-failures"),
        Some("oai/gpt: status_503, ant/claude: no_answer, ant/claude: no_answer")
    );
    let seen = whole("claude", &[json(401, r#"{"type":"error","error":{"message":"x-api-key sk-1 is bad"}}"#)]);
    assert_eq!((seen.status, code(&seen).as_str()), (502, "provider_refused_credential"));
    assert!(!seen.body.contains("sk-1"));
}

#[test]
fn a_short_retry_after_of_the_last_target_is_waited_for_once() {
    let limited = |after: &'static str| {
        Script::Answer(429, vec![("content-type", "application/json"), ("retry-after", after)], vec![b"{}".to_vec()])
    };
    let seen = whole("gpt", &[limited("1"), json(200, OPENAI)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-attempts")), (200, Some("2")));
    let seen = whole("gpt", &[limited("1"), limited("1")]);
    assert_eq!((seen.status, seen.headers.text("retry-after"), seen.received.len()), (429, Some("1"), 2));
    let seen = whole("gpt", &[limited("60")]);
    assert_eq!((seen.status, seen.headers.text("retry-after"), seen.received.len()), (429, Some("60"), 1));
    // One minute after the test's current time.
    let seen = whole("gpt", &[limited("Fri, 15 Jan 2027 08:01:00 GMT")]);
    assert_eq!((seen.status, seen.headers.text("retry-after"), seen.received.len()), (429, Some("60"), 1));
}

#[test]
fn a_stream_passes_as_it_comes_without_the_usage_that_nobody_asked_for() {
    let seen = stream("chat", &[sse(&OPENAI_STREAM)]);
    let expected: String = OPENAI_STREAM.iter().filter(|event| !event.contains("usage")).copied().collect();
    assert_eq!(seen.body, expected);
    assert!(seen.streamed);
    assert_eq!((seen.log["input_tokens"].as_u64(), seen.log["output_tokens"].as_u64()), (Some(9), Some(2)));
    assert!(seen.received[0].body.contains(r#""stream_options":{"include_usage":true}"#));
}

#[test]
fn a_stream_cut_anywhere_reads_the_same() {
    for (model, events) in [("gpt", &OPENAI_STREAM[..]), ("claude", &ANTHROPIC_STREAM[..])] {
        let text: String = events.concat();
        let whole = stream(model, &[sse(&[&text])]).body;
        for cut in 0..=text.len() {
            let Some((first, second)) = text.split_at_checked(cut) else { continue };
            assert_eq!(stream(model, &[sse(&[first, second])]).body, whole, "{model} cut at {cut}");
        }
        let bytes: Vec<Vec<u8>> = text.bytes().map(|byte| vec![byte]).collect();
        let headers = vec![("content-type", "Text/Event-Stream; charset=utf-8")];
        assert_eq!(stream(model, &[Script::Answer(200, headers, bytes)]).body, whole, "{model} byte by byte");
    }
}

#[test]
fn a_status_that_is_neither_success_nor_error_moves_on() {
    for status in [101, 304, 302, 600] {
        for body in [vec![], vec![b"<html>elsewhere</html>".to_vec()]] {
            let odd = Script::Answer(status, vec![("location", "https://elsewhere.test")], body);
            let seen = whole("chat", &[odd, json(200, ANTHROPIC)]);
            assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")), "{status}");
            assert_eq!(seen.log["tried"][0]["failure"], format!("status_{status}"));
        }
    }
}

/// Otherwise a client would follow the redirect with its own key, or fail in its library.
#[test]
fn no_client_is_sent_elsewhere_by_a_provider_of_any_kind() {
    for status in [301, 302, 307, 308] {
        for model in ["gpt", "claude", "gemini", "cohere", "mistral"] {
            for body in [vec![], vec![b"<html>elsewhere</html>".to_vec()], vec![b"{}".to_vec()]] {
                let elsewhere = Script::Answer(status, vec![("location", "https://elsewhere.test")], body);
                let elsewhere = [elsewhere];
                for seen in [whole(model, &elsewhere), stream(model, &elsewhere)] {
                    assert_eq!((seen.status, seen.headers.get("location")), (502, None), "{model}: {status}");
                }
            }
        }
    }
}

#[test]
fn a_providers_own_signals_do_not_make_the_gateway_wait() {
    let signals = vec![("x-sluice-retry", "1"), ("x-sluice-retry-after", "9")];
    let down = Script::Answer(503, signals, vec![b"{}".to_vec()]);
    let seen = whole("chat", &[down, json(200, ANTHROPIC)]);
    assert_eq!((seen.status, seen.waits), (200, vec![None]));
}

#[test]
fn a_stream_that_breaks_off_before_trailers_does_not_end_clean() {
    let cut = stream("gpt", &[Script::Trailed(OPENAI_STREAM[..3].to_vec())]);
    assert!(cut.reset && !cut.body.contains("[DONE]"), "{cut:?}");
    assert_eq!(cut.log["tried"][0]["failure"], "stream_truncated");
    let cut = stream("claude", &[Script::Trailed(ANTHROPIC_STREAM[..4].to_vec())]);
    assert!(cut.reset && !cut.body.contains("[DONE]"), "{cut:?}");
    for (model, events) in [("gpt", OPENAI_STREAM.to_vec()), ("claude", ANTHROPIC_STREAM.to_vec())] {
        let whole = stream(model, &[Script::Trailed(events)]);
        assert!(!whole.reset && collected(&whole).1, "{whole:?}");
    }
    // A response with a finish reason is complete, even without a terminator.
    assert!(!stream("gpt", &[Script::Trailed(OPENAI_STREAM[..4].to_vec())]).reset);
    // A stream without content is not a response.
    assert_eq!(stream("gpt", &[Script::Trailed(OPENAI_STREAM[..1].to_vec())]).status, 502);
}

#[test]
fn a_connection_that_is_lost_midway_is_the_providers_failure_and_not_the_clients() {
    let seen = stream("gpt", &[Script::Lost(OPENAI_STREAM[..3].to_vec())]);
    assert!(seen.reset && !collected(&seen).1);
    assert_eq!(
        (&seen.log["tried"][0]["failure"], &seen.log["error"]),
        (&"stream_truncated".into(), &"stream_truncated".into())
    );
    assert_eq!(seen.log["estimated"], true);
}

#[test]
fn sound_and_pictures_are_content_and_are_not_held_back() {
    for delta in [r#"{"audio":{"data":"AAAA"}}"#, r#"{"images":[{"image_url":{"url":"data:,"}}]}"#] {
        let first = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
        let cut = stream("chat", &[sse(&[&first])]);
        assert_eq!(cut.headers.text("x-sluice-provider"), Some("oai"), "{delta}");
        assert!(cut.streamed && cut.body.starts_with(&first), "{delta}: {}", cut.body);
    }
}

#[test]
fn the_scheme_is_the_providers_whatever_the_clients_was() {
    // The fake client uses plain HTTP; both providers use TLS.
    for model in ["gpt", "claude"] {
        let answer = if model == "gpt" { OPENAI } else { ANTHROPIC };
        let seen = whole(model, &[json(200, answer)]);
        assert_eq!(seen.received[0].headers.text(":scheme"), Some("https"));
        assert_eq!(seen.received[0].headers.iter().filter(|(name, _)| *name == b":scheme").count(), 1);
    }
}

#[test]
fn a_stream_that_fails_before_its_first_content_moves_on_unseen() {
    let role = OPENAI_STREAM[0];
    for (failure, reason) in [
        (sse(&["data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n"]), "error_in_answer"),
        (sse(&[role, "data: {\"error\":{\"message\":\"boom\",\"code\":429}}\n\n"]), "error_in_answer"),
        (sse(&[role, "data: {nonsense\n\n"]), "bad_answer"),
        (sse(&[role, "data: [DONE]\n\n"]), "empty_answer"),
        (sse(&[role]), "empty_answer"),
        (sse(&[]), "empty_answer"),
        (json(200, r#"{"error":{"message":"boom"}}"#), "error_in_answer"),
        (json(200, r#"{"choices":7}"#), "bad_answer"),
    ] {
        let seen = stream("chat", &[failure, sse(&ANTHROPIC_STREAM)]);
        assert_eq!(collected(&seen), ("from anthropic".to_owned(), true), "{reason}: {seen:?}");
        assert_eq!(seen.log["tried"][0]["failure"], reason, "{}", seen.log);
        assert_eq!(seen.headers.text("x-sluice-provider"), Some("ant"));
    }
}

#[test]
fn a_stream_that_fails_after_its_first_content_says_so_and_never_ends_clean() {
    let opening: Vec<&str> = OPENAI_STREAM[..3].to_vec();
    let error = "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n";
    for (rest, reason) in [
        (vec![error, "data: [DONE]\n\n"], "error_in_answer"),
        (vec!["data: {nonsense\n\n", OPENAI_STREAM[3], "data: [DONE]\n\n"], "bad_answer"),
        (vec!["data: {\"id\":\"c\",\"choi"], "bad_answer"),
        (vec![], "stream_truncated"),
    ] {
        let portions: Vec<&str> = opening.iter().copied().chain(rest).collect();
        let seen = stream("chat", &[sse(&portions)]);
        let (text, done) = collected(&seen);
        assert_eq!((text.as_str(), done), ("from ", false), "{reason}");
        let last = seen.body.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert!(last["error"]["message"].is_string(), "{last}");
        assert_eq!(seen.log["tried"][0]["failure"], reason);
        assert_eq!(seen.log["served_provider"], "oai");
    }
}

#[test]
fn a_line_end_that_comes_in_two_halves_is_whole_for_the_client_behind_the_terminator_too() {
    let stream_of = |event: &str| event.replace('\n', "\r\n");
    let text: String = OPENAI_STREAM.iter().map(|event| stream_of(event)).collect();
    for cut in 1..text.len() {
        let seen = stream("chat", &[sse(&[&text[..cut], &text[cut..]])]);
        assert!(seen.body.ends_with("data: [DONE]\r\n\r\n"), "cut at {cut}: {:?}", seen.body);
    }
}

#[test]
fn a_stream_that_is_delivered_whole_is_asked_for_again_when_it_breaks_off() {
    let opening: Vec<&str> = OPENAI_STREAM[..3].to_vec();
    let error = "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n";
    for (rest, reason) in [
        (vec![error, "data: [DONE]\n\n"], "error_in_answer"),
        (vec!["data: {nonsense\n\n", OPENAI_STREAM[3], "data: [DONE]\n\n"], "bad_answer"),
        (vec![], "stream_truncated"),
    ] {
        let portions: Vec<&str> = opening.iter().copied().chain(rest).collect();
        let seen = stream("patient", &[sse(&portions), sse(&ANTHROPIC_STREAM)]);
        assert_eq!(collected(&seen), ("from anthropic".to_owned(), true), "{reason}");
        assert_eq!(seen.log["tried"][0]["failure"], reason);
        // The tokens that the first attempt produced are charged.
        assert_eq!((seen.log["estimated"].as_bool(), seen.log["served_provider"].as_str()), (Some(true), Some("ant")));
    }
    let seen = stream("patient", &[sse(&OPENAI_STREAM)]);
    assert_eq!(collected(&seen), ("from openai".to_owned(), true));
}

#[test]
fn a_stream_that_is_too_long_to_be_held_whole_flows_from_there() {
    let long =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(1 << 19));
    let mut portions = vec![long.as_str(); 17];
    portions.extend(&OPENAI_STREAM[3..]);
    let seen = stream("patient", &[sse(&portions)]);
    let (text, done) = collected(&seen);
    assert_eq!((text.len(), done), (17 * (1 << 19) + "openai".len(), true));
    assert!(seen.streamed);
}

#[test]
fn a_translated_stream_that_breaks_off_says_so() {
    let seen = stream("claude", &[sse(&ANTHROPIC_STREAM[..4])]);
    assert_eq!(collected(&seen), ("from anthropic".to_owned(), false));
    assert!(seen.body.contains("stream_truncated"), "{}", seen.body);
    assert_eq!(seen.log["error"], "stream_truncated");
}

#[test]
fn roles_that_do_not_find_each_other_are_called_by_name() {
    let shared = Shared::default();
    let code = |envoy| crate::envoy::planned().final_error(envoy, sluice_wire::time::Time(0), &shared).code.unwrap();
    assert_eq!(code(500), "gateway_misconfigured");
    assert_eq!(code(503), "provider_unavailable");
}

#[test]
fn an_answer_without_end_is_none() {
    let endless = || Script::Answer(200, vec![("content-type", "application/json")], vec![vec![b'x'; 17 << 20]; 2]);
    let seen = whole("chat", &[endless(), json(200, ANTHROPIC)]);
    assert_eq!((seen.status, seen.log["tried"][0]["failure"].as_str()), (200, Some("answer_too_large")));
}

#[test]
fn a_stream_that_falls_silent_counts_as_broken_off_once() {
    let mut state = crate::envoy::answering();
    let started = state.request.started.0;
    // The gateway file allows 60 s of silence. A chunk comes before the first and before the third check.
    for (look, (second, portion, stalls)) in
        [(1, 1, false), (60, 0, false), (61, 1, false), (120, 0, false), (121, 0, true), (300, 0, false)]
            .into_iter()
            .enumerate()
    {
        state.stream_activity.portions += portion;
        let now = sluice_wire::time::Time(started + second * 1_000_000_000);
        assert_eq!(state.check_stream_timeout(now).is_some(), stalls, "look {look} at {second} s");
    }
}

#[test]
fn a_held_stream_that_falls_silent_gives_way_to_the_next_target() {
    use sluice_core::pipeline::request_state::StreamTimeout;
    use sluice_core::pipeline::{Context, Effect, Flow, property};
    use std::time::Duration;
    // The gateway file allows 30 s for the first token, and 60 s of silence after it.
    for (pieces, silent_at, reason) in [(0, 30, "timeout"), (1, 60, "stream_stalled")] {
        let shared = Shared::default();
        let mut state = crate::envoy::planned_for("patient");
        let started = state.request.started;
        let [before, then, later] = [silent_at - 1, silent_at, 600].map(|s| started.after(Duration::from_secs(s)));
        let _ = state.begin(started, &shared);
        assert_eq!(state.check_stream_timeout(then), None, "its headers are not here: Envoy ends it");
        state.stream_activity.holding = true;
        state.answer.said.pieces = pieces;
        assert_eq!(state.check_stream_timeout(before), None);
        let Some(StreamTimeout::Held(failure)) = state.check_stream_timeout(then) else { panic!("{reason}") };
        assert_eq!(failure.reason, reason);
        let mut effects = Vec::new();
        let view = crate::envoy::at(then);
        let flow = sluice_core::pipeline::attempt::give_up(
            failure,
            &mut state,
            &mut Context::new(&view, &shared, &mut effects),
        );
        assert_eq!(flow, Flow::Continue);
        assert!(effects.contains(&Effect::SetProperty(property::TARGET, "ant".into())));
        assert_eq!(effects.last(), Some(&Effect::SetHeader(sluice_core::pipeline::signal::RETRY, "1".into())));
        assert_eq!(state.check_stream_timeout(later), None, "it is given up already");
    }
}

#[test]
fn an_answer_that_said_why_it_ended_is_complete_without_a_terminator() {
    let seen = stream("gpt", &[sse(&OPENAI_STREAM[..4])]);
    assert_eq!(collected(&seen), ("from openai".to_owned(), true));
    // Some servers omit the last blank line.
    let seen = stream("gpt", &[sse(&[&OPENAI_STREAM[..4].concat(), "data: [DONE]"])]);
    assert_eq!(collected(&seen), ("from openai".to_owned(), true));
}

#[test]
fn a_provider_sees_nothing_of_the_client_or_of_the_provider_before_it() {
    let headers: [(&str, &[u8]); 7] = [
        ("authorization", b"Bearer sk-test"),
        ("cookie", b"session=1"),
        ("x-forwarded-for", b"10.0.0.1"),
        ("x-stainless-os", b"Linux"),
        ("x-request-id", b"r-1"),
        ("user-agent", b"app/1"),
        ("content-length", b"60"),
    ];
    let body = br#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    let scripts = [json(503, "{}"), json(200, ANTHROPIC)];
    let seen = Envoy::new().send("POST", "/v1/chat/completions", &headers, body, &scripts);
    let names = |index: usize| -> Vec<String> {
        seen.received[index].headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    };
    for index in [0, 1] {
        for name in ["authorization", "cookie", "x-forwarded-for", "x-stainless-os"] {
            assert!(!names(index).contains(&name.to_owned()), "{name} in {:?}", names(index));
        }
        let received = &seen.received[index];
        assert_eq!(received.headers.text("x-request-id"), Some("r-1"));
        assert_eq!(received.headers.text("content-length"), Some(received.body.len().to_string().as_str()));
    }
    assert_eq!(seen.received[0].headers.text(":authority"), Some("oai.test"));
    assert_eq!(seen.received[0].headers.text(":path"), Some("/v1/chat/completions"));
    assert_eq!(seen.received[1].headers.text(":path"), Some("/v1/messages"));
    assert_eq!(seen.received[1].headers.text("anthropic-version"), Some("2023-06-01"));
}

#[test]
fn a_providers_session_with_us_is_not_the_clients_business() {
    let headers = vec![
        ("content-type", "application/json"),
        ("set-cookie", "a=1"),
        ("content-encoding", "identity"),
        ("x-ratelimit-remaining-requests", "7"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org-1"),
        ("x-internal-debug", "rack 7"),
        ("access-control-allow-origin", "*"),
    ];
    let seen = whole("gpt", &[Script::Answer(200, headers.clone(), vec![OPENAI.as_bytes().to_vec()])]);
    assert_eq!(seen.headers.text("openai-version"), Some("2020-10-01"));
    let private =
        ["set-cookie", "content-encoding", "openai-organization", "x-internal-debug", "access-control-allow-origin"];
    assert_eq!(private.map(|name| seen.headers.get(name)), [None; 5]);
    let seen = whole("claude", &[Script::Answer(200, headers, vec![ANTHROPIC.as_bytes().to_vec()])]);
    assert_eq!(seen.headers.get("x-ratelimit-remaining-requests"), None);
    assert_eq!(seen.headers.text("content-type"), Some("application/json"));
}

#[test]
fn a_first_target_that_cannot_express_the_request_is_left_out_of_the_plan() {
    let body = |model: &str| {
        format!(r#"{{"model":"{model}","logit_bias":{{"1":5}},"messages":[{{"role":"user","content":"hi"}}]}}"#)
    };
    let seen = Envoy::new().chat(&body("back"), &[json(200, OPENAI)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("oai")));
    let seen = Envoy::new().chat(&body("claude"), &[]);
    assert_eq!((seen.status, code(&seen).as_str()), (400, "unsupported_parameter"));
    // The gateway skips it as a fallback. Without another target, the client gets the earlier error.
    let seen = Envoy::new().chat(&body("chat"), &[json(503, "{}"), json(200, ANTHROPIC)]);
    assert_eq!((seen.status, seen.received.len()), (503, 1));
    assert_eq!(seen.log["tried"][1]["failure"], "cannot_express");
}

#[test]
fn each_retry_counts_once_among_those_that_a_target_is_worth() {
    let (worker, shared) = (Rc::new(Worker::new(config(), [7; 16])), Rc::<Shared>::default());
    let body = r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;
    let ask = || Envoy::with(worker.clone(), shared.clone()).chat(body, &[json(500, "{}"), json(200, OPENAI)]);
    assert_eq!((0..30).filter(|_| ask().status == 200).count(), 10);
}

#[test]
fn of_targets_that_come_last_one_that_recovers_is_asked_before_one_that_fails() {
    let (worker, shared) = (Rc::new(Worker::new(config(), [7; 16])), Rc::<Shared>::default());
    let (settings, targets) = (&worker.config.circuit, &worker.config.models["chat"].targets);
    let before = |milliseconds: u64| Time(1_800_000_000_000_000_000 - milliseconds * 1_000_000);
    let attempt = |at| circuit::CircuitAttempt { began: at, ended: at };
    (0..settings.failures).for_each(|_| circuit::failed(&*shared, &targets[0].health, attempt(before(5)), settings, 0));
    circuit::limited(&*shared, &targets[1].health, attempt(before(40)), before(10), settings);
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..20 {
        let seen = Envoy::with(worker.clone(), shared.clone()).chat(body, &[json(200, ANTHROPIC)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")));
    }
}
