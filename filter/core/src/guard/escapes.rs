//! JSON within a text: the arguments and results of tools.
//!
//! Many encoders write non-ASCII letters and some symbols as `\u00e9`, where no expression would match them.

use std::borrow::Cow;

/// Decodes `\u` escapes. Quotes, backslashes and control characters stay escaped, so that the JSON stays valid.
pub(super) fn unfolded(text: Cow<'_, str>) -> Cow<'_, str> {
    let escapes = memchr::memchr_iter(b'\\', text.as_bytes());
    if !escapes.map(|at| text.as_bytes().get(at.saturating_add(1))).any(|next| next == Some(&b'u')) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        rest = match sign(escape) {
            Some((sign, after)) => {
                out.push(sign);
                after
            }
            None => {
                let length = escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at);
                let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
                out.push_str(kept);
                after
            }
        };
    }
    out.push_str(rest);
    out.into()
}

/// The character that the text starts with as an escape, and the rest.
fn sign(text: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(text)?;
    let read = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    let (sign, rest) = match read(&[first]) {
        Some(sign) => (sign, rest),
        None => {
            let (second, rest) = unit(rest)?;
            (read(&[first, second])?, rest)
        }
    };
    (!sign.is_control() && !matches!(sign, '"' | '\\')).then_some((sign, rest))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn escapes_are_undone_where_json_stays_what_it_was() {
        for (text, expected) in [
            ("plain", "plain"),
            (r"caf\u00e9 \u00C9", "café É"),
            (r"a\u0040b.c \u003c", "a@b.c <"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\u0022 \u005c \u000a", r"\u0022 \u005c \u000a"),
            (r"\\u00e9", r"\\u00e9"),
            (r"\ud83d \ude00 \u12 \u+123 \u", r"\ud83d \ude00 \u12 \u+123 \u"),
            (r"\é \u00e9\", r"\é é\"),
        ] {
            assert_eq!(unfolded(Cow::Borrowed(text)), expected, "{text}");
        }
    }
}
