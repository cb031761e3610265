//! A host for tests: what can be read is what the test put here.

use std::cell::Cell;
use std::ops::Range;

use super::headers::HeaderMap;
use super::{Time, View};

#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub now: Cell<u64>,
}

impl View for Fake {
    fn now(&self) -> Time {
        Time(self.now.get())
    }
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.headers.get(name).map(<[u8]>::to_vec)
    }
    fn body(&self, range: Range<usize>) -> Vec<u8> {
        self.body.get(range).unwrap_or_default().to_vec()
    }
}
