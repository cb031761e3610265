//! Writes the JSON of a log line in one pass. Most texts need no escapes and are copied.

use sluice_wire::json;

use crate::routing::spec::Strategy;
use crate::usage::price::MicroUsd;

use super::super::request_state::Counted;

/// A value of a field.
pub(super) trait Json {
    /// Appends it to `out`.
    fn write(&self, out: &mut String);

    /// Whether its field is omitted: there is no value, a list is empty, or a flag is not set.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Writes the named fields of `$of` that have a value, in this order.
macro_rules! fields {
    ($out:ident, $of:expr, $($field:ident),+) => {{
        $(field($out, concat!("\"", stringify!($field), "\":"), &$of.$field);)+
    }};
}

pub(super) use fields;

/// Writes a field after a comma, unless it is the first of an object. `name` is the name in quotes, with the colon.
pub(super) fn field(out: &mut String, name: &str, value: &impl Json) {
    if value.is_absent() {
        return;
    }
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(name);
    value.write(out);
}

impl<T: Json> Json for Option<T> {
    fn write(&self, out: &mut String) {
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Json> Json for [T] {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut String) {
        let mut before = "[";
        for value in self {
            out.push_str(before);
            value.write(out);
            before = ",";
        }
        out.push_str(if self.is_empty() { "[]" } else { "]" });
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Json + ?Sized> Json for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }

    fn is_absent(&self) -> bool {
        (**self).is_absent()
    }
}

impl Json for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl Json for str {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut String) {
        json::write_string(self, out);
    }
}

impl Json for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }

    fn is_absent(&self) -> bool {
        !*self
    }
}

impl Json for u64 {
    fn write(&self, out: &mut String) {
        json::write_digits(*self, 1, out);
    }
}

impl Json for u32 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl Json for u16 {
    fn write(&self, out: &mut String) {
        u64::from(*self).write(out);
    }
}

impl Json for usize {
    fn write(&self, out: &mut String) {
        u64::try_from(*self).unwrap_or(u64::MAX).write(out);
    }
}

impl Json for MicroUsd {
    fn write(&self, out: &mut String) {
        out.push('"');
        json::write_digits(self.0 / 1_000_000, 1, out);
        out.push('.');
        json::write_digits(self.0 % 1_000_000, 6, out);
        out.push('"');
    }
}

impl Json for Strategy {
    fn write(&self, out: &mut String) {
        self.name().write(out);
    }
}

impl Json for Counted {
    fn write(&self, out: &mut String) {
        self.name().write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn written(value: &(impl Json + ?Sized)) -> String {
        let mut out = String::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn every_byte_is_escaped_as_json_has_it_wherever_it_stands() {
        for character in (0..=0x17f).filter_map(char::from_u32) {
            for before in 0..18 {
                let text = format!("{}{character}{}", "x".repeat(before), "y".repeat(17 - before));
                assert_eq!(written(text.as_str()), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(&number), number.to_string());
            assert_eq!(written(&MicroUsd(number)), format!("\"{}\"", MicroUsd(number)));
        }
    }

    #[test]
    fn words_are_those_of_the_gateway_file() {
        let all = [
            Strategy::Fallback,
            Strategy::Weighted,
            Strategy::Cheapest,
            Strategy::Fastest,
            Strategy::LeastBusy,
            Strategy::Pinned,
        ];
        for strategy in all {
            assert_eq!(written(&strategy), serde_json::to_string(&strategy).unwrap());
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::written;

        proptest! {
            #[test]
            fn it_writes_what_serde_writes(texts in prop::collection::vec(".*", 0..4), number: u64, flag: bool) {
                prop_assert_eq!(written(&texts), serde_json::to_string(&texts).unwrap());
                prop_assert_eq!(written(&number), number.to_string());
                prop_assert_eq!(written(&flag), flag.to_string());
            }
        }
    }
}
