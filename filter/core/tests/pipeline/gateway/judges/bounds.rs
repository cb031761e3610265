//! The time series and the memory that judges may take.

use std::collections::BTreeMap;

use sluice_core::callout::Called;
use sluice_core::metrics::instruments::GUARD;
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::attempt::Attempt;
use sluice_core::pipeline::request_state::{RequestState, Stage};
use sluice_core::pipeline::{Context, Effect, Event, Flow, View, metric};
use sluice_wire::time::Time;

use crate::envoy::answered;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MIB: usize = 1 << 20;

impl Gateway {
    /// A request that waits for its provider.
    fn begun(&self, stream: bool) -> (RequestState, Attempt) {
        let envoy = Envoy::with(self.worker.clone(), self.shared.clone());
        envoy.begun(&body(CHAT, "gpt", stream, "hi").to_string())
    }
}

#[test]
fn a_judge_that_invents_words_makes_few_time_series() {
    let gateway = prompts(json!({}));
    gateway.worker.recorder().configure(10_000, None);
    for word in 0..60 {
        let seen = gateway.chat("gpt", &format!("BAD word{word}"), &[]);
        assert_eq!(seen.log["guards"], json!([format!("g: word{word} (prompts, block)")]), "the log keeps it");
    }
    let now = Time(1_800_000_000_000_000_000);
    gateway.worker.recorder().flush(0, &*gateway.shared, now);
    let metrics = Snapshot::read(&*gateway.shared, now);
    let rows = metrics.rows(&GUARD).filter_map(|(labels, values)| {
        let (_, word) = labels.iter().find(|(name, _)| *name == "finding")?;
        Some((word.to_owned(), values[0]))
    });
    let rows: BTreeMap<String, u64> = rows.collect();
    assert_eq!((rows.len(), rows["other"], rows["word0"]), (51, 10, 1), "{rows:?}");
}

/// A response's callback: the flow, and whether it was refused for memory.
fn receive(attempt: &mut Attempt, state: &mut RequestState, event: Event, answer: &impl View) -> (Flow, bool) {
    let (shared, mut effects) = (Shared::default(), Vec::new());
    let flow = attempt.step(event, state, &mut Context::new(answer, &shared, &mut effects));
    (flow, effects.contains(&Effect::Count(metric::OVERLOADED)))
}

#[test]
fn responses_that_wait_for_a_slow_judge_are_bounded_by_the_memory_limit() {
    let memory = json!({"memory": {"rewritten_body": "32MiB", "key": "32MiB"}});
    let gateway = Gateway::with(&guard("answers", json!({}), json!({})), Replies::AtTheEnd, &memory);
    let Script::Answer(_, _, portions) = whole("gpt", CHAT, &"x".repeat(MIB)) else { unreachable!() };
    let answer = answered("application/json", &portions[0]);
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let (mut state, mut attempt) = gateway.begun(false);
        receive(&mut attempt, &mut state, Event::ResponseHeaders { end: false }, &answer);
        let event = Event::ResponseBody { size: portions[0].len(), end: true };
        let (flow, refused) = receive(&mut attempt, &mut state, event, &answer);
        assert_eq!(flow != Flow::Pause, refused);
        assert!(gateway.worker.memory_limiter.held() <= 32 * MIB);
        if !refused {
            assert!(state.judges.take_calls().count() > 0);
            waiting.push((state, attempt));
        }
    }
    // Each holds the response, its text, and the judge's call.
    assert_eq!(waiting.len(), 10);
    drop(waiting);
    assert_eq!(gateway.worker.memory_limiter.held(), 0, "nothing is left behind");
}

#[test]
fn a_stream_whose_rest_finds_no_room_while_a_judge_works_breaks_off() {
    let memory = json!({"memory": {"rewritten_body": "32MiB", "key": "32MiB"}});
    let gateway = Gateway::with(&guard("answers", json!({"window": 64}), json!({})), Replies::AtTheEnd, &memory);
    let Script::Answer(_, _, portions) = chat_stream(&[&"x".repeat(100), &"y".repeat(2 * MIB)]) else { unreachable!() };
    let (mut state, mut attempt) = gateway.begun(true);
    receive(&mut attempt, &mut state, Event::ResponseHeaders { end: false }, &answered("text/event-stream", &[]));
    let mut body = Vec::new();
    let mut next = |body: &mut Vec<u8>, portion: &[u8]| {
        body.extend_from_slice(portion);
        let event = Event::ResponseBody { size: body.len(), end: false };
        let seen = receive(&mut attempt, &mut state, event, &answered("text/event-stream", body));
        let calls = state.judges.take_calls().map(|(number, _)| number).collect::<Vec<_>>();
        let called = Called { status: Some(200), body: br#"{"action":"pass"}"#.to_vec() };
        let mut effects = Vec::new();
        let (answer, shared) = (answered("text/event-stream", body), Shared::default());
        let mut pass =
            |number| attempt.called(number, &called, &mut state, &mut Context::new(&answer, &shared, &mut effects));
        (seen, calls.first().map(|number| if *number == 0 { pass(0) } else { Flow::Pause }))
    };
    assert_eq!(next(&mut body, &portions[..2].concat()), ((Flow::Pause, false), Some(Flow::Continue)), "it is judged");
    body.clear();
    assert_eq!(next(&mut body, &portions[1]), ((Flow::Pause, false), Some(Flow::Pause)), "it waits");
    let mut others = gateway.worker.memory_limiter.permit("k".into());
    others.grow(31 * MIB).unwrap();
    assert_eq!(next(&mut body, &portions[2]), ((Flow::Continue, true), None), "no more is held");
    assert_eq!(state.progress.stage, Stage::Broken);
    assert!(!state.judges.hold());
}
