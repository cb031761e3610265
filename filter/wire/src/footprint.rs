//! Estimates from a JSON text alone how much memory it takes once parsed into types.
//!
//! Small values inflate most: an empty object has two bytes, but its parsed type a few hundred. Every translation checks this estimate
//! first, so that no request or response exceeds the memory of a worker's VM.

use memchr::{memchr, memchr_iter, memchr2_iter};

use crate::error::{ApiError, ErrorKind};

/// The maximum for one text. A VM has 1 GiB, and other requests need most of it.
pub const LARGEST: usize = 256 << 20;

/// The maximum for one array or object, in the types of any format, including those used for writing.
const CONTAINER: usize = 512;
/// One string, besides its bytes.
const STRING: usize = 64;
/// One number or literal.
const SCALAR: usize = 16;

/// Estimates the memory for parsing `json`, in bytes; never too low.
pub fn of(json: &[u8]) -> usize {
    // A quick upper bound suffices for most texts; only large ones are scanned properly.
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

/// Whether parsing `json` takes at most `most` bytes. A short text always fits, without a scan: at worst every byte is a container.
pub fn fits(json: &[u8], most: usize) -> bool {
    json.len().saturating_mul(CONTAINER + 1).saturating_add(SCALAR) <= most || of(json) <= most
}

/// Fails if a request is too large to parse.
pub fn check_request(json: &[u8]) -> Result<(), ApiError> {
    if fits(json, LARGEST) {
        return Ok(());
    }
    let message = "The request has too many JSON values for the gateway to translate. Send a smaller request.";
    Err(ApiError::new(413, ErrorKind::TooLarge, message).with_code("request_too_large"))
}

/// Fails if a response is too large to parse.
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
    /// Counts values outside strings. For invalid JSON the result is meaningless, but its parser rejects it anyway.
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

/// The index after the quote that ends a string.
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
