use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::metrics::instruments::{ATTEMPT, REJECTED, REQUEST, USAGE};

const RESOURCE: Resource<'_> = Resource { service: "sluice", instance: "abc" };

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::since(Time(1_800_000_000_000_000_000));
    snapshot.set(&REQUEST, &["a \"b\"\\c\nd", "", "", "chat"], &[2]);
    snapshot.set(&USAGE, &["a \"b\"\\c\nd", "", "", "chat"], &[1_234_500, 30]);
    // Attempts, then the durations 10 ms, 10.001 ms and 100 s: two in the first buckets, one beyond the last, and the sum.
    let mut values = vec![3, 1, 1];
    values.resize(15, 0);
    values.extend([1, 100_020_001]);
    let labels = ["chat", "openai", "gpt-5", "api.openai.com", "443", "timeout", "oai"];
    snapshot.set(&ATTEMPT, &labels, &values);
    snapshot
}

fn metrics(bodies: &[String]) -> Vec<Value> {
    let parsed = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    parsed
        .flat_map(|body| body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn sums_and_histograms_are_cumulative() {
    let now = Time(1_800_000_001_000_000_000);
    let bodies = bodies(&snapshot(), RESOURCE, now);
    assert_eq!(bodies.len(), 1);
    let body: Value = serde_json::from_str(&bodies[0]).unwrap();
    let resource = &body["resourceMetrics"][0]["resource"]["attributes"];
    assert_eq!(resource[0], json!({"key": "service.name", "value": {"stringValue": "sluice"}}));
    let metrics = metrics(&bodies);
    let named = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();
    assert_eq!(
        named("sluice.cost_usd"),
        &json!({
            "name": "sluice.cost_usd", "unit": "{USD}", "description": "Cost of all attempts, in US dollars.",
            "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [{
                "startTimeUnixNano": "1800000000000000000", "timeUnixNano": "1800000001000000000",
                "attributes": [
                    {"key": "team", "value": {"stringValue": "a \"b\"\\c\nd"}},
                    {"key": "model", "value": {"stringValue": "chat"}},
                ],
                "asDouble": 1.2345,
            }]},
        })
    );
    let point = &named("gen_ai.client.operation.duration")["histogram"]["dataPoints"][0];
    assert_eq!(point["count"], 3);
    assert_eq!(point["sum"], 100.020_001);
    assert_eq!(point["bucketCounts"].as_array().unwrap().len(), point["explicitBounds"].as_array().unwrap().len() + 1);
    assert_eq!(point["bucketCounts"][0], 1);
    assert_eq!(point["bucketCounts"][14], 1);
    assert_eq!(named("sluice.requests")["sum"]["dataPoints"][0]["asInt"], 2);
}

#[test]
fn many_rows_are_sent_in_several_requests() {
    let mut snapshot = snapshot();
    for team in 0..3_000 {
        snapshot.set(&REQUEST, &[&format!("team-{team}")], &[1]);
        snapshot.set(&REJECTED, &[&format!("team-{team}")], &[1]);
    }
    let bodies = bodies(&snapshot, RESOURCE, Time(1));
    assert!(bodies.len() > 3);
    assert!(bodies.iter().all(|body| body.len() < ENOUGH + 10_000));
    let points = metrics(&bodies)
        .iter()
        .filter(|metric| metric["name"] == "sluice.rejected_requests")
        .map(|metric| metric["sum"]["dataPoints"].as_array().unwrap().len())
        .sum::<usize>();
    assert_eq!(points, 3_000);
}
