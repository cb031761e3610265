//! Folds a text to its visible form: wrapped lines, spaces of any width, full-width letters.
//!
//! A match may be hidden by a line break, two spaces, or an invisible character. So the matcher checks both the text and its folded form,
//! and maps matches in the folded form back to the text.

use std::ops::Range;

/// A folded text.
#[derive(Debug, PartialEq, Eq)]
pub struct Folded {
    /// The folded form.
    pub text: String,
    /// Positions in the folded form and in the text from which on their distance changes.
    marks: Vec<(usize, usize)>,
    /// The length of the text.
    length: usize,
}

/// The folded form of a letter.
enum Fold {
    Same,
    Space,
    Nothing,
    Other(char),
}

/// Folds a text; `None` if that changes nothing.
pub fn folded(text: &str) -> Option<Folded> {
    if !may_change(text.as_bytes()) {
        return None;
    }
    let mut folded = Folded { text: String::with_capacity(text.len()), marks: Vec::new(), length: text.len() };
    let mut in_space = false;
    let mut changed = false;
    let mut rest = text;
    loop {
        let (plain, behind) = rest.split_at_checked(plain(rest.as_bytes(), in_space)).unwrap_or((rest, ""));
        if let Some(last) = plain.bytes().last() {
            folded.push(text.len().saturating_sub(rest.len()), plain);
            in_space = last == b' ';
        }
        let mut letters = behind.chars();
        let Some(letter) = letters.next() else { break };
        let at = text.len().saturating_sub(behind.len());
        rest = letters.as_str();
        let fold = fold(letter);
        let sign = match fold {
            Fold::Same => letter,
            Fold::Space if in_space => {
                changed = true;
                continue;
            }
            Fold::Space => ' ',
            Fold::Nothing => {
                changed = true;
                continue;
            }
            Fold::Other(other) => other,
        };
        in_space = matches!(fold, Fold::Space);
        changed |= sign != letter;
        folded.push(at, sign.encode_utf8(&mut [0; 4]));
    }
    changed.then_some(folded)
}

/// Whether a text may need folding, by its bytes. Most texts do not.
fn may_change(bytes: &[u8]) -> bool {
    plain(bytes, false) < bytes.len()
}

/// The number of bytes before the first letter that may be folded. A space after a space is folded.
fn plain(bytes: &[u8], in_space: bool) -> usize {
    let mut before = if in_space { b' ' } else { 0 };
    let folds = |byte: &u8| {
        let odd = matches!(byte, 0 | b'\t' | b'\n' | b'\r' | 0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef);
        let twice = *byte == b' ' && before == b' ';
        before = *byte;
        odd || twice
    };
    bytes.iter().position(folds).unwrap_or(bytes.len())
}

fn fold(letter: char) -> Fold {
    match letter {
        ' ' | '\t' | '\n' | '\r' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' => Fold::Space,
        '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Fold::Space,
        // Between the letters of UTF-16 text.
        '\0' => Fold::Nothing,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => Fold::Nothing,
        // The full-width forms of ASCII have the same order.
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = u32::from(letter).checked_sub(0xfee0).and_then(char::from_u32);
            ascii.map_or(Fold::Same, Fold::Other)
        }
        _ => Fold::Same,
    }
}

/// Whether a letter remains one when it is folded.
pub fn is_visible(letter: char) -> bool {
    matches!(fold(letter), Fold::Same | Fold::Other(_))
}

impl Folded {
    fn push(&mut self, from: usize, text: &str) {
        let to = self.text.len();
        let is_known = match self.marks.last() {
            Some((folded, plain)) => plain.saturating_add(to.saturating_sub(*folded)) == from,
            None => from == to,
        };
        if !is_known {
            self.marks.push((to, from));
        }
        self.text.push_str(text);
    }

    /// Maps a range in the folded form to the text.
    pub fn unfolded(&self, at: &Range<usize>) -> Range<usize> {
        self.place(at.start)..self.place(at.end)
    }

    /// The first position in the folded form of text at or after `plain`.
    pub fn folded(&self, plain: usize) -> usize {
        let behind = self.marks.partition_point(|(_, mark)| *mark <= plain);
        let at = match behind.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some((folded, mark)) => folded.saturating_add(plain.saturating_sub(*mark)),
            None => plain,
        };
        at.min(self.marks.get(behind).map_or(self.text.len(), |(folded, _)| *folded))
    }

    /// Maps a position in the folded form to the text.
    pub fn place(&self, folded: usize) -> usize {
        if folded >= self.text.len() {
            return self.length;
        }
        let behind = self.marks.partition_point(|(mark, _)| *mark <= folded);
        match behind.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some((mark, plain)) => plain.saturating_add(folded.saturating_sub(*mark)),
            None => folded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_text_is_folded_to_what_a_person_reads() {
        for (text, expected) in [
            ("Project\nTitan", "Project Titan"),
            ("Project \r\n\t Titan", "Project Titan"),
            ("a  b", "a b"),
            ("a\u{a0}b\u{2009}\u{3000}c", "a b c"),
            ("Ti\u{200b}t\u{ad}an\u{feff}", "Titan"),
            ("ＴＩＴＡＮ　４１１１＠", "TITAN 4111@"),
            ("\n", " "),
            ("T\0i\0t\0a\0n\0", "Titan"),
        ] {
            assert_eq!(folded(text).map(|folded| folded.text).as_deref(), Some(expected), "{text:?}");
        }
        for text in ["", "plain text.", "é ü – 日本", "a b c"] {
            assert_eq!(folded(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_was_found_is_known_where_it_stands() {
        let text = "é\n\nfind  ｍ\u{200b}e, ＸＹ\u{200b}";
        let folded = folded(text).unwrap();
        for (wanted, stands) in
            [("find", "find"), ("find me", "find  ｍ\u{200b}e"), ("XY", "ＸＹ\u{200b}"), ("é find", "é\n\nfind")]
        {
            let at = folded.text.find(wanted).unwrap();
            assert_eq!(text.get(folded.unfolded(&(at..at + wanted.len()))), Some(stands), "{wanted}");
        }
        assert_eq!(folded.unfolded(&(0..folded.text.len())), 0..text.len());
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod letter_by_letter {
        use super::*;
        use proptest::prelude::*;

        /// The folded form of a text, and the position of each of its letters.
        fn slowly(text: &str) -> (String, Vec<usize>) {
            let (mut out, mut offsets) = (String::new(), Vec::new());
            for (at, letter) in text.char_indices() {
                let sign = match fold(letter) {
                    Fold::Same => letter,
                    Fold::Space if offsets.last().is_some_and(|_| in_space(text, at)) => continue,
                    Fold::Space => ' ',
                    Fold::Nothing => continue,
                    Fold::Other(other) => other,
                };
                out.push(sign);
                offsets.push(at);
            }
            (out, offsets)
        }

        /// Whether the folded form of `text` before `at` ends with a space.
        fn in_space(text: &str, at: usize) -> bool {
            let before = text.get(..at).unwrap().chars().rev().find(|letter| !matches!(fold(*letter), Fold::Nothing));
            before.is_some_and(|letter| matches!(fold(letter), Fold::Space))
        }

        proptest! {
            #[test]
            fn it_is_what_is_folded(letters in prop::collection::vec(prop::sample::select(vec![
                "a", "bc", " ", " ", "\n", "\t", "\r", "\0", "é", "ü", "—", "\u{a0}", "\u{ad}", "\u{200b}", "\u{3000}", "ａ", "日", "。",
            ]), 0..24)) {
                let text = letters.concat();
                let (expected, offsets) = slowly(&text);
                match folded(&text) {
                    None => prop_assert_eq!(&expected, &text),
                    Some(folded) => {
                        prop_assert_eq!(&folded.text, &expected);
                        for ((at, _), place) in expected.char_indices().zip(offsets) {
                            prop_assert_eq!(folded.unfolded(&(at..at)).start, place, "{} of {:?}", at, text);
                        }
                    }
                }
            }
        }
    }
}
