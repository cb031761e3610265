//! The word lists, compiled for lookups by hash.

use sluice_wire::order;

use super::Kind;
use super::stem::stem;
use super::words::{LANGUAGES, PHRASES, REQUESTS};

/// The meaning of a word in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// No answer depends on it.
    Dropped,
    Negation,
    /// A number, or a position in an order.
    Number {
        value: u32,
        ordinal: bool,
    },
    /// The text behind it is the subject of the request.
    Raw,
    /// Words of one meaning differ in a text with this word.
    Literal,
    /// Who, when, where or why, from 0, in two bits. Above them, 1 for the time and 2 for the year.
    Question(u8),
    What,
    How,
    /// An auxiliary verb: bits of its tenses and moods.
    Auxiliary(u16),
    /// I, you or we, from 1.
    Pronoun(u8),
    /// My, your or our, from 1.
    Owner(u8),
    /// "They" and "you" differ in the first letter.
    Cased,
    /// A class of words with one meaning: the hash of one of them.
    Same(Kind, u64),
}

/// Bits of auxiliary verbs.
pub(super) const PRESENT: u16 = 1;
pub(super) const PAST: u16 = 2;
pub(super) const FUTURE: u16 = 4;
pub(super) const CAN: u16 = 8;
pub(super) const MUST: u16 = 16;
/// A form of "be".
pub(super) const BE: u16 = 32;
/// A form of "do", or a verb without auxiliary.
pub(super) const DO: u16 = 64;
/// With `CAN`.
pub(super) const WOULD: u16 = 128;
/// With `MUST`: advice.
pub(super) const SHOULD: u16 = 256;
/// "Not have to".
pub(super) const FREE: u16 = 512;
/// Somebody asks why.
pub(super) const WHY: u16 = 1024;
/// With `CAN`: "may not" is not "cannot".
pub(super) const MAY: u16 = 2048;

/// Auxiliary verbs, as the lists name them.
const AUXILIARIES: [(&str, u16); 10] = [
    ("is", PRESENT | BE),
    ("was", PAST | BE),
    ("does", PRESENT | DO),
    ("did", PAST | DO),
    ("will", FUTURE),
    ("can", CAN),
    ("may", CAN | MAY),
    ("would", CAN | WOULD),
    ("must", MUST),
    ("should", MUST | SHOULD),
];

/// English is the only language with stems and phrases of several forms.
pub(super) const ENGLISH: u8 = 0;
pub(super) const PORTUGUESE: u8 = 6;

/// The language of a text without function words.
pub(super) const UNKNOWN: u8 = 15;

/// Makes [`Signature`](super::Signature)s. The key keeps others from finding words by their hashes, and from finding two words with one.
#[derive(Debug)]
pub struct Lexicon {
    key: [u8; 32],
    /// Sorted by language and hash.
    words: Vec<(u8, u64, Meaning)>,
    phrases: Vec<(bool, Vec<&'static str>, &'static str)>,
}

impl Lexicon {
    /// Compiles the lists. Signatures can be compared only if their lexicons have the same key.
    pub fn new(key: [u8; 32]) -> Self {
        let mut lexicon = Self { key, words: Vec::with_capacity(1200), phrases: Vec::new() };
        for (language, lines) in (0..).zip(LANGUAGES) {
            lines.lines().for_each(|line| lexicon.line(language, line));
        }
        order::by_numbers(&mut lexicon.words, |(language, hash, _)| (u64::from(*language), *hash));
        for line in PHRASES.lines().filter_map(|line| line.split_once('=')) {
            let (from, to) = line;
            let words = from.trim_start_matches('^').split(' ').collect();
            lexicon.phrases.push((from.starts_with('^'), words, to));
        }
        lexicon
    }

    fn line(&mut self, language: u8, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let about = words.next().unwrap_or_default();
        let class = words.clone().next().map(|first| self.hash(&stem(first, language, false)));
        for (at, word) in (0..).zip(words) {
            let meaning = match about {
                "drop" => Meaning::Dropped,
                "not" => Meaning::Negation,
                "raw" => Meaning::Raw,
                "literal" => Meaning::Literal,
                "cased" => Meaning::Cased,
                "who" => Meaning::Question(0),
                "when" => Meaning::Question(1),
                "time" => Meaning::Question(4 | 1),
                "year" => Meaning::Question(8 | 1),
                "where" => Meaning::Question(2),
                "why" => Meaning::Question(3),
                "what" => Meaning::What,
                "how" => Meaning::How,
                "i" => Meaning::Pronoun(1),
                "you" => Meaning::Pronoun(2),
                "we" => Meaning::Pronoun(3),
                "my" => Meaning::Owner(1),
                "your" => Meaning::Owner(2),
                "our" => Meaning::Owner(3),
                "numbers" => Meaning::Number { value: at, ordinal: false },
                "tens" => Meaning::Number { value: tens(at), ordinal: false },
                "ordinals" => Meaning::Number { value: at + 1, ordinal: true },
                _ => match AUXILIARIES.iter().find(|(name, _)| *name == about) {
                    Some((_, bits)) => Meaning::Auxiliary(*bits),
                    None => match about.strip_suffix('*') {
                        Some(about) => Meaning::Same(kind(about), self.hash(&stem(word, language, false))),
                        None => Meaning::Same(kind(about), class.unwrap_or_default()),
                    },
                },
            };
            let form = if matches!(meaning, Meaning::Same(..)) { stem(word, language, false) } else { word.to_owned() };
            self.words.push((language, self.hash(&form), meaning));
        }
    }

    /// The hash of a text under the key.
    pub(super) fn hash(&self, text: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *blake3::keyed_hash(&self.key, text.as_bytes()).as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The meaning of the word with this hash.
    pub(super) fn meaning(&self, language: u8, hash: u64) -> Option<Meaning> {
        let at = self.words.binary_search_by_key(&(language, hash), |(language, hash, _)| (*language, *hash)).ok()?;
        self.words.get(at).map(|(_, _, meaning)| *meaning)
    }

    /// The phrase at the front of these words: the number of its words, and its replacement.
    pub(super) fn phrase(&self, words: &[&str], at_start: bool) -> Option<(usize, &'static str)> {
        let mut phrases = self.phrases.iter();
        let found = phrases.find(|(start, phrase, _)| (at_start || !start) && words.starts_with(phrase));
        let (_, phrase, to) = found?;
        let asks = || words.get(phrase.len()).is_some_and(|word| is_in(REQUESTS, word));
        (*to != "?" || asks()).then_some((phrase.len(), to.trim_matches('?')))
    }
}

/// Whether a list, separated by spaces, has a word.
#[inline(never)]
pub(super) fn is_in(list: &str, word: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// The value at a place of a line `tens`.
fn tens(at: u32) -> u32 {
    match at {
        0..8 => (at + 2) * 10,
        8 => 100,
        9 => 1_000,
        10 => 1_000_000,
        _ => 1_000_000_000,
    }
}

fn kind(about: &str) -> Kind {
    match about {
        "opposite" => Kind::Opposite,
        "degree" => Kind::Degree,
        "person" => Kind::Person,
        "unit" => Kind::Unit,
        "currency" => Kind::Currency,
        _ => Kind::Word,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn each_word_has_one_meaning_in_its_language() {
        for (language, lines) in (0..).zip(LANGUAGES) {
            let mut seen = std::collections::BTreeSet::new();
            let forms = lines.lines().flat_map(|line| {
                let (about, words) = line.split_once(' ').unwrap_or_default();
                let stems = is_in("same opposite degree person unit currency opposite* degree* unit*", about);
                words.split(' ').map(move |word| if stems { stem(word, language, false) } else { word.to_owned() })
            });
            let repeated: Vec<_> =
                forms.filter(|word| !["-", ""].contains(&&**word) && !seen.insert(word.clone())).collect();
            assert_eq!(repeated, [""; 0], "{language}");
        }
    }

    #[test]
    fn no_phrase_is_hidden_by_a_shorter_one() {
        let phrases: Vec<&str> = PHRASES.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        for (at, phrase) in phrases.iter().enumerate() {
            let hidden = phrases[..at].iter().find(|before| {
                let rest = phrase.trim_start_matches('^').strip_prefix(before.trim_start_matches('^'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert_eq!(hidden, None, "{phrase}");
        }
    }

    #[test]
    fn each_line_says_what_its_words_are() {
        let known = "drop not raw literal cased who when time year where why what how i you we my your our numbers tens ordinals \
                     same opposite degree person unit currency opposite* degree* unit*";
        let auxiliary = |about: &str| AUXILIARIES.iter().any(|(name, _)| *name == about);
        for line in LANGUAGES.iter().flat_map(|lines| lines.lines()).filter(|line| !line.is_empty()) {
            let about = line.split(' ').next().unwrap();
            assert!(is_in(known, about) || auxiliary(about), "{line}");
        }
    }
}
