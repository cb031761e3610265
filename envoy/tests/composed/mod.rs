//! Reads `examples/compose` for tests.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

pub fn directory() -> PathBuf {
    root().join("examples/compose")
}

pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the directory.
pub fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap()
}

/// A YAML file of the directory, as JSON.
pub fn yaml(name: &str) -> Value {
    sluice::check::yaml_of(&text(name)).unwrap_or_else(|fault| panic!("{name}: {fault:?}"))
}

/// The words of a list.
pub fn words(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(|word| word.as_str().unwrap()).collect()).unwrap_or_default()
}

/// The word after this option.
pub fn behind<'a>(words: &[&'a str], option: &str) -> &'a str {
    let at = words.iter().position(|word| *word == option).unwrap_or_else(|| panic!("no {option} in {words:?}"));
    words[at + 1]
}
