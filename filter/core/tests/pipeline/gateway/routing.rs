//! Routing headers, retries, and target health across requests.

use std::rc::Rc;
use std::time::Duration;

use sluice_core::pipeline::gateway::dry_run::{Question, dry_run};
use sluice_core::pipeline::metric;
use sluice_core::pipeline::worker::Worker;
use sluice_core::routing::spec::Trigger;

use crate::envoy::{Envoy, SECRET, Script, Seen, json, sse};
use crate::shared::Shared;

use super::spending::sha256;
use super::{CHAT, error};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A worker of a gateway whose model `chat` has the targets `one/x`, `two/x` and `three/x`.
pub(super) struct TestGateway {
    pub(super) worker: Rc<Worker>,
    pub(super) shared: Rc<Shared>,
}

impl TestGateway {
    /// A gateway with these additional fields of the model, the key and the file.
    pub(super) fn new(model: &str, key: &str, file: &str) -> Self {
        let target = |name: &str| format!(r#"{{"provider":"{name}","model":"x"}}"#);
        let targets = ["one", "two", "three"].map(target).join(",");
        Self::with(&format!(r#""targets":[{targets}]{model}"#), key, file)
    }

    pub(super) fn with(model: &str, key: &str, file: &str) -> Self {
        let provider = |name: &str| format!(r#""{name}":{{"kind":"openai","url":"https://{name}/v1"}}"#);
        let providers = ["one", "two", "three"].map(provider).join(",");
        let text = format!(
            r#"{{"providers":{{{providers}}},"models":{{"chat":{{{model}}}}},"teams":{{"t":{{}}}},
                "keys":[{{"id":"k","team":"t","sha256":"{}"{key}}}]{file}}}"#,
            sha256(SECRET)
        );
        let gateway = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        Self { worker: Rc::new(Worker::new(Rc::new(gateway), [7; 16])), shared: Rc::default() }
    }

    pub(super) fn envoy(&self) -> Envoy {
        Envoy::with(self.worker.clone(), self.shared.clone())
    }

    pub(super) fn ask(&self, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
        self.ask_for("chat", headers, scripts)
    }

    fn ask_for(&self, model: &str, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
        send(self.envoy(), model, false, headers, scripts)
    }
}

pub(super) fn send(envoy: Envoy, model: &str, stream: bool, headers: &[(&str, &str)], scripts: &[Script]) -> Seen {
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut all: Vec<(&str, &[u8])> = vec![("api-key", SECRET.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    envoy.send("POST", CHAT, &all, body.as_bytes(), scripts)
}

pub(super) fn good() -> Script {
    let answer = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    json(200, answer)
}

fn later(wait: &'static str) -> Script {
    Script::Answer(429, vec![("retry-after", wait)], vec![b"{}".to_vec()])
}

/// The providers that were tried, in order: `one two`.
fn asked(seen: &Seen) -> String {
    let authority = |received: &crate::envoy::Received| received.headers.text(":authority").unwrap().to_owned();
    seen.received.iter().map(authority).collect::<Vec<_>>().join(" ")
}

const ALL: &str = r#","control":["route","fallback","timeout","targets"]"#;

#[test]
fn a_provider_and_its_model_are_a_name_for_who_may_choose_targets() {
    let may = TestGateway::new("", r#","control":["targets"]"#, "");
    let seen = may.ask_for("two/x", &[], &[good()]);
    assert_eq!((seen.status, asked(&seen).as_str()), (200, "two"));
    assert!(seen.received[0].body.contains(r#""model":"x""#), "{}", seen.received[0].body);
    assert_eq!(seen.log["model"], "two/x");
    assert_eq!(asked(&may.ask_for("two/x", &[], &[json(504, "{}")])), "two", "there is no other");
    assert_eq!(error(&may.ask_for("two/y", &[], &[])), (404, "model_not_found".to_owned()));
    for control in ["", r#","control":["route","fallback","timeout"]"#] {
        let may_not = TestGateway::new("", control, "");
        assert_eq!(error(&may_not.ask_for("two/x", &[], &[])), (404, "model_not_found".to_owned()));
    }
    let narrow = TestGateway::new("", r#","control":["targets"],"models":["chat","t*/x"]"#, "");
    assert_eq!(narrow.ask_for("two/x", &[], &[good()]).status, 200);
    assert_eq!(error(&narrow.ask_for("one/x", &[], &[])), (403, "model_not_allowed".to_owned()));
}

#[test]
fn targets_are_listed_for_who_may_choose_them() {
    for (key, expected) in [
        ("", &["chat"][..]),
        (r#","control":["route"]"#, &["chat"]),
        (r#","control":["targets"]"#, &["chat", "one/x", "three/x", "two/x"]),
        (r#","control":["targets"],"models":["t*"]"#, &["three/x", "two/x"]),
    ] {
        let seen =
            TestGateway::new("", key, "").envoy().send("GET", "/v1/models", &[("api-key", b"sk-test")], b"", &[]);
        let list: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        let names: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
        assert_eq!(names, expected, "{key}");
    }
}

#[test]
fn what_a_key_may_not_decide_is_a_403_and_what_it_may_is_done() {
    for (control, name, value) in [
        ("route", "x-sluice-route", "two"),
        ("fallback", "x-sluice-fallback", "off"),
        ("timeout", "x-sluice-timeout", "5s"),
    ] {
        let others = ["route", "fallback", "timeout", "targets"].into_iter().filter(|other| *other != control);
        let others: Vec<String> = others.map(|other| format!("{other:?}")).collect();
        let key = format!(r#","control":[{}]"#, others.join(","));
        let seen = TestGateway::new("", &key, "").ask(&[(name, value)], &[]);
        assert_eq!(error(&seen), (403, "control_not_allowed".to_owned()), "{name}");
        assert!(seen.body.contains(name), "{}", seen.body);
        let key = format!(r#","control":["{control}"]"#);
        let seen = TestGateway::new("", &key, "").ask(&[(name, value)], &[good()]);
        assert_eq!(seen.status, 200, "{name}");
        assert!(seen.received[0].headers.iter().all(|(name, _)| !name.starts_with(b"x-sluice")), "it stays here");
    }
}

#[test]
fn a_client_decides_who_is_first_and_whether_there_is_a_second() {
    let gateway = TestGateway::new("", ALL, "");
    let down = json(503, "{}");
    let route = ("x-sluice-route", "two");
    assert_eq!(asked(&gateway.ask(&[route], &[down.clone(), good()])), "two one");
    let alone = gateway.ask(&[route, ("x-sluice-fallback", "off")], &[json(504, "{}")]);
    assert_eq!((alone.status, asked(&alone).as_str()), (504, "two"));
    assert_eq!(asked(&gateway.ask(&[route, ("x-sluice-fallback", "off")], &[down, good()])), "two two", "it alone");
    assert_eq!(error(&gateway.ask(&[("x-sluice-route", "four")], &[])), (400, "route_not_found".to_owned()));
    assert_eq!(error(&gateway.ask(&[("x-sluice-fallback", "of")], &[])), (400, "invalid_header".to_owned()));
}

/// The timeouts that Envoy's router received, in milliseconds: of the whole request, and of an attempt.
fn told(seen: &Seen) -> (Option<&str>, Option<&str>) {
    let header = |name| seen.departed.text(name);
    (header("x-envoy-upstream-rq-timeout-ms"), header("x-envoy-upstream-rq-per-try-timeout-ms"))
}

#[test]
fn envoy_is_told_of_times_where_they_are_not_the_gateways() {
    let streamed = sse(&[
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ]);
    let asks = |model: &str, stream: bool, wish: &[(&str, &str)]| {
        let gateway = TestGateway::new(model, ALL, r#","timeouts":{"total":"60s","answer":"20s","first_token":"5s"}"#);
        let answer = if stream { streamed.clone() } else { good() };
        let seen = send(gateway.envoy(), "chat", stream, wish, &[answer]);
        assert_eq!(seen.status, 200);
        let (total, attempt) = told(&seen);
        (total.map(str::to_owned), attempt.map(str::to_owned))
    };
    let told = |total: Option<&str>, attempt: Option<&str>| (total.map(str::to_owned), attempt.map(str::to_owned));
    let wish = |time: &'static str| [("x-sluice-timeout", time)];
    assert_eq!(asks("", false, &[]), told(None, None));
    assert_eq!(asks("", false, &wish("1500ms")), told(Some("1500"), None));
    for longer in ["60s", "61s", "24h"] {
        assert_eq!(asks("", false, &wish(longer)), told(None, None), "{longer}: the gateway's holds");
    }
    let own = r#","timeouts":{"total":"90s","answer":"10s","first_token":"2s"}"#;
    assert_eq!(asks(own, false, &[]), told(Some("90000"), Some("10000")));
    assert_eq!(asks(own, true, &[]), told(Some("90000"), Some("2000")));
    assert_eq!(asks(own, false, &wish("2m")).0.as_deref(), Some("90000"), "the model's holds");
    assert_eq!(asks(own, false, &wish("3s")).0.as_deref(), Some("3000"));
    let whole = r#","delivery":"whole""#;
    assert_eq!(asks(whole, true, &[]), told(None, Some("90000")), "all of it has to come");
}

const TOO_LONG: &str =
    r#"{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}"#;

#[test]
fn a_prompt_that_is_too_long_goes_to_who_is_known_to_take_more() {
    let sizes = |capabilities: &str| TestGateway::new("", "", &format!(r#","capabilities":{{{capabilities}}}"#));
    let gateway = sizes(r#""one/x":{"max_input":8000},"two/x":{"max_input":8000},"three/x":{"max_input":9000}"#);
    let seen = gateway.ask(&[], &[json(400, TOO_LONG), good()]);
    assert_eq!((seen.status, asked(&seen).as_str()), (200, "one three"));
    assert_eq!(seen.headers.text("x-sluice-failures"), Some("one/x: status_400"));
    assert!(seen.counted.contains(&"sluice.failed.context_length"));
    let unknown = sizes(r#""one/x":{"max_input":8000},"two/x":{"max_input":7000}"#);
    assert_eq!(asked(&unknown.ask(&[], &[json(400, TOO_LONG), good()])), "one three", "of it nothing is known");
    assert_eq!(asked(&sizes("").ask(&[], &[json(400, TOO_LONG), json(400, TOO_LONG), good()])), "one two three");
    let all = |sizes: [u32; 3]| {
        let sizes = ["one", "two", "three"].iter().zip(sizes);
        sizes.map(|(name, most)| format!(r#""{name}/x":{{"max_input":{most}}}"#)).collect::<Vec<_>>().join(",")
    };
    for nobody in [all([8000, 8000, 7000]), all([8000, 1, 8000])] {
        let nobody = &nobody;
        let seen = sizes(nobody).ask(&[], &[json(400, TOO_LONG)]);
        assert_eq!((seen.status, asked(&seen).as_str()), (400, "one"), "{nobody}");
        assert!(seen.body.contains("context_length_exceeded"));
    }
}

#[test]
fn what_a_policy_forbids_and_other_errors_of_the_request_are_never_tried_again() {
    let policy = |status, code: &str| json(status, &format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#));
    for script in [
        policy(400, "content_filter"),
        policy(400, "content_policy_violation"),
        policy(403, "content_policy_violation"),
        json(200, r#"{"error":{"message":"no","code":"content_filter"}}"#),
        json(400, "{}"),
        json(404, "{}"),
        json(413, "{}"),
        json(422, "{}"),
    ] {
        let seen = TestGateway::new("", "", "").ask(&[], std::slice::from_ref(&script));
        assert_eq!(asked(&seen), "one", "{script:?}");
        assert!((400..500).contains(&seen.status), "{seen:?}");
        assert_eq!(seen.headers.text("x-sluice-attempts"), Some("1"));
    }
}

#[test]
fn each_reason_to_try_again_is_one_only_where_the_file_says_so() {
    let error = r#"{"error":{"message":"boom","type":"server_error"}}"#;
    for (trigger, script) in [
        (Trigger::Unreachable, Script::Nothing),
        (Trigger::RequestTimeout, json(408, "{}")),
        (Trigger::Conflict, json(409, "{}")),
        (Trigger::RateLimited, json(429, "{}")),
        (Trigger::ServerError, json(503, "{}")),
        (Trigger::RefusedCredential, json(401, "{}")),
        (Trigger::BadAnswer, json(200, "<html>")),
        (Trigger::ErrorInAnswer, json(200, error)),
        (Trigger::EmptyAnswer, json(200, " ")),
        (Trigger::ContextLength, json(400, TOO_LONG)),
    ] {
        let name = serde_json::to_string(&trigger).unwrap();
        let others = Trigger::ALL.into_iter().filter(|other| *other != trigger);
        let others = serde_json::to_string(&others.collect::<Vec<_>>()).unwrap();
        let room = r#","capabilities":{"two/x":{"max_input":9000}}"#;
        let only = TestGateway::new(&format!(r#","retry":{{"on":[{name}]}}"#), "", room);
        let seen = only.ask(&[], &[script.clone(), good()]);
        assert_eq!((seen.status, seen.received.len()), (200, 2), "{name} alone");
        let without = TestGateway::new(&format!(r#","retry":{{"on":{others}}}"#), "", room);
        let seen = without.ask(&[], &[script.clone(), good()]);
        assert_ne!(seen.status, 200, "all but {name}");
        assert_eq!(seen.received.len(), 1, "all but {name}");
        let never = TestGateway::new(r#","retry":{"on":[]}"#, "", room).ask(&[], &[script]);
        assert_eq!(never.received.len(), 1, "{name}: none");
    }
}

#[test]
fn what_took_too_long_is_another_reason_than_what_was_not_there() {
    // The fake clock passes this before an attempt without a callback ends.
    let times = |on: &str| format!(r#","timeouts":{{"answer":"20ms"}},"retry":{{"on":[{on}]}}"#);
    let seen = TestGateway::new(&times(r#""timeout""#), "", "").ask(&[], &[Script::Nothing, good()]);
    assert_eq!((seen.status, asked(&seen).as_str()), (200, "one two"));
    assert_eq!(seen.headers.text("x-sluice-failures"), Some("one/x: timeout"));
    let seen = TestGateway::new(&times(r#""unreachable""#), "", "").ask(&[], &[Script::Nothing, good()]);
    assert_eq!((seen.status, asked(&seen).as_str()), (504, "one"));
}

#[test]
fn a_short_wait_is_for_the_same_target_and_no_wait_at_all_for_another() {
    let patient = TestGateway::new("", "", "").ask(&[], &[later("1"), good()]);
    assert_eq!((asked(&patient).as_str(), patient.waits), ("one one", vec![Some("1".to_owned())]));
    let busy = TestGateway::new("", "", "").ask(&[], &[later("3"), good()]);
    assert_eq!((asked(&busy).as_str(), busy.waits), ("one two", vec![None]));
    let longer = TestGateway::new(r#","retry":{"wait":"5s"}"#, "", "").ask(&[], &[later("4"), good()]);
    assert_eq!((asked(&longer).as_str(), longer.waits), ("one one", vec![Some("4".to_owned())]));
    for wait in ["0", "0.2", "1", "2"] {
        let never = TestGateway::new(r#","retry":{"wait":"0s"}"#, "", "");
        assert_eq!(asked(&never.ask(&[], &[later(wait), good()])), "one two", "{wait}");
    }
}

#[test]
fn where_no_other_target_is_left_a_wait_is_for_the_same_one_unless_waiting_is_off() {
    let alone = |wait: &str| {
        let model = format!(r#""targets":[{{"provider":"one","model":"x"}}],"retry":{{"wait":"{wait}"}}"#);
        TestGateway::with(&model, "", "")
    };
    assert_eq!(asked(&alone("1s").ask(&[], &[later("2"), good()])), "one one");
    assert_eq!(
        alone("1s").ask(&[], &[later("3")]).headers.text("retry-after"),
        Some("3"),
        "that is the client's to wait"
    );
    for wait in ["0", "1"] {
        let seen = alone("0s").ask(&[], &[later(wait), good()]);
        assert_eq!((seen.status, asked(&seen).as_str()), (429, "one"), "{wait}");
    }
}

#[test]
fn a_circuit_opens_over_requests_and_one_of_them_finds_out_when_its_time_is_over() {
    let gateway = TestGateway::new("", "", "");
    for _ in 0..5 {
        assert_eq!(asked(&gateway.ask(&[], &[json(503, "{}"), good()])), "one two");
    }
    let seen = gateway.ask(&[], &[good()]);
    assert_eq!((asked(&seen).as_str(), seen.headers.text("x-sluice-attempts")), ("two", Some("1")));
    let after = |millis, scripts: &[Script]| {
        asked(&send(gateway.envoy().after(Duration::from_millis(millis)), "chat", false, &[], scripts))
    };
    assert_eq!(after(1_500, &[good()]), "two");
    // 2 s, within 20 %.
    assert_eq!(after(2_500, &[json(503, "{}"), good()]), "one two", "the probe, and it fails");
    assert_eq!(after(3_000, &[good()]), "two", "for twice as long");
    assert_eq!(after(8_000, &[good()]), "one", "the probe, and it is well");
    let shares = (0..400).filter(|_| after(8_100, &[good()]) == "one").count();
    assert!((10..=90).contains(&shares), "a tenth of them, and growing: {shares}");
    assert_eq!(after(14_000, &[good()]), "one");
}

#[test]
fn a_request_that_cannot_find_out_keeps_nobody_else_from_it() {
    let due = Duration::from_millis(2_500);
    let broken = |key: &str| {
        let gateway = TestGateway::new("", key, r#","circuit":{"failures":1}"#);
        assert_eq!(asked(&gateway.ask(&[], &[json(503, "{}"), good()])), "one two");
        gateway
    };
    // Rejected before it is forwarded, by a limit that only a long response exceeds.
    let gateway = broken(r#","limits":{"max_request_tokens":5000}"#);
    let long = br#"{"model":"chat","max_tokens":4096,"n":2,"messages":[{"role":"user","content":"hi"}]}"#;
    let refused = gateway.envoy().after(due).send("POST", CHAT, &[("api-key", SECRET.as_bytes())], long, &[]);
    assert_eq!(refused.status, 400);
    assert_eq!(asked(&send(gateway.envoy().after(due), "chat", false, &[], &[good()])), "one");
    // The client disconnects: the probe has no outcome.
    let gateway = broken("");
    let journey = || gateway.envoy().after(due).departs("chat");
    let (mut first, now) = journey();
    assert_eq!(first.route.next_cluster(), "one");
    assert_eq!(journey().0.route.next_cluster(), "two", "somebody is finding out");
    first.conclude(false, now, &*gateway.shared);
    assert_eq!(journey().0.route.next_cluster(), "one");
}

#[test]
fn a_failure_that_says_nothing_of_the_target_opens_no_circuit() {
    let sizes =
        r#","capabilities":{"one/x":{"max_input":1000},"two/x":{"max_input":2000},"three/x":{"max_input":3000}}"#;
    for script in [json(400, "{}"), json(400, TOO_LONG), json(409, "{}"), json(422, "{}")] {
        let gateway = TestGateway::new("", "", sizes);
        for _ in 0..8 {
            assert_ne!(gateway.ask(&[], &[script.clone(), script.clone(), script.clone()]).status, 200);
        }
        assert_eq!(asked(&gateway.ask(&[], &[good()])), "one", "{script:?}");
    }
}

#[test]
fn what_a_request_can_cause_opens_no_circuit() {
    let ended = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    let cut = "data: {\"choices\":[]}\n\n";
    let too_large = || Script::Answer(200, vec![("content-type", "application/json")], vec![vec![b' '; 17 << 20]; 2]);
    for (stream, script, opens) in [
        (true, sse(&[ended, "data: [DONE]\n\n"]), false),
        (true, sse(&[cut, "data: [DONE]\n\n"]), true),
        (false, too_large(), false),
        (false, json(200, "<html>"), true),
    ] {
        let gateway = TestGateway::new("", "", r#","circuit":{"failures":2}"#);
        for _ in 0..3 {
            send(gateway.envoy(), "chat", stream, &[], &[script.clone(), json(400, "{}")]);
        }
        let next = asked(&gateway.ask(&[], &[good()]));
        assert_eq!(next != "one", opens, "{next}: {stream}");
    }
}

#[test]
fn a_client_that_does_not_read_opens_no_circuit() {
    let gateway = TestGateway::new("", "", r#","circuit":{"failures":1}"#);
    let (mut journey, now) = gateway.envoy().departs("chat");
    let _ = journey.begin(now, &*gateway.shared);
    journey.commit(now);
    let later = now.after(Duration::from_secs(600));
    assert!(journey.check_stream_timeout(later).is_some());
    journey.conclude(false, later, &*gateway.shared);
    assert_eq!(asked(&gateway.ask(&[], &[good()])), "one");
}

#[test]
fn a_provider_that_said_when_to_come_back_is_passed_over_by_the_next_requests() {
    // The wait may also be a date.
    for when in ["30", "Fri, 15 Jan 2027 08:00:30 GMT"] {
        let gateway = TestGateway::new("", "", "");
        assert_eq!(asked(&gateway.ask(&[], &[later(when), good()])), "one two", "{when}");
        assert_eq!(asked(&gateway.ask(&[], &[good()])), "two", "{when}");
        let after =
            |secs| asked(&send(gateway.envoy().after(Duration::from_secs(secs)), "chat", false, &[], &[good()]));
        assert_eq!((after(28).as_str(), after(36).as_str()), ("two", "one"), "{when}");
    }
}

#[test]
fn an_outage_of_all_targets_is_not_multiplied() {
    let gateway = TestGateway::new("", "", "");
    let down = [json(503, "{}"), json(503, "{}"), json(503, "{}")];
    let attempts: Vec<usize> = (0..300).map(|_| gateway.ask(&[], &down).received.len()).collect();
    assert_eq!(attempts[..5], [3; 5], "nobody knows yet");
    let sum: usize = attempts.iter().sum();
    // A fifth of each target's attempts, and at least ten for each.
    assert!(sum <= 15 + 295 + 30 + 295 / 4, "{sum}");
    assert!(attempts[200..].iter().sum::<usize>() <= 130, "{attempts:?}");
    assert!(attempts.iter().all(|attempts| *attempts > 0), "every request is tried");
}

#[test]
fn asking_the_same_target_again_is_bounded_and_what_is_allowed_is_allowed_in_full() {
    let gateway = TestGateway::with(r#""targets":[{"provider":"one","model":"x"}]"#, "", "");
    let twice = (0..40).filter(|_| gateway.ask(&[], &[json(500, "{}"), json(500, "{}")]).received.len() == 2).count();
    assert_eq!(twice, 10, "ten in any case, and a fifth of all 50 attempts comes to no more");
}

#[test]
fn an_answer_says_why_it_did_not_come_from_the_first() {
    let seen = TestGateway::new("", "", "").ask(&[], &[json(503, "{}"), Script::Nothing, good()]);
    assert_eq!(seen.headers.text("x-sluice-attempts"), Some("3"));
    assert_eq!(seen.headers.text("x-sluice-failures"), Some("one/x: status_503, two/x: no_answer"));
    assert_eq!((seen.headers.text("x-sluice-provider"), seen.headers.get("x-sluice-tier")), (Some("three"), None));
    assert_eq!(seen.counted, ["sluice.failed.server_error", "sluice.failed.unreachable", metric::FALLBACK]);
    let failures: Vec<_> = seen.log["tried"].as_array().unwrap().iter().map(|one| one["failure"].as_str()).collect();
    assert_eq!(failures, [Some("status_503"), Some("no_answer"), None]);
    assert_eq!(seen.log["strategy"], "fallback");
    let down = TestGateway::new("", "", "").ask(&[], &[json(503, "{}"), json(429, "{}"), json(401, "{}")]);
    assert_eq!(
        down.headers.text("x-sluice-failures"),
        Some("one/x: status_503, two/x: status_429, three/x: status_401")
    );
    assert_eq!(
        down.counted,
        ["sluice.failed.server_error", "sluice.failed.rate_limited", "sluice.failed.refused_credential"]
    );
    let good = TestGateway::new("", "", "").ask(&[], &[good()]);
    assert_eq!((good.headers.get("x-sluice-failures"), good.counted.len()), (None, 0));
}

#[test]
fn an_answer_of_a_lower_tier_says_so() {
    let targets =
        r#""targets":[{"provider":"one","model":"x"},{"provider":"two","model":"x","tier":2}],"allow_lower_tier":true"#;
    let seen = TestGateway::with(targets, "", "").ask(&[], &[json(503, "{}"), good()]);
    assert_eq!(seen.headers.text("x-sluice-tier"), Some("2"));
    assert_eq!(seen.counted, ["sluice.failed.server_error", metric::FALLBACK, metric::LOWER_TIER]);
    assert_eq!(seen.log["lower_tier"], 2);
    let best = TestGateway::with(targets, "", "").ask(&[], &[good()]);
    assert_eq!((best.headers.get("x-sluice-tier"), &best.log["lower_tier"]), (None, &serde_json::Value::Null));
}

#[test]
fn a_target_where_the_request_would_be_too_large_is_not_asked() {
    let large = r#","limits":[{"match":{"provider":"one"},"limits":{"max_request_tokens":1}}]"#;
    let seen = TestGateway::new("", "", large).ask(&[], &[json(503, "{}"), good()]);
    assert_eq!(asked(&seen), "two three");
    let last = large.replace("one", "three");
    assert_eq!(asked(&TestGateway::new("", "", &last).ask(&[], &[json(503, "{}"), json(503, "{}")])), "one two");
    let all = large.replace(r#""match":{"provider":"one"},"#, "");
    assert_eq!(error(&TestGateway::new("", "", &all).ask(&[], &[])), (400, "max_request_tokens_exceeded".to_owned()));
}

#[test]
fn a_least_busy_target_is_left_when_its_answer_is_over_however_it_ended() {
    use sluice_core::routing::target_health::load::in_flight;
    let gateway = TestGateway::new(r#","strategy":"least_busy""#, "", "");
    for script in [good(), json(400, "{}")] {
        gateway.ask(&[], &[script]);
    }
    gateway.ask(&[], &[json(503, "{}"), Script::Nothing, good()]);
    gateway.ask(&[], &[json(503, "{}"), Script::Nothing, Script::Nothing, Script::Nothing]);
    for target in &gateway.worker.config.models["chat"].targets {
        let now = sluice_wire::time::Time(1_800_000_001_000_000_000);
        assert_eq!(in_flight(&*gateway.shared, &target.health, now, Duration::from_secs(600)), 0, "{}", target.name);
    }
}

/// The providers that the dry run lists, in order.
fn dry_run_result(gateway: &TestGateway, headers: &[(&str, &str)], body: &str) -> String {
    let headers = headers.iter().copied().collect();
    let now = sluice_wire::time::Time(1_800_000_000_000_000_000);
    let question = Question { path: "/v1/chat/completions", key: "k", headers: &headers, body: body.as_bytes(), now };
    let foresight = dry_run(&gateway.worker.config, &question).unwrap();
    let lined_up = foresight.targets.iter().filter(|target| target.lined_up);
    lined_up.map(|target| target.ranked.target.provider.name.clone()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_foreseen_is_what_happens() {
    let body = r#"{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}"#;
    let prices = r#","prices":{"models":{"one/x":{"input":3,"output":3},"two/x":{"input":2,"output":2},"three/x":{"input":1,"output":1}}}"#;
    let large = r#","limits":[{"match":{"provider":"two"},"limits":{"max_request_tokens":1}}]"#;
    let routes = r#","routes":[{"match":{"headers":{"x-env":"prod"}},"targets":["three","one"]}]"#;
    for (model, file, headers) in [
        ("", "", &[][..]),
        (r#","strategy":"cheapest""#, prices, &[]),
        (r#","strategy":"weighted","sticky":"key""#, "", &[]),
        (routes, "", &[("x-env", "prod")]),
        (routes, "", &[("x-env", "test")]),
        ("", large, &[]),
        ("", prices, &[("x-sluice-route", "two")]),
        ("", prices, &[("x-sluice-route", "cheapest"), ("x-sluice-fallback", "off")]),
    ] {
        let gateway = TestGateway::new(model, ALL, file);
        let seen = gateway.ask(headers, &[json(504, "{}"), json(504, "{}"), json(504, "{}")]);
        assert_eq!(dry_run_result(&gateway, headers, body), asked(&seen), "{model} {file} {headers:?}");
    }
}
