//! The bytes that a request holds at the worker's gate.

use crate::gate::Share;

use super::super::echo::Kept;

/// The request's shares of the gate. Dropping them returns all bytes, however the request ends.
#[derive(Debug)]
pub struct Held {
    /// The request's own bytes.
    pub request: Share,
    /// The answer's bytes that are held.
    pub answer: Share,
    /// The body, until the answer begins: the log is not to repeat it.
    pub body: Kept,
    /// Its bytes.
    kept: Share,
}

impl Held {
    /// Of a request whose body is not kept yet.
    pub fn new(request: Share) -> Self {
        Self { answer: request.sibling(), kept: request.sibling(), request, body: Kept::Gone }
    }

    /// Keeps the body, if it is short and there is room for it once more.
    pub fn keep(&mut self, body: &[u8]) {
        self.body = Kept::of(body, &mut self.kept);
    }

    /// Takes the kept body and returns its bytes to the gate.
    pub fn forget(&mut self) -> Kept {
        self.kept.release();
        std::mem::take(&mut self.body)
    }
}
