//! The context of a trace: its id, the ids of spans, and whether it is recorded.
//!
//! Source: <https://www.w3.org/TR/trace-context/>, level 1.

use sluice_wire::headers::HeaderMap;

/// The header with the trace and the parent.
pub const TRACE_PARENT: &str = "traceparent";

/// The header with further data of other systems.
pub const TRACE_STATE: &str = "tracestate";

/// The longest `tracestate` that is recorded, in bytes: systems should propagate at least as much.
const LONGEST_STATE: usize = 512;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A request's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace's id; not zero.
    pub trace: u128,
    /// The client's span, if there is one.
    pub parent: Option<u64>,
    /// The span of the request; not zero.
    pub span: u64,
    /// Whether the spans are exported.
    pub sampled: bool,
}

/// A client's `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace's id.
    pub trace: u128,
    /// The client's span.
    pub span: u64,
    /// Whether the client records the trace.
    pub sampled: bool,
}

impl Parent {
    /// The parent in a client's headers; `None` if there is no valid one.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.all(TRACE_PARENT);
        let only = all.next().filter(|_| all.next().is_none())?;
        Self::read(only)
    }

    /// Reads a `traceparent`. Of a later version, only the fields of version 00 are read.
    pub fn read(text: &[u8]) -> Option<Self> {
        let (fields, rest) = text.split_at_checked(LENGTH)?;
        let mut fields = fields.split(|byte| *byte == b'-');
        let mut field = |length: usize| hex(fields.next().filter(|field| field.len() == length)?);
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let is_known = version < 0xff && if version == 0 { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
        let span = u64::try_from(span).ok()?;
        (is_known && trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// The client's `tracestate`, if it is short enough.
pub fn state(headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.all(TRACE_STATE) {
        joined.push_str(if joined.is_empty() { "" } else { "," });
        joined.push_str(str::from_utf8(value).ok()?);
    }
    (1..=LONGEST_STATE).contains(&joined.len()).then_some(joined)
}

impl TraceContext {
    /// The trace's id in 32 digits.
    pub fn id(&self) -> String {
        let mut id = String::with_capacity(32);
        write_id(self.trace, 32, &mut id);
        id
    }

    /// The `traceparent` for an attempt with this span.
    pub fn header(&self, span: u64) -> [u8; LENGTH] {
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let fields = [(3..35, self.trace), (36..52, u128::from(span)), (53..55, u128::from(self.sampled))];
        for (range, number) in fields {
            for (shift, slot) in (0..).step_by(4).zip(header.get_mut(range).unwrap_or_default().iter_mut().rev()) {
                *slot = digit(number >> shift);
            }
        }
        header
    }
}

/// Appends an id with this many hexadecimal digits.
#[inline(never)]
pub fn write_id(id: u128, digits: u32, out: &mut String) {
    (0..digits).rev().for_each(|place| out.push(char::from(digit(id >> (4 * place)))));
}

fn digit(number: u128) -> u8 {
    let place = (number & 0xf) as usize;
    DIGITS.get(place).copied().unwrap_or_default()
}

/// Lower-case digits, as the specification requires.
fn hex(text: &[u8]) -> Option<u128> {
    let mut number = 0;
    for byte in text {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        number = number << 4 | digit as u128;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    #[test]
    fn a_parent_is_read_as_the_specification_has_it() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        let read = |text: &str| Parent::read(text.as_bytes());
        for (text, sampled) in [
            (format!("00-{ids}-01"), true),
            (format!("00-{ids}-00"), false),
            (format!("00-{ids}-03"), true),
            (format!("00-{ids}-02"), false),
            (format!("01-{ids}-01"), true),
            (format!("cc-{ids}-01-what the future brings"), true),
        ] {
            assert_eq!(read(&text), Some(Parent { trace: TRACE, span: SPAN, sampled }), "{text}");
        }
        for text in [
            String::new(),
            format!("00-{ids}"),
            format!("00-{ids}-1"),
            format!("00-{ids}-01-more"),
            format!("cc-{ids}-01more"),
            format!("ff-{ids}-01"),
            format!("00-{}-01", ids.to_uppercase()),
            format!("00-{ids}-0g"),
            format!("00-{ids}-+1"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16)),
            format!("00_{ids}_01"),
            "00-é92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let one: HeaderMap = [(TRACE_PARENT, parent)].into_iter().collect();
        assert!(Parent::of(&one).is_some());
        let two: HeaderMap = [(TRACE_PARENT, parent), (TRACE_PARENT, parent)].into_iter().collect();
        assert_eq!(Parent::of(&two), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for sampled in [true, false] {
            let context = TraceContext { trace: TRACE, parent: None, span: 7, sampled };
            let expected = Parent { trace: TRACE, span: SPAN, sampled };
            assert_eq!(Parent::read(&context.header(SPAN)), Some(expected));
        }
        let mut id = String::new();
        write_id(u128::from(SPAN), 16, &mut id);
        assert_eq!(id, "00f067aa0ba902b7");
    }
}
