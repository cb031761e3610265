//! The formats that are checked.

use std::net::{Ipv4Addr, Ipv6Addr};

use sluice_wire::percent;

/// The names of the formats.
pub(super) const KNOWN: [&str; 9] = ["date", "date-time", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];

/// Whether a text has a format; `None` for a format that is not checked.
pub(super) fn fits(format: &str, text: &str) -> Option<bool> {
    Some(match format {
        "date" => is_date(text),
        "date-time" => {
            let parts = text.split_once(['T', 't']);
            parts.is_some_and(|(date, time)| is_date(date) && is_time(time))
        }
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "time" => is_time(text),
        "uri" => is_uri(text),
        "uuid" => looks_like(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        _ => return None,
    })
}

/// Whether a text follows a form in which `0` stands for a digit and `x` for a hexadecimal one.
fn looks_like(text: &str, form: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_hexdigit(),
        other => byte == other,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

/// The number at these places. The digits are checked before.
fn number(text: &str, at: usize, length: usize) -> u32 {
    let digits = text.bytes().skip(at).take(length);
    digits.fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0')))
}

fn is_date(text: &str) -> bool {
    if !looks_like(text, "0000-00-00") {
        return false;
    }
    let (year, month, day) = (number(text, 0, 4), number(text, 5, 2), number(text, 8, 2));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// A time of RFC 3339, with its offset.
fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8).filter(|(clock, _)| looks_like(clock, "00:00:00")) else {
        return false;
    };
    let after = rest.strip_prefix('.').map(|part| part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    if after.is_some_and(|after| after.len() + 1 == rest.len()) {
        return false;
    }
    let offset = match after.unwrap_or(rest) {
        "Z" | "z" => 0,
        zone if looks_like(zone, "+00:00") || looks_like(zone, "-00:00") => {
            let (hours, minutes) = (number(zone, 1, 2), number(zone, 4, 2));
            if hours > 23 || minutes > 59 {
                return false;
            }
            let ahead = hours * 60 + minutes;
            if zone.starts_with('+') { DAY - ahead } else { ahead }
        }
        _ => return false,
    };
    let (hour, minute, second) = (number(clock, 0, 2), number(clock, 3, 2), number(clock, 6, 2));
    // A leap second is the last of a day in UTC.
    let last = (hour * 60 + minute + offset) % DAY == DAY - 1;
    hour < 24 && minute < 60 && (second < 60 || (second == 60 && last))
}

/// The minutes of a day.
const DAY: u32 = 24 * 60;

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
            // The prefix of encoded names is the only one with these hyphens.
            && (label.get(2..4) != Some("--") || is_encoded(label))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_encoded(label: &str) -> bool {
    label.len() > 4 && label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))
}

/// An address of RFC 5321.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let inside = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let good_local = match inside {
        Some(inside) => {
            let mut escaped = false;
            let all = inside.bytes().all(|byte| {
                let good = matches!(byte, b' '..=b'~') && (escaped || byte != b'"');
                escaped = !escaped && byte == b'\\';
                good
            });
            all && !escaped
        }
        None => local.split('.').all(is_atom),
    };
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good_domain = match literal {
        Some(literal) => match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => literal.parse::<Ipv4Addr>().is_ok(),
        },
        None => is_hostname(domain),
    };
    local.len() <= 64 && good_local && good_domain
}

/// A URI of RFC 3986, with its scheme.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let good_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let made_of = |text: &str, more: &[u8]| {
        percent::is_well_encoded(text)
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte) || more.contains(&byte))
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (good_host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let future = address.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
            let is_future = future.is_some_and(|(version, rest)| {
                !version.is_empty()
                    && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                    && !rest.is_empty()
                    && made_of(rest, b":")
                    && !rest.contains('%')
            });
            (is_future || address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            (made_of(name, b""), port)
        }
    };
    let good_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    good_scheme
        && good_host
        && good_port
        && made_of(user, b":")
        && made_of(path, b":@/")
        && made_of(query, b":@/?")
        && made_of(fragment, b":@/?")
}
