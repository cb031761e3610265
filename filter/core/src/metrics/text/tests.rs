use std::sync::Arc;
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::metrics::Recorder;
use crate::metrics::instruments::{ATTEMPT, REQUEST, USAGE, attempt, request, usage};
use crate::store::fake::Shared;
use sluice_wire::time::Time;

pub(in crate::metrics) fn snapshot() -> Snapshot {
    let (shared, now) = (Shared::default(), Time(1_800_000_000_000_000_000));
    let recorder = Arc::new(Recorder::new("1".to_owned()));
    recorder.configure(10_000, None);
    recorder.record(&REQUEST, &["a \"b\"\\c\nd", "", "", "chat"], |values| {
        values.add(request::REQUESTS, 2);
    });
    recorder.record(&USAGE, &["a \"b\"\\c\nd", "", "", "chat"], |values| {
        values.add(usage::COST, 1_234_500);
        values.add(usage::INPUT, 30);
    });
    recorder.record(&ATTEMPT, &["chat", "openai", "gpt-5", "api.openai.com", "443", "timeout", "oai"], |values| {
        values.add(attempt::ATTEMPTS, 3);
        values.observe_time(attempt::DURATION, Duration::from_millis(10));
        values.observe_time(attempt::DURATION, Duration::from_micros(10_001));
        values.observe_time(attempt::DURATION, Duration::from_secs(100));
    });
    recorder.flush(0, &shared, now);
    Snapshot::read(&shared, now)
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
    assert!(text.contains("le=\"1.0\"") || !text.contains("le=\"1\""));
}

#[test]
fn open_metrics_names_counters_without_their_suffix_and_ends_with_eof() {
    let text = write(&snapshot(), Format::OpenMetrics);
    assert_eq!(
        lines_of(&text, "sluice_requests")[..3],
        [
            "# HELP sluice_requests Requests, rejected ones included. `error_type` is empty for a success.",
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
