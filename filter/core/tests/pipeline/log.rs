//! The access log line of each request of these tests: held against the published schema, and against its own sums.

use serde_json::Value;

/// Envoy's part of a line.
const ENVOY: &str = r#"{"time":"2027-01-15T08:00:00.000Z","status":0,"duration_ms":0,"flags":"-","instance":"test""#;

/// The line that the filter's fragment completes.
pub(crate) fn line(fragment: &str) -> Value {
    let line = serde_json::from_str(&format!("{ENVOY}{fragment}}}")).unwrap();
    #[cfg(not(target_arch = "wasm32"))]
    is_valid(&line);
    sums_up(&line);
    line
}

#[cfg(not(target_arch = "wasm32"))]
fn is_valid(line: &Value) {
    use std::sync::LazyLock;

    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = include_str!("../../../../examples/access-log.schema.json");
        jsonschema::draft202012::new(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    if let Err(error) = SCHEMA.validate(line) {
        panic!("{error} at {}: {line}", error.instance_path());
    }
}

/// The totals of a line are the sums over its attempts. A settled batch has sums of its own.
fn sums_up(line: &Value) {
    if ["/v1/files", "/v1/batches"].iter().any(|path| line["path"].as_str().is_some_and(|own| own.starts_with(path))) {
        return;
    }
    let attempts = || line["tried"].as_array().into_iter().flatten();
    for name in ["input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"] {
        let sum: u64 = attempts().filter_map(|attempt| attempt[name].as_u64()).sum();
        assert_eq!(line[name].as_u64().unwrap_or_default(), sum, "{name}: {line}");
    }
    let micro = |value: &Value| value.as_str().map(|cost| cost.replace('.', "").parse::<u64>().unwrap());
    if let Some(cost) = micro(&line["cost_usd"]) {
        let attempts: u64 = attempts().filter_map(|attempt| micro(&attempt["cost_usd"])).sum();
        assert_eq!(cost, attempts + micro(&line["embedding_usd"]).unwrap_or_default(), "{line}");
    }
}
