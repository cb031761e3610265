use std::time::Duration;

use sluice_core::pipeline::worker::Worker;
use sluice_core::routing::target_health::circuit;
use sluice_wire::time::Time;

use crate::envoy::config;
use crate::shared::Shared;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_target_that_recovers_stands_in_for_another_as_far_as_its_share_goes() {
    let (worker, shared) = (Worker::new(config(), [7; 16]), Shared::default());
    let target = worker.config.models["chat"].targets[1].clone();
    let limited = Time(1_801_396_800_000_000_000);
    let well = limited.after(Duration::from_millis(30));
    let attempt = circuit::CircuitAttempt { began: limited, ended: limited };
    let settings = &worker.config.circuit;
    circuit::limited(&shared, &target.health, attempt, well, settings);
    let allowed = |moment| (0..1_000).filter(|_| worker.allows_attempt(&target, false, moment, &shared)).count();
    assert_eq!(allowed(limited), 10, "until then a few");
    assert!((50..150).contains(&allowed(well)), "a tenth");
    assert!((450..650).contains(&allowed(well.after(settings.ramp / 2))), "about a half");
    assert_eq!(allowed(well.after(settings.ramp)), 1_000, "it is well");
}
