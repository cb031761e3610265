use sluice_core::pipeline::gateway::RequestPipeline;
use sluice_core::pipeline::host_call_failure::*;
use sluice_core::pipeline::property;
use sluice_core::pipeline::request_state::Stage;
use sluice_core::pipeline::{Context, Effect, Reply};

use crate::envoy::{answering, at, planned};
use crate::shared::Shared;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(reply: &Reply) -> (u16, serde_json::Value) {
    (reply.status, serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap()["error"]["code"].clone())
}

#[test]
fn what_has_not_left_is_refused_and_what_has_begun_breaks_off() {
    let mut begun = planned();
    let _ = begun.begin(begun.request.started, &Shared::default());
    let mut complete = answering();
    complete.complete();
    for (mut state, stage, reason) in [
        (planned(), Stage::Refused, None),
        (begun, Stage::Refused, Some(REASON)),
        (answering(), Stage::Broken, Some(REASON)),
        (complete, Stage::Broken, Some(REASON)),
    ] {
        let mut effects = Vec::new();
        let view = at(state.request.started);
        let reply = end(&mut state, &mut Context::new(&view, &Shared::default(), &mut effects));
        assert_eq!(state.progress.stage, stage);
        assert_eq!(read(&reply), (500, "gateway_failed".into()));
        let failure = state.progress.last_failure();
        assert_eq!(failure.map(|failure| &*failure.reason), reason);
        // After a response has begun, no other attempt follows.
        let over = state.route.queue.next().is_none() || state.progress.attempts.is_empty();
        assert!(over || stage == Stage::Broken, "nothing follows it");
    }
}

#[test]
fn a_request_that_never_left_has_a_line_in_the_log_that_says_why() {
    let mut state = planned();
    let (view, shared) = (at(state.request.started), Shared::default());
    for known in [true, false] {
        let mut pipeline = RequestPipeline::new(state.worker.clone());
        let mut effects = Vec::new();
        let reply = pipeline.on_host_call_failure(known.then_some(&mut state), &view, &shared, &mut effects);
        assert_eq!(read(&reply), (500, "gateway_failed".into()));
        let mut effects = Vec::new();
        pipeline.finish(known.then_some(&mut state), &view, &shared, &mut effects);
        let logged = |effect: &Effect| match effect {
            Effect::SetProperty(property::LOG, fragment) => fragment.contains(r#""error":"gateway_failed""#),
            _ => false,
        };
        assert!(effects.iter().any(logged), "{effects:?}");
    }
}
