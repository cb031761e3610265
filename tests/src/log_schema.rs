//! The published schema of the access log, for every line that a test reads.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../examples/access-log.schema.json")).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
});

/// Checks a line against the schema.
///
/// # Panics
/// If it does not match.
pub fn check(line: &Value) {
    if let Err(error) = SCHEMA.validate(line) {
        panic!("{error} at {}: {line}", error.instance_path());
    }
}
