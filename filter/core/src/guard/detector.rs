//! What can be found without being described: each detector's expressions, and what tells a find from a chance.
//!
//! Expressions are of ASCII, so that the fast way to search is open to them (`(?-u)`): what is found here has no other letters.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::config::file::Detector;

/// How many bytes of what an expression found are the thing looked for; `None` when it only looks like it.
pub(super) type Confirm = fn(&str) -> Option<usize>;

/// The expressions of a detector, and what confirms a find of each.
pub(super) fn expressions(detector: Detector) -> &'static [(&'static str, Confirm)] {
    match detector {
        Detector::Email => &[(r"(?-u)\b[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b", all)],
        // ITU-T E.164: at most 15 digits.
        Detector::Phone => &[(r"(?-u)\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14}\b", all)],
        // ISO/IEC 7812: 13 to 19 digits are in use.
        Detector::CreditCard => &[(r"(?-u)\b[2-6](?:[ -]?[0-9]){12,18}\b", luhn)],
        // ISO 13616, written together or in groups of four.
        Detector::Iban => {
            &[(r"(?-u)\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b", iban)]
        }
        Detector::UsSsn => &[(r"(?-u)\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", us_ssn)],
        Detector::IpAddress => &[
            (r"(?-u)\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", is::<Ipv4Addr>),
            (r"(?-u)(?:\b[0-9A-Fa-f]{1,4}|\B)(?::[0-9A-Fa-f]{0,4}){1,6}(?::[0-9A-Fa-f]{1,4}\b|:\B)", is::<Ipv6Addr>),
        ],
        // RFC 7468; without its end it is a secret too.
        Detector::PrivateKey => &[(
            r"(?s-u)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[ -~\s]*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?",
            all,
        )],
        Detector::ApiKey => &[(
            r"(?-u)\b(?:sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,})",
            all,
        )],
        Detector::AwsAccessKey => &[(r"(?-u)\bA(?:KI|SI)A[A-Z2-7]{16}\b", all)],
        // RFC 7519: the header and the claims begin with `{"` in base64url.
        Detector::Jwt => &[(r"(?-u)\beyJ[A-Za-z0-9_-]{4,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,}", all)],
    }
}

/// Nothing but its form tells it.
pub(super) fn all(found: &str) -> Option<usize> {
    Some(found.len())
}

/// What can be read as one; without a digit it is more likely a name in a program, such as `a::b`.
fn is<T: FromStr>(found: &str) -> Option<usize> {
    let has_digit = found.bytes().any(|byte| byte.is_ascii_digit());
    T::from_str(found).ok().filter(|_| has_digit).map(|_| found.len())
}

/// The check digit of ISO/IEC 7812. A number that is all one digit is somebody's example.
fn luhn(found: &str) -> Option<usize> {
    let digits: Vec<u32> = found.chars().filter_map(|c| c.to_digit(10)).collect();
    let varied = digits.iter().any(|digit| Some(digit) != digits.first());
    let weigh = |(place, digit): (usize, &u32)| match (place % 2 == 1, digit * 2) {
        (false, _) => *digit,
        (true, doubled @ 0..=9) => doubled,
        (true, doubled) => doubled - 9,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(weigh).sum();
    (varied && sum.is_multiple_of(10)).then_some(found.len())
}

/// The check digits of ISO 13616. Of a number in groups, the last ones may be words that follow it.
fn iban(found: &str) -> Option<usize> {
    let mut ends: Vec<usize> = found.match_indices(' ').map(|(at, _)| at).collect();
    ends.push(found.len());
    ends.into_iter().rev().find(|end| found.get(..*end).is_some_and(is_iban))
}

fn is_iban(text: &str) -> bool {
    const SHORTEST: usize = 15;
    let signs: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    if signs.len() < SHORTEST {
        return false;
    }
    let (head, tail) = signs.split_at(4);
    let rest = tail.iter().chain(head).try_fold(0u32, |rest, sign| {
        let value = sign.to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    });
    rest == Some(1)
}

/// Areas, groups and serials that are never given out.
fn us_ssn(found: &str) -> Option<usize> {
    let mut parts = found.split('-');
    let (area, group, serial) = (parts.next()?, parts.next()?, parts.next()?);
    let given = !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000";
    given.then_some(found.len())
}
