//! Guardrails, from the prompt to the response, and charges for responses that no client receives.

use std::rc::Rc;

use serde_json::Value;
use sluice_core::pipeline::metric;
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, Script, Seen, json, sse};
use crate::shared::Shared;

use super::spending::{answer, ask, worker};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BUDGET: &str = r#","budget":{"total":1}"#;

fn guarded(guard: &str) -> Rc<Worker> {
    worker(BUDGET, &format!(r#","guards":{{"pii":{guard}}}"#))
}

fn send(worker: &Rc<Worker>, body: &str, scripts: &[Script]) -> Seen {
    Envoy::with(worker.clone(), Rc::<Shared>::default()).chat(body, scripts)
}

fn prompt(text: &str) -> String {
    format!(r#"{{"model":"chat","max_tokens":50,"messages":[{{"role":"user","content":"{text}"}}]}}"#)
}

/// A response with ten input and five output tokens.
fn says(text: &str) -> Script {
    let text = serde_json::to_string(text).unwrap();
    json(
        200,
        &format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason":"stop"}}],
                "usage":{{"prompt_tokens":10,"completion_tokens":5}}}}"#
        ),
    )
}

fn claude_says(text: &str) -> Script {
    let text = serde_json::to_string(text).unwrap();
    json(
        200,
        &format!(
            r#"{{"type":"message","role":"assistant","model":"claude","content":[{{"type":"text","text":{text}}}],
                "stop_reason":"end_turn","usage":{{"input_tokens":10,"output_tokens":5}}}}"#
        ),
    )
}

/// That response as streams, in chunks of four letters.
fn streams(text: &str) -> Script {
    let pieces = text.as_bytes().chunks(4).map(|piece| std::str::from_utf8(piece).unwrap());
    let delta = |piece| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n");
    let mut events: Vec<String> = pieces.map(delta).collect();
    events.push("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned());
    events.push("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\n".to_owned());
    events.push("data: [DONE]\n\n".to_owned());
    sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn claude_streams(text: &str) -> Script {
    let delta = format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    );
    sse(&[
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        &delta,
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    ])
}

fn code(seen: &Seen) -> String {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_prompt_that_is_blocked_reaches_nobody_and_costs_nothing() {
    let worker = guarded(r#"{"detect":["email"],"on":["prompts"]}"#);
    let seen = send(&worker, &prompt("write to a@b.io"), &[]);
    assert_eq!((seen.status, code(&seen)), (400, "guardrail_blocked".to_owned()));
    assert_eq!((seen.received.len(), seen.counted), (0, vec![metric::GUARD_BLOCKED]));
    assert_eq!(
        (&seen.log["error"], &seen.log["guards"][0]),
        (&"guardrail_blocked".into(), &"pii: email (prompts, block)".into())
    );
    assert!(!seen.log.to_string().contains("a@b") && !seen.body.contains("a@b"));
    assert_eq!(send(&worker, &prompt("write to nobody"), &[answer(10, 5)]).status, 200);
}

#[test]
fn what_is_masked_is_not_sent_to_any_target() {
    let worker = guarded(r#"{"detect":["email"],"on":["prompts"],"action":"mask"}"#);
    let seen = send(&worker, &prompt("write to a@b.io"), &[json(503, ""), claude_says("ok")]);
    assert_eq!((seen.status, seen.received.len()), (200, 2));
    for received in &seen.received {
        assert!(received.body.contains("write to [email]") && !received.body.contains("a@b"), "{}", received.body);
        let length = received.headers.text("content-length").unwrap();
        assert_eq!(length, received.body.len().to_string());
    }
    assert_eq!(seen.headers.text("x-sluice-masked"), Some("email"));
    assert_eq!(seen.log["guards"][0], "pii: email (prompts, mask)");
    assert!(seen.counted.contains(&metric::GUARD_MASKED));
}

#[test]
fn what_is_masked_stays_so_where_a_budget_leads_to_another_model() {
    let budget = r#","budget":{"total":0.000080,"then_model":"cheap"}"#;
    let guard = r#","guards":{"pii":{"detect":["email"],"on":["prompts"],"action":"mask"}}"#;
    let (worker, shared) = (worker(budget, guard), Rc::<Shared>::default());
    assert_eq!(Envoy::with(worker.clone(), shared.clone()).chat(&ask(false), &[answer(10, 5)]).status, 200);
    let seen = Envoy::with(worker, shared).chat(&prompt("write to a@b.io"), &[answer(10, 5)]);
    assert_eq!(seen.log["instead"], "cheap");
    assert!(seen.received[0].body.contains("write to [email]"), "{}", seen.received[0].body);
    assert!(seen.received[0].body.contains(r#""model":"mini""#));
}

#[test]
fn an_answer_that_is_blocked_is_asked_for_elsewhere_and_all_that_was_made_is_charged() {
    let worker = guarded(r#"{"detect":["email"],"on":["answers"]}"#);
    let seen = send(&worker, &ask(false), &[says("it is a@b.io"), claude_says("I will not say")]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-failures")), (200, Some("oai/gpt: guardrail")));
    assert!(seen.body.contains("I will not say") && !seen.body.contains("a@b"));
    // 15 tokens at one micro-dollar, and 15 at three.
    assert_eq!((&seen.log["cost_usd"], &seen.log["estimated"]), (&"0.000060".into(), &Value::Null));
    assert!(seen.counted.contains(&"sluice.failed.guardrail"));
    let all = send(&worker, &ask(false), &[says("it is a@b.io"), claude_says("it is c@d.io")]);
    assert_eq!((all.status, code(&all)), (400, "guardrail_blocked".to_owned()));
    assert_eq!((&all.log["cost_usd"], &all.log["error"]), (&"0.000060".into(), &"guardrail_blocked".into()));
}

#[test]
fn a_stream_that_is_blocked_shows_nothing_of_itself() {
    let whole = r#"{"detect":["email"],"on":["answers"],"delivery":"whole"}"#;
    for (guard, first, second) in [
        (whole, streams("write to a@b.io"), claude_streams("nobody")),
        (whole, streams("nothing"), claude_streams("unused")),
        (whole, streams("a@b.io"), claude_streams("c@d.io")),
        // The client has received nothing by then.
        (r#"{"detect":["email"],"on":["answers"]}"#, streams("a@b.io "), claude_streams("nobody")),
    ] {
        let worker = guarded(guard);
        let seen = send(&worker, &ask(true), &[first, second]);
        assert!(!seen.body.contains("a@b") && !seen.body.contains("d.io"), "{}", seen.body);
        if guard == whole {
            assert_eq!(seen.log["estimated"], Value::Null, "both have counted all of it");
            let expected = match seen.received.len() {
                1 => ("0.000015", 200),
                _ => ("0.000060", if seen.body.contains("nobody") { 200 } else { 400 }),
            };
            assert_eq!((seen.log["cost_usd"].as_str().unwrap(), seen.status), expected);
        } else {
            assert_eq!((seen.status, seen.headers.text("x-sluice-failures")), (200, Some("oai/gpt: guardrail")));
        }
    }
}

#[test]
fn a_stream_that_is_too_long_to_be_held_is_never_shown_unseen() {
    let worker = guarded(r#"{"detect":["email"],"on":["answers"],"delivery":"whole"}"#);
    let piece =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x ".repeat(300 << 10));
    let long = sse(&[piece.as_str(); 16]);
    let seen = send(&worker, &ask(true), &[long, claude_streams("short")]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-failures")), (200, Some("oai/gpt: answer_too_large")));
    assert!(seen.body.contains("short") && !seen.body.contains("x x"));
}

#[test]
fn what_is_only_logged_goes_on_both_ways() {
    let worker = guarded(r#"{"detect":["email"],"action":"log"}"#);
    let seen = send(&worker, &prompt("write to a@b.io"), &[says("I wrote to a@b.io")]);
    assert!(seen.body.contains("a@b.io") && seen.received[0].body.contains("a@b.io"));
    assert_eq!(seen.log["guards"], serde_json::json!(["pii: email (prompts, log)", "pii: email (answers, log)"]));
    assert_eq!(seen.counted, [metric::GUARD_LOGGED, metric::GUARD_LOGGED]);
    assert_eq!(seen.headers.text("x-sluice-masked"), None);
}

#[test]
fn others_are_left_alone() {
    for whose in [r#"{"team":"t"}"#, r#"{"key":"k","model":"chat"}"#] {
        let worker = guarded(&format!(r#"{{"match":{whose},"detect":["email"]}}"#));
        assert_eq!(send(&worker, &prompt("a@b.io"), &[]).status, 400, "{whose}");
    }
    let worker = guarded(r#"{"match":{"model":"cheap"},"detect":["email"]}"#);
    let seen = send(&worker, &ask(true), &[streams("a@b.io")]);
    assert!(seen.streamed && seen.status == 200);
}

#[test]
fn a_request_for_a_model_that_is_not_the_callers_is_told_that_first() {
    let worker = guarded(r#"{"detect":["email"]}"#);
    let body = prompt("a@b.io").replace("\"chat\"", "\"nowhere\"");
    assert_eq!(code(&send(&worker, &body, &[])), "model_not_found");
}

#[test]
fn an_answer_that_is_not_the_json_asked_for_is_asked_for_elsewhere_or_again() {
    let file = r#"{"providers":{"oai":{"kind":"openai"},"two":{"kind":"openai"}},
        "models":{"both":{"check_structured_output":true,"targets":[{"provider":"oai","model":"gpt"},{"provider":"two","model":"gpt"}]},
                  "one":{"check_structured_output":true,"targets":[{"provider":"oai","model":"gpt"}]},
                  "unchecked":{"targets":[{"provider":"oai","model":"gpt"}]}},
        "teams":{"t":{}},"keys":[{"id":"k","team":"t","sha256":"HASH"}]}"#
        .replace("HASH", &super::spending::sha256(crate::envoy::SECRET));
    let config = Rc::new(sluice_config::from_json(file.as_bytes()).unwrap());
    let worker = Rc::new(Worker::new(config, [7; 16]));
    let ask = |model: &str, stream: bool| {
        format!(
            r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"n?"}}],"response_format":{{"type":"json_schema",
                "json_schema":{{"name":"n","schema":{{"type":"object","properties":{{"n":{{"type":"integer"}}}},"required":["n"]}}}}}}}}"#
        )
    };
    let (good, bad) = (r#"{"n": 1}"#, r#"{"n": "one"}"#);
    for (model, failures) in
        [("both", "oai/gpt: invalid_structured_output"), ("one", "oai/gpt: invalid_structured_output")]
    {
        let seen = send(&worker, &ask(model, false), &[says(bad), says(good)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-failures")), (200, Some(failures)), "{model}");
        let seen = send(&worker, &ask(model, false), &[says("Sure! {}"), says(bad), says(bad)]);
        assert_eq!((seen.status, code(&seen)), (502, "invalid_structured_output".to_owned()));
        assert!(seen.body.contains("at /n: expected type `integer`"), "{}", seen.body);
    }
    let streamed = send(&worker, &ask("both", true), &[streams("none"), streams("{}"), streams("1")]);
    assert_eq!(code(&streamed), "invalid_structured_output");
    assert_eq!(send(&worker, &ask("unchecked", false), &[says(bad)]).status, 200);
    assert_eq!(send(&worker, &prompt("no form").replace("chat", "one"), &[says(bad)]).status, 200);
}

/// A worker whose model has a schema for every answer.
fn with_schema(schema: &str) -> Rc<Worker> {
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}},"claude":{{"kind":"anthropic"}}}},
            "models":{{"chat":{{"cache":{{"ttl":"1m"}},"answers":{{"schema":{schema}}},
                "targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"claude","model":"c"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]}}"#,
        super::spending::sha256(crate::envoy::SECRET)
    );
    Rc::new(Worker::new(Rc::new(sluice_config::from_json(file.as_bytes()).unwrap()), [7; 16]))
}

#[test]
fn every_answer_of_a_model_follows_the_schema_of_the_gateway_file() {
    let worker = with_schema(r#"{"type":"object","required":["n"]}"#);
    let (good, bad) = (r#"{\"n\": 1}"#, r#"{\"m\": 1}"#);
    let plain = |text: &str| text.replace('\\', "");
    for (stream, path, body) in [
        (false, super::CHAT, prompt("one")),
        (false, "/v1/responses", r#"{"model":"chat","input":"two"}"#.to_owned()),
        (true, super::CHAT, prompt("three").replace(r#""max_tokens""#, r#""stream":true,"max_tokens""#)),
        (true, "/v1/messages", prompt("four").replace(r#""max_tokens""#, r#""stream":true,"max_tokens""#)),
    ] {
        let openai = |text: &str| match (path, stream) {
            ("/v1/responses", _) => json(
                200,
                &format!(
                    r#"{{"id":"r","object":"response","status":"completed","model":"gpt","output":[{{"type":"message","id":"m",
                        "role":"assistant","status":"completed","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}],
                        "usage":{{"input_tokens":10,"output_tokens":5,"total_tokens":15}}}}"#
                ),
            ),
            (_, false) => says(&plain(text)),
            // One piece: an escape is not cut.
            (_, true) => sse(&[
                &format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"),
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
                "data: [DONE]\n\n",
            ]),
        };
        let claude = |text: &str| if stream { claude_streams(text) } else { claude_says(&plain(text)) };
        let ask = |scripts: &[Script]| {
            let envoy = Envoy::with(worker.clone(), Rc::default());
            envoy.send("POST", path, &[("api-key", crate::envoy::SECRET.as_bytes())], body.as_bytes(), scripts)
        };
        let seen = ask(&[openai(bad), claude(good)]);
        assert_eq!(seen.status, 200, "{body}: {seen:?}");
        assert_eq!(seen.log["tried"][0]["failure"], "invalid_structured_output", "{body}: {seen:?}");
        let seen = ask(&[openai(bad), claude(bad), claude(bad)]);
        assert_eq!(seen.status, 502, "{body}: {seen:?}");
        assert!(seen.body.contains("expected the field `n`"), "{body}: {}", seen.body);
    }
}

#[test]
fn a_cached_answer_is_not_given_under_another_schema() {
    let shared = Rc::<Shared>::default();
    let ask = |worker: &Rc<Worker>, scripts: &[Script]| {
        let envoy = Envoy::with(worker.clone(), shared.clone());
        envoy.chat(&prompt("n?"), scripts)
    };
    let (old, new) = (with_schema(r#"{"maximum":5}"#), with_schema(r#"{"maximum":4}"#));
    assert_eq!(ask(&old, &[says("5")]).headers.text("x-sluice-cache"), Some("miss"));
    assert_eq!(ask(&old, &[]).headers.text("x-sluice-cache"), Some("hit"));
    let seen = ask(&new, &[says("5"), claude_says("4")]);
    assert_eq!(seen.log["tried"][0]["failure"], "invalid_structured_output", "{seen:?}");
}

#[test]
fn a_stream_fails_as_soon_as_it_cannot_become_valid() {
    let worker = with_schema(r#"{"type":"object"}"#);
    // The stream breaks off, which would be another failure.
    let begins = |text: &str| {
        sse(&[&format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")])
    };
    let stream = r#""stream":true,"max_tokens""#;
    let ask = |fields: &str, text: &str| {
        let body = prompt("n?").replace(r#""max_tokens""#, fields);
        send(&worker, &body, &[begins(text), claude_streams("{}")])
    };
    for (fields, text, failure) in [
        (stream, "Sure! Here", "invalid_structured_output"),
        (stream, "[1, ", "invalid_structured_output"),
        (stream, " {", "stream_truncated"),
        // A call may follow.
        (
            r#""tools":[{"type":"function","function":{"name":"f"}}],"stream":true,"max_tokens""#,
            "I look it up",
            "stream_truncated",
        ),
    ] {
        let seen = ask(fields, text);
        let tried = &seen.log["tried"][0];
        assert_eq!(tried["failure"], failure, "{text}: {seen:?}");
        // The part that has arrived is charged.
        assert!(tried["output_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{text}: {tried}");
        assert_eq!(seen.status, 200, "{text}: {seen:?}");
    }
}

#[test]
fn a_last_event_without_its_blank_line_is_looked_at_too() {
    let worker = guarded(r#"{"detect":["email"],"on":["answers"]}"#);
    let last = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}]}}"
        )
    };
    let body = prompt("hi").replace(r#""max_tokens""#, r#""stream":true,"max_tokens""#);
    let ask = |text: &str| send(&worker, &body, &[sse(&[&last(text)]), claude_streams("fine")]);
    assert!(ask("words").body.contains("words"));
    let seen = ask("write to a@b.io");
    assert!(!seen.body.contains("a@b.io") && seen.body.contains("fine"), "{seen:?}");
    assert_eq!(seen.log["tried"][0]["failure"], "guardrail");
}

/// A model with a cache shared by two teams, and this guardrail.
fn shared_cache(guard: &str) -> (Rc<Worker>, Rc<Shared>) {
    let hash = super::spending::sha256;
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},
            "models":{{"chat":{{"cache":{{"ttl":"1m","scope":"all"}},"targets":[{{"provider":"oai","model":"gpt"}}]}}}},
            "teams":{{"strict":{{}},"lenient":{{}}}},
            "keys":[{{"id":"s","team":"strict","sha256":"{}"}},{{"id":"l","team":"lenient","sha256":"{}"}}],
            "guards":{{"pii":{guard}}}}}"#,
        hash("sk-strict"),
        hash("sk-lenient")
    );
    let config = Rc::new(sluice_config::from_json(file.as_bytes()).unwrap());
    (Rc::new(Worker::new(config, [7; 16])), Rc::default())
}

#[test]
fn an_answer_that_others_were_shown_is_looked_at_for_those_who_must_not_be_shown_it() {
    let (worker, shared) = shared_cache(r#"{"match":{"team":"strict"},"detect":["email"],"on":["answers"]}"#);
    let ask = |key: &[u8], scripts: &[Script]| {
        let envoy = Envoy::with(worker.clone(), shared.clone());
        envoy.send("POST", super::CHAT, &[("api-key", key)], prompt("who?").as_bytes(), scripts)
    };
    assert_eq!(ask(b"sk-lenient", &[says("a@b.io")]).headers.text("x-sluice-cache"), Some("miss"));
    assert_eq!(ask(b"sk-lenient", &[]).headers.text("x-sluice-cache"), Some("hit"));
    assert_eq!(code(&ask(b"sk-strict", &[says("a@b.io")])), "guardrail_blocked");
    assert_eq!(ask(b"sk-strict", &[says("nobody")]).headers.text("x-sluice-cache"), Some("miss"), "blocked, not kept");
    assert!(ask(b"sk-strict", &[]).body.contains("nobody"));
}

#[test]
fn an_answer_that_passed_a_guardrail_is_not_given_to_anybody_when_the_guardrail_has_changed() {
    let (old, shared) = shared_cache(r#"{"detect":["phone"],"on":["answers"]}"#);
    let ask = |worker: &Rc<Worker>, scripts: &[Script]| {
        let envoy = Envoy::with(worker.clone(), shared.clone());
        envoy.send("POST", super::CHAT, &[("api-key", b"sk-strict")], prompt("who?").as_bytes(), scripts)
    };
    assert_eq!(ask(&old, &[says("a@b.io")]).headers.text("x-sluice-cache"), Some("miss"));
    assert!(ask(&old, &[]).body.contains("a@b.io"));
    let (new, _) = shared_cache(r#"{"detect":["phone","email"],"on":["answers"]}"#);
    assert_eq!(code(&ask(&new, &[says("a@b.io")])), "guardrail_blocked");
    let (back, _) = shared_cache(r#"{"detect":["phone"],"on":["answers"]}"#);
    assert_eq!(ask(&back, &[]).headers.text("x-sluice-cache"), Some("hit"), "and it is still there");
}

#[test]
fn what_is_masked_alike_is_the_same_request() {
    let (worker, shared) = shared_cache(r#"{"detect":["email"],"on":["prompts"],"action":"mask"}"#);
    let ask = |text: &str, scripts: &[Script]| {
        let envoy = Envoy::with(worker.clone(), shared.clone());
        envoy.send("POST", super::CHAT, &[("api-key", b"sk-strict")], prompt(text).as_bytes(), scripts)
    };
    assert_eq!(ask("a@b.io", &[says("ok")]).headers.text("x-sluice-cache"), Some("miss"));
    let hit = ask("c@d.io", &[]);
    let told = ["x-sluice-cache", "x-sluice-masked"].map(|name| hit.headers.text(name));
    assert_eq!(told, [Some("hit"), Some("email")]);
}

/// Fields of each dialect that a client reads, with a match in them.
const CHAT_PLACES: [&str; 12] = [
    r#""tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"n","input":"a@b.io"}}]"#,
    r#""tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"n","arguments":"{\"to\":\"a@b.io\"}"}}]"#,
    r#""tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"a@b.io","arguments":"{}"}}]"#,
    r#""function_call":{"name":"n","arguments":"{\"to\":\"a@b.io\"}"}"#,
    r#""reasoning_details":[{"type":"reasoning.text","text":"a@b.io"}]"#,
    r#""reasoning_content":"a@b.io""#,
    r#""reasoning":"a@b.io""#,
    r#""refusal":"a@b.io""#,
    r#""audio":{"id":"a","data":"x","expires_at":1,"transcript":"a@b.io"}"#,
    r#""annotations":[{"type":"url_citation","url_citation":{"title":"a@b.io","url":"u"}}]"#,
    r#""made_up":{"deep":[{"a@b.io":1}]}"#,
    r#""images":[{"type":"image_url","image_url":{"url":"https://x.test/a@b.io"}}]"#,
];

const CLAUDE_PLACES: [&str; 9] = [
    r#"{"type":"text","text":"a@b.io"}"#,
    r#"{"type":"thinking","thinking":"a@b.io","signature":"s"}"#,
    r#"{"type":"tool_use","id":"t","name":"n","input":{"to":"a@b.io"}}"#,
    r#"{"type":"tool_use","id":"t","name":"n","input":{"a@b.io":1}}"#,
    r#"{"type":"server_tool_use","id":"t","name":"web_search","input":{"query":"a@b.io"}}"#,
    r#"{"type":"web_search_tool_result","tool_use_id":"t","content":[{"type":"web_search_result","title":"a@b.io"}]}"#,
    r#"{"type":"text","text":"x","citations":[{"type":"char_location","cited_text":"a@b.io"}]}"#,
    r#"{"type":"mcp_tool_result","tool_use_id":"t","content":[{"type":"text","text":"a@b.io"}]}"#,
    r#"{"type":"made_up","x":"a@b.io"}"#,
];

const RESPONSES_PLACES: [&str; 9] = [
    r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a@b.io"}]}"#,
    r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"title":"a@b.io"}]}]}"#,
    r#"{"type":"custom_tool_call","call_id":"c","name":"n","input":"a@b.io"}"#,
    r#"{"type":"function_call","call_id":"c","name":"n","arguments":"{\"to\":\"a@b.io\"}"}"#,
    r#"{"type":"mcp_call","id":"m","output":"a@b.io"}"#,
    r#"{"type":"code_interpreter_call","id":"m","code":"mail a@b.io"}"#,
    r#"{"type":"file_search_call","id":"m","results":[{"text":"a@b.io"}]}"#,
    r#"{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"a@b.io"}]}"#,
    r#"{"type":"made_up","x":{"y":"a@b.io"}}"#,
];

/// An endpoint, its model, and each of its responses, complete and streamed.
fn places() -> Vec<(&'static str, &'static str, String, Script)> {
    let mut all = Vec::new();
    for place in CHAT_PLACES {
        let whole = format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"x",{place}}},"finish_reason":"stop"}}]}}"#
        );
        let event =
            format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"x",{place}}},"finish_reason":"stop"}}]}}"#);
        let stream = [&*format!("data: {event}\n\n"), "data: [DONE]\n\n"].map(str::to_owned);
        all.push(("/v1/chat/completions", "chat", whole, sse(&stream.each_ref().map(String::as_str))));
    }
    let message = |block: &str| {
        format!(
            r#"{{"type":"message","id":"m","role":"assistant","model":"c","content":[{block}],"stop_reason":"end_turn",
                "usage":{{"input_tokens":1,"output_tokens":1}}}}"#
        )
    };
    for block in CLAUDE_PLACES {
        let start = message("");
        let events = [
            format!(r#"{{"type":"message_start","message":{start}}}"#),
            format!(r#"{{"type":"content_block_start","index":0,"content_block":{block}}}"#),
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}"#.to_owned(),
            r#"{"type":"content_block_stop","index":0}"#.to_owned(),
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#.to_owned(),
            r#"{"type":"message_stop"}"#.to_owned(),
        ];
        let events = events.map(|event| format!("data: {}\n\n", event.replace('\n', " ")));
        all.push(("/v1/messages", "claude", message(block), sse(&events.each_ref().map(String::as_str))));
    }
    for item in RESPONSES_PLACES {
        let response = |output: &str| {
            format!(r#"{{"id":"resp_1","object":"response","status":"completed","model":"m","output":[{output}]}}"#)
        };
        let events = [
            format!(r#"{{"type":"response.created","response":{}}}"#, response("")),
            format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#),
            format!(r#"{{"type":"response.completed","response":{}}}"#, response("")),
        ];
        let events = events.map(|event| format!("data: {event}\n\n"));
        all.push(("/v1/responses", "chat", response(item), sse(&events.each_ref().map(String::as_str))));
    }
    all
}

#[test]
fn no_place_of_an_answer_that_passes_unchanged_is_passed_over() {
    let file = r#","guards":{"pii":{"detect":["email"],"on":["answers"]}}"#;
    let with_claude = |file: &str| {
        let text = format!(
            r#"{{"providers":{{"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}}}},
                "models":{{"chat":{{"targets":[{{"provider":"oai","model":"gpt"}}]}},
                          "claude":{{"targets":[{{"provider":"ant","model":"claude"}}]}}}},
                "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]{file}}}"#,
            super::spending::sha256(crate::envoy::SECRET)
        );
        let config = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        Rc::new(Worker::new(Rc::new(config), [7; 16]))
    };
    for (path, model, whole, stream) in places() {
        for (streams, script) in [(false, json(200, &whole)), (true, stream)] {
            let asked = if path == "/v1/responses" {
                r#""input":"hi""#
            } else {
                r#""messages":[{"role":"user","content":"hi"}]"#
            };
            let body = format!(r#"{{"model":"{model}","stream":{streams},"max_tokens":9,{asked}}}"#);
            let send = |file: &str| {
                let envoy = Envoy::with(with_claude(file), Rc::<Shared>::default());
                let key: [(&str, &[u8]); 1] = [("api-key", crate::envoy::SECRET.as_bytes())];
                envoy.send("POST", path, &key, body.as_bytes(), std::slice::from_ref(&script))
            };
            let seen = send("");
            assert!(seen.status == 200 && seen.body.contains("a@b.io"), "{path} {streams} {whole}: {}", seen.body);
            let seen = send(file);
            assert!(seen.status >= 400 && !seen.body.contains("a@b.io"), "{path} {streams} {whole}: {}", seen.body);
            assert_eq!(seen.log["tried"][0]["failure"], "guardrail", "{path} {streams} {whole}");
        }
    }
}

#[test]
fn what_stands_beside_the_data_of_a_stream_is_not_passed_over() {
    let guard = r#"{"detect":["email"],"on":["answers"]}"#;
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    for odd in [
        ": ask a@b.io\n\n",
        "event: a@b.io\ndata: {\"choices\":[]}\n\n",
        "id: a@b.io\ndata: {\"choices\":[]}\n\n",
        "data-to: a@b.io\ndata: {\"choices\":[]}\n\n",
    ] {
        let script = sse(&[odd, event, "data: [DONE]\n\n"]);
        let seen = send(&guarded(guard), &ask(true).replace("chat", "cheap"), &[script]);
        assert!(seen.status >= 400 && !seen.body.contains("a@b.io"), "{odd}: {}", seen.body);
    }
}
