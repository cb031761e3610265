//! The spans of a request, and the trace headers that providers receive.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};
use sluice_core::callout::{Called, Endpoint};
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::worker::Worker;
use sluice_core::trace::TraceNames;
use sluice_core::trace::context::Parent;
use sluice_core::trace::names::Names;
use sluice_wire::time::Time;

use crate::envoy::{SECRET, Script, Seen, json as answer, sse};

use super::routing::{TestGateway, good, send};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

fn traced(more: &str) -> TestGateway {
    traced_with("", "", more, "")
}

/// A gateway with these additional fields of the model, the key, `tracing` and the file.
fn traced_with(model: &str, key: &str, tracing: &str, file: &str) -> TestGateway {
    let gateway =
        TestGateway::new(model, key, &format!(r#","tracing":{{"url":"http://collector:4318"{tracing}}}{file}"#));
    listen(&gateway.worker);
    gateway
}

pub(super) fn listen(worker: &Worker) {
    let collector = Endpoint { authority: "c".to_owned(), tls: false, path: "/v1/traces".to_owned() };
    worker.spans().configure(Some(&collector));
}

/// The spans since the last call.
pub(super) fn exported(worker: &Worker) -> Vec<Value> {
    let now = Time(u64::MAX);
    let Some(call) = worker.spans().flush(now) else { return Vec::new() };
    let mut effects = Vec::new();
    assert_eq!(worker.spans().on_reply(&Called { status: Some(200), body: Vec::new() }, now, &mut effects), None);
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

/// The attributes of a span or an event, with plain values.
fn attributes(of: &Value) -> Value {
    let plain = |value: &Value| match value.as_object().unwrap().iter().next().unwrap() {
        (kind, text) if kind == "intValue" => json!(text.as_str().unwrap().parse::<u64>().unwrap()),
        (kind, list) if kind == "arrayValue" => {
            list["values"].as_array().unwrap().iter().map(|item| item["stringValue"].clone()).collect()
        }
        (_, value) => value.clone(),
    };
    let all = of["attributes"].as_array().unwrap();
    let read: serde_json::Map<_, _> =
        all.iter().map(|entry| (entry["key"].as_str().unwrap().to_owned(), plain(&entry["value"]))).collect();
    assert_eq!(read.len(), all.len(), "an attribute occurs twice: {of}");
    Value::Object(read)
}

/// The events of a span, each with its attributes.
fn events(span: &Value) -> Vec<(String, Value)> {
    let all = span["events"].as_array().unwrap();
    all.iter().map(|event| (event["name"].as_str().unwrap().to_owned(), attributes(event))).collect()
}

/// Whether a span failed, and why.
fn failure(span: &Value) -> (bool, Value) {
    (span["status"]["code"] == 2, attributes(span)["error.type"].clone())
}

fn parents(seen: &Seen) -> Vec<String> {
    let each = seen.received.iter().flat_map(|received| received.headers.all("traceparent"));
    each.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn without_tracing_there_are_no_spans_and_the_clients_parent_passes() {
    let gateway = TestGateway::new("", "", "");
    listen(&gateway.worker);
    let seen = gateway.ask(&[PARENT], &[answer(503, "{}"), good()]);
    assert_eq!(exported(&gateway.worker), Vec::<Value>::new());
    assert_eq!(parents(&seen), [PARENT.1, PARENT.1]);
    assert_eq!(seen.log["trace_id"], TRACE);
}

#[test]
fn a_request_and_each_attempt_have_a_span_with_typed_attributes() {
    let gateway = traced("");
    let headers = [PARENT, ("tracestate", "a=b,c=d"), ("x-request-id", "r-1")];
    let seen = gateway.ask(&headers, &[answer(503, "{}"), good()]);
    let spans = exported(&gateway.worker);
    let [own, failed, served] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(
        attributes(own),
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "chat",
            "gen_ai.response.model": "x", "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2,
            "http.request.method": "POST", "url.path": "/v1/chat/completions", "http.response.status_code": 200,
            "sluice.request_id": "r-1", "sluice.key": "k", "sluice.team": "t", "sluice.strategy": "fallback",
            "sluice.provider": "two", "sluice.tier": 1, "sluice.attempts": 2,
        })
    );
    assert_eq!(
        attributes(served),
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "x",
            "gen_ai.response.model": "x", "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2, "server.address": "two",
            "server.port": 443, "http.response.status_code": 200, "sluice.provider": "two",
        })
    );
    assert_eq!(
        attributes(failed),
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "x",
            "server.address": "one", "server.port": 443, "http.response.status_code": 503,
            "error.type": "status_503", "sluice.provider": "one",
        })
    );
    let fields = |span: &Value| [&span["name"], &span["kind"], &span["status"], &span["traceState"]].map(Value::clone);
    assert_eq!(fields(own), [json!("chat chat"), json!(2), Value::Null, json!("a=b,c=d")]);
    assert_eq!(fields(failed), [json!("chat x"), json!(3), json!({"code": 2}), Value::Null]);
    assert_eq!(fields(served), [json!("chat x"), json!(3), Value::Null, Value::Null]);

    assert_eq!(own["parentSpanId"], "00f067aa0ba902b7");
    let ids: BTreeSet<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    for (attempt, parent) in [failed, served].iter().zip(parents(&seen)) {
        assert_eq!(attempt["parentSpanId"], own["spanId"]);
        assert_eq!(parent, format!("00-{TRACE}-{}-01", attempt["spanId"].as_str().unwrap()));
    }
    assert!(spans.iter().all(|span| span["traceId"] == TRACE));
    assert_eq!(seen.log["trace_id"], TRACE);

    let time = |of: &Value, name: &str| of[name].as_str().unwrap().parse::<u64>().unwrap();
    let [from, to] = ["startTimeUnixNano", "endTimeUnixNano"];
    assert!(time(own, from) < time(failed, from) && time(failed, to) <= time(served, from));
    assert!(time(served, from) < time(served, to) && time(served, to) <= time(own, to));
    let moved = json!({"from": "one/x", "to": "two/x", "reason": "status_503"});
    assert_eq!(events(own), [("sluice.fallback".to_owned(), moved)]);
    assert_eq!(time(&own["events"][0], "timeUnixNano"), time(served, from));
}

#[test]
fn a_parent_that_is_not_sampled_is_continued_and_not_exported() {
    let gateway = traced("");
    let unsampled = (PARENT.0, &*PARENT.1.replace("-01", "-00"));
    let seen = gateway.ask(&[unsampled], &[answer(503, "{}"), good()]);
    assert_eq!(exported(&gateway.worker), Vec::<Value>::new());
    let parents = parents(&seen);
    let read: Vec<_> = parents.iter().map(|parent| Parent::read(parent.as_bytes()).unwrap()).collect();
    assert!(read.iter().all(|parent| !parent.sampled && parents[0].contains(TRACE)));
    assert_ne!(read[0].span, read[1].span);
}

#[test]
fn an_invalid_parent_begins_a_new_trace_without_its_state() {
    let gateway = traced_with("", "", "", r#","forward_headers":["tracestate"]"#);
    let state = ("tracestate", "a=b");
    for parent in ["", "00-1-2-01", &PARENT.1.to_uppercase(), &format!("{}-more", PARENT.1)] {
        let seen = gateway.ask(&[("traceparent", parent), state], &[good()]);
        let spans = exported(&gateway.worker);
        assert_eq!((&spans[0]["parentSpanId"], &spans[0]["traceState"]), (&Value::Null, &Value::Null));
        let trace = spans[0]["traceId"].as_str().unwrap();
        assert!(trace != TRACE && parents(&seen)[0].starts_with(&format!("00-{trace}-")), "{parent}");
        assert_eq!((&seen.log["trace_id"], seen.received[0].headers.text("tracestate")), (&trace.into(), None));
    }
    let seen = gateway.ask(&[PARENT, state], &[good()]);
    assert_eq!(seen.received[0].headers.text("tracestate"), Some("a=b"));
}

#[test]
fn sampling_is_a_share_of_all_requests() {
    for (sampling, least, most) in [("0", 0, 0), ("100", 400, 400), ("25", 60, 140)] {
        let gateway = traced(&format!(r#","sampling":{sampling}"#));
        let mut count = 0;
        for parent in [vec![], vec![PARENT]].iter().cycle().take(400) {
            let sampled = parents(&gateway.ask(parent, &[good()]))[0].ends_with("-01");
            assert_eq!(exported(&gateway.worker).len(), if sampled { 2 } else { 0 });
            count += usize::from(sampled);
        }
        assert!((least..=most).contains(&count), "{count} at {sampling}%");
    }
}

#[test]
fn ids_are_unique_among_workers() {
    let mut ids = BTreeSet::new();
    for seed in 0..8 {
        let gateway = TestGateway::new("", "", r#","tracing":{"url":"http://c"}"#);
        let worker = Rc::new(Worker::new(gateway.worker.config.clone(), [seed; 16]));
        listen(&worker);
        for _ in 0..8 {
            crate::envoy::Envoy::with(worker.clone(), Rc::default())
                .chat(r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#, &[good()]);
        }
        for span in exported(&worker) {
            ids.insert(span["spanId"].as_str().unwrap().to_owned());
            ids.insert(span["traceId"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 8 * 8 * 3);
}

#[test]
fn a_request_that_nobody_answered_says_why() {
    let down = [answer(503, "{}"), answer(529, "{}"), answer(502, "{}")];
    let gateway = traced("");
    gateway.ask(&[], &down);
    let failures: Vec<_> = exported(&gateway.worker).iter().map(failure).collect();
    let reasons = ["status_502", "status_503", "status_529", "status_502"].map(|reason| (true, json!(reason)));
    assert_eq!(failures, reasons);
    gateway.ask(&[], &[Script::Nothing, Script::Nothing, Script::Nothing, Script::Nothing]);
    let spans = exported(&gateway.worker);
    assert!(spans.iter().all(|span| failure(span) == (true, json!("no_answer"))), "{spans:?}");
    assert_eq!(attributes(&spans[0])["http.response.status_code"], 503);
}

#[test]
fn a_request_has_the_tokens_of_all_attempts_in_its_span_as_in_its_log_line() {
    let empty = || answer(200, r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#);
    for (scripts, input, output) in
        [([empty(), good()].to_vec(), 19, 7), ([empty(), empty(), empty()].to_vec(), 30, 15)]
    {
        let gateway = traced("");
        let seen = gateway.ask(&[], &scripts);
        let own = attributes(&exported(&gateway.worker)[0]);
        assert_eq!((&seen.log["input_tokens"], &seen.log["output_tokens"]), (&json!(input), &json!(output)));
        assert_eq!(
            (&own["gen_ai.usage.input_tokens"], &own["gen_ai.usage.output_tokens"]),
            (&json!(input), &json!(output))
        );
    }
}

#[test]
fn a_stream_that_broke_off_says_so() {
    let gateway = traced("");
    let begun = r#"data: {"choices":[{"index":0,"delta":{"content":"ok"}}]}"#.to_owned() + "\n\n";
    let seen = send(gateway.envoy(), "chat", true, &[], &[sse(&[&begun])]);
    assert_eq!(seen.status, 200);
    let spans = exported(&gateway.worker);
    assert_eq!(
        spans.iter().map(failure).collect::<Vec<_>>(),
        [(true, json!("stream_truncated")), (true, json!("stream_truncated"))]
    );
    assert_eq!(attributes(&spans[0])["gen_ai.request.stream"], true);
    assert_eq!(attributes(&spans[0])["http.response.status_code"], 200);
}

#[test]
fn a_stream_has_its_finish_reasons_and_the_time_to_its_first_chunk() {
    let gateway = traced("");
    let chunk = |choice: &str| format!("data: {{\"choices\":[{choice}]}}\n\n");
    let portions = [
        chunk(r#"{"index":0,"delta":{"content":"ok"}}"#),
        chunk(r#"{"index":0,"delta":{},"finish_reason":"length"}"#),
        chunk(r#"{"index":1,"delta":{"content":"ok"},"finish_reason":"tool_calls"}"#),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n".to_owned(),
    ];
    send(gateway.envoy(), "chat", true, &[], &[sse(&portions.each_ref().map(String::as_str))]);
    let spans = exported(&gateway.worker);
    for span in &spans {
        assert_eq!(attributes(span)["gen_ai.response.finish_reasons"], json!(["length", "tool_calls"]));
    }
    assert!(attributes(&spans[1])["gen_ai.response.time_to_first_chunk"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_second_try_at_the_same_target_is_a_retry() {
    let gateway = traced("");
    gateway.ask(&[], &[Script::Closed, good()]);
    let spans = exported(&gateway.worker);
    let (name, retry) = &events(&spans[0])[0];
    assert_eq!((&**name, retry), ("sluice.retry", &json!({"from": "one/x", "to": "one/x", "reason": "no_answer"})));
}

#[test]
fn a_refusal_says_whose_it_was_and_why() {
    let gateway = traced("");
    send(gateway.envoy(), "a secret plan", false, &[], &[]);
    let spans = exported(&gateway.worker);
    assert_eq!((spans.len(), failure(&spans[0])), (1, (true, json!("model_not_found"))));
    assert_eq!((&spans[0]["name"], &attributes(&spans[0])["sluice.key"]), (&json!("chat"), &json!("k")));
    assert_eq!(attributes(&spans[0])["http.response.status_code"], 404);
    gateway.envoy().send("POST", super::CHAT, &[("api-key", b"sk-wrong")], super::BODY, &[]);
    let spans = exported(&gateway.worker);
    assert_eq!(failure(&spans[0]), (true, json!("unknown_api_key")));
    assert_eq!(attributes(&spans[0])["http.response.status_code"], 401);
    for path in ["/health", "/"] {
        gateway.envoy().send("GET", path, &[], b"", &[]);
    }
    assert_eq!(exported(&gateway.worker), Vec::<Value>::new(), "health checks have no spans");
}

/// A request whose body is not complete ends, after Envoy's own reply if there is one: the error in its span, in its log line, in
/// `sluice_requests_total` and in `sluice_rejected_requests_total`.
#[cfg(not(target_arch = "wasm32"))]
fn ended_early(status: Option<&str>) -> [Option<String>; 4] {
    use sluice_core::metrics::Group;
    use sluice_core::metrics::instruments::{REJECTED, REQUEST};
    use sluice_core::metrics::pages::Snapshot;
    use sluice_core::pipeline::gateway::RequestPipeline;
    use sluice_core::pipeline::{Effect, Event, Flow, property};
    let (gateway, shared, effects) = (traced(""), crate::shared::Shared::default(), &mut Vec::new());
    let (mut pipeline, view) = (RequestPipeline::new(gateway.worker.clone()), crate::envoy::posted("{}"));
    pipeline.request(Event::RequestHeaders { end: false }, &view, &shared, effects);
    if let Some(status) = status {
        let flow = pipeline.response(None, &crate::envoy::local_reply(status), &shared, effects);
        assert!(matches!(flow, Flow::Reply(_)), "{flow:?}");
    }
    pipeline.finish(None, &view, &shared, effects);

    let spans = exported(&gateway.worker);
    assert_eq!((spans.len(), attributes(&spans[0])["sluice.key"].as_str()), (1, Some("k")));
    let (failed, span) = failure(&spans[0]);
    assert!(failed);
    let logged = effects.iter().find_map(|effect| match effect {
        Effect::SetProperty(property::LOG, fragment) => {
            let line: Value = serde_json::from_str(&format!("{{{}}}", fragment.trim_start_matches(','))).unwrap();
            line["error"].as_str().map(str::to_owned)
        }
        _ => None,
    });
    let now = Time(1_800_000_000_000_000_000);
    gateway.worker.recorder().configure(10_000, None);
    gateway.worker.recorder().flush(0, &shared, now);
    let metrics = Snapshot::read(&shared, now);
    let counted = |group: &'static Group, label: &str| {
        let mut rows = metrics.rows(group).filter(|(_, values)| values[0] == 1);
        rows.find_map(|(labels, _)| labels.iter().find(|(name, _)| *name == label).map(|(_, error)| error.to_owned()))
    };
    [span.as_str().map(str::to_owned), logged, counted(&REQUEST, "error_type"), counted(&REJECTED, "code")]
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_client_that_leaves_before_its_request_is_complete_is_interrupted_and_not_rejected() {
    let interrupted = Some("interrupted".to_owned());
    assert_eq!(ended_early(None), [interrupted.clone(), interrupted.clone(), interrupted, None]);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_reply_of_envoy_before_a_request_is_complete_has_the_same_code_everywhere() {
    for (status, code) in [("408", "request_timeout"), ("504", "provider_timeout"), ("400", "invalid_request")] {
        assert_eq!(ended_early(Some(status)), [(); 4].map(|()| Some(code.to_owned())));
    }
}

#[test]
fn a_limit_that_rejects_and_a_budget_that_is_nearly_used_up_are_events() {
    let gateway = traced_with("", r#","limits":{"requests_per_minute":1}"#, "", "");
    gateway.ask(&[], &[good()]);
    exported(&gateway.worker);
    assert_eq!(gateway.ask(&[], &[]).status, 429);
    let spans = exported(&gateway.worker);
    let rejected = json!({"limit": "key=k/requests/minute", "action": "reject"});
    assert_eq!(events(&spans[0]), [("sluice.limit".to_owned(), rejected)]);
    let prices = r#","prices":{"unpriced":{"input":1000,"output":1000}}"#;
    let gateway = traced_with("", r#","budget":{"total":0.0001,"soft":true}"#, "", prices);
    gateway.ask(&[], &[good()]);
    exported(&gateway.worker);
    gateway.ask(&[], &[good()]);
    let spans = exported(&gateway.worker);
    let (name, warned) = &events(&spans[0])[0];
    assert_eq!((&**name, &warned["limit"], &warned["action"]), ("sluice.limit", &json!("key=k/total"), &json!("warn")));
    assert!(warned["percent"].as_u64().unwrap() >= 100, "{warned}");
    assert_eq!(attributes(&spans[0])["sluice.cost_usd"], 0.011);
}

#[test]
fn guardrails_are_events() {
    let guard = |action: &str, sides: &str| {
        format!(r#","guards":{{"pii":{{"detect":["email"],"action":"{action}","on":[{sides}]}}}}"#)
    };
    let ask = |gateway: &TestGateway, scripts: &[Script]| {
        let body = br#"{"model":"chat","messages":[{"role":"user","content":"I am a@example.com"}]}"#;
        gateway.envoy().send("POST", super::CHAT, &[("api-key", SECRET.as_bytes())], body, scripts)
    };
    let found = |side: &str, action: &str| {
        let finding = json!({"guard": "pii", "label": "email", "side": side, "action": action});
        ("sluice.guardrail".to_owned(), finding)
    };
    let gateway = traced_with("", "", "", &guard("block", r#""prompts""#));
    assert_eq!(ask(&gateway, &[]).status, 400);
    let spans = exported(&gateway.worker);
    assert_eq!(
        (failure(&spans[0]), events(&spans[0])),
        ((true, json!("guardrail_blocked")), vec![found("prompts", "block")])
    );
    let gateway = traced_with("", "", "", &guard("mask", r#""prompts""#));
    ask(&gateway, &[good()]);
    assert_eq!(events(&exported(&gateway.worker)[0]), [found("prompts", "mask")]);
    let gateway = traced_with("", "", "", &guard("log", r#""answers""#));
    let told = r#"{"choices":[{"message":{"role":"assistant","content":"b@example.com"},"finish_reason":"stop"}]}"#;
    gateway.ask(&[], &[answer(200, told)]);
    assert_eq!(events(&exported(&gateway.worker)[0]), [found("answers", "log")]);
}

#[test]
fn results_of_providers_content_filters_are_events() {
    let gateway = traced("");
    let found = |side: &str| {
        let result = json!({"provider": "one", "side": side, "category": "other", "action": "blocked"});
        ("sluice.content_filter".to_owned(), result)
    };
    let refused = r#"{"error":{"message":"no","code":"content_policy_violation"}}"#;
    let ended = r#"{"choices":[{"message":{"role":"assistant","content":"so"},"finish_reason":"content_filter"}]}"#;
    for (script, side) in [(answer(400, refused), "prompt"), (answer(200, ended), "answer")] {
        gateway.ask(&[], &[script]);
        assert_eq!(events(&exported(&gateway.worker)[0]), [found(side)]);
    }
}

#[test]
fn an_answer_from_the_cache_has_a_span_of_its_own() {
    let gateway = traced_with(r#","cache":{"ttl":"1m"}"#, "", "", "");
    for (scripts, word, count) in [(&[good()][..], "miss", 2), (&[], "hit", 1)] {
        gateway.ask(&[], scripts);
        let spans = exported(&gateway.worker);
        assert_eq!(
            (spans.len(), events(&spans[0])),
            (count, vec![("sluice.cache".to_owned(), json!({"result": word}))])
        );
        let told = attributes(&spans[0]);
        assert_eq!(
            (&told["sluice.cache"], &told["sluice.key"], &told["sluice.provider"]),
            (&json!(word), &json!("k"), &json!("one"))
        );
        assert_eq!((failure(&spans[0]), &told["http.response.status_code"]), ((false, Value::Null), &json!(200)));
    }
}

#[test]
fn contents_are_recorded_only_where_the_operator_wants_them() {
    let body = br#"{"model":"chat","messages":[{"role":"user","content":"swordfish of a@example.com"}]}"#;
    let headers: [(&str, &[u8]); 2] = [("api-key", SECRET.as_bytes()), ("cookie", b"session=swordfish")];
    let told = r#"{"choices":[{"message":{"role":"assistant","content":"trout"},"finish_reason":"stop"}]}"#;
    let guard = r#","guards":{"pii":{"detect":["email"],"action":"mask","on":["prompts"]}}"#;
    for (tracing, names) in [
        ("", None),
        (r#","content":true"#, Some(["gen_ai.input.messages", "gen_ai.output.messages"])),
        (r#","content":true,"names":"openinference""#, Some(["input.value", "output.value"])),
        (r#","content":true,"sampling":0"#, None),
    ] {
        let gateway = traced_with("", "", tracing, guard);
        let path = format!("{}?api-key={SECRET}", super::CHAT);
        gateway.envoy().send("POST", &path, &headers, body, &[answer(503, "{}"), answer(200, told)]);
        let spans = exported(&gateway.worker);
        let text = json!(spans).to_string();
        assert!(!text.contains(SECRET) && !text.contains("a@example.com") && !text.contains("session"), "{text}");
        let Some([prompt, response]) = names else {
            assert!(!text.contains("swordfish") && !text.contains("trout"), "{text}");
            continue;
        };
        let read = |name: &str| serde_json::from_str::<Value>(attributes(&spans[0])[name].as_str().unwrap()).unwrap();
        assert!(read(prompt)[0]["parts"][0]["content"].as_str().unwrap().starts_with("swordfish of "), "{text}");
        let said =
            json!([{"role": "assistant", "parts": [{"type": "text", "content": "trout"}], "finish_reason": "stop"}]);
        assert_eq!(read(response), said);
        assert_eq!(spans.iter().filter(|span| span.to_string().contains("swordfish")).count(), 1, "only the request's");
    }
}

#[test]
fn a_stream_is_recorded_in_each_form() {
    let gateway = traced(r#","content":true"#);
    let chunk =
        |text: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let call = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let finish = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;
    let events = [chunk("tr"), chunk("out"), format!("{call}\n\n{finish}\n\n"), "data: [DONE]\n\n".to_owned()];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    for (streams, path) in [(true, super::CHAT), (false, super::CHAT), (true, "/v1/messages")] {
        let body = format!(
            r#"{{"model":"chat","stream":{streams},"max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let seen =
            gateway.envoy().send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), &[sse(&events)]);
        assert_eq!(seen.status, 200, "{}", seen.body);
        let told = attributes(&exported(&gateway.worker)[0]);
        assert!(told["gen_ai.input.messages"].as_str().is_some_and(|text| text.contains("hi")), "{told}");
        let response: Value = serde_json::from_str(told["gen_ai.output.messages"].as_str().expect("content")).unwrap();
        let parts = response[0]["parts"].as_array().unwrap();
        assert_eq!(parts[0], json!({"type": "text", "content": "trout"}), "{streams} {path}");
        assert_eq!(
            (&parts[1]["type"], &parts[1]["name"], &parts[1]["arguments"]),
            (&json!("tool_call"), &json!("f"), &json!("{}"))
        );
        assert_eq!(told["gen_ai.response.finish_reasons"], json!(["tool_calls"]));
    }
}

#[test]
fn a_long_stream_flows_and_its_beginning_is_recorded() {
    let gateway = traced(r#","content":true"#);
    let chunk =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(10_000));
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let events = [&*chunk; 20].into_iter().chain([finish, "data: [DONE]\n\n"]).collect::<Vec<_>>();
    let seen = send(gateway.envoy(), "chat", true, &[], &[sse(&events)]);
    assert_eq!(seen.body, events.concat());
    let told = attributes(&exported(&gateway.worker)[0]);
    let recorded = told["gen_ai.output.messages"].as_str().expect("content").len();
    assert!((60_000..=70_000).contains(&recorded), "{recorded}");
}

#[test]
fn openinference_has_names_of_its_own() {
    let gateway = traced(r#","names":"openinference""#);
    gateway.ask(&[], &[good()]);
    let spans = exported(&gateway.worker);
    let own = attributes(&spans[0]);
    assert_eq!((&own["openinference.span.kind"], &own["llm.token_count.prompt"]), (&json!("CHAIN"), &Value::Null));
    let served = attributes(&spans[1]);
    for (name, expected) in [
        ("openinference.span.kind", json!("LLM")),
        ("llm.model_name", json!("x")),
        ("llm.provider", json!("openai")),
        ("llm.token_count.prompt", json!(9)),
        ("llm.token_count.completion", json!(2)),
        ("llm.token_count.total", json!(11)),
        ("llm.finish_reason", json!("stop")),
    ] {
        assert_eq!(served[name], expected, "{name}");
    }
    assert!(!json!(spans).to_string().contains("gen_ai."));
}

/// The names of OpenTelemetry's conventions that spans use, from
/// <https://github.com/open-telemetry/semantic-conventions-genai/blob/002c8a6ea1c8a42b14a4527db83b3cabcded610a/model/gen-ai/registry.yaml>.
const REGISTRY: [&str; 18] = [
    "gen_ai.conversation.id",
    "gen_ai.input.messages",
    "gen_ai.operation.name",
    "gen_ai.output.messages",
    "gen_ai.provider.name",
    "gen_ai.request.choice.count",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.stream",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.reasoning.output_tokens",
];

#[test]
fn names_are_those_of_the_registry() {
    let names = |names: &Names| -> BTreeSet<String> {
        let written = format!("{names:?}");
        let each = written.split('"').skip(1).step_by(2).filter(|name| !name.is_empty());
        each.map(str::to_owned).collect()
    };
    assert_eq!(names(TraceNames::OpenTelemetry.all()), REGISTRY.map(str::to_owned).into());
    for name in names(TraceNames::OpenInference.all()) {
        let known = ["openinference.", "llm.", "input.", "output.", "session.id"];
        assert!(known.iter().any(|prefix| name.starts_with(prefix)), "{name}");
    }
}

#[test]
fn parameters_of_the_request_are_attributes() {
    let gateway = traced_with("", r#","endpoints":["/v1/*"]"#, "", "");
    let body = br#"{"model":"chat","max_tokens":50,"n":2,"messages":[{"role":"user","content":"hi"}]}"#;
    gateway.envoy().send("POST", super::CHAT, &[("api-key", SECRET.as_bytes())], body, &[good()]);
    let told = attributes(&exported(&gateway.worker)[0]);
    assert_eq!((&told["gen_ai.request.max_tokens"], &told["gen_ai.request.choice.count"]), (&json!(50), &json!(2)));
    let body = br#"{"model":"chat","input":"hi","conversation":"conv_1"}"#;
    let response = r#"{"id":"resp_1","status":"completed","model":"x","output":[{"type":"message","role":"assistant",
        "content":[{"type":"output_text","text":"ok"}]}],"usage":{"input_tokens":9,"output_tokens":2}}"#;
    let seen = gateway.envoy().send(
        "POST",
        "/v1/responses",
        &[("api-key", SECRET.as_bytes())],
        body,
        &[answer(200, response)],
    );
    assert_eq!(seen.status, 200, "{}", seen.body);
    let told = attributes(&exported(&gateway.worker)[0]);
    let expected = (&json!("conv_1"), &json!("resp_1"), &json!(["stop"]));
    let found = (&told["gen_ai.conversation.id"], &told["gen_ai.response.id"], &told["gen_ai.response.finish_reasons"]);
    assert_eq!(found, expected);
}

#[test]
fn what_a_trace_says_besides_its_id_stays_here_unless_it_is_configured() {
    let headers = [PARENT, ("tracestate", "a=b"), ("baggage", "user=alice")];
    for (file, state, baggage) in [
        ("", None, None),
        (r#","forward_headers":["tracestate"]"#, Some("a=b"), None),
        (r#","forward_headers":["baggage","tracestate"]"#, Some("a=b"), Some("user=alice")),
    ] {
        for tracing in [false, true] {
            let gateway = if tracing { traced_with("", "", "", file) } else { TestGateway::new("", "", file) };
            let seen = gateway.ask(&headers, &[good()]);
            let received = &seen.received[0].headers;
            assert_eq!((received.text("tracestate"), received.text("baggage")), (state, baggage), "{file}");
            assert_eq!(received.text(PARENT.0) == Some(PARENT.1), !tracing);
        }
    }
}
