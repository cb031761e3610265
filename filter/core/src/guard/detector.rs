//! The built-in detectors: their expressions, and the checks that reject accidental matches.
//!
//! The expressions are ASCII (`(?-u)`), which keeps their automata small; the things they match have no other letters. The invariant: each
//! takes steps linear in the text. It either looks ahead only a short way, or never beyond the next match.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::str::FromStr;

use crate::guard::spec::Detector;

use super::matcher::Shape;

/// Tells a real match from an accidental one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirm {
    /// Whether a match may start at this position.
    pub(super) begins: fn(&str, usize) -> bool,
    /// Whether this range is a real match.
    pub(super) is: fn(&str, Range<usize>) -> bool,
    /// An expression for the text after a match that decides whether it is real.
    pub(super) after: Option<&'static str>,
}

/// A match may start wherever the expression matches.
const fn confirmed(is: fn(&str, Range<usize>) -> bool) -> Shape {
    Shape::Confirmed(Confirm { begins: |_, _| true, is, after: None })
}

/// The expressions of a detector, each with its kind of match.
pub(super) fn expressions(detector: Detector) -> &'static [(&'static str, Shape)] {
    match detector {
        Detector::Email => &[(r"(?-u)\b[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b", Shape::Plain)],
        // Source: ITU-T E.164, at most 15 digits.
        Detector::Phone => &[(r"(?-u)\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14}\b", Shape::Plain)],
        Detector::CreditCard => &[
            (ALONE, Shape::Confirmed(Confirm { begins: alone_before, is: alone, after: Some(r"(?-u)[ -][0-9]") })),
            (GROUPED, const { confirmed(luhn) }),
        ],
        // Source: ISO 13616, in one piece or in groups of four.
        Detector::Iban => &[(
            r"(?-u)\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b",
            const { confirmed(iban) },
        )],
        Detector::UsSsn => &[(r"(?-u)\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", const { confirmed(us_ssn) })],
        Detector::IpAddress => &[
            (r"(?-u)\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", const { confirmed(is::<Ipv4Addr>) }),
            (
                r"(?-u)(?:\b[0-9A-Fa-f]{1,4}|\B)(?::[0-9A-Fa-f]{0,4}){1,6}(?::[0-9A-Fa-f]{1,4}\b|:\B)",
                const { confirmed(is::<Ipv6Addr>) },
            ),
        ],
        // Source: RFC 7468. A key without its end is a secret too.
        Detector::PrivateKey => &[(
            r"(?-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            Shape::Block(r"(?-u)-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"),
        )],
        Detector::ApiKey => &[(
            r"(?-u)\b(?:sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,})",
            Shape::Plain,
        )],
        Detector::AwsAccessKey => &[(r"(?-u)\bA(?:KI|SI)A[A-Z2-7]{16}\b", Shape::Plain)],
        // Source: RFC 7519. Header and claims begin with `{"` in base64url.
        Detector::Jwt => &[(r"(?-u)\beyJ[A-Za-z0-9_-]{4,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,}", Shape::Plain)],
    }
}

/// Source: ISO/IEC 7812. 13 to 19 digits are in use.
const ALONE: &str = r"(?-u)\b[2-6](?:[ -]?[0-9]){12,18}\b";
/// Card numbers by issuer, with or without groups.
const GROUPED: &str = r"(?x-u)\b(?:
    (?:4[0-9]{3} | 5[0-8][0-9]{2} | 6[0-9]{3} | 35[2-8][0-9] | 2(?:2[2-9]|[3-6][0-9]|7[0-2])[0-9])
        (?:[\ -]?[0-9]{4}){3} (?:[\ -]?[0-9]{3})?
    | 3[47][0-9]{2} [\ -]?[0-9]{6} [\ -]?[0-9]{5}
    | 3(?:0[0-5]|[68][0-9])[0-9] [\ -]?[0-9]{6} [\ -]?[0-9]{4}
    | 4[0-9]{12}
)\b";

/// Whether the match parses as `T`. Without a digit it is more likely a name in a program, such as `a::b`.
fn is<T: FromStr>(text: &str, at: Range<usize>) -> bool {
    let found = part(text, at);
    found.bytes().any(|byte| byte.is_ascii_digit()) && T::from_str(found).is_ok()
}

fn part(text: &str, at: Range<usize>) -> &str {
    text.get(at).unwrap_or_default()
}

/// A card number without adjacent digits. Within a longer sequence it could start and end anywhere, and one in ten such numbers has a valid
/// check digit by chance.
fn alone(text: &str, at: Range<usize>) -> bool {
    let after = text.as_bytes().get(at.end..).unwrap_or_default();
    let joined = is_gap(after.first()) && after.get(1).is_some_and(u8::is_ascii_digit);
    !joined && luhn(text, at)
}

fn alone_before(text: &str, start: usize) -> bool {
    let before = text.as_bytes().get(..start).unwrap_or_default();
    !(is_gap(before.last()) && before.iter().nth_back(1).is_some_and(u8::is_ascii_digit))
}

/// Whether this byte separates the groups of a number.
fn is_gap(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'-'))
}

/// Validates the check digit (ISO/IEC 7812). A number with only one distinct digit is an example.
fn luhn(text: &str, at: Range<usize>) -> bool {
    let digits =
        || part(text, at.clone()).bytes().rev().filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0'));
    let varied = digits().any(|digit| Some(digit) != digits().next());
    let weigh = |(place, digit): (usize, u32)| match (place % 2 == 1, digit * 2) {
        (false, _) => digit,
        (true, doubled @ 0..=9) => doubled,
        (true, doubled) => doubled - 9,
    };
    let sum: u32 = digits().enumerate().map(weigh).sum();
    varied && sum.is_multiple_of(10)
}

/// Validates the check digits (ISO 13616): the first four characters move to the end, and letters count as two digits.
fn iban(text: &str, at: Range<usize>) -> bool {
    const SHORTEST: usize = 15;
    let (head, tail) = part(text, at).split_at_checked(4).unwrap_or_default();
    let signs = || tail.chars().chain(head.chars()).filter(|sign| *sign != ' ');
    let rest = signs().try_fold(0u32, |rest, sign| {
        let value = sign.to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    rest == Some(1) && signs().count() >= SHORTEST
}

/// Rejects areas, groups and serials that are never issued.
fn us_ssn(text: &str, at: Range<usize>) -> bool {
    let mut parts = part(text, at).split('-');
    let (Some(area), Some(group), Some(serial)) = (parts.next(), parts.next(), parts.next()) else { return false };
    !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000"
}
