//! The texts of a prompt that judges receive: all strings and long numbers of its JSON, whatever they mean in the client's dialect, so that
//! nothing escapes by its position. Only plain names of fields, roles, types and objects, and images, audio and files are left out.

use std::borrow::Cow;
use std::ops::Range;

use crate::guard::escapes::is_json;
use crate::guard::media::{Content, content};
use crate::guard::numbers;
use crate::guard::prompt::{Copy, decoded, quoted};
use crate::peek::literals::{Literal, Literals};

use super::{JudgedText, Masking};

/// The fields whose values are names.
const NAMES: [&[u8]; 6] = [b"role", b"type", b"id", b"call_id", b"tool_call_id", b"tool_use_id"];

/// The longest name.
const LONGEST_NAME: usize = 64;

/// The most texts: more than judges can be sent.
const MOST: usize = 20_000;

/// The texts of a valid JSON body, except for the literal in `except` (the model's name). `None` if they are too many.
pub fn texts(body: &[u8], except: &Range<usize>) -> Option<Vec<JudgedText>> {
    let numbers = numbers::of(body).map(|number| JudgedText::fixed(number.to_owned()));
    let texts: Vec<_> = each(body, except).map(|(_, text)| text).chain(numbers).take(MOST + 1).collect();
    (texts.len() <= MOST).then_some(texts)
}

/// The body with some of these texts replaced, by their indices, in order. `None` if it would exceed `most` bytes.
pub fn replaced(body: &[u8], except: &Range<usize>, new: &[(usize, String)], most: usize) -> Option<Vec<u8>> {
    let mut copy = Copy::of(body, most);
    let mut new = new.iter().peekable();
    for (index, (literal, _)) in each(body, except).enumerate() {
        if let Some((_, text)) = new.next_if(|(at, _)| *at == index) {
            copy.replace(quoted(&literal), text).ok()?;
        }
    }
    copy.done().ok()?
}

fn each<'b>(body: &'b [u8], except: &Range<usize>) -> impl Iterator<Item = (Literal<'b>, JudgedText)> {
    let mut before: &[u8] = &[];
    Literals::of(body).filter_map(move |literal| {
        let key = if literal.is_value() { before } else { &[] };
        before = literal.text;
        let is_left_out = except.contains(&literal.start)
            || literal.text.is_empty()
            || ((NAMES.contains(&key) || literal.is_key(body)) && is_name(literal.text));
        if is_left_out {
            return None;
        }
        let (text, masking) = match content(key, literal.text) {
            Content::Media(head) if head.len() <= LONGEST_NAME => return None,
            Content::Media(head) => (String::from_utf8_lossy(head), Masking::Never),
            Content::Encoded(head, text) if head.len() <= LONGEST_NAME => (Cow::Owned(text), Masking::Never),
            Content::Encoded(head, text) => {
                (Cow::Owned(String::from_utf8_lossy(head).into_owned() + &text), Masking::Never)
            }
            Content::Plain if literal.is_key(body) => (decoded(body, &literal), Masking::Never),
            Content::Plain => {
                let text = decoded(body, &literal);
                let masking = if is_json(&text) { Masking::Json } else { Masking::Free };
                (text, masking)
            }
        };
        Some((literal, JudgedText { text: text.into_owned(), context: 0, masking }))
    })
}

fn is_name(text: &[u8]) -> bool {
    text.len() <= LONGEST_NAME && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const BODY: &str = r#"{"model":"chat","messages":[{"role":"user","content":"Hi \"Ann\""},
        {"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"q\":\"Bob\"}"}}]},
        {"role":"a role with words","content":[{"type":"text","text":"more"}]}]}"#;

    fn all(body: &str) -> Vec<(String, Masking)> {
        let at = body.find("chat").unwrap();
        texts(body.as_bytes(), &(at..at + 4)).unwrap().into_iter().map(|text| (text.text, text.masking)).collect()
    }

    #[test]
    fn all_values_are_judged_but_names() {
        let expected = [
            ("Hi \"Ann\"", Masking::Free),
            ("f", Masking::Free),
            (r#"{"q":"Bob"}"#, Masking::Json),
            ("a role with words", Masking::Free),
            ("more", Masking::Free),
        ];
        assert_eq!(all(BODY), expected.map(|(text, masking)| (text.to_owned(), masking)));
    }

    #[test]
    fn odd_keys_and_long_numbers_are_judged_too() {
        let found = all(
            r#"{"model":"chat","tools":[{"properties":{"a secret text":{"type":"string"}}}],"card":4111111111111111}"#,
        );
        let expected = [("a secret text", Masking::Never), ("4111111111111111", Masking::Never)];
        assert_eq!(found, expected.map(|(text, masking)| (text.to_owned(), masking)));
        let many = format!(r#"{{"model":"chat","stop":[{}"a"]}}"#, r#""a","#.repeat(MOST));
        assert_eq!(texts(many.as_bytes(), &(10..14)), None);
    }

    #[test]
    fn texts_are_replaced_in_their_places() {
        let at = BODY.find("chat").unwrap();
        let new = [(0, "Hi \"X\"".to_owned()), (4, "less".to_owned())];
        let body = replaced(BODY.as_bytes(), &(at..at + 4), &new, 1000).unwrap();
        let expected = BODY.replace(r#"Hi \"Ann\""#, r#"Hi \"X\""#).replace("more", "less");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(replaced(BODY.as_bytes(), &(at..at + 4), &new, 100), None, "it is too large");
    }
}
