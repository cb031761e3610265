//! Repairs unpaired surrogates in JSON. A character beyond U+FFFF is written as two escapes, `\ud83d\ude00`. Servers that split texts by
//! UTF-16 units leave the first at the end of one text and the second at the beginning of the next.
//!
//! JSON allows that, but Unicode strings cannot hold it, so a parser rejects the whole event. This module joins halves from two successive
//! events and replaces an unpaired half by U+FFFD. It does not copy JSON without surrogates to repair.
//! Source: RFC 8259, 8.2.

use std::borrow::Cow;
use std::ops::RangeInclusive;

const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;

/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// Replaces an unpaired surrogate.
const UNKNOWN: &[u8] = br"\ufffd";

/// Repairs the events of one stream.
#[derive(Debug, Default)]
pub struct Mender {
    /// The high surrogate at the end of the previous event's text.
    half: Option<[u8; ESCAPE]>,
}

impl Mender {
    /// Repairs the JSON of the stream's next event.
    pub fn event<'a>(&mut self, json: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        match mend(&json, &mut self.half, true) {
            Some(mended) => Cow::Owned(mended),
            None => json,
        }
    }
}

/// Repairs a whole JSON text.
pub fn whole(json: &[u8]) -> Cow<'_, [u8]> {
    mend(json, &mut None, false).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// Returns `None` if there is nothing to repair. If another event may `follow`, a high surrogate at the end of a text waits in `half`.
fn mend(json: &[u8], half: &mut Option<[u8; ESCAPE]>, follow: bool) -> Option<Vec<u8>> {
    let mut waiting = half.take();
    let mut out: Option<Vec<u8>> = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', json.get(at..).unwrap_or_default()) {
        let start = at + found;
        let Some(unit) = unit(json, start) else {
            // The escaped byte may be a backslash.
            at = start + 2;
            continue;
        };
        at = start + ESCAPE;
        if HIGH.contains(&unit) && self::unit(json, at).is_some_and(|next| LOW.contains(&next)) {
            at += ESCAPE;
            continue;
        }
        if !HIGH.contains(&unit) && !LOW.contains(&unit) {
            continue;
        }
        let out = out.get_or_insert_with(|| Vec::with_capacity(json.len().saturating_add(ESCAPE)));
        out.extend_from_slice(json.get(copied..start).unwrap_or_default());
        copied = at;
        let begins = start > 0 && json.get(start - 1) == Some(&b'"');
        let ends = json.get(at) == Some(&b'"');
        if LOW.contains(&unit)
            && begins
            && let Some(first) = waiting.take()
        {
            out.extend_from_slice(&first);
            out.extend_from_slice(json.get(start..at).unwrap_or_default());
        } else if HIGH.contains(&unit) && ends && follow {
            *half = json.get(start..at).and_then(|escape| escape.try_into().ok());
        } else {
            out.extend_from_slice(UNKNOWN);
        }
    }
    let mut out = out?;
    out.extend_from_slice(json.get(copied..).unwrap_or_default());
    Some(out)
}

/// The UTF-16 unit of the escape at `start`, if there is one.
fn unit(json: &[u8], start: usize) -> Option<u16> {
    let digits = json.get(start..start + ESCAPE)?.strip_prefix(br"\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn events(events: &[&str]) -> Vec<String> {
        let mut mender = Mender::default();
        let mended = events.iter().map(|event| mender.event(Cow::Borrowed(event.as_bytes())).into_owned());
        mended.map(|event| String::from_utf8(event).unwrap()).collect()
    }

    #[test]
    fn what_holds_no_half_is_not_copied() {
        for json in [r#"{"a":"b\\ud83d\n\"\u00e9"}"#, r#""\ud83d\ude00""#, r#""\\\\""#, r#""\"#, r#""\ud83"#, ""] {
            assert!(matches!(whole(json.as_bytes()), Cow::Borrowed(_)), "{json}");
            assert_eq!(events(&[json]), [json]);
        }
    }

    #[test]
    fn halves_of_two_events_become_one_character() {
        assert_eq!(
            events(&[r#"{"a":"hi \ud83d"}"#, r#"{"a":"\ude00 x"}"#]),
            [r#"{"a":"hi "}"#, r#"{"a":"\ud83d\ude00 x"}"#]
        );
        // An event in between ends the wait.
        assert_eq!(events(&[r#""\uD83D""#, r#""x""#, r#""\uDE00""#]), [r#""""#, r#""x""#, r#""\ufffd""#]);
    }

    #[test]
    fn a_half_alone_is_unknown_and_what_is_whole_stays() {
        for (json, expected) in [
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (r#""\ude00 cut""#, r#""\ufffd cut""#),
            (r#""\ud83d\ud83d\ude00\ude00""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#""\\\ud83d\\ud83d""#, r#""\\\ufffd\\ud83d""#),
            (r#""\ud83dx\n""#, r#""\ufffdx\n""#),
        ] {
            assert_eq!(String::from_utf8(whole(json.as_bytes()).into_owned()).unwrap(), expected);
            assert!(serde_json::from_str::<String>(expected).is_ok());
        }
    }
}
