//! The frame of stream events: `event: NAME`, and a JSON object that begins with the type and the sequence number.

use serde::Serialize;

use crate::dialect::openai::json;

/// Texts have no log probabilities.
pub(super) const NO_LOGPROBS: &[u8] = b",\"logprobs\":[]";

/// The end of every event.
pub(super) const TAIL: &[u8] = b"}\n\n";

/// Numbers events from 0.
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

/// Appends `,"name":value`; returns the number of bytes.
pub(super) fn field<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) -> usize {
    let before = out.len();
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::append(out, value);
    out.len().saturating_sub(before)
}
