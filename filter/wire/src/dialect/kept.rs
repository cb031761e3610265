//! What a reader or a writer of a stream keeps between two calls, and how much of that is too much.
//!
//! A provider decides how long its stream is, into how many pieces its answer falls, and by which numbers it calls them. Whatever
//! a format has to remember of that is counted here, so that one bound holds for all of them: past it the answer is a bad one.

use std::ops::Add;

use crate::error::ApiError;

/// The most bytes of events that were read, or said, which are kept for later ones: the text of a seal's reasoning, arguments
/// that must be whole, everything that the end of an answer repeats. No model says as much in one answer.
const MOST_BYTES: usize = 8 << 20;

/// The most pieces that are told apart: choices, calls, blocks, items. Whoever looks for one looks through no more.
const MOST_PIECES: usize = 4096;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Bytes of an event whose end has not come, which its decoder bounds.
    pub begun: usize,
    /// About how many bytes of the events before it.
    pub bytes: usize,
    /// In how many pieces.
    pub pieces: usize,
}

impl Kept {
    /// About how many bytes of memory it takes.
    pub fn held(&self) -> usize {
        // A piece has a place in a list, and mostly an allocation.
        self.begun.saturating_add(self.bytes).saturating_add(self.pieces.saturating_mul(64))
    }

    /// Whether a stream may have as much kept.
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

impl Add for Kept {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            begun: self.begun.saturating_add(other.begun),
            bytes: self.bytes.saturating_add(other.bytes),
            pieces: self.pieces.saturating_add(other.pieces),
        }
    }
}
