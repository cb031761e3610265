//! Tests of matches and near misses.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn matcher(detector: Detector) -> Matcher {
    let mut wanted = Wanted::default();
    wanted.detector(detector);
    wanted.matcher().unwrap()
}

fn found<'t>(matcher: &Matcher, text: &'t str) -> Vec<&'t str> {
    matcher.all(text, 0, &Matcher::steps()).map(|find| &text[find.at]).collect()
}

#[test]
fn each_detector_finds_the_thing_and_nothing_around_it() {
    let key = "sk-sluice-abcdefghijklmnopqrstuvwxyz";
    let github = format!("ghp_{}", "a1B2".repeat(9));
    let google = format!("AIza{}", "x".repeat(35));
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijklmnop_-12";
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----";
    for (detector, thing) in [
        (Detector::Email, "alice.b+c@mail.example.co.uk"),
        (Detector::Phone, "+49 (30) 1234-5678"),
        (Detector::Phone, "+4930123456"),
        (Detector::CreditCard, "4111 1111 1111 1111"),
        (Detector::CreditCard, "378282246310005"),
        (Detector::Iban, "DE89370400440532013000"),
        (Detector::Iban, "GB82 WEST 1234 5698 7654 32"),
        (Detector::Iban, "NO93 8601 1117 947"),
        (Detector::UsSsn, "123-45-6789"),
        (Detector::IpAddress, "192.0.2.17"),
        (Detector::IpAddress, "2001:db8::8a2e:370:7334"),
        (Detector::IpAddress, "fe80::"),
        (Detector::IpAddress, "::1"),
        (Detector::PrivateKey, pem),
        (Detector::ApiKey, key),
        (Detector::ApiKey, &github),
        (Detector::ApiKey, &google),
        (Detector::AwsAccessKey, "AKIAIOSFODNN7EXAMPLE"),
        (Detector::Jwt, jwt),
    ] {
        let matcher = matcher(detector);
        for text in [thing.to_owned(), format!("it is {thing}, really"), format!("({thing})\n{thing}")] {
            let times = text.matches(thing).count();
            assert_eq!(found(&matcher, &text), vec![thing; times], "{text}");
            assert_eq!(matcher.first(&text, &Matcher::steps()), Some(detector.name()));
        }
    }
}

#[test]
fn what_only_looks_like_it_is_not_found() {
    for (detector, texts) in [
        (Detector::Email, vec!["alice@localhost", "@example.com", "a @ b.com"]),
        (Detector::Phone, vec!["030 1234567", "+12", "1+2 3"]),
        (Detector::CreditCard, vec!["4111 1111 1111 1112", "2222222222222222", "1234567890123", "20261126171500"]),
        (Detector::Iban, vec!["DE89370400440532013001", "DE89", "AB12CDEFGHIJKLMNOPQ"]),
        (
            Detector::UsSsn,
            vec!["000-12-3456", "666-12-3456", "912-12-3456", "123-00-1234", "123-45-0000", "2026-11-26"],
        ),
        (Detector::IpAddress, vec!["1.2.3", "300.1.1.1", "12:30:45", "std::fmt::Display", "a::b", "::"]),
        (Detector::PrivateKey, vec!["-----BEGIN PUBLIC KEY-----", "BEGIN PRIVATE KEY"]),
        (Detector::ApiKey, vec!["sk-short", "task-force-for-a-long-time-now-and-then", "ghp_short"]),
        (Detector::AwsAccessKey, vec!["AKIASHORT", "XAKIAIOSFODNN7EXAMPLE"]),
        (Detector::Jwt, vec!["eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJ.eyJ.x"]),
    ] {
        let matcher = matcher(detector);
        for text in texts {
            assert_eq!(found(&matcher, text), Vec::<&str>::new(), "{}: {text}", detector.name());
        }
    }
}

#[test]
fn words_after_an_account_number_are_not_a_part_of_it() {
    assert_eq!(
        found(&matcher(Detector::Iban), "ES91 2100 0418 4502 0005 1332 PLEASE"),
        ["ES91 2100 0418 4502 0005 1332"]
    );
    assert_eq!(
        found(&matcher(Detector::Iban), "ES91 2100 0418 4502 0005 1332 THEN DUE"),
        ["ES91 2100 0418 4502 0005 1332"]
    );
}

#[test]
fn a_private_key_without_its_end_is_found_by_its_beginning() {
    let text = "-----BEGIN PRIVATE KEY-----\nMIIE... and so on é";
    assert_eq!(found(&matcher(Detector::PrivateKey), text), ["-----BEGIN PRIVATE KEY-----"]);
}

#[test]
fn words_are_found_whole_and_in_any_case() {
    let mut wanted = Wanted::default();
    wanted.words(&["Project Titan".to_owned(), "c++".to_owned(), "Übung".to_owned()]);
    let matcher = wanted.matcher().unwrap();
    assert_eq!(found(&matcher, "the PROJECT titan, C++ and übung."), ["PROJECT titan", "C++", "übung"]);
    assert_eq!(found(&matcher, "project titanium, subproject titan, übungen"), Vec::<&str>::new());
}

#[test]
fn of_what_overlaps_the_first_and_longest_is_found() {
    let mut wanted = Wanted::default();
    wanted.pattern("digits", "[0-9]+").unwrap();
    wanted.pattern("badge", "EMP-[0-9]{4}").unwrap();
    wanted.detector(Detector::UsSsn);
    let matcher = wanted.matcher().unwrap();
    let steps = Matcher::steps();
    let labels: Vec<(&str, Range<usize>)> =
        matcher.all("EMP-1234 123-45-6789 7", 0, &steps).map(|find| (find.label, find.at)).collect();
    assert_eq!(labels, [("badge", 0..8), ("us_ssn", 9..20), ("digits", 21..22)]);
}

#[test]
fn numbers_beside_numbers_are_found() {
    let (visa, amex, iban) = ("4111 1111 1111 1111", "3782 822463 10005", "DE89 3704 0044 0532 0130 00");
    for (detector, number, text) in [
        (Detector::CreditCard, visa, format!("{visa} 123")),
        (Detector::CreditCard, visa, format!("2024 {visa}")),
        (Detector::CreditCard, visa, format!("{visa} 12/27 123")),
        (Detector::CreditCard, visa, format!("1 {visa} 1227 123 9")),
        (Detector::CreditCard, visa, format!("5500 0000 0000 0004 {visa} 5500 0000 0000 0004")),
        (Detector::CreditCard, amex, format!("10 {amex} 1234")),
        (Detector::CreditCard, "378282246310005", "2024-11-26 378282246310005 1234".to_owned()),
        (Detector::CreditCard, "4111-1111-1111-1111", "7-4111-1111-1111-1111-12".to_owned()),
        (Detector::Iban, iban, format!("AB12 {iban}")),
        (Detector::Iban, iban, format!("AB12 CD34 {iban} AB12 CD34")),
    ] {
        let matcher = matcher(detector);
        let found = found(&matcher, &text);
        assert!(found.iter().any(|found| found.contains(number)), "{text}: {found:?}");
    }
    let years: Vec<String> = (1990..2026).map(|year| year.to_string()).collect();
    let series: Vec<String> = (1..500).map(|number| number.to_string()).collect();
    let stamps: Vec<String> = (0..100).map(|step| (1_732_612_345_678_901_234u64 + step * 7_919).to_string()).collect();
    for numbers in [years, series, stamps] {
        let text = numbers.join(" ");
        assert_eq!(found(&matcher(Detector::CreditCard), &text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn a_find_that_begins_in_another_is_not_left_over() {
    let mut wanted = Wanted::default();
    wanted.pattern("one", "a+b+").unwrap();
    wanted.pattern("other", "b+c+").unwrap();
    assert_eq!(found(&wanted.matcher().unwrap(), "x aabbcc y bc"), ["aabbcc", "bc"]);
}

/// Pieces of texts that make detectors look far ahead.
const NASTY: [&str; 18] = [
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY",
    "-----BEGIN PRIVATE KEY-----é-----END PRIVATE KEY-----",
    "a@b.cc-",
    "a.",
    "+1 2 3 4 5 6 7 8 ",
    "4 ",
    "41",
    "4111 1111 1111 1112 ",
    "AB12 ",
    "AB12",
    "::1 ",
    "1:",
    "1.2.3.",
    "sk-",
    "eyJaaaa.",
    "123-45-",
    "é",
];

/// Expressions that look far ahead in a text made of the unit next to them.
const PATTERNS: [(&str, &str); 7] = [
    ("a.*?z|a", "a"),
    ("(?s)x.*y|x", "x\n"),
    ("(?:a|aa)+z|a", "a"),
    (r"\ba\b.*?\bz|\ba", "é a "),
    (".{1,300}z|a", "a"),
    ("a[ab]{150}c", "abbabaabbbabaababbabbbaabaababba"),
    ("(?:a|é)+?z|a", "aé"),
];

/// `unit` repeated up to `length` bytes.
fn repeated(unit: &str, length: usize) -> String {
    unit.repeat(length.div_ceil(unit.len()))
}

/// The steps of a search for all matches, and whether they stayed within the limit.
fn work(matcher: &Matcher, text: &str, at_first: u64) -> (u64, bool) {
    let steps = Steps::at_most(at_first);
    let _ = (matcher.first(text, &steps), matcher.all(text, 0, &steps).count());
    (steps.taken(), steps.take(0).is_ok())
}

/// Asserts that a text of twice the length takes twice the steps, not counting the initial ones.
fn grows_with(matcher: &Matcher, unit: &str, at_first: u64) {
    let (short, long) = (repeated(unit, 1 << 12), repeated(unit, 1 << 13));
    // Builds the states before the measurement.
    work(matcher, &short, AT_FIRST);
    let ((one, _), (two, _)) = (work(matcher, &short, at_first), work(matcher, &long, at_first));
    assert!(two <= 2 * one + one / 16 + 4_096, "{matcher:?} in {unit:?}: {one}, {two}");
}

#[test]
fn the_work_of_detectors_grows_no_faster_than_the_text() {
    for detector in Detector::ALL {
        let matcher = matcher(detector);
        for unit in NASTY {
            grows_with(&matcher, unit, AT_FIRST);
            let (taken, allowed) = work(&matcher, &repeated(unit, 1 << 12), AT_FIRST / 256);
            assert!(allowed, "{} in {unit:?}: {taken}", detector.name());
        }
    }
}

#[test]
fn the_work_of_patterns_grows_no_faster_than_the_text() {
    for (expression, unit) in PATTERNS {
        let mut wanted = Wanted::default();
        wanted.pattern("p", expression).unwrap();
        let matcher = wanted.matcher().unwrap();
        grows_with(&matcher, unit, 0);
        // Two passes find whether it matches, and one finds the position; plus the allowance of the passes.
        let length = 1 << 15;
        let (taken, _) = work(&matcher, &repeated(unit, length), 0);
        let most = 3 * u64::try_from(length).unwrap() * FOR_A_BYTE;
        assert!(taken <= most + most / 8, "{expression} in {unit:?}: {taken} of {most}");
    }
}

#[test]
fn where_the_steps_end_the_rest_of_the_text_is_one_find() {
    let mut wanted = Wanted::default();
    wanted.pattern("p", "a.*?z|a").unwrap();
    let (matcher, text) = (wanted.matcher().unwrap(), format!("b b {}b", "a".repeat(1 << 16)));
    let steps = Steps::at_most(0);
    let finds: Vec<Range<usize>> = matcher.all(&text, 0, &steps).map(|find| find.at).collect();
    assert_eq!((finds[0].start, finds.last().unwrap().end), (4, text.len()));
    assert!(finds.len() > 1 && finds.windows(2).all(|pair| pair[0].end == pair[1].start), "{}", finds.len());
    // All texts of a body share the initial steps.
    let (matcher, steps) = (matcher, Matcher::steps());
    let text = "a".repeat(2_048);
    let taken = (0..100).map(|_| matcher.all(&text, 0, &steps).count()).fold(0, |_, _| steps.taken());
    assert!(taken < AT_FIRST + 100 * 2_048 * 3 * FOR_A_BYTE, "{taken}");
}

#[cfg(not(target_arch = "wasm32"))]
mod beside_regex {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[ -~\s]*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?";

    proptest! {
        /// Compares with one expression that looks ahead.
        #[test]
        fn private_keys_end_where_they_should(pieces in prop::collection::vec(prop::sample::select(vec![
            "-----", "-----BEGIN PRIVATE KEY-----", "BEGIN RSA PRIVATE KEY-----", "-----END PRIVATE KEY-----",
            "END PGP PRIVATE KEY BLOCK-----", "MII\n", "é", "\u{1}", " ", "-",
        ]), 0..16)) {
            let (matcher, text) = (matcher(Detector::PrivateKey), pieces.concat());
            let expected: Vec<&str> = regex::Regex::new(KEY).unwrap().find_iter(&text).map(|found| found.as_str()).collect();
            prop_assert_eq!(found(&matcher, &text), expected);
        }
    }
}

#[test]
fn an_expression_that_is_no_good_is_explained() {
    for (expression, wrong) in [
        ("(", "unclosed group"),
        ("a*", "it matches an empty string, and therefore every text"),
        (r"(?:a{1000}){1000}", "it is too large when compiled: use fewer or smaller repetitions"),
        (r"(a)\1", "backreferences are not supported"),
    ] {
        assert_eq!(Wanted::default().pattern("p", expression).unwrap_err(), wrong, "{expression}");
    }
}
