//! A text as a JSON string, for what writes JSON by hand.

/// `text` as a JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}
