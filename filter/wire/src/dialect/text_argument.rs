//! Decodes the single text argument of a custom tool whose provider calls it as a function: `{"input": "..."}`, while it streams.
//!
//! However the arguments are cut, the pieces together equal the result of [`whole`] on all of them. If the model writes something else,
//! nothing is lost: the text of an object with one text, or else everything.

use crate::dialect::fields::Fields;
use crate::dialect::out;
use crate::json;

pub(super) const NAME: &str = "input";

/// The arguments' schema.
pub(super) const SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input, as plain text."}},"required":["input"],"additionalProperties":false}"#;

/// The arguments before and after the text.
pub(super) const OPENING: &str = "{\"input\":\"";
pub(super) const CLOSING: &str = "\"}";

/// Wraps `text` as arguments.
pub(super) fn wrap(text: &str) -> String {
    [OPENING, &piece(text), CLOSING].concat()
}

/// A piece of the text as a piece of the arguments.
pub(super) fn piece(text: &str) -> String {
    let mut quoted = Vec::new();
    out::text(&mut quoted, text);
    quoted.pop();
    String::from_utf8(quoted.split_off(1)).unwrap_or_default()
}

/// The text in complete arguments.
pub(super) fn whole(arguments: &str) -> String {
    let (mut text, mut reader) = (String::new(), TextArgument::default());
    reader.feed(arguments, &mut text);
    reader.finish(&mut text);
    text
}

/// Decodes arguments in pieces.
#[derive(Debug, Default)]
pub(super) struct TextArgument {
    state: State,
    /// Input held until its form is clear.
    held: String,
    /// The first half of a surrogate pair.
    high: Option<u32>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may still become `{"input": "`.
    #[default]
    Opening,
    /// Inside the text.
    Text,
    /// After a backslash.
    Escape,
    /// After `\u`: the number of digits so far, and their value.
    Digits(u32, u32),
    /// After the text.
    Over,
    /// Another object: only its end shows which text it contains.
    Other,
    /// Not an object.
    Plain,
}

/// The form that the beginning shows.
enum Begins<'a> {
    Unclear,
    Text(&'a str),
    Other,
    Plain,
}

impl TextArgument {
    /// Decodes one more piece and appends its text.
    pub fn feed(&mut self, piece: &str, text: &mut String) {
        match self.state {
            State::Opening => self.open(piece, text),
            State::Other => self.held.push_str(piece),
            State::Plain => text.push_str(piece),
            _ => piece.chars().for_each(|letter| self.letter(letter, text)),
        }
    }

    /// Appends the remaining text at the end.
    pub fn finish(&mut self, text: &mut String) {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Other => text.push_str(&meant(&held)),
            // An object that was truncated before its text yields nothing.
            State::Opening if !held.trim_start().starts_with('{') => text.push_str(&held),
            _ => self.flush(text),
        }
    }

    fn open(&mut self, piece: &str, text: &mut String) {
        self.held.push_str(piece);
        // Whitespace does not decide the form, and there may be much of it.
        if piece.trim().is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        match begins(&held) {
            Begins::Unclear => self.held = held,
            Begins::Text(rest) => {
                self.state = State::Text;
                rest.chars().for_each(|letter| self.letter(letter, text));
            }
            Begins::Other => (self.state, self.held) = (State::Other, held),
            Begins::Plain => {
                self.state = State::Plain;
                text.push_str(&held);
            }
        }
    }

    fn letter(&mut self, letter: char, text: &mut String) {
        self.state = match (self.state, letter) {
            (State::Text, '"') => {
                self.flush(text);
                State::Over
            }
            (State::Text, '\\') => State::Escape,
            (State::Escape, 'u') => State::Digits(0, 0),
            (State::Escape, _) => {
                self.push(unescaped(letter), text);
                State::Text
            }
            (State::Digits(count, number), _) => match letter.to_digit(16) {
                Some(digit) if count == 3 => {
                    self.unit(number * 16 + digit, text);
                    State::Text
                }
                Some(digit) => State::Digits(count + 1, number * 16 + digit),
                // Invalid JSON: decoding continues after it.
                None => {
                    self.push(char::REPLACEMENT_CHARACTER, text);
                    if letter == '"' { State::Over } else { State::Text }
                }
            },
            (State::Text, _) => {
                self.push(letter, text);
                State::Text
            }
            (state, _) => state,
        }
    }

    /// Decodes one UTF-16 unit.
    fn unit(&mut self, unit: u32, text: &mut String) {
        match (self.high, unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.high = None;
                let whole = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
                text.push(char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (_, 0xD800..=0xDBFF) => {
                self.flush(text);
                self.high = Some(unit);
            }
            _ => self.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), text),
        }
    }

    fn push(&mut self, letter: char, text: &mut String) {
        self.flush(text);
        text.push(letter);
    }

    /// Replaces an unpaired surrogate.
    fn flush(&mut self, text: &mut String) {
        if self.high.take().is_some() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn unescaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        other => other,
    }
}

fn begins(held: &str) -> Begins<'_> {
    const KEY: &str = "\"input\"";
    let Some(inside) = held.trim_start().strip_prefix('{') else { return Begins::Plain };
    let key = inside.trim_start();
    let Some(colon) = key.strip_prefix(KEY) else {
        return if KEY.starts_with(key) { Begins::Unclear } else { Begins::Other };
    };
    let colon = colon.trim_start();
    let Some(value) = colon.strip_prefix(':') else {
        return if colon.is_empty() { Begins::Unclear } else { Begins::Other };
    };
    match value.trim_start() {
        "" => Begins::Unclear,
        value => value.strip_prefix('"').map_or(Begins::Other, Begins::Text),
    }
}

/// The text in an object of another form.
fn meant(object: &str) -> String {
    let text = || {
        let mut fields = Fields::parse(object, "").ok()?;
        if let Ok(Some(text)) = fields.take::<String>("", NAME) {
            return Some(text);
        }
        let mut texts = fields.rest().filter_map(|(_, raw)| json::read::<String>(raw.get()).ok());
        texts.next().filter(|_| texts.next().is_none())
    };
    text().unwrap_or_else(|| object.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_text_is_found_whatever_a_model_writes() {
        for (arguments, text) in [
            (r#"{"input":"a\nb"}"#, "a\nb"),
            (" { \"input\" : \"*** Begin\\n+\\\"q\\\" \\\\ \\/ \\t\" } ", "*** Begin\n+\"q\" \\ / \t"),
            (r#"{"input":"\u00e9\ud83d\ude00é"}"#, "é😀é"),
            (r#"{"input":"\ud83d!\ud83d"}"#, "\u{fffd}!\u{fffd}"),
            (r#"{"input":"","other":1}"#, ""),
            ("{\"input\":\"a\nb\"}", "a\nb"),
            (r#"{"patch":"p"}"#, "p"),
            (r#"{"note":1,"input":"i"}"#, "i"),
            (r#"{"a":"1","b":"2"}"#, r#"{"a":"1","b":"2"}"#),
            (r#"{"input":{"x":1}}"#, r#"{"input":{"x":1}}"#),
            ("*** Begin Patch\n", "*** Begin Patch\n"),
            ("", ""),
            ("{}", "{}"),
            (r#"{"input":"cut o"#, "cut o"),
            (r#"{"inp"#, ""),
            (r#"{"input":"x\u12"#, "x"),
            (r#"{"input":"x\u1zy"}"#, "x\u{fffd}y"),
        ] {
            assert_eq!(whole(arguments), text, "{arguments}");
        }
    }

    #[test]
    fn many_blanks_cost_no_more_than_they_are() {
        let (mut reader, mut text) = (TextArgument::default(), String::new());
        for _ in 0..100_000 {
            reader.feed(" ", &mut text);
        }
        reader.feed("{\"input\":\"x\"}", &mut text);
        reader.finish(&mut text);
        assert_eq!(text, "x");
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn a_wrapped_text_comes_back(text in ".*") {
                prop_assert_eq!(whole(&wrap(&text)), text);
            }

            #[test]
            fn pieces_are_together_what_all_of_it_is(
                arguments in prop_oneof![".*".prop_map(|text| wrap(&text)), r#"[{} "inputx:\\u0-9d]*"#],
                cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
            ) {
                let letters: Vec<char> = arguments.chars().collect();
                let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(letters.len() + 1)).collect();
                ends.extend([0, letters.len()]);
                ends.sort_unstable();
                let (mut reader, mut text) = (TextArgument::default(), String::new());
                for pair in ends.windows(2) {
                    reader.feed(&letters[pair[0]..pair[1]].iter().collect::<String>(), &mut text);
                }
                reader.finish(&mut text);
                prop_assert_eq!(text, whole(&arguments));
            }
        }
    }
}
