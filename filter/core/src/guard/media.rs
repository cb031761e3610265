//! Recognizes images, audio and files in messages, which contain no searchable text, and texts in their place.
//!
//! Letters alone decide nothing. A string is media if its key is one that OpenAI or Anthropic use for media, it is entirely base64, and it
//! starts like a known file type. A base64 text is decoded. Every other string is checked as it is.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// The keys of media.
const KEYS: [&[u8]; 5] = [b"url", b"image_url", b"data", b"file_data", b"b64_json"];

/// Shorter strings are checked as they are: the first bytes of a file alone take this much.
const SHORTEST: usize = 64;

/// The number of base64 digits that identify a file type.
const BEGINNING: usize = 32;

/// The maximum length of a `data:` URL's head.
const LONGEST_HEAD: usize = 512;

const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDING);

/// The content of a string.
#[derive(Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Text: the string itself.
    Plain,
    /// A file that is not text, and the head of its `data:` URL.
    Media(&'a [u8]),
    /// A decoded base64 text, and the head of its `data:` URL.
    Encoded(&'a [u8], String),
}

/// Classifies the value of `key`. `string` is undecoded.
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

/// Splits off the head of a `data:` URL, with its comma.
fn split(string: &[u8]) -> (&[u8], &[u8]) {
    let front = string.get(..LONGEST_HEAD.min(string.len())).unwrap_or_default();
    let comma = front.iter().position(|byte| *byte == b',').filter(|_| front.starts_with(b"data:"));
    comma.and_then(|comma| string.split_at_checked(comma + 1)).unwrap_or((&[], string))
}

/// The base64 digits without escaped slashes; `None` if the payload contains anything else.
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

/// Whether a file that starts like this is an image, audio, video, archive or formatted document.
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
    // MPEG audio frames start with eleven set bits. MPEG-4 containers have their type after a length.
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
        // Under another key, or with other characters, it is plain text.
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
        // Text that is not base64 is not decoded.
        assert_eq!(content(b"data", text.replace('\n', "\\n").as_bytes()), Content::Plain);
    }
}
