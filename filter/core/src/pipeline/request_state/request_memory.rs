//! The memory that a request holds at the worker's memory limiter.

use sluice_wire::dialect::translate::ParsedRequest;
use sluice_wire::footprint;

use crate::memory_limiter::Permit;

use super::super::redaction::RetainedBody;

/// The largest parsed request that is retained, in bytes of memory. A larger one is parsed again.
const LARGEST_READING: usize = 256 << 10;

/// The request's permits of the memory limiter. Dropping them returns all bytes, however the request ends.
#[derive(Debug)]
pub struct RequestMemory {
    /// The request's own bytes.
    pub request: Permit,
    /// The held bytes of the response.
    pub answer: Permit,
    /// The body, until the response begins: used to cut it out of logged errors. If guardrails rewrote it, all of its forms, one a line.
    pub body: RetainedBody,
    /// The parsed body, for the next target. Retained as long as the body.
    pub snapshot: ParsedRequest,
    /// The bytes of both.
    kept: Permit,
}

impl RequestMemory {
    /// For a request whose body is not retained yet.
    pub fn new(request: Permit) -> Self {
        let (answer, kept) = (request.sibling(), request.sibling());
        Self { answer, kept, request, body: RetainedBody::Gone, snapshot: ParsedRequest::default() }
    }

    /// Retains the body if it is short and the memory limiter has room for a second copy.
    pub fn keep(&mut self, body: &[u8]) {
        self.body = RetainedBody::of(body, &mut self.kept);
    }

    /// Retains what guardrails made of the body too, if the body is retained and both are short.
    pub fn keep_rewritten(&mut self, rewritten: &[u8]) {
        if let RetainedBody::Whole(mut body) = std::mem::take(&mut self.body) {
            body.push(b'\n');
            body.extend_from_slice(rewritten);
            self.keep(&body);
        }
    }

    /// Retains the parsed body if the body is retained and the memory limiter has room.
    pub fn keep_reading(&mut self, snapshot: ParsedRequest) {
        if let RetainedBody::Whole(body) = &self.body
            && footprint::fits(body, LARGEST_READING)
            && self.kept.grow(body.len().saturating_add(footprint::of(body))).is_ok()
        {
            self.snapshot = snapshot;
        }
    }

    /// Takes the body, drops its parsed form, and returns the bytes of both to the memory limiter.
    pub fn forget(&mut self) -> RetainedBody {
        self.kept.release();
        self.snapshot = ParsedRequest::default();
        std::mem::take(&mut self.body)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::memory_limiter::{Bounds, MemoryLimiter};

    #[test]
    fn what_was_read_counts_as_all_that_it_may_take_until_the_answer_begins() {
        const ROOM: usize = 8 << 20;
        let memory_limiter = Rc::new(MemoryLimiter::new(Bounds { rewritten: ROOM, worker: ROOM, key: ROOM }));
        for (stops, is_kept) in [(1, true), (20_000, false)] {
            let body = format!(r#"{{"stop":["a"{}]}}"#, r#","a""#.repeat(stops)).into_bytes();
            let mut memory = RequestMemory::new(memory_limiter.permit("k".into()));
            memory.keep(&body);
            assert_eq!(memory_limiter.held(), body.len());
            memory.keep_reading(ParsedRequest::default());
            let snapshot = if is_kept { footprint::of(&body) } else { 0 };
            assert_eq!(memory_limiter.held(), body.len() + snapshot, "{stops}");
            memory.forget();
            assert_eq!(memory_limiter.held(), 0);
        }
    }
}
