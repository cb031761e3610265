//! Surcharges: the gateway reserves them, and charges them as the response reports them.

use std::rc::Rc;

use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json, sse};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// Sends a request to a gateway with surcharges and models at one dollar per million tokens. `budget` is in dollars.
fn ask(budget: &str, path: &str, body: &str, answers: &[Script]) -> Seen {
    let tier = |dollars: &str| format!(r#"{{"input":{dollars},"output":{dollars}}}"#);
    let price = format!(
        r#"{{"input":1,"output":1,"cache_write":1.25,"cache_write_1h":2,"per_call":{{"web_search":0.01,"file_search":0.002}},
            "service_tiers":{{"priority":{},"flex":{}}}}}"#,
        tier("3"),
        tier("0.5")
    );
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai","speaks":["chat","responses"]}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"gpt":{{"targets":[{{"provider":"oai","model":"gpt"}}]}},
                       "claude":{{"targets":[{{"provider":"ant","model":"claude"}}]}}}},
            "prices":{{"unpriced":{price}}},"teams":{{"t":{{}}}},"reservation":{{"unknown_input":0}},
            "keys":[{{"id":"k","team":"t","sha256":"{}","endpoints":["*"],"budget":{{"total":{budget}}}}}]}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    let envoy = Envoy::with(Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::new(Shared::default()));
    envoy.send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), answers)
}

/// The cost in micro-dollars.
fn cost(seen: &Seen) -> u64 {
    assert_eq!(seen.status, 200, "{}", seen.body);
    let dollars: f64 =
        seen.log["cost_usd"].as_str().map_or_else(|| seen.log["cost_usd"].as_f64(), |text| text.parse().ok()).unwrap();
    (dollars * 1e6).round() as u64
}

fn chat(more: &str) -> String {
    format!(r#"{{"model":"gpt","max_tokens":100,"messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

fn chat_answer(more: &str) -> String {
    format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"ok"}},"finish_reason":"stop"}}],
            "usage":{{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}}{more}}}"#
    )
}

#[test]
fn a_model_that_searches_without_a_word_is_charged_one_search_for_each_answer() {
    for (asked, micro) in
        [("", 200), (r#","web_search_options":{}"#, 10_200), (r#","web_search_options":{},"n":2"#, 20_200)]
    {
        let seen = ask("1", CHAT, &chat(asked), &[json(200, &chat_answer(""))]);
        assert_eq!(cost(&seen), micro, "{asked}");
    }
}

#[test]
fn a_class_of_service_is_charged_as_the_answer_names_it_or_as_it_was_asked_for() {
    for (asked, given, micro) in [
        ("", "", 200),
        (r#","service_tier":"priority""#, r#","service_tier":"priority""#, 600),
        // Requested, but not granted.
        (r#","service_tier":"priority""#, r#","service_tier":"default""#, 200),
        (r#","service_tier":"flex""#, "", 100),
        (r#","service_tier":"auto""#, r#","service_tier":"priority""#, 600),
        (r#","service_tier":"auto""#, "", 200),
        ("", r#","service_tier":"flex""#, 100),
        ("", r#","service_tier":"unheard_of""#, 200),
    ] {
        let seen = ask("1", CHAT, &chat(asked), &[json(200, &chat_answer(given))]);
        assert_eq!(cost(&seen), micro, "{asked} {given}");
    }
}

#[test]
fn the_dearest_class_of_service_that_it_may_be_given_is_reserved() {
    // A hundred output tokens and about 25 input tokens: 125 micro-dollars, and three times that.
    for (asked, fits) in [
        ("", true),
        (r#","service_tier":"flex""#, true),
        (r#","service_tier":"default""#, true),
        (r#","service_tier":"priority""#, false),
        (r#","service_tier":"auto""#, false),
        (r#","service_tier":"turbo""#, false),
        (r#","service\u005ftier":"priority""#, false),
    ] {
        let seen = ask("0.0002", CHAT, &chat(asked), &[json(200, &chat_answer(""))]);
        assert_eq!(seen.status == 200, fits, "{asked}: {}", seen.body);
    }
}

fn message(more: &str) -> String {
    format!(r#"{{"model":"claude","max_tokens":100,"messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

const HOUR: &str = r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#;

#[test]
fn what_is_cached_for_an_hour_is_charged_as_such() {
    let usage = |creation: &str| {
        format!(r#""usage":{{"input_tokens":10,"cache_creation_input_tokens":1000,"output_tokens":90{creation}}}"#)
    };
    let split = r#","cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":600}"#;
    for (asked, usage, micro) in [
        // 10 and 90, and 1,000 at 1.25.
        ("", usage(""), 1_350),
        // 400 at 1.25, 600 at 2.
        ("", usage(split), 1_800),
        (HOUR, usage(split), 1_800),
        // The response does not report the cache lifetime, so the requested one applies.
        (HOUR, usage(""), 2_100),
    ] {
        let whole = format!(
            r#"{{"type":"message","role":"assistant","model":"claude","content":[{{"type":"text","text":"ok"}}],"stop_reason":"end_turn",{usage}}}"#
        );
        assert_eq!(cost(&ask("1", MESSAGES, &message(asked), &[json(200, &whole)])), micro, "{asked} {usage}");
        let start = format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"model\":\"claude\",{usage}}}}}\n\n"
        );
        let rest = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"ok\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":90}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        let body = message(&format!("{asked},\"stream\":true"));
        assert_eq!(cost(&ask("1", MESSAGES, &body, &[sse(&[&start, rest])])), micro, "streamed: {asked} {usage}");
    }
}

#[test]
fn a_prompt_that_may_be_written_to_a_cache_is_reserved_at_that_price() {
    let long = "word ".repeat(2_000);
    let body = |more: &str| message(more).replace("hi", &long);
    let answer = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    // About 2,900 tokens, at 1, 1.25 and 2 dollars per million.
    for (budget, more, fits) in [
        ("0.0033", "", true),
        ("0.0033", r#","cache_control":{"type":"ephemeral"}"#, false),
        ("0.0045", r#","cache_control":{"type":"ephemeral"}"#, true),
        ("0.0045", HOUR, false),
        ("0.0065", HOUR, true),
    ] {
        let seen = ask(budget, MESSAGES, &body(more), &[json(200, answer)]);
        assert_eq!(seen.status == 200, fits, "{budget} {more}: {}", seen.body);
    }
}

#[test]
fn calls_of_hosted_tools_are_counted_in_every_kind_of_answer() {
    let item = |kind: &str| format!(r#"{{"type":"{kind}","id":"i","status":"completed"}}"#);
    let (web, file) = (item("web_search_call"), item("file_search_call"));
    let said = r#"{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"ok","annotations":[]}]}"#;
    let response = format!(
        r#"{{"id":"resp_1","object":"response","status":"completed","model":"gpt","service_tier":"default","output":[{web},{web},{file},{said}],
            "usage":{{"input_tokens":100,"output_tokens":100,"total_tokens":200}}}}"#
    );
    let body = |more: &str| {
        format!(
            r#"{{"model":"gpt","input":"hi","tools":[{{"type":"web_search"}},{{"type":"file_search","vector_store_ids":["v"]}}]{more}}}"#
        )
    };
    assert_eq!(cost(&ask("1", RESPONSES, &body(""), &[json(200, &response)])), 22_200);

    let event = |kind: &str, more: String| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{more}}}\n\n");
    let one = |item: &str| event("response.output_item.done", format!("\"output_index\":0,\"item\":{item}"));
    let end = event("response.completed", format!("\"response\":{}", response.replace('\n', "")));
    let stream = [one(&web), one(&web), one(&file), one(said), end].concat();
    assert_eq!(cost(&ask("1", RESPONSES, &body(r#","stream":true"#), &[sse(&[&stream])])), 22_200);

    let searched = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn",
        "usage":{"input_tokens":100,"output_tokens":100,"server_tool_use":{"web_search_requests":3}}}"#;
    let tools = r#","tools":[{"type":"web_search_20250305","name":"web_search","max_uses":5}]"#;
    assert_eq!(cost(&ask("1", MESSAGES, &message(tools), &[json(200, searched)])), 30_200);
    // The gateway reserves five searches and allows no more: $0.05.
    assert_eq!(ask("0.05", MESSAGES, &message(tools), &[]).status, 429);
    assert_eq!(ask("0.051", MESSAGES, &message(tools), &[json(200, searched)]).status, 200);
}

#[test]
fn model_calls_that_anthropic_leaves_out_of_its_totals_are_charged() {
    let usage = concat!(
        r#""usage":{"input_tokens":10,"output_tokens":90,"iterations":[{"type":"compaction","input_tokens":1000,"#,
        r#""output_tokens":100},{"type":"message","input_tokens":10,"output_tokens":90}]}"#
    );
    let whole = format!(
        r#"{{"type":"message","role":"assistant","model":"claude","content":[{{"type":"text","text":"ok"}}],"stop_reason":"end_turn",{usage}}}"#
    );
    assert_eq!(cost(&ask("1", MESSAGES, &message(""), &[json(200, &whole)])), 1_200);
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n";
    let rest = format!(
        "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"ok\"}}}}\n\n\
         event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},{usage}}}\n\n\
         event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    assert_eq!(cost(&ask("1", MESSAGES, &message(",\"stream\":true"), &[sse(&[start, &rest])])), 1_200);
}
