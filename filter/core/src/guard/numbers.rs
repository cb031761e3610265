//! The numbers in a JSON text that may be sensitive, such as card or account numbers. They are outside of its strings.

use crate::peek::literals::Literals;

/// No detector matches fewer digits.
const FEWEST: usize = 7;

/// The values of these keys are times or random numbers.
const HARMLESS: [&[u8]; 7] =
    [b"created", b"created_at", b"completed_at", b"expires_at", b"updated_at", b"timestamp", b"seed"];

/// Whether a number with this key is checked. The digits of a fraction do not count: most are probabilities.
pub fn is_worth(key: &[u8], number: &str) -> bool {
    let whole = number.split(['.', 'e', 'E']).next().unwrap_or_default();
    whole.bytes().filter(u8::is_ascii_digit).count() >= FEWEST && !HARMLESS.contains(&key)
}

/// The numbers of a JSON text that are checked.
pub fn of(json: &[u8]) -> impl Iterator<Item = &str> {
    let mut end = 0;
    let mut before: &[u8] = &[];
    let mut literals = Literals::of(json);
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let literal = literals.next();
        let gap = match &literal {
            Some(literal) => literal.gap,
            None => json.get(end..).unwrap_or_default(),
        };
        let key = std::mem::take(&mut before);
        over = literal.is_none();
        if let Some(literal) = literal {
            end = literal.start.saturating_add(literal.text.len()).saturating_add(1);
            before = literal.text;
        }
        Some(in_gap(key, gap))
    })
    .flatten()
}

/// The numbers between two strings. The first string may be their key.
fn in_gap<'a>(key: &'a [u8], gap: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let words = gap.split(move |byte| !is_part(byte)).filter(|word| word.len() >= FEWEST);
    let numbers = words.filter_map(|word| std::str::from_utf8(word).ok());
    let key = if gap.trim_ascii_start().starts_with(b":") { key } else { &[] };
    numbers.filter(move |number| is_worth(key, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_are_found_wherever_they_stand_and_moments_are_not() {
        let json =
            br#"{"card":4111111111111111,"n":1,"created":1780000000,"list":[5555555555554444, -1.5,"4111",12345678],
            "logprob":-0.4111111111111111,"p":4.111111111111111e-7,"a":{"seed":99999999,"b":[[1234567]]},
            "c":"5105105105105100","d":3782822463100051.0}"#;
        let found: Vec<&str> = of(json).collect();
        assert_eq!(found, ["4111111111111111", "5555555555554444", "12345678", "1234567", "3782822463100051.0"]);
        assert_eq!(of(b"4111111111111111").collect::<Vec<_>>(), ["4111111111111111"]);
        assert_eq!(of(b"").count(), 0);
    }
}
