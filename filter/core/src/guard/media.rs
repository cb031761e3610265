//! What in a message is a picture, a sound or a file, in which no text can be looked for; and what only stands where those do.
//!
//! Nothing is guessed from its letters. It is media if it stands where OpenAI and Anthropic put media, is base64 from end to end, and
//! begins as a known kind of file does. What is base64 of a text is that text. All else is looked at as it is.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// The keys that media stand behind.
const KEYS: [&[u8]; 5] = [b"url", b"image_url", b"data", b"file_data", b"b64_json"];

/// Shorter ones are looked at as they are: a file's first bytes alone have as much.
const SHORTEST: usize = 64;

/// A file is known by its first bytes, which stand in so many digits.
const BEGINNING: usize = 32;

/// The longest head of a `data:` URL.
const LONGEST_HEAD: usize = 512;

const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDING);

/// What stands in a string.
#[derive(Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A text, which is the string itself.
    Plain,
    /// A file that is none of text. What stands before it is a text: the head of a `data:` URL.
    Media(&'a [u8]),
    /// A text, in base64; and what stands before it.
    Encoded(&'a [u8], String),
}

/// What stands in the string behind `key`, as it is written: with escapes.
pub fn content<'a>(key: &[u8], string: &'a [u8]) -> Content<'a> {
    if string.len() < SHORTEST || !KEYS.contains(&key) {
        return Content::Plain;
    }
    let (head, payload) = split(string);
    let Some(digits) = digits(payload) else { return Content::Plain };
    let engine = if digits.iter().any(|digit| b"-_".contains(digit)) { URL_SAFE } else { STANDARD };
    let beginning = engine.decode(digits.get(..BEGINNING).unwrap_or_default()).unwrap_or_default();
    if is_file(&beginning) {
        return Content::Media(head);
    }
    let text = engine.decode(&*digits).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| !text.contains(is_no_text)).map_or(Content::Plain, |text| Content::Encoded(head, text))
}

/// The head of a `data:` URL, and what stands behind its comma.
fn split(string: &[u8]) -> (&[u8], &[u8]) {
    let front = string.get(..LONGEST_HEAD.min(string.len())).unwrap_or_default();
    let comma = front.iter().position(|byte| *byte == b',').filter(|_| front.starts_with(b"data:"));
    comma.and_then(|comma| string.split_at_checked(comma + 1)).unwrap_or((&[], string))
}

/// The digits of base64 without the escapes of slashes; `None` where something else is among them.
fn digits(payload: &[u8]) -> Option<Cow<'_, [u8]>> {
    let digits: Cow<'_, [u8]> = match payload.contains(&b'\\') {
        false => payload.into(),
        true => {
            let mut plain = Vec::with_capacity(payload.len());
            let mut rest = payload.iter();
            while let Some(byte) = rest.next() {
                match byte {
                    b'\\' if rest.next() == Some(&b'/') => plain.push(b'/'),
                    b'\\' => return None,
                    byte => plain.push(*byte),
                }
            }
            plain.into()
        }
    };
    let padding = digits.iter().rev().take_while(|digit| **digit == b'=').count();
    let inside = digits.get(..digits.len().saturating_sub(padding))?;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    (padding <= 2 && inside.iter().all(is_digit)).then_some(digits)
}

/// Whether a file that begins so is a picture, a sound, a film or a document that is packed or printed.
fn is_file(beginning: &[u8]) -> bool {
    const MARKS: [&[u8]; 13] = [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF8",
        b"RIFF",
        b"%PDF-",
        b"PK\x03\x04",
        b"ID3",
        b"OggS",
        b"fLaC",
        b"\x1aE\xdf\xa3",
        b"II*\0",
        b"MM\0*",
        b"\xd0\xcf\x11\xe0",
    ];
    // The frames of MPEG's sounds begin with eleven ones; its containers name themselves behind a length.
    let mpeg = matches!(beginning, [0xff, second, ..] if second & 0xe0 == 0xe0);
    mpeg || beginning.get(4..8) == Some(b"ftyp") || MARKS.iter().any(|mark| beginning.starts_with(mark))
}

fn is_no_text(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn encoded(bytes: &[u8]) -> String {
        general_purpose::STANDARD.encode(bytes)
    }

    #[test]
    fn files_are_known_by_their_place_their_digits_and_their_beginning() {
        let png = encoded(&[b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 600]].concat());
        let url = format!("data:image/png;base64,{png}");
        for (key, string) in [("url", &url), ("data", &png), ("file_data", &url), ("b64_json", &png)] {
            assert!(matches!(content(key.as_bytes(), string.as_bytes()), Content::Media(_)), "{key}");
        }
        assert_eq!(content(b"url", url.as_bytes()), Content::Media(b"data:image/png;base64,"));
        let escaped = encoded(&[b"ID3".as_slice(), &[0xff; 600]].concat()).replace('/', "\\/");
        assert_eq!(content(b"data", escaped.as_bytes()), Content::Media(b""));
        // Elsewhere, or with something else in it, it is a text like others.
        for (key, string) in [
            ("text", png.clone()),
            ("data", png.replace('B', " ")),
            ("data", format!("{png}\\n{png}")),
            ("data", format!("{png}=={png}")),
            ("data", png.get(..60).unwrap().to_owned()),
            ("data", "sk-".repeat(300)),
            ("data", encoded(&[0x80; 600])),
        ] {
            assert_eq!(content(key.as_bytes(), string.as_bytes()), Content::Plain, "{key} {string:.40}");
        }
    }

    #[test]
    fn a_text_in_base64_is_that_text() {
        let text = "OPENAI_API_KEY=sk-1\nAWS_ACCESS_KEY_ID=AKIA\n".repeat(12);
        let url = format!("data:text/plain;base64,{}", encoded(text.as_bytes()));
        assert_eq!(content(b"file_data", url.as_bytes()), Content::Encoded(b"data:text/plain;base64,", text.clone()));
        assert_eq!(content(b"data", encoded(text.as_bytes()).as_bytes()), Content::Encoded(b"", text.clone()));
        // A text that is none of base64 is not taken for it.
        assert_eq!(content(b"data", text.replace('\n', "\\n").as_bytes()), Content::Plain);
    }
}
