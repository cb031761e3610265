//! Writes JSON directly into the output buffer.

use serde::Serialize;

use crate::json::is_plain;

/// Serializes `value` as a whole body.
pub(super) fn body<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    json(&mut out, value);
    out
}

/// Appends a string. Most need no escapes and are copied.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    if !is_plain(text.as_bytes()) {
        return json(out, text);
    }
    out.reserve(text.len().saturating_add(2));
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends `value`. Writing to memory cannot fail, and all our keys are strings.
pub(super) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    crate::json::write(value, out).unwrap_or_default();
}
