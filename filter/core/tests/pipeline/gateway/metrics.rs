//! The labels of a finished request in the metrics.

use sluice_core::metrics::instruments::REQUEST_TIME;
use sluice_core::metrics::pages::Snapshot;
use sluice_wire::time::Time;

use crate::envoy::json;

use super::routing::{TestGateway, good};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The values of these labels in the rows of the requests' durations.
fn durations<const N: usize>(gateway: &TestGateway, labels: [&str; N]) -> Vec<[String; N]> {
    let now = Time(1_801_396_800_000_000_000);
    gateway.worker.recorder().configure(10_000, None);
    gateway.worker.recorder().flush(0, &*gateway.shared, now);
    let snapshot = Snapshot::read(&*gateway.shared, now);
    let rows = snapshot.rows(&REQUEST_TIME).map(|(row, _)| {
        labels.map(|label| {
            row.iter().find(|(name, _)| *name == label).map_or_else(String::new, |(_, value)| value.to_owned())
        })
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    rows
}

#[test]
fn a_request_with_a_provider_has_its_kind_too_also_if_it_failed_or_was_cached() {
    let labels = ["provider", "gen_ai.provider.name", "gen_ai.response.model", "error.type"];
    let gateway = TestGateway::new(r#","cache":{"ttl":"1m"}"#, "", "");
    assert_eq!(gateway.ask(&[], &[good()]).status, 200);
    assert_eq!(gateway.ask(&[], &[]).status, 200);
    assert_eq!(durations(&gateway, labels), [["one", "openai", "", ""], ["one", "openai", "x", ""]]);
    let gateway = TestGateway::new("", "", "");
    gateway.ask(&[], &[json(503, "{}"), json(529, "{}"), json(502, "{}")]);
    assert_eq!(durations(&gateway, labels), [["three", "openai", "", "status_502"]]);
}
