//! Asserts that the sieve loses no match, and that it clears most texts.

use super::super::{Matcher, Wanted};
use super::*;
use crate::guard::folded::folded;
use crate::guard::spec::Detector;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The matchers of a gateway with many guardrails.
fn finders() -> Vec<Matcher> {
    let matcher = |detectors: &[Detector], patterns: &[&str], words: &[&str]| {
        let mut wanted = Wanted::default();
        detectors.iter().for_each(|detector| wanted.detector(*detector));
        patterns.iter().for_each(|pattern| wanted.pattern(pattern, pattern).unwrap());
        wanted.words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        wanted.matcher().unwrap()
    };
    use Detector::*;
    vec![
        matcher(&[ApiKey, AwsAccessKey, PrivateKey, Jwt], &["EMP-[0-9]{6}"], &["Project Titan"]),
        matcher(&[Email, Phone, CreditCard, Iban, UsSsn, IpAddress], &[], &[]),
        matcher(&[Email], &[r"a\sb", r"(?i)kiss", r"\w+é\d"], &["Über uns", "c++", "kein Sinn"]),
    ]
}

const PROSE: &str = "\n\n- The task was written in 2024, at noon, by Jane's team (see page 12).\r\n\r\n\tIt said \u{201c}no\u{201d} \u{2014} and \
    then: \"für 1,000 of 2,500 items, i.e. 40%\", e.g. well-known ones/others; f(x) = a[1] + b_2 \u{2026}\n    * one\n    * two\n";

#[test]
fn a_text_without_anything_of_it_ends_there() {
    for matcher in finders() {
        let sieve = matcher.sieve.as_ref().unwrap();
        let text = PROSE.repeat(3);
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_eq!(sieve.look(&text[..end]), Sight::Nothing, "{sieve:?} in {}", &text[..end]);
        }
        assert_eq!(sieve.look("x\u{a0}y"), Sight::Folds);
        let steps = Matcher::steps();
        assert_eq!((matcher.first(PROSE, &steps), matcher.all(PROSE, 0, &steps).count()), (None, 0));
        assert_eq!(steps.taken(), 2 * u64::try_from(PROSE.len()).unwrap());
    }
}

#[test]
fn what_nearly_every_text_has_is_looked_for_in_all() {
    let mut wanted = Wanted::default();
    wanted.pattern("p", "[a-z]+").unwrap();
    let matcher = wanted.matcher().unwrap();
    assert!(matcher.sieve.is_none());
    assert_eq!(matcher.first("1 x", &Matcher::steps()), Some("p"));
}

#[test]
fn every_letter_that_is_folded_otherwise_is_seen() {
    let sieve = Sieve::of(&[]).unwrap();
    for letter in ('\0'..=char::MAX).filter(|letter| !b" \t\n\r".contains(&(*letter as u32).try_into().unwrap_or(b'x')))
    {
        let text = format!("a{letter}b");
        if folded(&text).is_some() {
            assert_eq!(sieve.look(&text), Sight::Folds, "{letter:?}");
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod beside_a_look_at_all {
    use std::ops::Range;

    use super::*;
    use proptest::prelude::*;

    /// Pieces of matches and near misses, and characters that may occur in them.
    const PIECES: &[&str] = &[
        "sk-",
        "abcdefghijklmnopqrstuvwxyz",
        "gh",
        "ghp_",
        "a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2",
        "xoxb-",
        "AIza",
        "npm_",
        "sk_live_",
        "github_pat_",
        "glpat-",
        "AKIA",
        "ASIA",
        "IOSFODNN7EXAMPLE",
        "-----BEGIN",
        " RSA",
        " PRIVATE KEY",
        "-----",
        "-----END PRIVATE KEY-----",
        "eyJ",
        "eyJhbGci",
        ".",
        ".eyJzdWIi",
        ".abcdefghijklmnop_-12",
        "EMP-",
        "123456",
        "Project",
        "project",
        "TITAN",
        "Titan",
        "alice",
        "@",
        "mail",
        ".example",
        ".com",
        "+",
        "+49",
        "(30)",
        "1234-5678",
        "4111",
        "1111",
        "1111 1111",
        "1112",
        "378282246310005",
        "DE89",
        "3704",
        "0044",
        "0532",
        "0130",
        "00",
        "GB82 WEST",
        "123-45-6789",
        "123",
        "-",
        "45",
        "6789",
        "192.0",
        ".2",
        ".17",
        "2001:db8",
        "::",
        "8a2e",
        ":",
        "1",
        "a",
        "b",
        "kiss",
        "KISS",
        "é",
        "é1",
        "Über",
        "uns",
        "c++",
        "kein",
        "Sinn",
        "\u{212a}",
        "\u{17f}",
        "i",
    ];
    const BETWEEN: &[&str] = &[
        "", "", "", "", "", "", " ", " ", "\n", "\t", "\r\n", "  ", " \n\n\t ", "\u{200b}", "\u{ad}", "\0", "\u{a0}",
        "\u{3000}", "\u{feff}", "\u{2019}", "x", ",",
    ];

    fn widened(text: &str) -> String {
        let wide = |letter: char| match letter {
            '!'..='~' => char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter),
            _ => letter,
        };
        text.chars().map(wide).collect()
    }

    fn piece() -> impl Strategy<Value = String> {
        let written = (prop::sample::select(PIECES), 0..20).prop_map(|(piece, wide)| match wide {
            0 => widened(piece),
            1 => piece.chars().map(|letter| format!("{letter}\0")).collect(),
            _ => piece.to_owned(),
        });
        (written, prop::sample::select(BETWEEN)).prop_map(|(piece, between)| format!("{piece}{between}"))
    }

    fn texts() -> impl Strategy<Value = String> {
        let pieces = prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat());
        // A match may cross the end of a block.
        (0..2 * BLOCK, pieces).prop_map(|(before, text)| format!("{}{text}", ". ".repeat(before / 2)))
    }

    thread_local! {
        /// Matchers with a sieve and without.
        static BOTH: (Vec<Matcher>, Vec<Matcher>) = {
            let mut without = finders();
            without.iter_mut().for_each(|matcher| matcher.sieve = None);
            (finders(), without)
        };
    }

    type Finds = Vec<(String, Range<usize>)>;

    /// The first match and all matches of a text, and all matches of its folded form.
    fn look(matcher: &Matcher, text: &str) -> (Option<String>, Finds, Option<Finds>) {
        let steps = Matcher::steps();
        let first = matcher.first(text, &steps).map(str::to_owned);
        let all = |text: &str| matcher.all(text, 0, &steps).map(|find| (find.label.to_owned(), find.at)).collect();
        (first, all(text), folded(text).map(|folded| all(&folded.text)))
    }

    /// Related expressions and texts.
    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a",
            "b",
            "ab",
            "k",
            "(?i:k)",
            "[ab]",
            "[^a]",
            ".",
            " ",
            "[ a]",
            "a b",
            "[a-c -]",
            r"\b",
            "^",
            "(?m:$)",
            r"\w",
            r"\W",
            r"\s",
            r"\d",
            "é",
            "(?i:É)",
            "[é-ü]",
            "—",
            "\n",
            "(?s-u:[^a])b",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner, prop::sample::select(vec!["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}?", "{12,20}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    fn letters() -> impl Strategy<Value = String> {
        let letters =
            vec!["a", "b", "ab", "k", "\u{212a}", " ", "-", "é", "—", "\n", "\r\n", "1", "É", "\0", "\u{ad}", "ａ"];
        prop::collection::vec(prop::sample::select(letters), 0..24).prop_map(|letters| letters.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_024))]

        #[test]
        fn nothing_is_lost(text in texts()) {
            BOTH.with(|(with, without)| {
                for (quick, slow) in with.iter().zip(without) {
                    let expected = look(slow, &text);
                    prop_assert!(!quick.sees_nothing(&text, &Matcher::steps()) || expected.0.is_none());
                    prop_assert_eq!(look(quick, &text), expected);
                }
                Ok(())
            })?;
        }

        #[test]
        fn every_match_has_a_window(expression in expressions(), text in letters(), places in 1..=10_usize) {
            let Ok(found) = regex::Regex::new(&expression) else { return Ok(()) };
            let hir = regex_automata::util::syntax::parse(&expression).unwrap();
            let Some((sieve, _)) = Sieve::with(&[hir], places) else { return Ok(()) };
            let sight = sieve.look(&text);
            if found.is_match(&text) {
                prop_assert_eq!(sight, Sight::Something, "{} in {:?}", expression, text);
            }
            if folded(&text).is_some_and(|folded| found.is_match(&folded.text)) {
                prop_assert_ne!(sight, Sight::Nothing, "{} in {:?}, folded", expression, text);
            }
        }
    }
}
