//! Halves of characters in JSON: a character beyond the first 65,536 is written as two escapes, `\ud83d\ude00`, and servers that
//! cut texts by such units leave one half at the end of a text, the other at the beginning of the next.
//!
//! JSON allows that and no Unicode text can hold it, so that a reader refuses all of it. Here halves that follow each other in two
//! events become the character again, and a half alone U+FFFD. What holds none is not copied.
//! Source: RFC 8259, 8.2.

use std::borrow::Cow;
use std::ops::RangeInclusive;

const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;

/// Length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// What is written for a half alone.
const UNKNOWN: &[u8] = br"\ufffd";

/// Mends the events of one stream.
#[derive(Debug, Default)]
pub struct Mender {
    /// The first half of a character, with which a text of the event before has ended.
    half: Option<[u8; ESCAPE]>,
}

impl Mender {
    /// The JSON of the stream's next event, without halves.
    pub fn event<'a>(&mut self, json: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        match mend(&json, &mut self.half, true) {
            Some(mended) => Cow::Owned(mended),
            None => json,
        }
    }
}

/// The JSON without halves.
pub fn whole(json: &[u8]) -> Cow<'_, [u8]> {
    mend(json, &mut None, false).map_or(Cow::Borrowed(json), Cow::Owned)
}

/// `None` where there is nothing to mend. A half at the end of a text waits in `half` for its other one, if that may `follow`.
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

/// The unit that the escape at `start` stands for, if there is one.
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
        // What comes in between ends the wait.
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
