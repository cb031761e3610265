//! JSON that is written, straight into its place.

use serde::Serialize;

/// `value` as a whole body.
pub(super) fn body<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    json(&mut out, value);
    out
}

/// Appends `value` as JSON. Writing to memory cannot fail, and nothing we write has keys that are not texts.
pub(super) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).unwrap_or_default();
}
