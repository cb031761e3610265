//! Limits and budgets, from the request to its settlement, with the store in Envoy's shared data.

use std::rc::Rc;
use std::time::Duration;

use sluice_core::metrics::instruments::{BUDGET, budget};
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::metric;
use sluice_core::pipeline::request_state::{Counted, RequestState};
use sluice_core::pipeline::worker::Worker;
use sluice_core::store::{Counter, Debit, LimitWindow, ReserveRequest, embedded};
use sluice_wire::conversation::Usage;
use sluice_wire::dialect::OutputSoFar;
use sluice_wire::time::Time;

use crate::envoy::{Envoy, Script, Seen, json, sse};
use crate::shared::Shared;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A worker whose models cost one dollar per million tokens at `oai` and three at `ant`. The key of `fake::SECRET` has the additional
/// fields `key`.
pub(super) fn worker(key: &str, more: &str) -> Rc<Worker> {
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}},"ant":{{"kind":"anthropic"}}}},
            "models":{{"chat":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"ant","model":"claude"}}]}},
                      "cheap":{{"targets":[{{"provider":"oai","model":"mini"}}]}}}},
            "prices":{{"models":{{"oai/gpt":{{"input":1,"output":1}},"ant/claude":{{"input":3,"output":3}},
                                 "oai/mini":{{"input":0.1,"output":0.1}}}}}},
            "teams":{{"t":{{}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}"{key}}}]{more}}}"#,
        sha256(crate::envoy::SECRET)
    );
    let config = sluice_config::from_json(file.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    Rc::new(Worker::new(Rc::new(config), [7; 16]))
}

pub(super) fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn ask(stream: bool) -> String {
    format!(r#"{{"model":"chat","stream":{stream},"max_tokens":50,"messages":[{{"role":"user","content":"hello"}}]}}"#)
}

/// A response with this usage.
pub(super) fn answer(input: u64, output: u64) -> Script {
    json(
        200,
        &format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"ok"}},"finish_reason":"stop"}}],
                "usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#
        ),
    )
}

fn code(seen: &Seen) -> String {
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn send(worker: &Rc<Worker>, shared: &Rc<Shared>, scripts: &[Script]) -> Seen {
    Envoy::with(worker.clone(), shared.clone()).chat(&ask(false), scripts)
}

#[test]
fn a_budget_holds_what_is_estimated_and_is_charged_what_was_used() {
    // The estimate of a request: 24 input and 50 output tokens.
    let (worker, shared) = (worker(r#","budget":{"total":0.000410}"#, ""), Rc::default());
    let first = send(&worker, &shared, &[answer(200, 130)]);
    assert_eq!((first.status, &first.log["cost_usd"]), (200, &"0.000330".into()));
    assert_eq!((first.headers.text("x-sluice-budget"), &first.log["budgets"][0]), (None, &"key=k/total 80%".into()));
    let second = send(&worker, &shared, &[answer(10, 5)]);
    assert_eq!(second.status, 200, "80 of 410 are left, which is enough");
    assert_eq!(second.headers.text("x-sluice-budget"), Some("key=k/total 80%"), "what was spent before");
    assert_eq!((second.counted, &second.log["budgets"][0]), (vec![metric::BUDGET_80], &"key=k/total 84%".into()));
    let third = send(&worker, &shared, &[]);
    assert_eq!(
        (third.status, code(&third)),
        (429, "insufficient_quota".to_owned()),
        "65 are left of the 74 that are needed"
    );
    assert_eq!(third.headers.text("x-should-retry"), Some("false"));
    assert_eq!((third.counted, third.received.len()), (vec![metric::OVER_BUDGET], 0));
    assert_eq!((&third.log["error"], &third.log["key"]), (&"insufficient_quota".into(), &"k".into()));
}

#[test]
fn what_is_reserved_for_requests_under_way_warns_nobody() {
    let (worker, shared) = (worker(r#","budget":{"total":0.000100,"soft":true}"#, ""), Rc::default());
    let send = || Envoy::with(worker.clone(), Rc::clone(&shared));
    // Each reserves 74 of 100.
    let under_way: Vec<_> = (0..30).map(|_| send().departs("chat")).collect();
    let seen = send().chat(&ask(false), &[answer(2, 2)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-budget")), (200, None));
    assert_eq!((seen.counted.len(), seen.log["budgets"].as_array()), (0, None), "{}", seen.log);
    drop(under_way);
}

#[test]
fn what_a_lost_request_holds_comes_back_when_none_for_its_model_can_be_under_way_any_more() {
    // The gateway's other models may take ten minutes. 74 micro-dollars are reserved.
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai"}}}},
            "models":{{"chat":{{"targets":[{{"provider":"oai","model":"gpt"}}],"timeouts":{{"total":"30m"}}}}}},
            "prices":{{"models":{{"oai/gpt":{{"input":1,"output":1}}}}}},"reservation":{{"output_tokens":50}},
            "teams":{{"t":{{}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}","budget":{{"total":0.000080}},
                      "limits":{{"concurrent_requests":1}}}}]}}"#,
        sha256(crate::envoy::SECRET)
    );
    let worker = Rc::new(Worker::new(Rc::new(sluice_config::from_json(file.as_bytes()).unwrap()), [7; 16]));
    let shared = Rc::default();
    drop(Envoy::with(worker.clone(), Rc::clone(&shared)).departs("chat"));
    let after = |minutes: u64| {
        let envoy = Envoy::with(worker.clone(), Rc::clone(&shared)).after(Duration::from_secs(60 * minutes));
        envoy.chat(&ask(false), &[answer(10, 5)]).status
    };
    assert_eq!([12, 29, 35].map(after), [429, 429, 200]);
}

#[test]
fn what_is_reserved_without_a_lease_is_counted() {
    let (worker, shared) = (worker(r#","budget":{"total":1}"#, ""), Rc::<Shared>::default());
    let reserve = |team: &str, counters: u32, lease: u64| {
        let take = |number| {
            let name = format!("{number}").into();
            let counter = Counter { name, shard_key: team.into(), kind: LimitWindow::Total };
            Debit { counter, amount: 1, limit: 10, hard: true }
        };
        let alternatives = vec![(0..counters).map(take).collect()];
        let reserve_request = ReserveRequest { id: "o".into(), lease: Duration::from_secs(lease), alternatives };
        let now = sluice_wire::time::Time(1_800_000_000_000_000_000);
        embedded::reserve(&*shared, &reserve_request, embedded::CounterScope::Local, now).unwrap()
    };
    // Half as many counters as fit into a shard, each with leases of two expiry times.
    for team in ["other", "t"] {
        for lease in [3_600, 36_000] {
            assert_eq!(send(&worker, &shared, &[answer(10, 5)]).counted, Vec::<&str>::new(), "{team} {lease}");
            reserve(team, 2_048, lease);
        }
    }
    assert_eq!(send(&worker, &shared, &[answer(10, 5)]).counted, [metric::UNLEASED]);
}

#[test]
fn a_fallback_costs_what_its_own_provider_asks_and_a_failed_attempt_nothing() {
    let (worker, shared) = (worker(r#","budget":{"total":1},"limits":{"requests_per_minute":2}"#, ""), Rc::default());
    let claude = json(
        200,
        r#"{"type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"ok"}],
            "stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":5}}"#,
    );
    let seen = send(&worker, &shared, &[json(503, ""), claude]);
    assert_eq!((seen.status, &seen.log["cost_usd"]), (200, &"0.000045".into()));
    assert_eq!(seen.headers.text("x-ratelimit-remaining-requests"), Some("1"), "two attempts are one request");
}

#[test]
fn a_fallback_that_the_budget_does_not_cover_is_not_asked() {
    // 74 tokens: 74 micro-dollars at the first provider, three times as much at the second.
    let (worker, shared) = (worker(r#","budget":{"total":0.000150}"#, ""), Rc::default());
    let seen = send(&worker, &shared, &[json(503, ""), answer(1, 1)]);
    assert_eq!((seen.status, seen.received.len()), (503, 1));
    assert_eq!(seen.log["tried"][1]["failure"], "over_limit");
    // Nothing was used, so the whole budget is available again.
    assert_eq!(send(&worker, &shared, &[answer(10, 5)]).status, 200);
}

#[test]
fn a_budget_that_is_used_up_can_lead_to_another_model() {
    let (worker, shared) = (worker(r#","budget":{"total":0.000080,"then_model":"cheap"}"#, ""), Rc::default());
    assert_eq!(send(&worker, &shared, &[answer(10, 5)]).status, 200);
    let seen = send(&worker, &shared, &[answer(10, 5)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-instead-of")), (200, Some("chat")));
    assert_eq!((&seen.log["model"], &seen.log["instead"]), (&"chat".into(), &"cheap".into()));
    assert_eq!(seen.log["cost_usd"], "0.000002");
    assert!(seen.received[0].body.contains(r#""model":"mini""#));
}

#[test]
fn a_limit_that_is_no_budget_leads_to_no_other_model() {
    let limits = |limits: &str| format!(r#","limits":[{{"match":{{"model":"chat"}},"limits":{{{limits}}}}}]"#);
    let other = r#","budgets":[{"match":{"model":"chat"},"budget":{"total":0.000080}}]"#.to_owned();
    for (more, second) in [
        (limits(r#""requests_per_minute":1"#), "rate_limit_exceeded"),
        (limits(r#""tokens_per_day":80"#), "rate_limit_exceeded"),
        (other, "insufficient_quota"),
    ] {
        let (worker, shared) = (worker(r#","budget":{"total":1,"then_model":"cheap"}"#, &more), Rc::default());
        assert_eq!(send(&worker, &shared, &[answer(10, 5)]).status, 200, "{more}");
        let seen = send(&worker, &shared, &[answer(10, 5)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-instead-of")), (429, None), "{more}");
        assert_eq!(code(&seen), second, "{more}");
    }
}

#[test]
fn a_used_up_budget_leads_to_its_other_model_whatever_else_stops_the_requested_one() {
    let limit = r#","limits":[{"match":{"model":"chat"},"limits":{"requests_per_minute":1}}]"#;
    let (worker, shared) = (worker(r#","budget":{"total":0.000080,"then_model":"cheap"}"#, limit), Rc::default());
    assert_eq!(send(&worker, &shared, &[answer(10, 5)]).status, 200);
    let seen = send(&worker, &shared, &[answer(10, 5)]);
    assert_eq!((seen.status, seen.headers.text("x-sluice-instead-of")), (200, Some("chat")), "{}", seen.body);
}

#[test]
fn a_request_that_no_provider_of_its_model_takes_goes_to_no_other_model() {
    let budget = r#","budget":{"total":1,"then_model":"cheap"}"#;
    let small = r#","limits":[{"match":{"model":"chat"},"limits":{"max_request_tokens":9}}]"#;
    let seen = send(&worker(budget, small), &Rc::default(), &[answer(10, 5)]);
    assert_eq!((seen.status, code(&seen), seen.received.len()), (400, "max_request_tokens_exceeded".to_owned(), 0));
}

#[test]
fn a_stream_that_breaks_off_is_charged_for_its_prompt_and_for_what_it_brought() {
    let (worker, shared) = (worker(r#","budget":{"total":1}"#, ""), Rc::default());
    let piece = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abcdefgh\"}}]}\n\n";
    let seen = Envoy::with(worker, shared).chat(&ask(true), &[sse(&[piece, piece, piece])]);
    assert_eq!(seen.log["error"], "stream_truncated");
    // Three chunks of eight bytes are six tokens at four bytes each.
    assert_eq!((&seen.log["estimated"], &seen.log["output_tokens"]), (&true.into(), &6.into()));
    let input = seen.log["input_tokens"].as_u64().unwrap();
    assert!((20..40).contains(&input), "{input}");
    assert_eq!(seen.log["cost_usd"], format!("0.0000{}", input + 6));
}

#[test]
fn what_an_answer_says_it_used_is_owed_though_it_is_no_good() {
    let (worker, shared) = (worker(r#","budget":{"total":1}"#, ""), Rc::default());
    let openai = json(200, r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#);
    let anthropic = json(200, r#"{"type":"message","content":7,"usage":{"input_tokens":10,"output_tokens":5}}"#);
    let seen = send(&worker, &shared, &[openai, anthropic]);
    assert_eq!((seen.status, &seen.log["cost_usd"]), (502, &"0.000060".into()));
}

#[test]
fn an_answer_without_usage_is_not_free() {
    let (worker, shared) = (worker(r#","budget":{"total":1}"#, ""), Rc::default());
    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let seen = send(&worker, &shared, &[json(200, body)]);
    assert_eq!((&seen.log["estimated"], seen.status), (&true.into(), 200));
    assert_eq!(seen.log["usage"], "missing");
    assert!(seen.log["output_tokens"].as_u64().unwrap() > 0 && seen.log["cost_usd"] != "0.000000");
}

#[test]
fn a_place_among_concurrent_requests_is_free_again_when_the_request_is_over() {
    let (worker, shared) = (worker(r#","limits":{"concurrent_requests":1}"#, ""), Rc::default());
    for _ in 0..3 {
        assert_eq!(send(&worker, &shared, &[answer(1, 1)]).status, 200);
    }
}

#[test]
fn limits_are_told_with_every_answer_and_refusal() {
    let (worker, shared) =
        (worker(r#","limits":{"requests_per_minute":1,"tokens_per_minute":1000}"#, ""), Rc::default());
    let first = send(&worker, &shared, &[answer(1, 1)]);
    assert_eq!(first.headers.text("x-ratelimit-limit-tokens"), Some("1000"));
    let second = send(&worker, &shared, &[]);
    assert_eq!((second.status, code(&second)), (429, "rate_limit_exceeded".to_owned()));
    assert_eq!(second.headers.text("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!((second.headers.text("retry-after"), second.counted), (Some("60"), vec![metric::LIMITED]));
}

#[test]
fn nobody_erases_a_budget_by_asking_for_more_answers_than_can_be_counted() {
    let budget = r#","budget":{"total":0.000100,"then_model":"cheap"}"#;
    let (worker, shared) = (worker(budget, ""), Rc::default());
    assert_eq!(send(&worker, &shared, &[answer(50, 40)]).status, 200);
    // The budget counts the other model, but does not stop it.
    for n in ["18446744073709551615", "1e30", "129"] {
        let body = format!(r#"{{"model":"cheap","n":{n},"messages":[{{"role":"user","content":"hello"}}]}}"#);
        let greedy = Envoy::with(worker.clone(), Rc::clone(&shared)).chat(&body, &[json(400, "{}")]);
        assert_eq!((greedy.status, greedy.received.len()), (400, 0), "{n}");
    }
    let next = send(&worker, &shared, &[answer(10, 5)]);
    assert_eq!(next.headers.text("x-sluice-instead-of"), Some("chat"), "90 of 100 are used");
}

/// The charge for a request with this reported usage. `oai` costs one dollar per million tokens.
fn charged(usage: &str) -> (u16, String, serde_json::Value) {
    let answer = json(
        200,
        &format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"a text of forty letters, which are ten."}},
                "finish_reason":"stop"}}],"usage":{usage}}}"#
        ),
    );
    let seen = send(&worker(r#","budget":{"total":1}"#, ""), &Rc::default(), &[answer]);
    (seen.status, seen.log["cost_usd"].as_str().unwrap_or_default().to_owned(), seen.log["usage"].clone())
}

#[test]
fn a_count_that_nobody_can_have_used_is_no_count_and_never_an_error() {
    for usage in [
        r#"{"prompt_tokens":9223372036854775808,"completion_tokens":18446744073709551615}"#,
        r#"{"prompt_tokens":1e30,"completion_tokens":1e300}"#,
        r#"{"prompt_tokens":-5,"completion_tokens":-1}"#,
        r#"{"prompt_tokens":"many","completion_tokens":{}}"#,
        r#"{"prompt_tokens":100000001,"completion_tokens":100000001,"total_tokens":200000002}"#,
        r#""none""#,
        "true",
        "[1,2]",
        "7",
        "{}",
    ] {
        let (status, estimated, counted) = charged(usage);
        assert_eq!((status, counted), (200, "missing".into()), "{usage}");
        assert!(("0.000030".."0.000150").contains(&estimated.as_str()), "{usage}: {estimated}");
    }
    // Plausible usage is charged and the rest is estimated, so no part of a response is free.
    let (status, cost, counted) = charged(r#"{"prompt_tokens":1000}"#);
    assert_eq!((status, counted), (200, "partial".into()));
    assert!(cost.as_str() > "0.001005", "{cost}");
    let (status, _, counted) = charged(r#"{"prompt_tokens":10.0,"completion_tokens":"5","prompt_tokens_details":"x"}"#);
    assert_eq!((status, counted), (200, "complete".into()));
}

/// A request without streaming, sent `seconds` ago, whose client disconnects now.
fn left_after(worker: &Rc<Worker>, shared: &Rc<Shared>, seconds: u64) -> RequestState {
    let (mut journey, now) = Envoy::with(worker.clone(), Rc::clone(shared)).departs("chat");
    let _ = journey.begin(now, &**shared);
    journey.conclude(false, now.after(Duration::from_secs(seconds)), &**shared);
    journey
}

#[test]
fn an_answer_that_its_client_abandons_costs_what_its_target_makes_in_the_time() {
    let (worker, shared) = (worker("", r#","reservation":{"output_tokens":2000}"#), Rc::default());
    let output = |seconds| {
        let journey = left_after(&worker, &shared, seconds);
        assert!(journey.bill.abandoned && journey.bill.estimated);
        assert_eq!(journey.bill.counted, Some(Counted::Missing));
        journey.answer.usage.unwrap().output
    };
    assert_eq!([0, 3, 15, 600].map(output), [0, 300, 1_500, 2_000], "a hundred a second, and what is reserved at most");
    worker.observe_output_rate(&worker.config.models["chat"].targets[0], 1_000, Duration::from_secs(20));
    assert_eq!([3, 15, 600].map(output), [150, 750, 2_000]);
}

#[test]
fn several_answers_that_a_client_abandons_are_made_beside_each_other() {
    let (worker, shared) = (worker("", ""), Rc::<Shared>::default());
    let (mut journey, now) =
        Envoy::with(worker, Rc::clone(&shared)).departs_with(r#"{"model":"chat","n":3,"messages":[1]}"#);
    let _ = journey.begin(now, &*shared);
    journey.conclude(false, now.after(Duration::from_secs(2)), &*shared);
    assert_eq!(journey.answer.usage.unwrap().output, 3 * 200);
}

#[test]
fn a_stream_that_its_client_leaves_before_the_count_is_not_charged_for_its_visible_text_alone() {
    let (worker, shared) = (worker("", ""), Rc::<Shared>::default());
    let leave = |finished: bool, counted: Option<Usage>| {
        let (mut journey, now) = Envoy::with(worker.clone(), Rc::clone(&shared)).departs("chat");
        let _ = journey.begin(now, &*shared);
        journey.commit(now);
        (journey.answer.said, journey.answer.finished, journey.answer.usage) =
            (OutputSoFar { pieces: 20, bytes: 80 }, finished, counted);
        journey.conclude(false, now.after(Duration::from_secs(30)), &*shared);
        (journey.answer.usage.unwrap().output, journey.bill.abandoned)
    };
    let begun = Usage { input: 10, output: 1, ..Usage::default() };
    let all = Usage { input: 10, output: 3_020, reasoning: 3_000, ..Usage::default() };
    assert_eq!(leave(false, None), (3_000, true));
    assert_eq!(leave(true, None), (3_000, true), "its end is not its count");
    assert_eq!(leave(false, Some(begun)), (3_000, true), "what a stream begins with is not all of it");
    assert_eq!(leave(true, Some(all)), (3_020, false), "only the terminator was left");
}

/// The tokens used on a limit while a Responses request is in flight, by it and by earlier requests.
fn reserved(worker: &Rc<Worker>, shared: &Rc<Shared>, more: &str, answer: &str) -> u64 {
    let body = format!(r#"{{"model":"cheap","max_output_tokens":1,"input":"hi"{more}}}"#);
    let key: [(&str, &[u8]); 1] = [("api-key", crate::envoy::SECRET.as_bytes())];
    let envoy = Envoy::with(worker.clone(), Rc::clone(shared));
    let seen = envoy.send("POST", "/v1/responses", &key, body.as_bytes(), &[json(200, answer)]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    let told = seen.headers.text("x-ratelimit-remaining-tokens").unwrap();
    1_000_000 - told.parse::<u64>().unwrap()
}

#[test]
fn a_request_that_goes_on_with_what_its_provider_keeps_reserves_that_too() {
    const LIMIT: &str = r#","limits":{"tokens_per_minute":1000000},"endpoints":["*"]"#;
    const ANSWER: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"mini","output":[],
        "usage":{"input_tokens":70000,"output_tokens":7}}"#;
    let new = |file: &str| (worker(LIMIT, file), Rc::<Shared>::default());
    let alone = |more: &str| {
        let (worker, shared) = new("");
        reserved(&worker, &shared, more, ANSWER)
    };
    let plain = alone("");
    assert!(plain < 40, "{plain}");
    for (more, parts) in [
        (r#","previous_response_id":"resp_0""#, 1),
        (r#","previous_response_id":null"#, 0),
        (r#","conversation":"conv_1""#, 1),
        (r#","conversation":{"id":"conv_1"}"#, 1),
        (r#","prompt":{"id":"pmpt_1"}"#, 1),
        (r#","conversation":"conv_1","tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]"#, 2),
    ] {
        let more = alone(more) - plain;
        assert!((32_000 * parts..32_000 * parts + 40).contains(&more), "{more} for {parts}");
    }
    let (worker, shared) = new("");
    reserved(&worker, &shared, "", ANSWER);
    let Some(used) = reserved(&worker, &shared, r#","previous_response_id":"resp_1""#, ANSWER).checked_sub(70_007)
    else {
        panic!("less than the answer before")
    };
    assert!((70_007..70_100).contains(&used), "what the first one used, and what the second one goes on with: {used}");
    let (worker, shared) = new(r#","reservation":{"unknown_input":0}"#);
    assert!(reserved(&worker, &shared, r#","conversation":"conv_1""#, ANSWER) < plain + 20);
}

#[test]
fn what_cannot_be_read_was_made_all_the_same() {
    // 24 input and 50 output tokens are reserved, at a tenth of a micro-dollar each.
    let too_large = || Script::Answer(200, vec![("content-type", "application/json")], vec![vec![b' '; 17 << 20]; 2]);
    let zipped = || {
        let headers = vec![("content-type", "application/json"), ("content-encoding", "gzip")];
        Script::Answer(200, headers, vec![b"\x1f\x8b".to_vec()])
    };
    let garbage = |length: usize| json(200, &format!("<{}", "x".repeat(length - 1)));
    for (script, micro_dollars) in [
        (too_large(), 8),
        (zipped(), 8),
        (garbage(40), 4),
        (garbage(40_000), 8),
        (json(200, r#"{"error":{"message":"no"}}"#), 0),
        (json(200, ""), 0),
        (json(500, "x"), 0),
    ] {
        let (worker, shared) = (worker("", ""), Rc::default());
        let seen = Envoy::with(worker, shared).chat(&ask(false).replace("chat", "cheap"), &[script.clone(), script]);
        assert!(seen.status >= 500, "{}", seen.body);
        let attempts = seen.log["attempts"].as_u64().unwrap();
        assert_eq!(seen.log["cost_usd"], format!("0.{:06}", micro_dollars * attempts), "{}", seen.log);
    }
}

#[test]
fn a_budget_is_reported_with_its_present_limit_also_while_it_rejects() {
    let reported = |worker: &Worker, shared: &Shared| {
        let now = Time(1_801_396_800_000_000_000);
        worker.recorder().configure(10_000, None);
        worker.recorder().flush(0, shared, now);
        let snapshot = Snapshot::read(shared, now);
        let rows = snapshot.rows(&BUDGET).map(|(_, values)| [budget::USED, budget::LIMIT].map(|slot| values[slot.at]));
        rows.collect::<Vec<_>>()
    };
    let limited = |limit: &str| worker(&format!(r#","budget":{{"total":{limit}}}"#), "");
    let (first, shared) = (limited("0.000100"), Rc::default());
    assert_eq!(send(&first, &shared, &[answer(40, 50)]).status, 200);
    assert_eq!(reported(&first, &shared), [[90, 100]]);
    let lower = limited("0.000080");
    assert_eq!(send(&lower, &shared, &[]).status, 429);
    assert_eq!(reported(&lower, &shared), [[90, 80]]);
    let higher = limited("0.001");
    assert_eq!(send(&higher, &shared, &[answer(1, 1)]).status, 200);
    assert_eq!(reported(&higher, &shared), [[92, 1_000]]);
    // How much of it others have only reserved is unknown.
    let (unused, shared) = (limited("0.000050"), Rc::default());
    assert_eq!(send(&unused, &shared, &[]).status, 429);
    assert!(reported(&unused, &shared).is_empty());
}
