//! Divides texts into the parts of calls.
//!
//! Services limit the characters of one call, so several short texts share a call and a long text takes several. A service that reports
//! places, or only a decision, gets the end of a part again at the beginning of the next one, so that it recognizes what the cut divides.
//! A service that rewrites texts cannot: two versions of the same characters could not be joined.

use std::ops::Range;

/// The most calls about the texts of one request or response.
pub const MOST_CALLS: usize = 32;

/// The characters between two texts that share a string: a record separator, which no text has a reason to contain.
pub const SEPARATOR: &str = "\n\u{1e}\n";

/// The size of one call. A character is a Unicode code point.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// The most characters of all parts, and so of a part.
    pub characters: usize,
    /// The most parts.
    pub parts: usize,
    /// The characters that two adjacent parts of one text share.
    pub overlap: usize,
}

/// A part of a text. A part is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The text's index.
    pub text: usize,
    /// The bytes of the text.
    pub at: Range<usize>,
}

impl Part {
    /// The part's text.
    pub fn of<'t>(&self, texts: &[&'t str]) -> &'t str {
        texts.get(self.text).and_then(|text| text.get(self.at.clone())).unwrap_or_default()
    }
}

/// Divides the texts into calls, in order. `None` if they need more than [`MOST_CALLS`].
pub fn divided(texts: &[&str], capacity: Capacity) -> Option<Vec<Vec<Part>>> {
    let separator = SEPARATOR.chars().count();
    let mut calls: Vec<Vec<Part>> = Vec::new();
    let (mut call, mut room) = (Vec::new(), capacity.characters);
    for (text, &whole) in texts.iter().enumerate() {
        let mut start = 0;
        while let Some(rest) = whole.get(start..).filter(|rest| !rest.is_empty()) {
            let room_left = if call.len() < capacity.parts { room } else { 0 };
            match characters(rest, room_left) {
                Ok(count) => {
                    call.push(Part { text, at: start..whole.len() });
                    room = room.saturating_sub(count + separator);
                    break;
                }
                // Another call has more room.
                Err(_) if !call.is_empty() => {
                    calls.push(std::mem::take(&mut call));
                    room = capacity.characters;
                }
                Err(most) => {
                    let end = start + cut(rest, most);
                    calls.push(vec![Part { text, at: start..end }]);
                    let next = back(whole, end, capacity.overlap);
                    start = if next > start { next } else { end };
                }
            }
            if calls.len() > MOST_CALLS {
                return None;
            }
        }
    }
    calls.extend(Some(call).filter(|call| !call.is_empty()));
    (calls.len() <= MOST_CALLS).then_some(calls)
}

/// The parts as one string.
pub fn joined(parts: &[Part], texts: &[&str]) -> String {
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(SEPARATOR);
        }
        out.push_str(part.of(texts));
    }
    out
}

/// The number of characters, or the length of the first `most` of them if there are more.
fn characters(text: &str, most: usize) -> Result<usize, usize> {
    // A character has at most four bytes.
    if text.len() <= most.saturating_mul(4) {
        let count = text.chars().count();
        if count <= most {
            return Ok(count);
        }
    }
    Err(text.char_indices().nth(most).map_or(text.len(), |(at, _)| at))
}

/// A good place to cut a text, at most at `most`, which is a character's start: after a line or a word in its last quarter.
fn cut(text: &str, most: usize) -> usize {
    let head = text.get(..most).unwrap_or(text);
    let after = |found: Option<usize>| {
        let end = head.get(found?..)?.chars().next().map_or(0, char::len_utf8) + found?;
        (end >= most / 4 * 3).then_some(end)
    };
    after(head.rfind('\n')).or_else(|| after(head.rfind(char::is_whitespace))).unwrap_or(head.len())
}

/// The place this many characters before `end`.
fn back(text: &str, end: usize, characters: usize) -> usize {
    let head = text.get(..end).unwrap_or(text);
    match characters.checked_sub(1) {
        None => end,
        Some(last) => head.char_indices().nth_back(last).map_or(0, |(at, _)| at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn parts(texts: &[&str], characters: usize, parts: usize, overlap: usize) -> Vec<Vec<String>> {
        let calls = divided(texts, Capacity { characters, parts, overlap }).unwrap();
        calls.iter().map(|call| call.iter().map(|part| part.of(texts).to_owned()).collect()).collect()
    }

    #[test]
    fn short_texts_share_a_call_and_empty_ones_are_left_out() {
        assert_eq!(parts(&["one", "", "two"], 20, 9, 0), [["one", "two"]]);
        assert_eq!(parts(&["one", "two"], 8, 9, 0), [["one"], ["two"]], "the separator counts");
        assert_eq!(parts(&["a", "b", "c"], 99, 2, 0), [vec!["a", "b"], vec!["c"]]);
        assert!(parts(&["", ""], 9, 9, 0).is_empty());
    }

    #[test]
    fn a_long_text_is_cut_after_a_line_or_a_word_and_characters_count_not_bytes() {
        assert_eq!(parts(&["ééééé"], 5, 9, 0), [["ééééé"]]);
        assert_eq!(parts(&["one two six"], 8, 9, 0), [["one two "], ["six"]]);
        assert_eq!(parts(&["one two\nsix ten"], 12, 9, 0), [["one two\nsix "], ["ten"]]);
        assert_eq!(parts(&["0123456\nn 89"], 10, 9, 0), [["0123456\n"], ["n 89"]]);
        assert_eq!(parts(&["ab", "0123456789abcd"], 8, 9, 0), [["ab"], ["01234567"], ["89abcd"]]);
    }

    #[test]
    fn parts_of_a_text_overlap_if_the_service_does_not_rewrite_it() {
        assert_eq!(parts(&["0123456789"], 6, 9, 2), [["012345"], ["456789"]]);
    }

    #[test]
    fn more_calls_than_the_bound_are_refused() {
        let text = "x".repeat(320);
        let capacity = |characters| Capacity { characters, parts: 9, overlap: 0 };
        assert_eq!(divided(&[&text], capacity(10)).unwrap().len(), MOST_CALLS);
        assert_eq!(divided(&[&text, "y"], capacity(10)), None);
        assert_eq!(divided(&[&text], capacity(9)), None);
    }
}
