//! With the default circuit settings, a target that fails for a minute is used again soon after it recovers.

use std::rc::Rc;
use std::time::Duration;

use sluice_core::pipeline::failure::Failure;
use sluice_core::pipeline::worker::Worker;
use sluice_wire::error::{ApiError, ErrorKind};

use crate::envoy::{Envoy, SECRET};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Twenty requests, one every four seconds. The target fails for the first fifteen.
const EVERY: u64 = 4;
const REQUESTS: u64 = 20;
const AWAY: u64 = 60;

/// The time in seconds at which the target first served after its recovery, and the number of failed attempts. `seed` varies the worker's
/// random numbers.
fn story(seed: u8, circuit: &str) -> (Option<u64>, usize) {
    let provider = |name: &str| format!(r#""{name}":{{"kind":"openai","url":"https://{name}/v1"}}"#);
    let text = format!(
        r#"{{"providers":{{{},{}}},
            "models":{{"chat":{{"targets":[{{"provider":"one","model":"x"}},{{"provider":"two","model":"x"}}]}}}},
            "teams":{{"t":{{}}}},"keys":[{{"id":"k","team":"t","sha256":"{}"}}]{circuit}}}"#,
        provider("one"),
        provider("two"),
        sha256(SECRET)
    );
    let worker = Rc::new(Worker::new(Rc::new(sluice_config::from_json(text.as_bytes()).unwrap()), [seed; 16]));
    let (shared, mut in_vain) = (Rc::<Shared>::default(), 0);
    for at in (0..REQUESTS).map(|number| number * EVERY) {
        let envoy = Envoy::with(worker.clone(), shared.clone()).after(Duration::from_secs(at));
        let (mut journey, now) = envoy.departs("chat");
        let asked = journey.route.next_cluster() == "one";
        let _ = journey.begin(now, &*shared);
        if asked && at < AWAY {
            in_vain += 1;
            journey.fail(Failure::status(503, ApiError::new(503, ErrorKind::Server, "away")), now, &*shared);
            assert_eq!(journey.route.next_cluster(), "two");
            let _ = journey.begin(now, &*shared);
        }
        journey.commit(now);
        journey.complete();
        journey.conclude(false, now, &*shared);
        if asked && at >= AWAY {
            return (Some(at - AWAY), in_vain);
        }
    }
    (None, in_vain)
}

#[test]
fn a_target_that_was_away_for_a_minute_is_used_again_within_five_requests() {
    let stories: Vec<_> = (0..48).map(|seed| story(seed, "")).collect();
    let latest = stories.iter().filter_map(|(back, _)| *back).max();
    let in_vain = stories.iter().map(|(_, in_vain)| in_vain).max();
    assert!(stories.iter().all(|(back, _)| back.is_some()), "{stories:?}");
    assert!(latest <= Some(12) && in_vain <= Some(&12), "{latest:?}, {in_vain:?}");
    // With twice the maximum open time, some runs do not recover: the scenario can fail.
    let longer = (0..48).map(|seed| story(seed, r#","circuit":{"longest":"20s"}"#));
    assert!(longer.filter(|(back, _)| back.is_none()).count() > 2);
}
