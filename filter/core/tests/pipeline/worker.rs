use std::time::Duration;

use sluice_core::metrics::Group;
use sluice_core::metrics::instruments::{ATTEMPT, REJECTED};
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::gauges;
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

#[test]
fn counters_whose_labels_the_configuration_fixes_begin_at_zero() {
    let (worker, shared) = (Worker::new(config(), [7; 16]), Shared::default());
    gauges::report(&worker.config, worker.recorder());
    let now = Time(1_801_396_800_000_000_000);
    worker.recorder().flush(0, &shared, now);
    let snapshot = Snapshot::read(&shared, now);
    let zeros = |group: &'static Group| {
        let rows = snapshot.rows(group).filter(|(_, values)| values.iter().all(|value| *value == 0));
        let labels = rows.map(|(labels, _)| labels.iter().map(|(name, value)| format!("{name}={value}")));
        let mut rows: Vec<String> = labels.map(|labels| labels.collect::<Vec<_>>().join(" ")).collect();
        rows.sort_unstable();
        rows
    };

    let codes = ["gateway_overloaded", "invalid_api_key", "key_store_unavailable"];
    assert_eq!(zeros(&REJECTED), codes.map(|code| format!("code={code}")));
    let (attempts, mut targets) = (zeros(&ATTEMPT), Vec::new());
    for target in worker.config.targets() {
        let (provider, (host, port)) = (&target.provider, target.provider.server());
        targets.push(format!(
            "gen_ai.operation.name=chat gen_ai.provider.name={} gen_ai.request.model={} server.address={host} \
             server.port={port} provider={}",
            provider.telemetry_name, target.model, provider.name
        ));
    }
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(attempts, targets);
    assert!(attempts.len() > 5, "{attempts:?}");
}
