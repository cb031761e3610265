//! JSON within a text: the arguments and results of tools.
//!
//! Many encoders write non-ASCII letters and some symbols as `\u00e9`, where no expression would match them. In a text that is JSON, all
//! escapes are decoded: the letter of an `\n` would join the word after it. Any other text may contain backslashes of its own, such as a path,
//! and there only `\u` escapes of visible letters are decoded.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::de::IgnoredAny;
use sluice_wire::json;

/// The length of an escape.
const ESCAPE: usize = 6;

/// Whether a text may begin like this if it is JSON with strings.
pub(super) fn begins_json(letter: char) -> bool {
    matches!(letter, '{' | '[' | '"')
}

/// Whether a text is JSON with strings.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(begins_json) && json::read::<IgnoredAny>(text).is_ok()
}

/// Decodes a text to inspect it.
pub(super) fn unfolded(text: Cow<'_, str>) -> Cow<'_, str> {
    let json = memchr::memchr(b'\\', text.as_bytes()).is_some() && is_json(&text);
    unescaped(text, json)
}

/// Decodes the escapes of a text; `json`: it is JSON.
pub(super) fn unescaped(text: Cow<'_, str>, json: bool) -> Cow<'_, str> {
    let mut escapes = memchr::memchr_iter(b'\\', text.as_bytes());
    if !escapes.any(|at| json || text.as_bytes().get(at.saturating_add(1)) == Some(&b'u')) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let rest = decode(&text, json, |_, decoded| out.push_str(decoded));
    out.push_str(rest);
    out.into()
}

/// Passes each decoded part to `push`, with its position in the text. Returns the start of an escape whose rest is missing.
fn decode(text: &str, json: bool, mut push: impl FnMut(usize, &str)) -> &str {
    let mut rest = text;
    let at = |rest: &str| text.len().saturating_sub(rest.len());
    while let Some(plain) = rest.find('\\') {
        let (plain, escape) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        push(at(rest), plain);
        if is_open(escape) {
            return escape;
        }
        rest = match sign(escape, json) {
            Some((sign, after)) => {
                push(at(escape), sign.encode_utf8(&mut [0; 4]));
                after
            }
            None => {
                let length = escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at);
                let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
                push(at(escape), kept);
                after
            }
        };
    }
    push(at(rest), rest);
    ""
}

/// Whether the text is the start of an escape, and more text may complete it.
fn is_open(text: &str) -> bool {
    let is_start = |text: &str| match text.strip_prefix('\\') {
        Some(rest) => {
            let digits = rest.strip_prefix('u').unwrap_or(rest);
            (rest.is_empty() || rest.starts_with('u')) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        None => text.is_empty(),
    };
    let rest = match unit(text) {
        Some((0xd800..=0xdbff, rest)) => rest,
        Some(_) => return false,
        None => text,
    };
    rest.len() < ESCAPE && is_start(rest)
}

/// A text that arrives in pieces, decoded as [`unescaped`] does, with the places of its letters in the pieces. Its beginning can be dropped.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The decoded text.
    pub(super) text: String,
    /// Positions in the decoded text and in the pieces from which on their distance changes.
    marks: VecDeque<(usize, usize)>,
    /// The start of an escape whose rest is missing.
    open: String,
    /// The length of all pieces.
    length: usize,
    /// Whether the text is JSON.
    pub(super) json: bool,
}

impl Decoded {
    /// An empty text.
    pub(super) fn of(json: bool) -> Self {
        Self { json, ..Self::default() }
    }

    /// A whole text.
    pub(super) fn whole(text: &str, json: bool) -> Self {
        let mut decoded = Self::of(json);
        decoded.push(text);
        decoded.end();
        decoded
    }

    /// The length of all pieces.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, piece: &str) {
        let before = self.length.saturating_sub(self.open.len());
        self.length = self.length.saturating_add(piece.len());
        if self.open.is_empty() && !piece.contains('\\') {
            return self.add(before, piece);
        }
        let mut joined = std::mem::take(&mut self.open);
        joined.push_str(piece);
        let open = decode(&joined, self.json, |at, decoded| self.add(before.saturating_add(at), decoded)).len();
        self.open = joined.split_off(joined.len().saturating_sub(open));
    }

    /// No piece follows: an incomplete escape is text.
    pub(super) fn end(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.add(self.length.saturating_sub(open.len()), &open);
    }

    fn add(&mut self, place: usize, text: &str) {
        let to = self.text.len();
        let known = self.marks.back().map_or(to, |(mark, plain)| plain.saturating_add(to.saturating_sub(*mark)));
        if known != place && !text.is_empty() {
            self.marks.push_back((to, place));
        }
        self.text.push_str(text);
    }

    /// Maps a position in the decoded text to the pieces.
    pub(super) fn place(&self, at: usize) -> usize {
        if at >= self.text.len() {
            return self.length.saturating_sub(self.open.len());
        }
        let behind = self.marks.partition_point(|(mark, _)| *mark <= at);
        match behind.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some((mark, plain)) => plain.saturating_add(at.saturating_sub(*mark)),
            None => at,
        }
    }

    /// Drops the first bytes of the decoded text.
    pub(super) fn forget(&mut self, bytes: usize) {
        let place = self.place(bytes);
        self.text.drain(..bytes);
        while self.marks.front().is_some_and(|(mark, _)| *mark <= bytes) {
            self.marks.pop_front();
        }
        self.marks.iter_mut().for_each(|(mark, _)| *mark = mark.saturating_sub(bytes));
        self.marks.push_front((0, place));
    }

    /// Memory in bytes.
    pub(super) fn held(&self) -> usize {
        let marks = self.marks.capacity().saturating_mul(size_of::<(usize, usize)>());
        self.text.capacity().saturating_add(marks)
    }
}

/// The character that the text starts with as an escape, and the rest.
fn sign(text: &str, json: bool) -> Option<(char, &str)> {
    let Some((first, rest)) = unit(text) else { return short(text).filter(|_| json) };
    let read = |units: &[u16]| char::decode_utf16(units.iter().copied()).next()?.ok();
    let pair = || {
        let (second, rest) = unit(rest)?;
        Some((read(&[first, second])?, rest))
    };
    let lone = || json.then_some((char::REPLACEMENT_CHARACTER, rest));
    let (sign, rest) = read(&[first]).map(|sign| (sign, rest)).or_else(pair).or_else(lone)?;
    (json || !sign.is_control() && !matches!(sign, '"' | '\\')).then_some((sign, rest))
}

/// The same for an escape of two characters.
fn short(text: &str) -> Option<(char, &str)> {
    let mut letters = text.strip_prefix('\\')?.chars();
    let sign = match letters.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        sign @ ('"' | '\\' | '/') => sign,
        _ => return None,
    };
    Some((sign, letters.as_str()))
}

/// A text as part of a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let quoted = String::from_utf8(json::written(&text)).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
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
    fn in_json_every_escape_is_one_letter() {
        for (text, expected) in [
            (r#"["a\nb\tc \"d\" e\/f"]"#, "[\"a\nb\tc \"d\" e/f\"]"),
            (r#"["\u0022\u005c\u000a\b\f\r"]"#, "[\"\"\\\n\u{8}\u{c}\r\"]"),
            (r#" {"a":"C:\\new \ud83d\ude00"}"#, " {\"a\":\"C:\\new 😀\"}"),
            (r#""a\nb""#, "\"a\nb\""),
            // Not JSON.
            (r"C:\new", r"C:\new"),
            (r#"["C:\new\x"]"#, r#"["C:\new\x"]"#),
        ] {
            assert_eq!(unfolded(Cow::Borrowed(text)), expected, "{text}");
        }
        assert_eq!(unescaped(Cow::Borrowed(r"\ud83d\ud83d\ude00\ude00"), true), "\u{fffd}😀\u{fffd}");
    }

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
