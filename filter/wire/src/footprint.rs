//! How much memory a JSON text takes once it is read into types, estimated from its bytes alone.
//!
//! Small values are what makes a text grow: an empty object has two bytes, and the type it is read into a few hundred. Each
//! translation asks here first, so that no request and no answer grows past what a worker's VM has.

use memchr::{memchr, memchr_iter, memchr2_iter};

use crate::error::{ApiError, ErrorKind};

/// The most that one text may take. A VM has 1 GiB, of which the gate leaves most to others.
pub const LARGEST: usize = 256 << 20;

/// What one array or object takes at most, in the types of any format, those that it is written from included.
const CONTAINER: usize = 512;
/// What one string takes besides its bytes.
const STRING: usize = 64;
/// What one number or word takes.
const SCALAR: usize = 16;

/// What reading `json` takes, in bytes; never less than it really does.
pub fn of(json: &[u8]) -> usize {
    // Most texts are small however they are counted, which spares them the careful look.
    let number_of = |byte| memchr_iter(byte, json).count();
    let roughly = Values {
        containers: number_of(b'{').saturating_add(number_of(b'[')),
        strings: number_of(b'"') / 2,
        others: number_of(b',').saturating_add(1),
    };
    match roughly.footprint(json) {
        footprint if footprint <= LARGEST => footprint,
        _ => Values::of(json).footprint(json),
    }
}

/// Whether reading `json` takes no more than `most` bytes. A short one is not looked at for that: every byte may be a container's.
pub fn fits(json: &[u8], most: usize) -> bool {
    json.len().saturating_mul(CONTAINER + 1).saturating_add(SCALAR) <= most || of(json) <= most
}

/// An error when a request is too large to be read.
pub fn check_request(json: &[u8]) -> Result<(), ApiError> {
    if fits(json, LARGEST) {
        return Ok(());
    }
    let message = "The request has too many JSON values for the gateway to translate. Send a smaller request.";
    Err(ApiError::new(413, ErrorKind::TooLarge, message).with_code("request_too_large"))
}

/// An error when an answer is too large to be read.
pub fn check_answer(json: &[u8]) -> Result<(), ApiError> {
    if fits(json, LARGEST) {
        return Ok(());
    }
    Err(ApiError::answer_too_large("The provider's answer has too many JSON values for the gateway to read."))
}

fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().filter(|byte| is(**byte)).count()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Values {
    containers: usize,
    strings: usize,
    others: usize,
}

impl Values {
    /// Counts what stands outside of strings. In a text that is no JSON the numbers mean nothing; its reader will refuse it.
    fn of(json: &[u8]) -> Self {
        let mut values = Self::default();
        let mut rest = json;
        loop {
            let quote = memchr(b'"', rest).unwrap_or(rest.len());
            let (gap, from) = rest.split_at_checked(quote).unwrap_or((rest, &[]));
            values.containers += count(gap, |byte| matches!(byte, b'{' | b'['));
            values.others += count(gap, |byte| byte == b',');
            let Some(inside) = from.get(1..) else { return values };
            values.strings += 1;
            rest = inside.get(end_of_string(inside)..).unwrap_or_default();
        }
    }

    fn footprint(&self, json: &[u8]) -> usize {
        let values = self.containers.saturating_mul(CONTAINER);
        let values = values.saturating_add(self.strings.saturating_mul(STRING));
        let values = values.saturating_add(self.others.saturating_mul(SCALAR));
        values.saturating_add(json.len())
    }
}

/// Right behind the quote that ends a string.
fn end_of_string(inside: &[u8]) -> usize {
    let mut skip = 0;
    for at in memchr2_iter(b'"', b'\\', inside) {
        match inside.get(at) {
            _ if at < skip => {}
            Some(b'"') => return at + 1,
            _ => skip = at + 2,
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests;
