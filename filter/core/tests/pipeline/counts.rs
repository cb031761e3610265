//! The exact cost of one request: its host calls and effects, its translations, and its allocations. An increase needs a reason.

use std::rc::Rc;

use sluice_core::callout::Endpoint;
use sluice_core::compiled::CompiledConfig;
use sluice_core::pipeline::worker::Worker;
use sluice_core::trace::{Settings, TraceNames};
use sluice_wire::dialect::translate::counted::{self, Counts};

use crate::counter;
use crate::envoy::{Envoy, Script, config, json};
use crate::shared::Shared;

const CHAT: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"gpt",
    "choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;

const MESSAGE: &str = r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"Hello."}],
    "stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}"#;

/// Asserts the cost of a request for `model`: the counts by kind, and how often its body is parsed and written for translation.
#[track_caller]
fn costs(model: &str, scripts: &[Script], expected: &[&str], translations: (u32, u32)) {
    costs_under(config(), model, scripts, expected, translations);
}

/// The same under a configuration.
#[track_caller]
fn costs_under(
    config: Rc<CompiledConfig>,
    model: &str,
    scripts: &[Script],
    expected: &[&str],
    (read, written): (u32, u32),
) {
    let body = format!(
        r#"{{"model":"{model}","messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"Hi"}}],
        "tools":[{{"type":"function","function":{{"name":"look","parameters":{{"type":"object"}}}}}}]}}"#
    );
    let (worker, shared) = (Rc::new(Worker::new(config, [7; 16])), Rc::new(Shared::default()));
    let envoy = || Envoy::with(worker.clone(), shared.clone());
    // The first request of its kind allocates the rows of its metrics.
    envoy().chat(&body, scripts);
    let envoy = envoy();
    counter::taken();
    counted::taken();
    let seen = envoy.chat(&body, scripts);
    let counts = counter::taken();
    assert_eq!((seen.status, seen.received.len()), (200, scripts.len()), "{}", seen.body);
    assert_eq!(counts, expected);
    assert_eq!(counted::taken(), Counts { read, written });
}

#[test]
fn a_request_in_its_providers_own_format() {
    costs(
        "gpt",
        &[json(200, CHAT)],
        &[
            "allocations 46",
            "effect.clear_route 1",
            "effect.replace_headers 2",
            "effect.set_header 1",
            "effect.set_property 2",
            "view.body 2",
            "view.headers 2",
            "view.now 5",
        ],
        (0, 0),
    );
}

/// The same gateway with traces of so many of a million requests.
fn traced(sampling: u32) -> Rc<CompiledConfig> {
    let collector = Endpoint { authority: "c".to_owned(), tls: false, path: "/v1/traces".to_owned() };
    let mut config = Rc::into_inner(config()).unwrap();
    config.tracing = Some(Settings { sampling, names: TraceNames::default(), content: false, collector });
    Rc::new(config)
}

#[test]
fn a_request_that_is_traced() {
    let (own, attempt) = (["view.header 1", "view.headers 2"], "allocations 51");
    for (sampling, allocations, views) in [(0, "allocations 47", &own[1..]), (1_000_000, attempt, &own[..])] {
        let before = [
            allocations,
            "effect.clear_route 1",
            "effect.replace_headers 2",
            "effect.set_header 1",
            "effect.set_property 2",
            "view.body 2",
        ];
        let expected = [&before[..], views, &["view.now 5"]].concat();
        costs_under(traced(sampling), "gpt", &[json(200, CHAT)], &expected, (0, 0));
    }
}

#[test]
fn a_request_that_is_translated() {
    costs(
        "claude",
        &[json(200, MESSAGE)],
        &[
            "allocations 107",
            "effect.clear_route 1",
            "effect.replace_body 2",
            "effect.replace_headers 2",
            "effect.set_header 2",
            "effect.set_property 2",
            "view.body 2",
            "view.headers 2",
            "view.now 6",
        ],
        (1, 1),
    );
}

#[test]
fn a_request_that_falls_back_and_is_translated_for_its_second_target() {
    costs(
        "chat",
        &[json(503, "{}"), json(200, MESSAGE)],
        &[
            "allocations 145",
            "effect.clear_route 1",
            "effect.count 2",
            "effect.remove_header 1",
            "effect.replace_body 3",
            "effect.replace_headers 3",
            "effect.set_header 2",
            "effect.set_property 3",
            "shared.read 5",
            "shared.write 1",
            "view.body 2",
            "view.headers 3",
            "view.now 8",
        ],
        (1, 1),
    );
}

#[test]
fn a_request_that_is_translated_for_each_of_two_targets() {
    costs(
        "foreign",
        &[json(503, "{}"), json(200, MESSAGE)],
        &[
            "allocations 149",
            "effect.clear_route 1",
            "effect.count 2",
            "effect.remove_header 1",
            "effect.replace_body 3",
            "effect.replace_headers 3",
            "effect.set_header 2",
            "effect.set_property 3",
            "shared.read 5",
            "shared.write 1",
            "view.body 2",
            "view.headers 3",
            "view.now 8",
        ],
        (1, 2),
    );
}
