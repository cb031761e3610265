//! What is found, and what only looks like it.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn finder(detector: Detector) -> Finder {
    let mut wanted = Wanted::default();
    wanted.detector(detector);
    wanted.finder().unwrap()
}

fn found<'t>(finder: &Finder, text: &'t str) -> Vec<&'t str> {
    finder.all(text, &Finder::steps()).map(|find| &text[find.at]).collect()
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
        let finder = finder(detector);
        for text in [thing.to_owned(), format!("it is {thing}, really"), format!("({thing})\n{thing}")] {
            let times = text.matches(thing).count();
            assert_eq!(found(&finder, &text), vec![thing; times], "{text}");
            assert_eq!(finder.first(&text, &Finder::steps()), Some(detector.name()));
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
        let finder = finder(detector);
        for text in texts {
            assert_eq!(found(&finder, text), Vec::<&str>::new(), "{}: {text}", detector.name());
        }
    }
}

#[test]
fn words_after_an_account_number_are_not_a_part_of_it() {
    assert_eq!(
        found(&finder(Detector::Iban), "ES91 2100 0418 4502 0005 1332 PLEASE"),
        ["ES91 2100 0418 4502 0005 1332"]
    );
    assert_eq!(
        found(&finder(Detector::Iban), "ES91 2100 0418 4502 0005 1332 THEN DUE"),
        ["ES91 2100 0418 4502 0005 1332"]
    );
}

#[test]
fn a_private_key_without_its_end_is_found_by_its_beginning() {
    let text = "-----BEGIN PRIVATE KEY-----\nMIIE... and so on é";
    assert_eq!(found(&finder(Detector::PrivateKey), text), ["-----BEGIN PRIVATE KEY-----"]);
}

#[test]
fn words_are_found_whole_and_in_any_case() {
    let mut wanted = Wanted::default();
    wanted.words(&["Project Titan".to_owned(), "c++".to_owned(), "Übung".to_owned()]);
    let finder = wanted.finder().unwrap();
    assert_eq!(found(&finder, "the PROJECT titan, C++ and übung."), ["PROJECT titan", "C++", "übung"]);
    assert_eq!(found(&finder, "project titanium, subproject titan, übungen"), Vec::<&str>::new());
}

#[test]
fn of_what_overlaps_the_first_and_longest_is_found() {
    let mut wanted = Wanted::default();
    wanted.pattern("digits", "[0-9]+").unwrap();
    wanted.pattern("badge", "EMP-[0-9]{4}").unwrap();
    wanted.detector(Detector::UsSsn);
    let finder = wanted.finder().unwrap();
    let steps = Finder::steps();
    let labels: Vec<(&str, Range<usize>)> =
        finder.all("EMP-1234 123-45-6789 7", &steps).map(|find| (find.label, find.at)).collect();
    assert_eq!(labels, [("badge", 0..8), ("us_ssn", 9..20), ("digits", 21..22)]);
}

#[test]
fn an_expression_that_is_no_good_is_explained() {
    for (expression, wrong) in [
        ("(", "unclosed group"),
        ("a*", "it matches nothing at all, and so every text"),
        (r"(?:a{1000}){1000}", "it is too large when compiled: use fewer or smaller repetitions"),
        (r"(a)\1", "backreferences are not supported"),
    ] {
        assert_eq!(Wanted::default().pattern("p", expression).unwrap_err(), wrong, "{expression}");
    }
}
