//! Compares inspections of a text in pieces with that of the whole text.
#![cfg(not(target_arch = "wasm32"))]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use crate::guard::matcher::{Matcher, Wanted};
use crate::guard::spec::{Detector, GuardDelivery, MaskStyle};
use crate::guard::steps::steps;
use crate::matching::Match;

use super::*;

fn guard(name: &str, action: Action, style: MaskStyle, wanted: Wanted) -> Rc<Guard> {
    Rc::new(Guard {
        name: name.to_owned(),
        matches: Match::default(),
        sides: vec![Side::Answers],
        action,
        delivery: GuardDelivery::default(),
        style,
        restore: true,
        matcher: wanted.matcher().unwrap(),
        digest: [7; 32],
    })
}

fn detectors(all: &[Detector]) -> Wanted {
    let mut wanted = Wanted::default();
    all.iter().for_each(|detector| wanted.detector(*detector));
    wanted
}

fn checks(guards: Vec<Rc<Guard>>) -> Checks {
    Checks { guards, ..Checks::default() }
}

/// The texts that leave after each piece, or after the last `None`; and the findings, or the one that blocks.
fn run(checks: &Checks, json: bool, pieces: &[&str]) -> (Vec<String>, Result<Vec<String>, String>) {
    let (steps, mut findings) = (Matcher::steps(), Vec::new());
    let mut inspection = Inspection { checks, steps: &steps, findings: &mut findings };
    let (mut channel, mut waiting, mut left) = (Channel::of(json, false), VecDeque::new(), Vec::new());
    for piece in pieces.iter().map(Some).chain([None]) {
        let inspected = match piece {
            Some(piece) => {
                let end = channel.push(piece);
                waiting.push_back((end, *piece));
                channel.inspect(&mut inspection)
            }
            None => channel.pause(&mut inspection),
        };
        if let Err(finding) = inspected {
            return (left, Err(finding.to_string()));
        }
        let mut out = String::new();
        while let Some((end, piece)) = waiting.pop_front_if(|(end, _)| *end <= channel.released()) {
            let rewritten = channel.rewrite(end - piece.len()..end, piece);
            out.push_str(rewritten.as_deref().unwrap_or(piece));
        }
        left.push(out);
    }
    (left, Ok(findings.iter().map(ToString::to_string).collect()))
}

fn cut<'t>(text: &'t str, at: &[prop::sample::Index]) -> Vec<&'t str> {
    let mut places: Vec<usize> = at.iter().map(|at| text.floor_char_boundary(at.index(text.len() + 1))).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

#[test]
fn text_leaves_as_soon_as_it_can_be_no_match() {
    let email = || checks(vec![guard("pii", Action::Block, MaskStyle::Label, detectors(&Detector::ALL))]);
    let (left, result) = run(&email(), false, &["Hello", " world", ", and", " so on.", " Bye"]);
    assert_eq!(left, ["", "Hello", " world", ", and", " so on.", " Bye"]);
    assert_eq!(result, Ok(vec![]));
    let (left, result) = run(&email(), false, &["Write to ", "a", "@b", ".i", "o ", "now"]);
    assert_eq!((left.concat(), result), ("Write to ".to_owned(), Err("pii: email (answers, block)".to_owned())));
}

#[test]
fn a_guardrail_that_only_logs_holds_nothing_back() {
    let mut any = Wanted::default();
    any.pattern("any", "(?s)H.*x").unwrap();
    let email = guard("pii", Action::Block, MaskStyle::Label, detectors(&[Detector::Email]));
    let both = checks(vec![guard("log", Action::Log, MaskStyle::Label, any), email]);
    let long = "so on. ".repeat(200);
    let (left, result) = run(&both, false, &["Hello", " world", ", and ", &long, "x", " Bye"]);
    assert_eq!(left, ["", "Hello", " world, and ", &long, "", "x", " Bye"]);
    assert_eq!(result, Ok(vec!["log: any (answers, log)".to_owned()]));
}

#[test]
fn a_log_does_not_depend_on_the_cut_where_matches_of_the_raw_and_the_folded_text_overlap() {
    // Raw, `a` begins the second address; without the invisible letter it ends the first. So no search may begin at it.
    let text = "c@d.org\u{200b}ac@d.orgsk-abcdefghijklmnopqrst+49 151 1234567";
    let wanted = ["[ab]{2,5}", r"a\B"];
    let mut all = Wanted::default();
    all.detector(Detector::Email);
    wanted.iter().for_each(|pattern| all.pattern(pattern, pattern).unwrap());
    let logging = checks(vec![guard("log", Action::Log, MaskStyle::Label, all)]);
    let found = |pieces: &[&str]| BTreeSet::from_iter(run(&logging, false, pieces).1.unwrap());
    for cut in (1..text.len()).filter(|at| text.is_char_boundary(*at)) {
        assert_eq!(found(&[&text[..cut], &text[cut..]]), found(&[text]), "{cut}");
    }
}

#[test]
fn a_match_is_replaced_across_pieces() {
    let mask =
        |style| checks(vec![guard("pii", Action::Mask, style, detectors(&[Detector::Email, Detector::CreditCard]))]);
    let pieces = ["to a", "@b.", "io, a@", "b.io and c@d.io; 4111 1111", " 1111 1111"];
    for (style, expected) in [
        (MaskStyle::Label, "to [email], [email] and [email]; [credit_card]"),
        (MaskStyle::Numbered, "to [EMAIL_1], [EMAIL_1] and [EMAIL_2]; [CREDIT_CARD_1]"),
        (MaskStyle::LastFour, "to [email], [email] and [email]; [credit_card 1111]"),
        (MaskStyle::Text("\"…\"".to_owned()), "to \"…\", \"…\" and \"…\"; \"…\""),
    ] {
        let (left, result) = run(&mask(style), false, &pieces);
        assert_eq!(left.concat(), expected);
        assert_eq!(
            result,
            Ok(vec!["pii: email (answers, mask)".to_owned(), "pii: credit_card (answers, mask)".to_owned()])
        );
    }
    let hashed = run(&mask(MaskStyle::Hash), false, &pieces).0.concat();
    let hash = |number: usize| hashed.split('[').nth(number).and_then(|rest| rest.split(']').next()).unwrap();
    assert!(hash(1) == hash(2) && hash(1) != hash(3) && hash(1).len() == "email 01234567".len(), "{hashed}");
}

#[test]
fn json_stays_json() {
    let mask =
        checks(vec![guard("pii", Action::Mask, MaskStyle::Text("\"\\".to_owned()), detectors(&[Detector::Email]))]);
    let (left, _) = run(&mask, true, &[r#"{"to":"x\na\u00"#, r#"40b.io","#, r#""n":1}"#]);
    assert_eq!(left.concat(), r#"{"to":"x\n\"\\","n":1}"#);
    let card = checks(vec![guard("pii", Action::Mask, MaskStyle::Label, detectors(&[Detector::CreditCard]))]);
    let (left, _) = run(&card, true, &[r#"{"n":"4111111111111111"}"#]);
    assert_eq!(left.concat(), r#"{"n":"[credit_card]"}"#);
    let (left, result) = run(&card, true, &[r#"{"n":41111111"#, "11111111}"]);
    assert_eq!((left.concat(), result), (String::new(), Err("pii: credit_card (answers, block)".to_owned())));
}

#[test]
fn a_match_after_an_escape_is_found_by_every_detector() {
    for (detector, secret) in [
        (Detector::Email, "alice@example.com"),
        (Detector::Phone, "+49 151 1234567"),
        (Detector::CreditCard, "4111 1111 1111 1111"),
        (Detector::Iban, "DE89370400440532013000"),
        (Detector::UsSsn, "123-45-6789"),
        (Detector::IpAddress, "10.0.0.1"),
        (Detector::IpAddress, "fe80::1"),
        (Detector::PrivateKey, r"-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"),
        (Detector::ApiKey, "sk-abcdefghijklmnopqrstuvwx"),
        (Detector::AwsAccessKey, "AKIAABCDEFGHIJKLMNOP"),
        (Detector::Jwt, "eyJhbGciOi.eyJzdWIiOi.abcdefghijklmnopqrst"),
    ] {
        let mask = checks(vec![guard("pii", Action::Mask, MaskStyle::Label, detectors(&[detector]))]);
        for escape in [r"\n", r"\t", r"\r", r"\b", r"\f", r#"\""#, r"\\", r"\u000a", r"\u0022", r"\u005c", r"\ud800"] {
            let text = format!(r#"{{"a":"b{escape}{secret}{escape}"}}"#);
            let expected = format!(r#"{{"a":"b{escape}[{}]{escape}"}}"#, detector.name());
            for cut in 0..9 {
                let (first, rest) = text.split_at(cut);
                assert_eq!(run(&mask, true, &[first, rest]).0.concat(), expected, "{text}");
            }
        }
    }
    let mut word = Wanted::default();
    word.words(&["Project Titan".to_owned()]);
    let mask = checks(vec![guard("words", Action::Mask, MaskStyle::Label, word)]);
    let (left, _) = run(&mask, true, &[r#"{"a":"b\nProject\nTitan\nC:\\new"}"#]);
    assert_eq!(left.concat(), r#"{"a":"b\n[words]\nC:\\new"}"#);
}

#[test]
fn a_text_that_does_not_begin_like_json_is_prose() {
    let mask =
        checks(vec![guard("pii", Action::Mask, MaskStyle::Text("\"\"".to_owned()), detectors(&[Detector::Email]))]);
    let (left, _) = run(&mask, true, &["", " \n", "Write to a@b.io"]);
    assert_eq!(left.concat(), " \nWrite to \"\"");
}

#[test]
fn a_text_that_goes_on_after_its_end_is_still_inspected() {
    let mask = checks(vec![guard("pii", Action::Mask, MaskStyle::Label, detectors(&[Detector::Email]))]);
    let (steps, mut findings) = (Matcher::steps(), Vec::new());
    let mut inspection = Inspection { checks: &mask, steps: &steps, findings: &mut findings };
    let mut channel = Channel::of(false, false);
    channel.push("to a@b.io");
    channel.pause(&mut inspection).unwrap();
    assert_eq!(channel.rewrite(0..9, "to a@b.io").as_deref(), Some("to [email]"));
    channel.push(" and on c");
    channel.inspect(&mut inspection).unwrap();
    channel.pause(&mut inspection).unwrap();
    assert_eq!(channel.rewrite(9..18, " and on c"), None);
    channel.push("@d.io ");
    assert_eq!(channel.inspect(&mut inspection).unwrap_err().to_string(), "pii: email (answers, block)");
}

/// The steps for a text in pieces of `size` bytes, without a match.
fn steps_of(checks: &Checks, text: &str, size: usize) -> u64 {
    let (steps, mut findings) = (Matcher::steps(), Vec::new());
    let mut inspection = Inspection { checks, steps: &steps, findings: &mut findings };
    let mut channel = Channel::of(false, false);
    for piece in text.as_bytes().chunks(size) {
        channel.push(std::str::from_utf8(piece).unwrap());
        channel.inspect(&mut inspection).unwrap();
    }
    channel.pause(&mut inspection).unwrap();
    assert!(!steps.are_spent() && channel.held() < 4 * text.len() + 4096);
    steps.taken()
}

#[test]
fn the_work_is_linear_in_the_text_however_it_is_cut() {
    let mut all = detectors(&Detector::ALL);
    all.words(&["Project Titan".to_owned(), "straße".to_owned()]);
    let all = checks(vec![guard("all", Action::Block, MaskStyle::Label, all)]);
    let words = [
        "The", "sk", "quick", "DE89", "brown", "fox", "4111", "eyJ", "jumps", "1.2", "over", "+49", "the", "ab:cd",
        "Project",
    ];
    let prose: String = (0..2_000_usize).map(|at| format!("{} ", words[(at * at + at / 7) % words.len()])).collect();
    let rows = ["a".repeat(8 << 10), "4 ".repeat(4 << 10), "ab.".repeat(3 << 10), "::".repeat(4 << 10)];
    for text in std::iter::once(prose).chain(rows) {
        for size in [1, 5, 1000] {
            let each = steps_of(&all, &text, size) / steps(text.len());
            assert!(each < 1000, "{each} steps a byte for {:?} in pieces of {size}", text.get(..12));
        }
    }
}

/// Parts of texts that match, nearly match, or surround a match.
const PARTS: [&str; 40] = [
    "a",
    "b",
    "ab",
    " ",
    "  ",
    "\n",
    "é",
    "—",
    "\u{200b}",
    "ａ",
    "@",
    ".",
    "a@b.io",
    "c@d.org",
    ".com",
    "x",
    "-",
    "_",
    "1",
    "4111",
    "1111",
    "4111 1111 1111 1111",
    "4111111111111111",
    " 123",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "+49 151 1234567",
    "123-45-6789",
    "10.0.0.1",
    "::1",
    "-----BEGIN PRIVATE KEY-----",
    "MIIabc",
    "-----END PRIVATE KEY-----",
    "sk-abcdefghijklmnopqrst",
    "AKIAABCDEFGHIJKLMNOP",
    "Project",
    "Titan",
    r"\u0040",
    r"\u00",
    r"\n",
];

const PATTERNS: [&str; 14] = [
    "a+b",
    "(?s)a.*?b|a",
    r"\bab\b",
    "a.*b",
    "[ab]{2,5}x?",
    "^a",
    "b$",
    r"(?m)^b",
    r"(?m)a$",
    r"a\B",
    "é|—",
    r"\w+@",
    "a{3}|aa",
    r"(?i)x.?\b",
];

/// Sets of guardrails, each with this action. They are compiled once.
fn rules(number: usize, action: Action) -> Rc<Checks> {
    thread_local! {
        static COMPILED: RefCell<BTreeMap<(usize, u8), Rc<Checks>>> = RefCell::default();
    }
    let key = (
        number,
        match action {
            Action::Block => 0,
            Action::Mask => 1,
            Action::Log => 2,
        },
    );
    let checks = COMPILED
        .with_borrow_mut(|compiled| compiled.entry(key).or_insert_with(|| Rc::new(checks_of(number, action))).clone());
    checks.placeholders.take();
    checks
}

const SETS: usize = 40;

fn checks_of(number: usize, action: Action) -> Checks {
    let set = |seed: usize| {
        let mut wanted = Wanted::default();
        Detector::ALL
            .iter()
            .enumerate()
            .filter(|(at, _)| (at + seed).is_multiple_of(4))
            .for_each(|(_, found)| wanted.detector(*found));
        for (pattern, name) in PATTERNS.iter().skip(seed % PATTERNS.len()).step_by(5).zip(["p", "q", "r"]) {
            wanted.pattern(name, pattern).unwrap();
        }
        if seed.is_multiple_of(3) {
            wanted.words(&["Project Titan".to_owned(), "ab".to_owned()]);
        }
        let style = if seed.is_multiple_of(2) { MaskStyle::Numbered } else { MaskStyle::Label };
        guard(&format!("g{seed}"), action, style, wanted)
    };
    let seeds = if number.is_multiple_of(2) { vec![number] } else { vec![number, 3 * number + 1] };
    checks(seeds.into_iter().map(set).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn pieces_are_masked_as_the_whole(
        number in 0..SETS,
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..16),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = parts.concat();
        let (whole, result) = run(&rules(number, Action::Mask), false, &[&text]);
        let (left, again) = run(&rules(number, Action::Mask), false, &cut(&text, &cuts));
        prop_assert_eq!(whole.concat(), left.concat());
        prop_assert_eq!(result, again);
    }

    #[test]
    fn pieces_are_blocked_as_the_whole_and_no_letter_of_a_match_leaves(
        number in 0..SETS,
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..16),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = parts.concat();
        let blocking = rules(number, Action::Block);
        let steps = Matcher::steps();
        // The text as it is inspected everywhere else.
        let read = crate::guard::escapes::unfolded(text.as_str().into());
        let expected = blocking.guards.iter().any(|guard| guard.matcher.first(&read, &steps).is_some());
        let (left, result) = run(&blocking, false, &cut(&text, &cuts));
        prop_assert_eq!(result.is_err(), expected);
        let left = left.concat();
        // Masked, the text shows where the first match is.
        let (masked, _) = run(&rules(number, Action::Mask), false, &[&text]);
        let masked = masked.concat();
        let same = left.bytes().zip(masked.bytes()).take_while(|(one, other)| one == other).count();
        prop_assert!(same == left.len(), "{left:?} of {text:?}, masked {masked:?}");
        prop_assert!(expected || left == text);
    }

    #[test]
    fn matches_are_logged_in_pieces_as_in_the_whole(
        number in 0..SETS,
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..16),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = parts.concat();
        let sorted = |found: Result<Vec<String>, String>| found.map(|mut found| { found.sort(); found });
        let (_, whole) = run(&rules(number, Action::Log), false, &[&text]);
        let (left, again) = run(&rules(number, Action::Log), false, &cut(&text, &cuts));
        prop_assert_eq!(sorted(whole), sorted(again));
        prop_assert_eq!(left.concat(), text);
    }
}
