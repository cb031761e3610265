//! The frame of a stream's events: `event: NAME`, and a JSON object whose first fields are its type and its number.

use serde::Serialize;

use crate::dialect::openai::json;

/// Texts come without likelihoods.
pub(super) const NO_LOGPROBS: &[u8] = b",\"logprobs\":[]";

/// What ends every event.
pub(super) const TAIL: &[u8] = b"}\n\n";

/// Events, which are numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    next: u64,
}

impl Numbered {
    /// Begins an event; fields and [`TAIL`] follow.
    pub fn head(&mut self, name: &str, out: &mut Vec<u8>) {
        for piece in ["event: ", name, "\ndata: {\"type\":\"", name, "\",\"sequence_number\":"] {
            out.extend_from_slice(piece.as_bytes());
        }
        json::append(out, &self.next);
        self.next = self.next.saturating_add(1);
    }
}

/// Appends `,"name":value`; how many bytes that are.
pub(super) fn field<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) -> usize {
    let before = out.len();
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::append(out, value);
    out.len().saturating_sub(before)
}
