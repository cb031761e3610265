//! The formats that are checked.

use std::net::{Ipv4Addr, Ipv6Addr};

use sluice_wire::percent;

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
        "ipv4" => is_ipv4(text),
        "ipv6" => is_ipv6(text),
        "time" => is_time(text),
        "uri" => is_uri(text),
        "uuid" => looks_like(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        _ => return None,
    })
}

/// Whether a text follows a form in which `0` stands for a digit and `x` for a hexadecimal one.
#[inline(never)]
fn looks_like(text: &str, form: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_hexdigit(),
        other => byte == other,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

/// The number at these places. The digits are checked before.
#[inline(never)]
fn number(text: &str, at: usize, length: usize) -> u32 {
    let digits = text.bytes().skip(at).take(length);
    digits.fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0')))
}

#[inline(never)]
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
#[inline(never)]
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

#[inline(never)]
fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && is_made_of(label, b"-")
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

/// Whether a text has only letters, digits and these bytes.
#[inline(never)]
fn is_made_of(text: &str, more: &[u8]) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}

#[inline(never)]
fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

#[inline(never)]
fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// An address of RFC 5321.
#[inline(never)]
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let good_local = match inside(local, '"', '"') {
        Some(inside) => {
            let mut escaped = false;
            let all = inside.bytes().all(|byte| {
                let good = matches!(byte, b' '..=b'~') && (escaped || byte != b'"');
                escaped = !escaped && byte == b'\\';
                good
            });
            all && !escaped
        }
        None => local.split('.').all(|atom| !atom.is_empty() && is_made_of(atom, b"!#$%&'*+-/=?^_`{|}~")),
    };
    let good_domain = match inside(domain, '[', ']') {
        Some(literal) => literal.strip_prefix("IPv6:").map_or_else(|| is_ipv4(literal), is_ipv6),
        None => is_hostname(domain),
    };
    local.len() <= 64 && good_local && good_domain
}

fn inside(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The bytes of a URI besides letters, digits and delimiters.
const IN_URI: &[u8] = b"-._~!$&'()*+,;=%:@/?";

/// A URI of RFC 3986, with its scheme.
#[inline(never)]
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let good_scheme = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && is_made_of(scheme, b"+-.");
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let authority = match rest.strip_prefix("//") {
        Some(from) => from.get(..from.find(['/', '?']).unwrap_or(from.len())).unwrap_or_default(),
        None => "",
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (good_host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (is_ipv6(address) || is_future(address), port),
        None => {
            host.split_at_checked(host.find(':').unwrap_or(host.len())).map_or((false, ""), |(_, port)| (true, port))
        }
    };
    let (before, after) = rest.split_once(host).filter(|_| host.starts_with('[')).unwrap_or((rest, ""));
    let good_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    good_scheme
        && good_host
        && good_port
        && !user.contains(['@', '/'])
        && percent::is_well_encoded(text)
        // The brackets of an address are the only ones.
        && is_made_of(before, IN_URI)
        && is_made_of(after, IN_URI)
        && is_made_of(fragment, IN_URI)
}

/// An address of a future version, such as `v1.x`.
fn is_future(address: &str) -> bool {
    let future = address.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    future.is_some_and(|(version, rest)| {
        !version.is_empty()
            && !rest.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && is_made_of(rest, b"-._~!$&'()*+,;=:")
    })
}
