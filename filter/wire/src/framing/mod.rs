//! Splits byte streams into events, regardless of their meaning.

pub mod eventstream;
pub mod sse;
pub mod surrogates;

/// Appends to a buffer that will hold at most `most` bytes: its capacity doubles up to that limit.
pub fn extend(buffer: &mut Vec<u8>, more: &[u8], most: usize) {
    let needed = buffer.len().saturating_add(more.len());
    if needed > buffer.capacity() {
        let wanted = buffer.capacity().saturating_mul(2).min(most).max(needed);
        buffer.reserve_exact(wanted.saturating_sub(buffer.len()));
    }
    buffer.extend_from_slice(more);
}
