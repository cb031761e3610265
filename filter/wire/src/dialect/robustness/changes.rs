//! Changes to a mostly valid text: bytes changed, removed, duplicated, or copied from elsewhere.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub enum Change {
    Set(u8),
    Remove(usize),
    Double(usize),
    Insert(&'static str),
}

const WORDS: [&str; 24] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.5",
    "true",
    "[[[[",
    "}}",
    "\\u0000",
    "\\ud800",
    "\"type\":",
    "\"error\":{\"message\":7}",
    "data: ",
    "\n\n",
    "\r\n",
    "event: error\n",
    ":",
    "[DONE]",
    "\"index\":4294967296",
    "\u{feff}",
    ",",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Set),
        (1usize..40).prop_map(Change::Remove),
        (1usize..40).prop_map(Change::Double),
        proptest::sample::select(&WORDS[..]).prop_map(Change::Insert),
    ]
}

/// Applies the changes to the text.
pub fn changed(mut text: Vec<u8>, changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    for (place, change) in changes {
        if text.is_empty() {
            break;
        }
        let at = place.index(text.len());
        let end = |length: usize| text.len().min(at + length);
        match change {
            Change::Set(byte) => text[at] = *byte,
            Change::Remove(length) => drop(text.drain(at..end(*length))),
            Change::Double(length) => {
                let piece = text[at..end(*length)].to_vec();
                text.splice(at..at, piece);
            }
            Change::Insert(word) => drop(text.splice(at..at, word.bytes())),
        }
    }
    text
}

pub fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    proptest::collection::vec((any::<prop::sample::Index>(), change()), 0..6)
}
