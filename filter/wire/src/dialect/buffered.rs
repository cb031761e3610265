//! The memory that a stream's reader or writer holds between two calls, and its limits.
//!
//! The provider controls the length of its stream, the number of pieces, and their indexes. Every format counts here whatever it remembers
//! of them, so that one limit covers all formats. A response above it is rejected as invalid.

use std::ops::Add;

use crate::error::ApiError;

/// The maximum of bytes held from past events: the text of signed reasoning, incomplete arguments, output that the final event repeats. No
/// model produces as much in one response.
const MOST_BYTES: usize = 8 << 20;

/// The maximum of distinct pieces: choices, calls, blocks, items. Also bounds each linear search among them.
const MOST_PIECES: usize = 4096;

/// The memory that a reader or writer has buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buffered {
    /// Bytes of an incomplete event, which its decoder bounds.
    pub begun: usize,
    /// Approximate bytes held from earlier events.
    pub bytes: usize,
    /// The number of pieces.
    pub pieces: usize,
}

impl Buffered {
    /// Approximate bytes of memory in total.
    pub fn held(&self) -> usize {
        // A piece has an entry in a list, and usually an allocation.
        self.begun.saturating_add(self.bytes).saturating_add(self.pieces.saturating_mul(64))
    }

    /// Fails if this is above a limit.
    pub fn check(&self) -> Result<(), ApiError> {
        if self.bytes > MOST_BYTES {
            return Err(ApiError::answer_too_large(
                "The provider's stream exceeds the length that the gateway can keep.",
            ));
        }
        if self.pieces > MOST_PIECES {
            return Err(ApiError::answer_too_large("The provider's answer has too many parts."));
        }
        Ok(())
    }
}

impl Add for Buffered {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            begun: self.begun.saturating_add(other.begun),
            bytes: self.bytes.saturating_add(other.bytes),
            pieces: self.pieces.saturating_add(other.pieces),
        }
    }
}
