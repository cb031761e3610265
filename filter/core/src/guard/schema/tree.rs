//! JSON values whose numbers are exact.
//!
//! serde_json reads numbers as 64-bit integers or floats. A schema may limit larger integers and finer decimals, so this tree keeps every
//! digit. The reader is lenient about the syntax of numbers and literals: its callers have validated the text.

use std::cmp::Ordering;

use sluice_wire::{json, order};

/// The maximum depth of JSON.
const DEEPEST: u32 = 128;
/// Larger exponents are not read.
const LARGEST_EXPONENT: i64 = 1 << 40;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Decimal),
    String(String),
    Array(Vec<Json>),
    Object(Fields),
}

/// The fields of an object, sorted by name. Of equal names, the last counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields(Vec<(String, Json)>);

/// A number in its only notation: the digits neither begin nor end with a zero, and zero has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    digits: Box<[u8]>,
    /// The power of ten that multiplies the digits.
    exponent: i64,
}

/// Why a text has no tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Invalid,
    /// It is deeper, or a number is larger, than this module supports.
    TooLarge,
}

impl Json {
    pub(super) fn read(text: &str) -> Result<Self, Unread> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(DEEPEST)?;
        reader.blank();
        if reader.at == text.len() { Ok(value) } else { Err(Unread::Invalid) }
    }

    pub(super) fn fields(&self) -> Option<&Fields> {
        if let Self::Object(fields) = self { Some(fields) } else { None }
    }

    pub(super) fn items(&self) -> Option<&[Json]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(super) fn number(&self) -> Option<&Decimal> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The value at a JSON pointer.
    pub(super) fn pointer(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |value, step| match value {
            Self::Object(fields) => fields.get(&step.replace("~1", "/").replace("~0", "~")),
            Self::Array(items) if step == "0" || !step.starts_with(['0', '+']) => {
                items.get(step.parse::<usize>().ok()?)
            }
            _ => None,
        })
    }
}

impl Fields {
    #[inline(never)]
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The field with its own name.
    #[inline(never)]
    pub(super) fn entry(&self, name: &str) -> Option<(&str, &Json)> {
        let place = self.0.binary_search_by(|(own, _)| own.as_str().cmp(name)).ok()?;
        self.0.get(place).map(|(own, value)| (own.as_str(), value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Decimal {
    fn zero() -> Self {
        Self { negative: false, digits: Box::default(), exponent: 0 }
    }

    #[inline(never)]
    pub(super) fn read(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, part].concat();
        let kept = digits.trim_end_matches('0');
        let dropped = digits.len().saturating_sub(kept.len());
        let kept = kept.trim_start_matches('0');
        if kept.is_empty() {
            return Some(Self::zero());
        }
        let length = |length: usize| i64::try_from(length).ok();
        let power = power.parse::<i64>().ok().filter(|power| power.abs() <= LARGEST_EXPONENT)?;
        let exponent = power + length(dropped)? - length(part.len())?;
        Some(Self { negative, digits: kept.as_bytes().into(), exponent })
    }

    pub(super) fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    pub(super) fn is_positive(&self) -> bool {
        !self.negative && !self.digits.is_empty()
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// The digits as a number, if they are few.
    fn short(&self) -> Option<u32> {
        self.digits.iter().try_fold(0u32, |sum, digit| sum.checked_mul(10)?.checked_add(value(*digit)))
    }

    /// Whether it is an integer times `step`; `None` if `step` has too many digits to tell.
    pub(super) fn is_multiple_of(&self, step: &Self) -> Option<bool> {
        let Some(mut power) = self.exponent.checked_sub(step.exponent).filter(|power| *power >= 0) else {
            // Its last digit is finer than those of the step.
            return Some(self.digits.is_empty());
        };
        let divisor = u64::from(step.short()?);
        let mut rest = self
            .digits
            .iter()
            .try_fold(0u64, |rest, digit| (rest * 10 + u64::from(value(*digit))).checked_rem(divisor))?;
        let mut factor = 10 % divisor;
        while power > 0 {
            if power % 2 == 1 {
                rest = rest * factor % divisor;
            }
            factor = factor * factor % divisor;
            power /= 2;
        }
        Some(rest == 0)
    }
}

fn value(digit: u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

impl From<usize> for Decimal {
    #[inline(never)]
    fn from(number: usize) -> Self {
        Self::read(&number.to_string()).unwrap_or_else(Self::zero)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    #[inline(never)]
    fn cmp(&self, other: &Self) -> Ordering {
        // The sign, and the position of the first digit.
        let rank = |number: &Self| match (number.digits.len(), number.negative) {
            (0, _) => (0, 0),
            (length, negative) => {
                let first = number.exponent.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
                if negative { (-1, first.saturating_neg()) } else { (1, first) }
            }
        };
        let digits = self.digits.cmp(&other.digits);
        rank(self).cmp(&rank(other)).then(if self.negative { digits.reverse() } else { digits })
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[inline(never)]
    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Takes a byte if it comes next.
    #[inline(never)]
    fn takes(&mut self, byte: u8) -> bool {
        self.blank();
        let next = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(next);
        next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unread> {
        if self.takes(byte) { Ok(()) } else { Err(Unread::Invalid) }
    }

    fn value(&mut self, depth: u32) -> Result<Json, Unread> {
        let depth = depth.checked_sub(1).ok_or(Unread::TooLarge)?;
        self.blank();
        match self.text.as_bytes().get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.takes(b']') {
                    if !items.is_empty() {
                        self.expect(b',')?;
                    }
                    items.push(self.value(depth)?);
                }
                Ok(Json::Array(items))
            }
            Some(b'"') => self.string().map(Json::String),
            _ => self.scalar(),
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json, Unread> {
        self.at += 1;
        let mut fields = Vec::new();
        while !self.takes(b'}') {
            if !fields.is_empty() {
                self.expect(b',')?;
                self.blank();
            }
            let name = self.string()?;
            self.expect(b':')?;
            fields.push((name, self.value(depth)?));
        }
        order::by(&mut fields, |(one, _), (other, _)| one.cmp(other));
        fields.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Ok(Json::Object(Fields(fields)))
    }

    fn string(&mut self) -> Result<String, Unread> {
        let inside = self.rest().strip_prefix('"').ok_or(Unread::Invalid)?;
        let mut escaped = false;
        let is_end = |byte: u8| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        };
        let length = inside.bytes().position(is_end).ok_or(Unread::Invalid)?;
        let literal = self.rest().get(..length.saturating_add(2)).ok_or(Unread::Invalid)?;
        self.at += literal.len();
        json::read(literal).map_err(|_| Unread::Invalid)
    }

    fn scalar(&mut self) -> Result<Json, Unread> {
        let rest = self.rest();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.at += length;
        match word {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            number if number.ends_with(|last: char| last.is_ascii_digit()) => {
                Decimal::read(number).map(Json::Number).ok_or(Unread::TooLarge)
            }
            _ => Err(Unread::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn number(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    #[test]
    fn a_number_has_one_notation_and_keeps_its_digits() {
        for same in [["1", "1.0"], ["0", "-0e5"], ["1500", "1.5e3"], ["0.01", "10E-3"], ["-120", "-1.2e+2"]] {
            assert_eq!(number(same[0]), number(same[1]), "{same:?}");
        }
        assert_ne!(number("9007199254740993"), number("9007199254740992"));
        assert_ne!(number("0.1"), number("0.10000000000000000001"));
        assert_eq!(Decimal::read("1e99999999999999999999"), None);
        assert_eq!(number("0e99999999999999999999"), number("0"));
    }

    #[test]
    fn numbers_are_in_order() {
        let ascending =
            ["-1e400", "-18446744073709551617", "-18446744073709551616", "-1.5", "-1", "-1e-9", "0", "1e-9"];
        let ascending = ascending.into_iter().chain(["0.5", "0.51", "1", "9", "10", "99.9", "100", "1e400"]);
        let ascending: Vec<Decimal> = ascending.map(number).collect();
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(one.cmp(other), place.cmp(&other_place), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (one, step, expected) in [
            ("0.3", "0.1", Some(true)),
            ("0.35", "0.1", Some(false)),
            ("1e400", "7", Some(false)),
            ("7e400", "7", Some(true)),
            ("12391239123", "1e-8", Some(true)),
            ("0.0075", "0.0001", Some(true)),
            ("-9", "4.5", Some(true)),
            ("0", "3", Some(true)),
            ("9007199254740993", "2", Some(false)),
            ("1", "12345678901", None),
        ] {
            assert_eq!(number(one).is_multiple_of(&number(step)), expected, "{one} of {step}");
        }
    }

    #[test]
    fn of_equal_names_the_last_counts_and_pointers_are_followed() {
        let value = Json::read(r#" {"b":[1,{"a/~ü":null}],"a":1,"b" : ["x",{"a/~ü":true}],"":2} "#).unwrap();
        assert_eq!(value.pointer("/b/1/a~1~0ü"), Some(&Json::Bool(true)));
        assert_eq!(value.pointer("/"), Some(&Json::Number(Decimal::from(2))));
        assert_eq!(value.pointer(""), Some(&value));
        for nowhere in ["/b/01", "/b/2", "/b/-", "/a/0", "/c"] {
            assert_eq!(value.pointer(nowhere), None, "{nowhere}");
        }
        assert_eq!(Json::read(r#""\ud800""#), Err(Unread::Invalid));
        assert_eq!(Json::read(&"[".repeat(200)), Err(Unread::TooLarge));
    }
}
