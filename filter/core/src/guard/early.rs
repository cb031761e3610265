//! Rejects a streamed answer as soon as it cannot become valid any more.
//!
//! Until a stream ends, only two things are certain: the text is not the beginning of any JSON, or its value has a type that no format
//! allows. A field is never certain, because one of the same name may follow and replace it. The complete check decides everything else.

use sluice_wire::conversation::StreamEvent;

use super::answer::{Checks, GuardFailure};
use super::schema::types::{self, Types};

/// More choices are not checked early.
const MOST_CHOICES: usize = 64;

/// The text of each choice so far.
#[derive(Debug)]
pub struct EarlyCheck {
    allowed: Types,
    choices: Vec<(u32, Option<Prefix>)>,
}

impl EarlyCheck {
    /// The check of a stream; `None` if nothing is certain before its end. A model that may call tools can say anything before.
    pub fn of(checks: &Checks) -> Option<Self> {
        let allowed = checks.formats.iter().fold(types::ALL, |types, format| types & format.types());
        (checks.early && !checks.formats.is_empty()).then(|| Self { allowed, choices: Vec::new() })
    }

    /// Reads an event.
    #[inline(never)]
    pub fn read(&mut self, event: &StreamEvent) -> Result<(), GuardFailure> {
        match event {
            StreamEvent::Text { choice, text } => {
                let Some(Some(prefix)) = self.choice(*choice) else { return Ok(()) };
                if !prefix.read(text.as_bytes()) {
                    return Err(GuardFailure::Invalid("it is not valid JSON".to_owned()));
                }
                let root = prefix.root;
                if root.is_some_and(|root| root & self.allowed == 0) {
                    return Err(GuardFailure::Invalid("at the top level: expected another type".to_owned()));
                }
                Ok(())
            }
            // Such an answer is not checked.
            StreamEvent::Refusal { choice, .. } | StreamEvent::ToolCall { choice, .. } => {
                if let Some(prefix) = self.choice(*choice) {
                    *prefix = None;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The text of a choice; `None` if it is not read, or one of too many.
    fn choice(&mut self, choice: u32) -> Option<&mut Option<Prefix>> {
        let known = self.choices.iter().any(|(number, _)| *number == choice);
        if !known && self.choices.len() < MOST_CHOICES {
            self.choices.push((choice, Some(Prefix::new())));
        }
        self.choices.iter_mut().find(|(number, _)| *number == choice).map(|(_, prefix)| prefix)
    }

    /// Approximate memory in bytes.
    pub fn held(&self) -> usize {
        self.choices
            .iter()
            .filter_map(|(_, prefix)| prefix.as_ref())
            .map(|prefix| prefix.open.capacity().saturating_add(64))
            .sum()
    }
}

/// A parser that tells whether a text is the beginning of JSON.
#[derive(Debug)]
struct Prefix {
    /// The type of the value.
    root: Option<Types>,
    /// The brackets that end the open arrays and objects.
    open: Vec<u8>,
    expected: Expected,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    /// A value, or the end of an array.
    FirstItem,
    Name,
    /// A name, or the end of an object.
    FirstName,
    Colon,
    /// A comma, or the end of an array or object.
    Next,
    Text {
        name: bool,
    },
    Escape {
        name: bool,
    },
    Hex {
        name: bool,
        left: u8,
    },
    /// The rest of a literal.
    Rest(&'static [u8]),
    Number(Number),
}

/// The part of a number that was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Prefix {
    fn new() -> Self {
        Self { root: None, open: Vec::new(), expected: Expected::Value }
    }

    /// Whether the text is still the beginning of JSON.
    fn read(&mut self, text: &[u8]) -> bool {
        text.iter().all(|byte| {
            self.step(*byte).is_some_and(|expected| {
                self.expected = expected;
                true
            })
        })
    }

    fn step(&mut self, byte: u8) -> Option<Expected> {
        match self.expected {
            Expected::Text { name } => match byte {
                b'"' if name => Some(Expected::Colon),
                b'"' => Some(Expected::Next),
                b'\\' => Some(Expected::Escape { name }),
                0..0x20 => None,
                _ => Some(self.expected),
            },
            Expected::Escape { name } => match byte {
                b'u' => Some(Expected::Hex { name, left: 4 }),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(Expected::Text { name }),
                _ => None,
            },
            Expected::Hex { name, left } if byte.is_ascii_hexdigit() => Some(match left {
                1 => Expected::Text { name },
                _ => Expected::Hex { name, left: left - 1 },
            }),
            Expected::Hex { .. } => None,
            Expected::Rest(rest) => match rest.split_first() {
                Some((next, [])) if *next == byte => Some(Expected::Next),
                Some((next, rest)) if *next == byte => Some(Expected::Rest(rest)),
                _ => None,
            },
            Expected::Number(number) => match number.step(byte) {
                Some(number) => Some(Expected::Number(number)),
                None if number.is_complete() => self.between(Expected::Next, byte),
                None => None,
            },
            expected => self.between(expected, byte),
        }
    }

    /// A byte outside of texts and other scalars.
    fn between(&mut self, expected: Expected, byte: u8) -> Option<Expected> {
        match (expected, byte) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => Some(expected),
            (Expected::FirstName | Expected::Name, b'"') => Some(Expected::Text { name: true }),
            (Expected::Colon, b':') => Some(Expected::Value),
            (Expected::Next, b',') => match self.open.last()? {
                b'}' => Some(Expected::Name),
                _ => Some(Expected::Value),
            },
            (Expected::FirstName, b'}') | (Expected::FirstItem, b']') | (Expected::Next, b'}' | b']') => {
                (self.open.pop()? == byte).then_some(Expected::Next)
            }
            (Expected::Value | Expected::FirstItem, _) => self.begin(byte),
            _ => None,
        }
    }

    fn begin(&mut self, byte: u8) -> Option<Expected> {
        let (begun, expected) = match byte {
            b'{' => (types::OBJECT, Expected::FirstName),
            b'[' => (types::ARRAY, Expected::FirstItem),
            b'"' => (types::STRING, Expected::Text { name: false }),
            b'n' => (types::NULL, Expected::Rest(b"ull")),
            b't' => (types::BOOLEAN, Expected::Rest(b"rue")),
            b'f' => (types::BOOLEAN, Expected::Rest(b"alse")),
            b'-' => (types::NUMBER, Expected::Number(Number::Minus)),
            b'0' => (types::NUMBER, Expected::Number(Number::Zero)),
            b'1'..=b'9' => (types::NUMBER, Expected::Number(Number::Whole)),
            _ => return None,
        };
        self.root.get_or_insert(begun);
        match byte {
            b'{' => self.open.push(b'}'),
            b'[' => self.open.push(b']'),
            _ => {}
        }
        Some(expected)
    }
}

impl Number {
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Some(Self::ExponentDigits),
            _ => None,
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::ExponentDigits)
    }
}

#[cfg(test)]
mod tests;
