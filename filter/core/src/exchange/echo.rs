//! What an error's text repeats of the request that it is about, cut out: a line of the log never holds a prompt, and providers
//! quote what they refuse.
//!
//! The request's bytes are looked at as they are, and with JSON's escapes read, since nobody knows which of the two a provider
//! repeats. A request that is too long to be looked at may hold anything: then nothing of the text is left.

use std::collections::HashSet;

/// What stands for that which was cut out.
const CUT: &str = "[…]";

/// A longer request is not looked at.
const LONGEST_REQUEST: usize = 4 << 20;

/// The most characters of a text that the log takes.
const LONGEST_TEXT: usize = 500;

/// A prime near 2^61, and a base: hashes of runs of characters roll along a text.
const PRIME: u128 = (1 << 61) - 1;
const BASE: u128 = 1_099_511_628_211;

/// The beginning of `text`, without every run of `run` characters, or more, that also stands in the request.
pub fn without(text: &str, request: &[u8], run: usize) -> String {
    let text: Vec<char> = text.chars().take(LONGEST_TEXT).collect();
    if text.len() < run {
        return text.into_iter().collect();
    }
    if request.len() > LONGEST_REQUEST {
        return CUT.to_owned();
    }
    let mut repeated = HashSet::new();
    let own: HashSet<u64> = hashes(text.iter().copied(), run).collect();
    let raw = String::from_utf8_lossy(request);
    repeated.extend(hashes(raw.chars(), run).filter(|hash| own.contains(hash)));
    repeated.extend(hashes(unescaped(&raw), run).filter(|hash| own.contains(hash)));
    let mut hidden = vec![false; text.len()];
    for (start, hash) in hashes(text.iter().copied(), run).enumerate() {
        if repeated.contains(&hash) {
            hidden.iter_mut().skip(start).take(run).for_each(|hidden| *hidden = true);
        }
    }
    let mut left = String::with_capacity(text.len());
    let mut before = false;
    for (character, hidden) in text.into_iter().zip(hidden) {
        match (hidden, before) {
            (false, _) => left.push(character),
            (true, false) => left.push_str(CUT),
            (true, true) => {}
        }
        before = hidden;
    }
    left
}

/// The hash of every run of so many characters, one after the other.
fn hashes(text: impl Iterator<Item = char>, run: usize) -> impl Iterator<Item = u64> {
    let leaves = (0..run).fold(1, |power, _| power * BASE % PRIME);
    let mut window = std::collections::VecDeque::with_capacity(run + 1);
    let mut hash = 0_u128;
    text.filter_map(move |character| {
        let value = u128::from(u32::from(character)) + 1;
        hash = (hash * BASE + value) % PRIME;
        window.push_back(value);
        if window.len() > run {
            let gone = window.pop_front().unwrap_or_default() * leaves % PRIME;
            hash = (hash + PRIME - gone) % PRIME;
        }
        (window.len() == run).then(|| u64::try_from(hash).unwrap_or_default())
    })
}

/// A text with the escapes of JSON's strings read, wherever they stand.
fn unescaped(text: &str) -> impl Iterator<Item = char> {
    let mut rest = text.chars();
    let mut high = None;
    std::iter::from_fn(move || {
        loop {
            let character = rest.next()?;
            if character != '\\' {
                high = None;
                return Some(character);
            }
            let escaped = match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let unit = u32::from_str_radix(&digits, 16).unwrap_or_default();
                    // A character beyond the first 65,536 is written as two.
                    match (high.take(), unit) {
                        (_, 0xd800..=0xdbff) => {
                            high = Some(unit);
                            continue;
                        }
                        (Some(first), 0xdc00..=0xdfff) => {
                            char::from_u32(0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00)).unwrap_or('\u{fffd}')
                        }
                        _ => char::from_u32(unit).unwrap_or('\u{fffd}'),
                    }
                }
                other => other,
            };
            return Some(escaped);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_stands_in_the_request_is_cut_and_the_rest_is_left() {
        let request = br#"{"messages":[{"role":"user","content":"the launch code is swordfish"}]}"#;
        for (text, expected) in [
            ("Invalid value: 'the launch code is swordfish'.", "Invalid value: '[…]'."),
            ("launch code i", "[…]"),
            ("launch code", "launch code"),
            ("a launch code is b, and a launch code is c", "a[…]b, and a[…]c"),
            ("max_tokens is too large", "max_tokens is too large"),
            ("", ""),
        ] {
            assert_eq!(without(text, request, 12), expected);
        }
    }

    #[test]
    fn escapes_of_json_hide_nothing() {
        let request = br#"{"content":"one \"two\"\nthree \u00e9\ud83d\ude00 four"}"#;
        for text in ["one \"two\"\nthree \u{e9}\u{1f600} four", r#"one \"two\"\nthree \u00e9\ud83d\ude00 four"#] {
            assert_eq!(without(text, request, 12), CUT);
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_told() {
        assert_eq!(without("a message of a provider", &vec![b'x'; LONGEST_REQUEST + 1], 12), CUT);
        assert_eq!(without(&"y".repeat(600), b"x", 12).len(), LONGEST_TEXT);
        assert_eq!(without("\u{fffd}bytes that are no text", b"\xffbytes that are no text", 12), CUT);
    }
}
