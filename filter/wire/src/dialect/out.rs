//! JSON that is written, straight into its place.

use serde::Serialize;

/// Appends `value` as JSON. Writing to memory cannot fail, and nothing we write has keys that are not texts.
pub(super) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).unwrap_or_default();
}
