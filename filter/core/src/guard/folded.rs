//! A text as a person reads it: lines that were wrapped, spaces of all widths, letters of full width.
//!
//! What is looked for in a text may stand in it over the end of a line, with two spaces, or with a sign in it that nobody sees. The text
//! is looked at as it is, and folded; where something was found in the folded one is known in the other.

use std::ops::Range;

/// A folded text.
#[derive(Debug, PartialEq, Eq)]
pub struct Folded {
    /// It.
    pub text: String,
    /// From where on it is how far behind the text that it was made of: places in both.
    marks: Vec<(usize, usize)>,
    /// The length of the text that it was made of.
    length: usize,
}

/// What a letter is folded to.
enum Fold {
    Same,
    Space,
    Nothing,
    Other(char),
}

/// A text, folded; `None` where that changes nothing.
pub fn folded(text: &str) -> Option<Folded> {
    if !may_change(text.as_bytes()) {
        return None;
    }
    let mut folded = Folded { text: String::with_capacity(text.len()), marks: Vec::new(), length: text.len() };
    let mut in_space = false;
    let mut changed = false;
    for (at, letter) in text.char_indices() {
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
        folded.push(at, sign);
    }
    changed.then_some(folded)
}

/// Most texts are plain: whether one may have anything to fold is seen from its bytes.
fn may_change(bytes: &[u8]) -> bool {
    let mut before = 0;
    bytes.iter().any(|byte| {
        let odd = matches!(byte, 0 | b'\t' | b'\n' | b'\r' | 0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef);
        let twice = *byte == b' ' && before == b' ';
        before = *byte;
        odd || twice
    })
}

fn fold(letter: char) -> Fold {
    match letter {
        ' ' | '\t' | '\n' | '\r' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' => Fold::Space,
        '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Fold::Space,
        // Between the letters of a text in UTF-16.
        '\0' => Fold::Nothing,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => Fold::Nothing,
        // The full width forms of ASCII stand in its order.
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = u32::from(letter).checked_sub(0xfee0).and_then(char::from_u32);
            ascii.map_or(Fold::Same, Fold::Other)
        }
        _ => Fold::Same,
    }
}

impl Folded {
    fn push(&mut self, from: usize, letter: char) {
        let to = self.text.len();
        let is_known = match self.marks.last() {
            Some((folded, plain)) => plain.saturating_add(to.saturating_sub(*folded)) == from,
            None => from == to,
        };
        if !is_known {
            self.marks.push((to, from));
        }
        self.text.push(letter);
    }

    /// Where in the text that it was made of that stands which is here in the folded one.
    pub fn unfolded(&self, at: &Range<usize>) -> Range<usize> {
        self.place(at.start)..self.place(at.end)
    }

    fn place(&self, folded: usize) -> usize {
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
}
