#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use sluice_core::metrics::instruments::{ATTEMPT, REQUEST, USAGE};

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.set(&REQUEST, &["a \"b\"\\c\nd", "", "", "chat"], &[2]);
    // Cost, and input tokens.
    snapshot.set(&USAGE, &["a \"b\"\\c\nd", "", "", "chat"], &[1_234_500, 30]);
    // Attempts, then the durations 10 ms, 10.001 ms and 100 s: two in the first buckets, one beyond the last, and the sum.
    let mut values = vec![3, 1, 1];
    values.resize(15, 0);
    values.extend([1, 100_020_001]);
    let labels = ["chat", "openai", "gpt-5", "api.openai.com", "443", "timeout", "oai"];
    snapshot.set(&ATTEMPT, &labels, &values);
    snapshot
}

fn lines_of(text: &str, name: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

#[test]
fn counters_have_their_unit_and_escaped_labels() {
    let text = write(&snapshot(), Format::Prometheus);
    assert_eq!(
        lines_of(&text, "sluice_cost_usd"),
        [
            "# HELP sluice_cost_usd_total Cost of all attempts, in US dollars.",
            "# TYPE sluice_cost_usd_total counter",
            r#"sluice_cost_usd_total{team="a \"b\"\\c\nd",model="chat"} 1.2345"#,
        ]
    );
    assert_eq!(
        lines_of(&text, "sluice_tokens_total{")[..2],
        [
            r#"sluice_tokens_total{team="a \"b\"\\c\nd",model="chat",type="input"} 30"#,
            r#"sluice_tokens_total{team="a \"b\"\\c\nd",model="chat",type="output"} 0"#,
        ]
    );
}

#[test]
fn histograms_are_cumulative_and_in_seconds() {
    let text = write(&snapshot(), Format::Prometheus);
    let labels = r#"gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt-5",server_address="api.openai.com",server_port="443",error_type="timeout",provider="oai""#;
    let lines = lines_of(&text, "gen_ai_client_operation_duration_seconds");
    assert_eq!(lines[1], "# TYPE gen_ai_client_operation_duration_seconds histogram");
    let named = |suffix: &str| format!("gen_ai_client_operation_duration_seconds_{suffix}");
    assert_eq!(
        [&lines[2], &lines[3], &lines[15], &lines[16], &lines[17], &lines[18]],
        [
            &named(&format!("bucket{{{labels},le=\"0.01\"}} 1")),
            &named(&format!("bucket{{{labels},le=\"0.02\"}} 2")),
            &named(&format!("bucket{{{labels},le=\"81.92\"}} 2")),
            &named(&format!("bucket{{{labels},le=\"+Inf\"}} 3")),
            &named(&format!("sum{{{labels}}} 100.020001")),
            &named(&format!("count{{{labels}}} 3")),
        ]
    );
}

#[test]
fn open_metrics_names_counters_without_their_suffix_and_ends_with_eof() {
    let text = write(&snapshot(), Format::OpenMetrics);
    assert_eq!(
        lines_of(&text, "sluice_requests")[..3],
        [
            "# HELP sluice_requests Requests, rejected ones included. A success has no `error_type`.",
            "# TYPE sluice_requests counter",
            r#"sluice_requests_total{team="a \"b\"\\c\nd",model="chat"} 2"#,
        ]
    );
    assert!(text.contains("# UNIT gen_ai_client_operation_duration_seconds seconds\n"));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_format_is_the_one_that_prometheus_asks_for() {
    for (accept, format) in [
        ("", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("text/plain;version=0.0.4", Format::Prometheus),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", Format::OpenMetrics),
        ("text/plain, Application/OpenMetrics-Text", Format::OpenMetrics),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
}
