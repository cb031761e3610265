//! Rules of a key, its team or the model: a request that breaks one gets an error with the rule's name, before any reservation or attempt.

use std::rc::Rc;

use serde_json::Value;
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// A gateway where the key, its team and the models forbid these. The model `rich` falls back to `poor` when its budget is used up.
fn envoy(key: &str, team: &str, model: &str) -> Envoy {
    let (worker, shared) = parts(key, team, model);
    Envoy::with(worker, shared)
}

fn parts(key: &str, team: &str, model: &str) -> (Rc<Worker>, Rc<Shared>) {
    let target = r#"[{"provider":"oai","model":"gpt"},{"provider":"ant","model":"claude"}]"#;
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai","speaks":["chat","responses"]}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"chat":{{"targets":{target},"forbid":[{model}]}},"poor":{{"targets":{target},"forbid":["seed"]}},
                       "rich":{{"targets":{target},"budget":{{"total":0.000001,"then_model":"poor"}}}}}},
            "prices":{{"unpriced":{{"input":1,"output":1}}}},
            "teams":{{"t":{{"forbid":[{team}]}},"other":{{"forbid":["logprobs"]}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}","forbid":[{key}],"limits":{{"requests_per_minute":1}}}}]}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    (Rc::new(Worker::new(Rc::new(config), [7; 16])), Rc::new(Shared::default()))
}

fn ask(envoy: Envoy, path: &str, body: &str) -> Seen {
    let chat = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let response = r#"{"id":"resp_1","object":"response","status":"completed","model":"gpt","output":[]}"#;
    let message =
        r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn"}"#;
    let answer = match path {
        MESSAGES => message,
        RESPONSES => response,
        _ => chat,
    };
    envoy.send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), &[json(200, answer)])
}

fn body(more: &str) -> String {
    format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"hi"}}],"max_tokens":9,{more}}}"#)
}

fn error(seen: &Seen) -> Value {
    assert!(seen.received.is_empty(), "{}", seen.body);
    serde_json::from_str::<Value>(&seen.body).unwrap()["error"].clone()
}

#[test]
fn each_policy_refuses_by_name_and_tells_whose_it_is() {
    const TIER: &str = r#""service_tier""#;
    for (key, team, model, whose) in
        [(TIER, "", "", "key k"), ("", TIER, "", "team t"), ("", "", TIER, "model chat"), (TIER, TIER, TIER, "key k")]
    {
        let seen = ask(envoy(key, team, model), CHAT, &body(r#""service_tier":"priority""#));
        let error = error(&seen);
        assert_eq!((seen.status, &error["code"]), (403, &"parameter_not_allowed".into()), "{whose}");
        assert_eq!(error["param"], "service_tier");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`service_tier`") && message.contains(whose), "{message}");
        assert_eq!(seen.log["error"], "parameter_not_allowed");
    }
}

#[test]
fn nothing_is_forbidden_that_is_not_named() {
    let more =
        r#""service_tier":"priority","logprobs":true,"n":2,"tools":[{"type":"function","function":{"name":"f"}}]"#;
    assert_eq!(ask(envoy("", "", ""), CHAT, &body(more)).status, 200);
    for more in [r#""service_tier":null"#, r#""metadata":{"service_tier":"x"}"#, r#""user":"service_tier""#] {
        assert_eq!(ask(envoy(r#""service_tier""#, "", ""), CHAT, &body(more)).status, 200, "{more}");
    }
}

#[test]
fn what_is_refused_does_not_count() {
    let (worker, shared) = parts(r#""n""#, "", "");
    let envoy = || Envoy::with(worker.clone(), shared.clone());
    assert_eq!(ask(envoy(), CHAT, &body(r#""n":2"#)).status, 403);
    // The limit is one request a minute, and this request uses it.
    assert_eq!(ask(envoy(), CHAT, &body(r#""user":"u""#)).status, 200);
}

#[test]
fn a_tool_is_refused_in_every_format_that_has_it() {
    let input = |more: &str| format!(r#"{{"model":"chat","input":"hi",{more}}}"#);
    for (path, body, param) in [
        (RESPONSES, input(r#""tools":[{"type":"function","name":"f"},{"type":"web_search_preview"}]"#), "tools[1]"),
        (MESSAGES, body(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#), "tools[0]"),
        (CHAT, body(r#""web_search_options":{}"#), "web_search_options"),
        (CHAT, body(r#""WEB_SEARCH\u005foptions":{}"#), "WEB_SEARCH_options"),
    ] {
        let seen = ask(envoy(r#""tools.web_search""#, "", ""), path, &body);
        assert_eq!(seen.status, 403, "{body}: {}", seen.body);
        let error = error(&seen);
        assert!(error["message"].as_str().unwrap().contains(param), "{error}");
        // Anthropic's errors have no field for it.
        assert!(path == MESSAGES || error["param"] == param, "{error}");
        assert_eq!(ask(envoy(r#""tools.web","tools.web_fetch""#, "", ""), path, &body).received.len(), 1, "{body}");
    }
}

#[test]
fn a_model_that_a_budget_leads_to_has_its_own_policy() {
    let ask = |more: &str| ask(envoy("", "", ""), CHAT, &body(more).replace("chat", "rich"));
    let seen = ask(r#""user":"u""#);
    assert_eq!((seen.status, seen.headers.text("x-sluice-instead-of")), (200, Some("rich")), "{}", seen.body);
    let seen = ask(r#""seed":1"#);
    assert_eq!((seen.status, &error(&seen)["code"]), (403, &"parameter_not_allowed".into()));
    assert!(seen.body.contains("model poor"), "{}", seen.body);
}

#[test]
fn a_form_has_fields_too() {
    let field = |name: &str, value: &str| {
        format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = |more: &str| format!("{}{more}--xYz--\r\n", field("model", "chat"));
    let headers = [("api-key", SECRET.as_bytes()), ("content-type", &b"multipart/form-data; boundary=xYz"[..])];
    let send = |form: String, answers: &[Script]| {
        let envoy = envoy("", r#""timestamp_granularities""#, "");
        envoy.send("POST", "/v1/audio/transcriptions", &headers, form.as_bytes(), answers)
    };
    let seen = send(form(&field("timestamp_granularities[]", "word")), &[]);
    assert_eq!((seen.status, &error(&seen)["param"]), (403, &"timestamp_granularities".into()), "{}", seen.body);
    assert_eq!(send(form(&field("language", "de")), &[json(200, r#"{"text":"hi"}"#)]).status, 200);
}
