//! Cuts the parts of the request out of an error's text: the log never contains a prompt, and providers quote what they reject.
//!
//! The search covers the request's bytes as they are, and with JSON escapes decoded once and twice (a tool's arguments are JSON inside
//! JSON). It also covers the text as it is and with escapes decoded. So it does not matter how a provider writes a quote. A request that is
//! too long to search may contain anything: then the whole text is cut.

use std::collections::{HashSet, VecDeque};

use crate::memory_limiter::Permit;

/// Replaces each part that was cut out.
const CUT: &str = "[…]";

/// Longer requests are not searched.
const LONGEST_REQUEST: usize = 4 << 20;

/// The longest text that is logged, in characters.
const LONGEST_TEXT: usize = 500;

/// The longest request that is retained until the response begins. A longer one is gone by the time a provider complains about it.
const LONGEST_RETAINED: usize = 256 << 10;

/// The request's body, while it is retained.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RetainedBody {
    /// The whole body.
    Whole(Vec<u8>),
    /// Too long to retain, or the response has begun.
    #[default]
    Gone,
}

impl RetainedBody {
    /// Copies the body of a request in flight, if the worker has room for a second copy.
    pub fn of(body: &[u8], permit: &mut Permit) -> Self {
        match body.len() <= LONGEST_RETAINED && permit.grow(body.len()).is_ok() {
            true => Self::Whole(body.to_vec()),
            false => Self::Gone,
        }
    }

    /// Returns the beginning of `text` without parts of the request. If the request is gone, any part of the text may be one.
    pub fn without(&self, text: &str, run: usize) -> String {
        match self {
            Self::Whole(request) => without(text, request, run),
            Self::Gone if text.chars().nth(run.saturating_sub(1)).is_none() => text.to_owned(),
            Self::Gone => CUT.to_owned(),
        }
    }
}

/// The base of the rolling hash, which is truncated to 64 bits. A collision cuts out too much, never too little.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the beginning of `text`, without each run of at least `run` characters that the request also contains.
pub fn without(text: &str, request: &[u8], run: usize) -> String {
    let text: Vec<char> = text.chars().take(LONGEST_TEXT).collect();
    if text.len() < run {
        return text.into_iter().collect();
    }
    if request.len() > LONGEST_REQUEST {
        return CUT.to_owned();
    }
    let raw = String::from_utf8_lossy(request);
    let as_it_is: Vec<(char, usize)> = text.iter().copied().zip(1..).collect();
    let read: Vec<(char, usize)> = unescaped(text.iter().copied()).collect();
    let views = [as_it_is, read];
    let mut search = Search::new(views.iter().flat_map(|view| hashes(characters(view), run)));
    search.through(hashes(raw.chars(), run));
    if raw.contains('\\') {
        let once = || unescaped(raw.chars()).map(|(character, _)| character);
        search.through(hashes(once(), run));
        search.through(hashes(unescaped(once()).map(|(character, _)| character), run));
    }
    let mut hidden = vec![false; text.len()];
    for view in &views {
        for (first, _) in hashes(characters(view), run).enumerate().filter(|(_, hash)| search.found.contains(hash)) {
            let end = |at: usize| view.get(at).map_or(0, |(_, end)| *end);
            let (from, to) = (first.checked_sub(1).map_or(0, end), end(first + run - 1));
            hidden.iter_mut().take(to).skip(from).for_each(|hidden| *hidden = true);
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

fn characters(view: &[(char, usize)]) -> impl Iterator<Item = char> {
    view.iter().map(|(character, _)| *character)
}

/// Searches a long sequence of hashes for a few wanted ones.
struct Search {
    wanted: HashSet<u64>,
    /// A bit for each value of a hash's top bits: rules out nearly all hashes that are not wanted.
    maybe: Vec<bool>,
    found: HashSet<u64>,
}

impl Search {
    const BITS: u32 = 14;

    fn new(wanted: impl Iterator<Item = u64>) -> Self {
        let wanted: HashSet<u64> = wanted.collect();
        let mut maybe = vec![false; 1 << Self::BITS];
        for hash in &wanted {
            if let Some(bit) = maybe.get_mut(Self::place(*hash)) {
                *bit = true;
            }
        }
        Self { wanted, maybe, found: HashSet::new() }
    }

    fn place(hash: u64) -> usize {
        usize::try_from(hash >> (u64::BITS - Self::BITS)).unwrap_or_default()
    }

    fn through(&mut self, hashes: impl Iterator<Item = u64>) {
        for hash in hashes {
            if self.maybe.get(Self::place(hash)) == Some(&true) && self.wanted.contains(&hash) {
                self.found.insert(hash);
            }
        }
    }
}

/// The hash of every window of `run` characters, in order.
fn hashes(text: impl Iterator<Item = char>, run: usize) -> impl Iterator<Item = u64> {
    let leaves = (0..run).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut window = VecDeque::with_capacity(run + 1);
    let mut hash = 0_u64;
    text.filter_map(move |character| {
        let value = u64::from(u32::from(character)) + 1;
        hash = hash.wrapping_mul(BASE).wrapping_add(value);
        window.push_back(value);
        if window.len() > run {
            hash = hash.wrapping_sub(window.pop_front().unwrap_or_default().wrapping_mul(leaves));
        }
        (window.len() == run).then_some(hash)
    })
}

/// Decodes JSON string escapes anywhere in a text. Each character comes with the number of input characters consumed so far.
fn unescaped(mut text: impl Iterator<Item = char>) -> impl Iterator<Item = (char, usize)> {
    let mut high = None;
    let mut taken = 0;
    std::iter::from_fn(move || {
        loop {
            let character = text.next()?;
            taken += 1;
            if character != '\\' {
                high = None;
                return Some((character, taken));
            }
            let Some(escape) = text.next() else { return Some((character, taken)) };
            taken += 1;
            let escaped = match escape {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = text.by_ref().take(4).collect();
                    taken += digits.chars().count();
                    let unit = u32::from_str_radix(&digits, 16).unwrap_or_default();
                    // A character beyond the first 65,536 is written as a surrogate pair.
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
            return Some((escaped, taken));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::memory_limiter::{Bounds, MemoryLimiter};
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
    fn of_a_request_that_is_gone_anything_may_be_repeated() {
        let memory_limiter = Rc::new(MemoryLimiter::new(Bounds { rewritten: 1, worker: 100, key: 100 }));
        let permit = || memory_limiter.unknown();
        assert_eq!(RetainedBody::of(b"the launch code", &mut permit()).without("not the launch code", 12), "not […]");
        assert_eq!(RetainedBody::of(&vec![b'x'; LONGEST_RETAINED + 1], &mut permit()), RetainedBody::Gone);
        assert_eq!(RetainedBody::of(&[b'x'; 101], &mut permit()), RetainedBody::Gone, "there is no room");
        assert_eq!(RetainedBody::Gone.without("any message at all", 12), CUT);
        assert_eq!(RetainedBody::Gone.without("too short", 12), "too short");
    }

    #[test]
    fn it_does_not_matter_how_often_a_text_is_escaped() {
        let said = "\u{4f60}\u{597d}\u{4e16}\u{754c}\u{6211}\u{7684}\u{79d8}\u{5bc6}\u{662f}\u{4e00}\u{4e8c}\u{4e09}";
        let escaped: String = said.chars().map(|character| format!("\\u{:04x}", u32::from(character))).collect();
        let twice = escaped.replace('\\', r"\\");
        for request in [said, &escaped, &twice] {
            let request = format!(r#"{{"arguments":"{{\"q\":\"{request}\"}}"}}"#);
            for repeated in [said, &escaped] {
                let text = format!("Not '{repeated}'.");
                assert_eq!(without(&text, request.as_bytes(), 12), "Not '[…]'.", "{request} {text}");
            }
        }
    }

    #[test]
    fn a_text_that_ends_in_an_escape_is_left() {
        assert_eq!(without("a long enough text \\", b"x", 12), "a long enough text \\");
        assert_eq!(without("a long enough text \\u12", br#""\u12"#, 12), "a long enough text \\u12");
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_told() {
        assert_eq!(without("a message of a provider", &vec![b'x'; LONGEST_REQUEST + 1], 12), CUT);
        assert_eq!(without(&"y".repeat(600), b"x", 12).len(), LONGEST_TEXT);
        assert_eq!(without("\u{fffd}bytes that are no text", b"\xffbytes that are no text", 12), CUT);
    }
}
