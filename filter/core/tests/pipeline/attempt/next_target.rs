//! The target after a failed attempt: it can always take the request, and it is unchanged if the connection was stale.

use sluice_core::pipeline::metric;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BIASED: &str = r#"{"model":"through","logit_bias":{"1":5},"messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn a_target_without_words_for_the_request_is_passed_over_and_the_list_goes_on() {
    for failure in [json(503, "{}"), Script::Nothing] {
        let seen = Envoy::new().chat(BIASED, &[failure.clone(), json(200, OPENAI)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (200, Some("old")), "{failure:?}");
        assert_eq!((seen.received.len(), seen.headers.text("x-sluice-attempts")), (2, Some("2")), "{failure:?}");
        let tried = &seen.log["tried"];
        assert_eq!(
            (&tried[1]["provider"], &tried[1]["failure"], &tried[2]["provider"], &tried[2]["failure"]),
            (&"ant".into(), &"cannot_express".into(), &"old".into(), &serde_json::Value::Null),
            "{failure:?}"
        );
        let nobody = Envoy::new().chat(&BIASED.replace("through", "chat"), &[failure.clone(), failure.clone()]);
        assert_eq!(nobody.status, 503, "{failure:?}");
        assert!(nobody.received.iter().all(|received| received.headers.text(":authority") == Some("oai.test")));
    }
    let plain =
        Envoy::new().chat(&BIASED.replace(r#""logit_bias":{"1":5},"#, ""), &[json(503, "{}"), json(200, ANTHROPIC)]);
    assert_eq!(plain.headers.text("x-sluice-provider"), Some("ant"));
}

#[test]
fn a_lost_connection_is_made_anew_once_and_says_nothing_of_the_target() {
    let (worker, shared) = (Rc::new(Worker::new(config(), [7; 16])), Rc::<Shared>::default());
    let ask = |scripts: &[Script]| {
        let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
        Envoy::with(worker.clone(), shared.clone()).chat(body, scripts)
    };
    // More often than a retry budget or a circuit would allow.
    for _ in 0..30 {
        let seen = ask(&[Script::Closed, json(200, OPENAI)]);
        assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("oai"), 2));
        assert_eq!(seen.headers.text("x-sluice-failures"), Some("oai/gpt: no_answer"));
        assert_eq!(seen.counted, ["sluice.failed.unreachable"]);
    }
    let seen = ask(&[Script::Closed, Script::Closed, json(200, ANTHROPIC)]);
    assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("ant"), 3));
    assert!(seen.counted.contains(&metric::FALLBACK));
    assert_eq!(ask(&[Script::Closed, json(503, "{}"), json(200, ANTHROPIC)]).received.len(), 3);
}

/// One request loses as many connections as a pool may have, and no more than the limit.
#[test]
fn connections_that_had_served_are_lost_one_after_the_other_and_none_of_it_counts() {
    let (worker, shared) = (Rc::new(Worker::new(config(), [7; 16])), Rc::<Shared>::default());
    let ask = |body: &str, scripts: &[Script]| Envoy::with(worker.clone(), shared.clone()).chat(body, scripts);
    let chat = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..6 {
        let seen = ask(chat, &[vec![Script::Forgotten; 50], vec![json(200, OPENAI)]].concat());
        assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("oai"), 51));
        // The last attempt used a new connection, and its loss counts as usual.
        let seen = ask(chat, &[vec![Script::Forgotten; 3], vec![Script::Closed, json(200, ANTHROPIC)]].concat());
        assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("ant"), 5));
        assert_eq!(ask(chat, &[json(200, OPENAI)]).headers.text("x-sluice-provider"), Some("oai"));
    }
    let endless = [vec![Script::Forgotten; 65], vec![json(200, ANTHROPIC)]].concat();
    assert_eq!(ask(chat, &endless).headers.text("x-sluice-provider"), Some("ant"));
    // A body of 16 MiB is sent again four times for this, and no more.
    let long = chat.replace("chat", "groq-last").replace("\"hi\"", &format!("\"{}\"", "a".repeat(16 << 20)));
    let seen = ask(&long, &[vec![Script::Forgotten; 5], vec![json(200, OPENAI)]].concat());
    assert_eq!((seen.headers.text("x-sluice-provider"), seen.received.len()), (Some("grq"), 6));
}
