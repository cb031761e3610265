//! Batches: estimated when their file is uploaded, reserved when they are created, settled by their results.

use std::rc::Rc;

use serde_json::json;
use sluice_core::batch::records::{self, BatchRecord};
use sluice_core::callout::Called;
use sluice_core::pipeline::worker::Worker;
use sluice_core::store::embedded::{ShardId, replication};
use sluice_core::store::{Counter, LimitWindow, embedded};
use sluice_wire::time::Time;

use crate::envoy::{Envoy, SECRET, Script, Seen, json as answer};
use crate::shared::Shared;

use super::pass_through::code;
use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ALL: &str = r#""endpoints":["/v1/*"]"#;

/// The secret of another key of the same team, which may use all models.
const OTHER: &str = "sk-other";

/// A gateway's worker and shared data across several requests.
struct Till {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
}

impl Till {
    /// A key with these fields, whose team has one dollar. In a batch, an input token costs one micro-dollar, an output token two.
    fn new(key: &str) -> Self {
        Self::with(key, "")
    }

    /// The same with more fields of the gateway file.
    fn with(key: &str, more: &str) -> Self {
        Self::of(&Self::file(key, more))
    }

    fn file(key: &str, more: &str) -> String {
        format!(
            r#"{{"providers":{{"oai":{{"kind":"openai"}},"other":{{"kind":"openai"}}}},
                "models":{{"a":{{"targets":[{{"provider":"other","model":"gpt"}}]}},
                          "chat":{{"targets":[{{"provider":"oai","model":"gpt"}}]}},
                          "secret":{{"targets":[{{"provider":"oai","model":"gpt-secret"}}]}}}},
                "prices":{{"unpriced":{{"input":9,"output":9}},"models":{{"oai/gpt":{{"input":2,"output":4,"service_tiers":{{"batch":{{"input":1,"cache_write":1,"output":2}}}}}}}}}},
                "stored":"oai","teams":{{"t":{{"budget":{{"total":1}}}}}},
                "limits":[{{"match":{{"team":"t"}},"limits":{{"tokens_per_day":400000}}}}],
                "keys":[{{"id":"k","team":"t","sha256":"{}","models":["a","chat"],{key}}},
                        {{"id":"other","team":"t","sha256":"{}","endpoints":["/v1/*"]}}]{more}}}"#,
            sha256(SECRET),
            sha256(OTHER)
        )
    }

    fn of(file: &str) -> Self {
        let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        Self { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default() }
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &str, script: &[Script]) -> Seen {
        let headers = [("api-key", SECRET.as_bytes()), ("content-type", content_type.as_bytes())];
        Envoy::with(self.worker.clone(), self.shared.clone()).send(method, path, &headers, body.as_bytes(), script)
    }

    fn upload(&self, lines: &[String], purpose: &str) -> Seen {
        let body = format!(
            "--xYz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--xYz\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{}\r\n--xYz--\r\n",
            lines.join("\n")
        );
        self.send(
            "POST",
            "/v1/files",
            "multipart/form-data; boundary=xYz",
            &body,
            &[answer(200, r#"{"id":"file-1","object":"file"}"#)],
        )
    }

    fn create(&self, script: Script) -> Seen {
        let body = r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#;
        self.send("POST", "/v1/batches", "application/json", body, &[script])
    }

    fn stream_activity(&self, status: &str, rest: &str) -> Seen {
        let body = format!(r#"{{"id":"batch_1","object":"batch","status":"{status}"{rest}}}"#);
        self.send("GET", "/v1/batches/batch_1", "", "", &[answer(200, &body)])
    }

    /// The counted micro-dollars and tokens.
    fn used(&self) -> [u64; 2] {
        let counter = |unit: &str, period: &str, kind| Counter {
            name: format!("team=t/{unit}/{period}").into(),
            shard_key: "t".into(),
            kind,
        };
        let counters = [counter("usd", "total", LimitWindow::Total), counter("tokens", "day", LimitWindow::Day)];
        let readings = embedded::read(&*self.shared, &counters, Time(1_800_000_000_000_000_000)).unwrap();
        [readings[0].used, readings[1].used]
    }
}

fn line(model: &str, most: u64) -> String {
    let body = json!({"model": model, "max_completion_tokens": most, "messages": [{"role": "user", "content": "hi"}]});
    json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}).to_string()
}

fn created() -> Script {
    answer(200, r#"{"id":"batch_1","object":"batch","status":"validating"}"#)
}

/// A till with a created batch of two requests, and the amounts it reserves.
fn with_batch() -> (Till, [u64; 2]) {
    let till = Till::new(ALL);
    assert_eq!(till.upload(&[line("gpt", 100), String::new(), line("gpt", 50)], "batch").status, 200);
    assert_eq!(till.used(), [0, 0], "a file costs nothing");
    let seen = till.create(created());
    assert_eq!(seen.status, 200, "{}", seen.body);
    let used = till.used();
    let [cost, tokens] = used;
    assert_eq!(cost, tokens + 150, "the answers cost twice as much as the prompts");
    (till, used)
}

#[test]
fn what_a_batch_may_use_is_charged_when_it_is_created_and_what_it_has_used_when_an_answer_tells() {
    let usage = r#","usage":{"input_tokens":20,"output_tokens":30}"#;
    for (status, rest, expected) in [
        ("completed", usage, [80, 50]),
        ("expired", usage, [80, 50]),
        ("failed", "", [0, 0]),
        ("cancelled", r#","request_counts":{"total":2,"completed":0,"failed":0}"#, [0, 0]),
    ] {
        let (till, before) = with_batch();
        till.stream_activity("in_progress", usage);
        assert_eq!(till.used(), before, "{status}: it is not over");
        till.stream_activity(status, rest);
        assert_eq!(till.used(), expected, "{status}");
        till.stream_activity(status, rest);
        till.stream_activity("completed", r#","usage":{"input_tokens":900,"output_tokens":900}"#);
        assert_eq!(till.used(), expected, "{status}: it is settled once");
    }
}

#[test]
fn results_settle_a_batch_whose_provider_tells_no_usage() {
    let (till, before) = with_batch();
    till.stream_activity("completed", r#","output_file_id":"file-2""#);
    assert_eq!(till.used(), before, "what it has used stands in its results");
    let body = json!({"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
                      "usage": {"prompt_tokens": 8, "completion_tokens": 2}});
    let result = json!({"custom_id": "1", "response": {"status_code": 200, "body": body}, "error": null});
    let results = format!("{result}\n{result}\n");
    let fetch = |status, portions: Vec<Vec<u8>>| {
        let script = Script::Answer(status, vec![("content-type", "application/octet-stream")], portions);
        till.send("GET", "/v1/files/file-2/content", "", "", &[script])
    };
    let whole = |text: &str| text.as_bytes().chunks(50).map(<[u8]>::to_vec).collect::<Vec<_>>();
    fetch(206, whole(&results[..results.len() / 2]));
    fetch(200, whole(&format!("{result}\nodd\n")));
    assert_eq!(till.used(), before, "a part of them tells nothing");
    let seen = fetch(200, whole(&results));
    assert_eq!((seen.body, till.used()), (results.clone(), [24, 20]));
    fetch(200, whole(&results));
    assert_eq!(till.used(), [24, 20], "once");
    forget_all_but(&till, "file-2");
    fetch(200, whole(&results));
    assert_eq!(till.used(), [24, 20], "once, also when much came since");
    till.stream_activity("completed", r#","output_file_id":"file-2""#);
    fetch(200, whole(&results));
    assert_eq!(till.used(), [24, 20]);
}

/// Stores so many other entries that only this results file's entry is left of all before.
fn forget_all_but(till: &Till, file: &str) {
    let known = records::cache_state(&*till.shared, &records::results(file)).unwrap();
    for number in 0..4_000 {
        records::keep(&*till.shared, &records::file(&format!("file-x{number}")), &BatchRecord::Settled);
    }
    records::keep(&*till.shared, &records::results(file), &known);
}

#[test]
fn results_do_not_settle_a_batch_again_whose_usage_was_told_later() {
    let (till, _) = with_batch();
    till.stream_activity("completed", r#","output_file_id":"file-2""#);
    till.stream_activity("completed", r#","output_file_id":"file-2","usage":{"input_tokens":20,"output_tokens":30}"#);
    assert_eq!(till.used(), [80, 50]);
    forget_all_but(&till, "file-2");
    let body =
        json!({"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 2}});
    let result = json!({"custom_id": "1", "response": {"status_code": 200, "body": body}, "error": null}).to_string();
    let script = Script::Answer(200, vec![], vec![result.into_bytes()]);
    till.send("GET", "/v1/files/file-2/content", "", "", &[script]);
    assert_eq!(till.used(), [80, 50]);
}

#[test]
fn a_status_that_arrives_late_does_not_open_what_is_settled() {
    let (till, _) = with_batch();
    let status = r#"{"id":"batch_1","object":"batch","status":"completed","output_file_id":"file-2"}"#;
    till.send("GET", "/v1/batches/batch_1", "", "", &[answer(200, status)]);
    let open = records::cache_state(&*till.shared, &records::results("file-2")).unwrap();
    till.stream_activity("completed", r#","output_file_id":"file-2","usage":{"input_tokens":20,"output_tokens":30}"#);
    for name in [records::batch("batch_1"), records::results("file-2")] {
        records::keep(&*till.shared, &name, &open);
        assert_eq!(records::cache_state(&*till.shared, &name), Some(BatchRecord::Settled), "{name}");
    }
}

#[test]
fn redis_is_told_that_a_batch_and_its_results_are_settled() {
    let till = Till::with(ALL, r#","redis":{"url":"http://127.0.0.1:7379","when_down":"deny"}"#);
    let record = || {
        let (till, _) = with_batch();
        till.stream_activity("completed", r#","output_file_id":"file-2""#);
        records::cache_state(&*till.shared, &records::results("file-2")).unwrap().text()
    };
    let granted = Called { status: Some(200), body: br#"{"EVALSHA":"G 0 0 0 0 0 0 0 0 0"}"#.to_vec() };
    let note = Called { status: Some(200), body: json!({"GET": record()}).to_string().into_bytes() };
    let body =
        json!({"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 2}});
    let result = json!({"custom_id": "1", "response": {"status_code": 200, "body": body}, "error": null}).to_string();
    let script = Script::Answer(200, vec![], vec![result.into_bytes()]);
    let envoy = Envoy::with(till.worker.clone(), till.shared.clone()).redis([note, granted]);
    let headers = [("api-key", SECRET.as_bytes())];
    assert_eq!(envoy.send("GET", "/v1/files/file-2/content", &headers, b"", &[script]).status, 200);
    let told = String::from_utf8(till.worker.tick(LATER).unwrap().body).unwrap();
    for name in ["n:batch:batch_1", "n:results:file-2"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

/// After every time of the fake clock.
const LATER: Time = Time(1_900_000_000_000_000_000);

#[test]
fn in_relaxed_mode_an_envoy_that_has_counted_nothing_gives_back_the_estimate_too() {
    const RELAXED: &str = r#","redis":{"url":"http://127.0.0.1:7379","mode":"relaxed"}"#;
    let (one, other) = (Till::with(ALL, RELAXED), Till::with(ALL, RELAXED));
    one.upload(&[line("gpt", 100)], "batch");
    assert_eq!(one.create(created()).status, 200);
    let [estimate, _] = one.used();
    let note = records::cache_state(&*one.shared, &records::batch("batch_1")).unwrap().text();
    let note = Called { status: Some(200), body: json!({ "GET": note }).to_string().into_bytes() };
    let body = r#"{"id":"batch_1","status":"completed","usage":{"input_tokens":20,"output_tokens":30}}"#;
    let envoy = Envoy::with(other.worker.clone(), other.shared.clone()).redis([note]);
    envoy.send("GET", "/v1/batches/batch_1", &[("api-key", SECRET.as_bytes())], b"", &[answer(200, body)]);
    let told = String::from_utf8(other.worker.tick(LATER).unwrap().body).unwrap();
    assert!(told.contains(&format!("/T/0/-{}/", estimate - 80)), "{told}");
    let batch = replication::collect(&*other.shared, ShardId::of("t"), true, [1; 16], LATER).unwrap();
    let delta = batch.and_then(|batch| batch.deltas.into_iter().find(|d| &*d.counter.name == "team=t/usd/total"));
    assert_eq!(delta.map_or(0, |delta| delta.amount), 0);
}

#[test]
fn a_batch_is_settled_although_its_budget_is_overspent() {
    let (till, _) = with_batch();
    let ask = r#"{"model":"chat","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let long = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":10,"completion_tokens":300000}}"#;
    till.send("POST", "/v1/chat/completions", "application/json", ask, &[answer(200, long)]);
    let seen = till.send("POST", "/v1/chat/completions", "application/json", ask, &[]);
    assert_eq!((seen.status, &*code(&seen)), (429, "insufficient_quota"));
    assert_eq!(code(&till.create(created())), "insufficient_quota");
    let seen = till.stream_activity("completed", r#","usage":{"input_tokens":20,"output_tokens":30}"#);
    assert_eq!((seen.status, till.used()[0]), (200, 1_200_020 + 80), "{}", seen.body);
}

#[test]
fn stored_objects_never_go_to_another_model() {
    let team = r#""teams":{"t":{"budget":{"total":0.000001,"then_model":"a"}}}"#;
    let file =
        Till::file(ALL, r#","budgets":[{"match":{"provider":"oai"},"budget":{"total":0.000001,"then_model":"a"}}]"#)
            .replacen(r#""oai":{"kind":"openai"}"#, r#""oai":{"kind":"openai","limits":{"requests_per_minute":1}}"#, 1)
            .replacen(r#""teams":{"t":{"budget":{"total":1}}}"#, team, 1);
    let till = Till::of(&file);
    assert_eq!(till.upload(&[line("gpt", 100)], "batch").status, 200);
    assert_eq!(code(&till.upload(&[line("gpt", 100)], "batch")), "rate_limit_exceeded");
    let till =
        Till::of(&file.replacen(r#""limits":{"requests_per_minute":1}"#, r#""limits":{"requests_per_minute":9}"#, 1));
    till.upload(&[line("gpt", 100)], "batch");
    let seen = till.create(created());
    assert_eq!((seen.status, &*code(&seen), seen.received.len()), (429, "insufficient_quota", 0), "{}", seen.body);
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_one_that_is_refused_takes_nothing() {
    let till = Till::new(ALL);
    till.upload(&vec![line("gpt", 4000); 100], "batch");
    let seen = till.create(created());
    assert_eq!((seen.status, &*code(&seen), seen.received.len()), (429, "rate_limit_exceeded", 0), "{}", seen.body);
    till.upload(&vec![line("gpt", 4000); 90], "batch");
    let refused = till.create(answer(400, r#"{"error":{"message":"no"}}"#));
    assert_eq!((refused.status, till.used()), (400, [0, 0]));
    assert_eq!(till.create(created()).status, 200);
    let [cost, _] = till.used();
    assert!((720_000..1_000_000).contains(&cost), "{cost}");
    let seen = till.create(created());
    assert_eq!((seen.status, &*code(&seen)), (429, "insufficient_quota"), "{}", seen.body);
}

#[test]
fn a_batch_whose_creation_nobody_waited_for_is_charged() {
    let till = Till::new(ALL);
    till.upload(&[line("gpt", 100)], "batch");
    till.create(Script::Lost(vec![]));
    let charged = till.used();
    assert!(charged[0] > 200, "{charged:?}");
    till.stream_activity("completed", r#","usage":{"input_tokens":1,"output_tokens":1}"#);
    assert_eq!(till.used(), charged, "nobody knows which batch it was");
}

#[test]
fn a_file_may_ask_only_what_its_key_may() {
    let with = |change: fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&line("gpt", 100)).unwrap();
        change(&mut value);
        value.to_string()
    };
    let other = line("gpt", 100);
    for (lines, expected) in [
        (vec![line("gpt-secret", 1)], "model_not_allowed"),
        (vec![line("chat", 1)], "model_not_allowed"),
        (vec![line("unheard-of", 1)], "model_not_allowed"),
        (vec![line("gpt", 1), line("gpt-secret", 1)], "invalid_batch_file"),
        (vec![], "invalid_batch_file"),
        (vec!["{".to_owned()], "invalid_batch_file"),
        (vec![other.replacen("{", r#"{"body":{},"#, 1)], "invalid_batch_file"),
        (vec![with(|line| line["url"] = "/v1/files".into())], "invalid_batch_file"),
        (vec![with(|line| line["method"] = "GET".into())], "invalid_batch_file"),
        (vec![with(|line| line["body"]["service_tier"] = "flex".into())], "parameter_not_allowed"),
        (vec![with(|line| line["url"] = "/v1/embeddings".into())], "endpoint_not_allowed"),
    ] {
        let till = Till::new(r#""endpoints":["/v1/chat/*","/v1/files*","/v1/batches*"],"forbid":["service_tier"]"#);
        let seen = till.upload(&lines, "batch");
        assert_eq!((&*code(&seen), seen.received.len()), (expected, 0), "{lines:?}: {}", seen.body);
    }
    let till = Till::new(ALL);
    assert_eq!(till.upload(&["whatever".to_owned()], "user_data").status, 200, "it is no batch's");
    for purpose in ["Batch", "batch "] {
        assert_eq!(till.upload(&[line("gpt-secret", 1)], purpose).status, 403, "{purpose:?}");
    }
}

#[test]
fn no_batch_is_made_of_a_file_that_nobody_has_measured() {
    let till = Till::new(ALL);
    let create = |body: &str| till.send("POST", "/v1/batches", "application/json", body, &[]);
    for (body, expected) in [
        (r#"{"input_file_id":"file-1"}"#, "unknown_batch_file"),
        (r#"{"input_file_id":"file-1","input_file_id":"file-2"}"#, ""),
        (r#"{"input_blob":"https://x.test/y"}"#, ""),
        ("[]", ""),
    ] {
        let seen = create(body);
        assert_eq!((seen.status, &*code(&seen), seen.received.len()), (400, expected, 0), "{body}");
    }
    till.upload(&[line("gpt", 1)], "batch");
    let body = r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#;
    let envoy = Envoy::with(till.worker.clone(), till.shared.clone());
    let others = envoy.send("POST", "/v1/batches", &[("api-key", OTHER.as_bytes())], body.as_bytes(), &[]);
    assert_eq!(code(&others), "unknown_batch_file", "it was read by another key's permissions");
    let till = Till::new(ALL);
    till.upload(&[line("gpt", 1)], "user_data");
    assert_eq!(code(&till.create(created())), "unknown_batch_file");
}

#[test]
fn guardrails_read_a_batchs_file_as_its_provider_will() {
    let till = Till::with(ALL, r#","guards":{"g":{"words":["Project Titan"],"on":["prompts"]}}"#);
    let upload = |content: &str| {
        let body = json!({"model": "gpt", "messages": [{"role": "user", "content": content}]});
        let line = json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body});
        till.upload(&[line.to_string()], "batch")
    };
    assert_eq!(upload("a\nproject b").status, 200);
    // The last is the result of a tool, which is JSON itself.
    for content in ["Project Titan", "a\nProject Titan", "a\tProject Titan", "{\"said\":\"a\\nProject Titan\"}"] {
        let seen = upload(content);
        assert_eq!((seen.status, &*code(&seen)), (400, "guardrail_blocked"), "{content:?}: {}", seen.body);
        assert_eq!(seen.log["guards"], json!(["g: words (prompts, block)"]));
    }
}

#[test]
fn a_guardrail_of_one_model_sees_that_models_batch() {
    let upload = |model: &str| {
        let guard = json!({"g": {"words": ["hi"], "match": {"model": model}, "on": ["prompts"]}});
        Till::with(ALL, &format!(r#","guards":{guard}"#)).upload(&[line("gpt", 5)], "batch").status
    };
    assert_eq!([upload("chat"), upload("a")], [400, 200]);
}
