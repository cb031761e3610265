//! Removes the endings of English words that do not change an answer: plurals, and `ing` of verbs, but not the past or comparisons.

use super::lexicon::{ENGLISH, is_in};

/// Words whose `s` is no plural: without it they are other words.
const NO_PLURALS: &str = "news goods arms glasses customs means lens woods contents savings seconds pants windows https aids hives \
                          shingles piles securities futures damages blues shorts";

/// The stem of a word in small letters. Other languages keep their endings. `verb`: an `ing` at its end makes no noun of it.
pub(super) fn stem(word: &str, language: u8, verb: bool) -> String {
    if language != ENGLISH || !word.is_ascii() || is_in(NO_PLURALS, word) {
        return word.to_owned();
    }
    let vowel = |c: &u8| b"aeiouy".contains(c);
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    // "Cities" and "city", "movies" and "movie".
    let ie = word.strip_suffix('s').unwrap_or(word).strip_suffix("ie");
    if let Some(front) = ie.filter(|front| front.len() >= 2) {
        return format!("{front}y");
    }
    let mut stem = if ends(&["sses", "xes", "ches", "shes"]) {
        word.trim_end_matches("es").to_owned()
    } else if word.len() >= 4 && !ends(&["ss", "us", "is", "ics"]) {
        word.strip_suffix('s').unwrap_or(word).to_owned()
    } else {
        word.to_owned()
    };
    if let Some(front) = stem.strip_suffix("ing").filter(|front| verb && front.bytes().any(|c| vowel(&c))) {
        stem = match front.as_bytes() {
            [.., a, b] if a == b && !b"lsz".contains(a) => front.split_at(front.len() - 1).0.to_owned(),
            // "making" and "using", but not "reading".
            [.., a, b, c] if !vowel(a) && vowel(b) && !vowel(c) => format!("{front}e"),
            [a, b] if vowel(a) && !vowel(b) => format!("{front}e"),
            _ => front.to_owned(),
        };
    }
    // British and American spelling.
    if let Some(front) = stem.strip_suffix("tre").filter(|front| front.len() >= 2) {
        return format!("{front}ter");
    }
    match stem.strip_suffix("ize").filter(|front| front.len() >= 4) {
        Some(front) => format!("{front}ise"),
        None => stem,
    }
}
