//! JSON that is written.

use serde::Serialize;

/// Appends `value` as JSON. Writing to memory cannot fail, and nothing we write has keys that are not texts.
pub(in crate::dialect) fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).unwrap_or_default();
}

/// `value` as a whole body.
pub(in crate::dialect) fn body<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    append(&mut out, value);
    out
}
