//! Anthropic clients: the requests that providers of their own and of other dialects receive, and the errors when no provider responds.

use std::rc::Rc;

use serde_json::{Value, json as tree};
use sluice_core::pipeline::{metric, property};

use crate::envoy::{Envoy, Script, Seen, json, sse};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::spending::{answer, worker};

const MESSAGES: &str = "/v1/messages";
const COUNT: &str = "/v1/messages/count_tokens";
const CLAUDE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"hi"}],
    "stop_reason":"end_turn","stop_sequence":null,"x_new":{"a":1.50},"usage":{"input_tokens":5,"output_tokens":2}}"#;
const GPT: &str = r#"{"id":"c","object":"chat.completion","model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant",
    "content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const KEY: (&str, &[u8]) = ("x-api-key", b"sk-test");
const VERSION: (&str, &[u8]) = ("anthropic-version", b"2023-06-01");
const ID: (&str, &[u8]) = ("x-request-id", b"r-1");

fn body(model: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

fn send(path: &str, body: &str, scripts: &[Script]) -> Seen {
    Envoy::new().send("POST", path, &[KEY, VERSION, ID], body.as_bytes(), scripts)
}

/// The status and type of an error in Anthropic's format, which has the request id in a header.
fn error(seen: &Seen) -> (u16, String) {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["type"], "error", "{body}");
    assert!(body["error"]["message"].is_string(), "{body}");
    assert_eq!(seen.headers.text("request-id"), Some("r-1"));
    (seen.status, body["error"]["type"].as_str().unwrap().to_owned())
}

#[test]
fn a_request_of_the_providers_own_format_passes_but_for_the_models_name() {
    let odd = "{ \"model\" : \"claude\",\"max_tokens\":9, \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\n \
               \"context_management\":{\"edits\":[]}, \"invented\":1.50}";
    let private = [
        KEY,
        VERSION,
        ID,
        ("anthropic-beta", &b"context-management-2025-06-27,other"[..]),
        ("anthropic-dangerous-direct-browser-access", b"true"),
        ("anthropic-organization-id", b"org"),
        ("x-claude-code-session-id", b"s"),
        ("cookie", b"c=1"),
    ];
    for path in [MESSAGES, "/v1/messages?beta=true"] {
        let seen = Envoy::new().send("POST", path, &private, odd.as_bytes(), &[json(200, CLAUDE)]);
        assert_eq!((seen.status, &*seen.body), (200, CLAUDE));
        assert_eq!(seen.received[0].body, odd);
        let headers = &seen.received[0].headers;
        assert_eq!(headers.text(":path"), Some("/v1/messages"));
        assert_eq!(headers.text("anthropic-beta"), Some("context-management-2025-06-27,other"));
        assert_eq!(headers.text("anthropic-version"), Some("2023-06-01"));
        for name in ["x-api-key", "cookie", "anthropic-organization-id", "x-claude-code-session-id"] {
            assert_eq!(headers.get(name), None, "{name}");
        }
        assert_eq!(headers.get("anthropic-dangerous-direct-browser-access"), None);
        assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&5.into(), &2.into()));
    }
}

#[test]
fn a_providers_own_name_for_the_request_stays() {
    let named = Script::Answer(
        200,
        vec![("content-type", "application/json"), ("request-id", "req_provider")],
        vec![CLAUDE.as_bytes().to_vec()],
    );
    assert_eq!(send(MESSAGES, &body("claude", ""), &[named]).headers.text("request-id"), Some("req_provider"));
    assert_eq!(send(MESSAGES, &body("gpt", ""), &[json(200, GPT)]).headers.text("request-id"), Some("r-1"));
}

#[test]
fn a_provider_of_another_format_gets_its_own_and_none_of_the_clients_headers() {
    let agents = r#","betas":["x"],"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]},"top_k":5"#;
    let headers = [KEY, VERSION, ("anthropic-beta", &b"x"[..])];
    let seen = Envoy::new().send("POST", MESSAGES, &headers, body("gpt", agents).as_bytes(), &[json(200, GPT)]);
    assert_eq!(
        seen.received[0].body,
        r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9}"#
    );
    let received = &seen.received[0].headers;
    assert_eq!(received.text(":path"), Some("/v1/chat/completions"));
    // The translated request no longer shows the client's dialect, so a property tells Envoy the format of errors.
    assert!(seen.properties.contains(&(property::CLIENT, "anthropic".to_owned())), "{:?}", seen.properties);
    assert!(received.iter().all(|(name, _)| !name.starts_with(b"anthropic-")));
    let answer: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((&answer["type"], &answer["stop_reason"]), (&"message".into(), &"end_turn".into()));
    assert_eq!(answer["content"], tree!([{"type": "text", "text": "hi"}]));
    // Anthropic's input excludes cached tokens; the log's includes them.
    let usage = (&answer["usage"]["input_tokens"], &answer["usage"]["cache_read_input_tokens"]);
    assert_eq!((usage, &seen.log["input_tokens"]), ((&5.into(), &4.into()), &9.into()));
    assert_eq!(seen.headers.text("x-sluice-dropped"), Some("context_management, betas, top_k"));
}

#[test]
fn what_no_target_can_express_is_refused_by_name_unless_another_one_can() {
    let refused = send(MESSAGES, &body("gpt", r#","container":{"skills":[]}"#), &[]);
    assert_eq!(error(&refused), (400, "invalid_request_error".to_owned()));
    assert!(refused.body.contains("container"), "{}", refused.body);
    let seen = send(MESSAGES, &body("chat", r#","container":{"skills":[]}"#), &[json(200, CLAUDE)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")));
}

#[test]
fn whoever_is_refused_reads_it_in_anthropics_shape() {
    let ask = |key: &[u8], model: &str| {
        Envoy::new().send("POST", MESSAGES, &[("x-api-key", key), ID], body(model, "").as_bytes(), &[])
    };
    assert_eq!(error(&ask(b"sk-wrong", "gpt")), (401, "authentication_error".to_owned()));
    assert_eq!(error(&ask(b"sk-narrow", "gpt")), (403, "permission_error".to_owned()));
    assert_eq!(error(&ask(b"sk-test", "nowhere")), (404, "not_found_error".to_owned()));
    assert_eq!(error(&send(MESSAGES, "{", &[])), (400, "invalid_request_error".to_owned()));
    for path in ["/v1/messages/batches", "/v1/messages/x", "/v1/skills"] {
        assert_eq!(error(&send(path, "{}", &[])), (404, "not_found_error".to_owned()), "{path}");
    }
    let get = Envoy::new().send("GET", MESSAGES, &[KEY, ID], b"", &[]);
    assert_eq!(error(&get), (405, "invalid_request_error".to_owned()));
}

#[test]
fn a_providers_errors_have_anthropics_words_and_status() {
    let gpt =
        |status, body: &str| error(&send(MESSAGES, &self::body("gpt", ""), &[json(status, body), json(status, body)]));
    assert_eq!(gpt(400, r#"{"error":{"message":"bad"}}"#), (400, "invalid_request_error".to_owned()));
    assert_eq!(gpt(503, r#"{"error":{"message":"busy","code":"overloaded"}}"#), (529, "overloaded_error".to_owned()));
    let quota = r#"{"error":{"message":"no credit","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    assert_eq!(gpt(429, quota), (429, "rate_limit_error".to_owned()));
    // The rejected credential is the gateway's, not the client's.
    assert_eq!(gpt(401, r#"{"error":{"message":"bad key"}}"#).0, 502);
}

#[test]
fn limits_and_budgets_refuse_in_anthropics_words_and_a_budget_forbids_to_try_again() {
    for (rule, again, counted) in [
        (r#","limits":{"requests_per_minute":1}"#, None, metric::LIMITED),
        (r#","budget":{"total":0.000001}"#, Some("false"), metric::OVER_BUDGET),
    ] {
        let (worker, shared) = (worker(rule, ""), Rc::default());
        let ask = |scripts: &[Script]| {
            let body = body("chat", "");
            Envoy::with(worker.clone(), Rc::clone(&shared)).send("POST", MESSAGES, &[KEY, ID], body.as_bytes(), scripts)
        };
        if again.is_none() {
            assert_eq!(ask(&[answer(9, 2)]).status, 200);
        }
        let refused = ask(&[]);
        assert_eq!(error(&refused), (429, "rate_limit_error".to_owned()), "{rule}");
        assert_eq!(refused.headers.text("x-should-retry"), again, "{rule}");
        assert_eq!(refused.headers.get("retry-after").is_some(), again.is_none(), "{rule}");
        assert_eq!(refused.counted, [counted]);
    }
}

#[test]
fn a_count_of_tokens_is_the_providers_or_an_estimate_of_our_own() {
    let question = r#"{"model":"claude","messages":[{"role":"user","content":"hi"}],"x_new":1}"#;
    let seen = send(COUNT, question, &[json(200, r#"{"input_tokens": 7 }"#)]);
    assert_eq!((seen.status, &*seen.body), (200, r#"{"input_tokens": 7 }"#));
    assert_eq!(seen.received[0].headers.text(":path"), Some("/v1/messages/count_tokens"));
    assert_eq!(seen.received[0].body, question);
    // Of the model's two targets, the one that can count tokens is tried.
    let seen = send(COUNT, &question.replace("claude", "chat"), &[json(200, r#"{"input_tokens":7}"#)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("ant")));
    let estimate = |words: usize| {
        let seen = send(COUNT, &question.replace("claude", "gpt").replace("hi", &"word ".repeat(words)), &[]);
        assert_eq!((seen.status, seen.received.len()), (200, 0));
        assert_eq!(seen.headers.text("request-id"), Some("r-1"));
        serde_json::from_str::<Value>(&seen.body).unwrap()["input_tokens"].as_u64().unwrap()
    };
    let (few, many) = (estimate(10), estimate(1000));
    assert!(few > 5 && many > few + 900 && many < few + 2000, "{few} {many}");
    // Errors of a token count have the usual format.
    assert_eq!(error(&send(COUNT, r#"{"model":"gpt","messages":[]}"#, &[])).0, 400);
    let failed = send(
        COUNT,
        question,
        &[json(400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#)],
    );
    assert_eq!(error(&failed), (400, "invalid_request_error".to_owned()));
}

#[test]
fn models_are_listed_and_described_as_anthropic_does_it() {
    let get = |path: &str| {
        let seen = Envoy::new().send("GET", path, &[("x-api-key", b"sk-narrow"), VERSION, ID], b"", &[]);
        (seen.status, serde_json::from_str::<Value>(&seen.body).unwrap())
    };
    let narrow = tree!({"type": "model", "id": "narrow", "display_name": "narrow",
        "created_at": "1970-01-01T00:00:00Z", "lifecycle": "active", "kind": "chat"});
    assert_eq!(
        get("/v1/models?limit=1000"),
        (200, tree!({"data": [narrow], "has_more": false, "first_id": "narrow", "last_id": "narrow"}))
    );
    assert_eq!(get("/v1/models/narrow"), (200, narrow));
    assert_eq!(get("/v1/models/gpt").1["error"]["type"], "permission_error");
    assert_eq!(get("/v1/models/nowhere").1["error"]["type"], "not_found_error");
}

/// The event names of a stream.
fn events(seen: &Seen) -> Vec<&str> {
    seen.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
}

#[test]
fn a_stream_of_another_format_has_every_event_in_anthropics_order() {
    let stream = sse(&[
        "data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
    ]);
    let seen = send(MESSAGES, &body("gpt", r#","stream":true"#), &[stream]);
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected = [&["message_start"][..], &block, &block, &["message_delta", "message_stop"]].concat();
    assert_eq!(events(&seen), expected);
    assert!(seen.body.contains(r#""usage":{"input_tokens":9,"#) && seen.body.contains(r#""stop_reason":"tool_use""#));
    assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&9.into(), &2.into()));
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_without_a_stop() {
    let gpt = sse(&["data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n"]);
    let claude = sse(&[
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":9}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
    ]);
    for (model, script) in [("gpt", gpt), ("claude", claude)] {
        let seen = send(MESSAGES, &body(model, r#","stream":true"#), &[script]);
        let names = events(&seen);
        assert_eq!((names.last(), names.contains(&"message_stop")), (Some(&"error"), false), "{}", seen.body);
        assert_eq!(seen.log["error"], "stream_truncated");
    }
}

#[test]
fn a_fallback_from_anthropic_to_openai_is_silent() {
    for stream in [false, true] {
        let down = json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#);
        let good = match stream {
            false => json(200, GPT),
            true => sse(&[
                "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n",
                "data: [DONE]\n\n",
            ]),
        };
        let seen = send(MESSAGES, &body("back", &format!(r#","stream":{stream}"#)), &[down, good]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-attempts")), (200, Some("2")));
        assert!(seen.body.contains(r#""text":"hi""#), "{}", seen.body);
        assert!(seen.received[1].headers.get("anthropic-version").is_none());
    }
}
