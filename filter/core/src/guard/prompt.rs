//! What guardrails make of a request's body, before anything else is done with it.
//!
//! Every string in it is looked at, keys too, by itself and as its reader will have it: what it is in the client's format makes no
//! difference, so nothing can be put where nobody looks. So is every long number. Only pictures, sound and files are passed over, which
//! [`media`](super::media) knows. What cannot be masked (a number, a text in base64, a form) is blocked where it would have to be.
//! A masked body is written as its strings are looked at, and given up where it grows past its bound.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use sluice_wire::json;
use sluice_wire::percent;

use crate::guard::spec::{Action, Side};
use crate::peek::literals::{Literal, Literals};

use super::escapes::unfolded;
use super::folded::folded;
use super::matcher::Matcher;
use super::media::{Content, content};
use super::steps::Steps;
use super::{Finding, Guard, note, numbers};

/// A body that may go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// The body with what was found masked, if it was.
    pub body: Option<Vec<u8>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Why a body may not go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A guardrail blocks it.
    Blocked(Finding),
    /// Masked, it would have more bytes than it may.
    TooLarge,
}

/// Looks at a body that was read as JSON. What stands in `except`, the model's name, is not looked at. Masked, it may have `most`
/// bytes.
pub fn screen(guards: &[Rc<Guard>], body: &[u8], except: &Range<usize>, most: usize) -> Result<Screened, Unfit> {
    let mut look = Look { guards, steps: Matcher::steps(), findings: Vec::new() };
    let mut copy = Copy { body, written: Vec::new(), copied: 0, most };
    let mut before: &[u8] = &[];
    for literal in Literals::of(body) {
        let key = if literal.is_value() { before } else { &[] };
        before = literal.text;
        if except.contains(&literal.start) || literal.text.is_empty() {
            continue;
        }
        match content(key, literal.text) {
            Content::Media(head) => look.as_it_is(&readable(head))?,
            Content::Encoded(head, text) => {
                look.as_it_is(&readable(head))?;
                look.as_it_is(&unfolded(text.into()))?;
            }
            Content::Plain => {
                let text = unfolded(decoded(body, &literal));
                look.pass(&text)?;
                if let Some(masked) = look.masked(&text, most)? {
                    copy.replace(quoted(&literal), &masked)?;
                }
            }
        }
    }
    numbers::of(body).try_for_each(|number| look.as_it_is(number))?;
    Ok(Screened { body: copy.done()?, findings: look.findings })
}

/// Looks at a body that is no JSON.
pub fn screen_bytes(guards: &[Rc<Guard>], body: &[u8]) -> Result<Screened, Unfit> {
    let mut look = Look { guards, steps: Matcher::steps(), findings: Vec::new() };
    look.as_it_is(&unfolded(readable(body)))?;
    Ok(Screened { body: None, findings: look.findings })
}

/// Looks at a query, as its reader will have it.
pub fn screen_query(guards: &[Rc<Guard>], query: &str) -> Result<Screened, Unfit> {
    screen_bytes(guards, &percent::decoded(&query.replace('+', " ")))
}

/// A look at all texts of a body.
struct Look<'g> {
    guards: &'g [Rc<Guard>],
    steps: Steps,
    findings: Vec<Finding>,
}

impl Look<'_> {
    /// Notes what was found that may go on as it is; an error is what may not.
    fn pass(&mut self, text: &str) -> Result<(), Unfit> {
        for guard in self.guards.iter().filter(|guard| guard.action != Action::Mask) {
            let Some(label) = guard.finder.first(text, &self.steps) else { continue };
            match guard.action {
                Action::Block => return Err(Unfit::Blocked(Finding::of(guard, label, Side::Prompts))),
                _ => note(&mut self.findings, guard, label, Side::Prompts),
            }
        }
        Ok(())
    }

    /// The same of what cannot be masked: where something in it would have to be, it may not go on.
    fn as_it_is(&mut self, text: &str) -> Result<(), Unfit> {
        self.pass(text)?;
        for guard in self.guards.iter().filter(|guard| guard.action == Action::Mask) {
            if let Some(label) = guard.finder.first(text, &self.steps) {
                let finding = Finding { action: Action::Block, ..Finding::of(guard, label, Side::Prompts) };
                return Err(Unfit::Blocked(finding));
            }
        }
        Ok(())
    }

    /// The text with the names of things in place of them; `None` when there is nothing to mask. An error when that makes it longer
    /// than it may be. What stands in it only as a person reads it is masked last.
    fn masked(&mut self, text: &str, most: usize) -> Result<Option<String>, Unfit> {
        let mut masked: Option<String> = None;
        let guards = self.guards;
        for guard in guards.iter().filter(|guard| guard.action == Action::Mask) {
            let current = masked.as_deref().unwrap_or(text);
            if guard.finder.sees_nothing(current, &self.steps) {
                continue;
            }
            let as_it_is = self.mask(guard, current, current, |at| at, most)?;
            let current = as_it_is.as_deref().unwrap_or(current);
            let as_read = match folded(current) {
                Some(read) => self.mask(guard, current, &read.text, |at| read.unfolded(&at), most)?,
                None => None,
            };
            masked = as_read.or(as_it_is).or(masked);
        }
        Ok(masked)
    }

    /// Masks what a guardrail finds in `read`, which stands in `text` at other places.
    fn mask(
        &mut self,
        guard: &Guard,
        text: &str,
        read: &str,
        place: impl Fn(Range<usize>) -> Range<usize>,
        most: usize,
    ) -> Result<Option<String>, Unfit> {
        let (mut out, mut copied, mut last) = (String::new(), 0, None);
        for find in guard.finder.all(read, &self.steps) {
            let at = place(find.at);
            out.push_str(text.get(copied..at.start).unwrap_or_default());
            out.extend(["[", find.label, "]"]);
            copied = at.end;
            last = Some(find.label);
            note(&mut self.findings, guard, find.label, Side::Prompts);
            if out.len() > most {
                return Err(Unfit::TooLarge);
            }
        }
        // With no steps left, all that follows would be masked, keys too: no provider could read what is left of the body.
        if let Some(label) = last.filter(|_| self.steps.are_spent()) {
            let finding = Finding { action: Action::Block, ..Finding::of(guard, label, Side::Prompts) };
            return Err(Unfit::Blocked(finding));
        }
        if copied == 0 {
            return Ok(None);
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Ok(Some(out))
    }
}

/// A body with some of its strings replaced, as far as it was written.
struct Copy<'b> {
    body: &'b [u8],
    written: Vec<u8>,
    /// So much of the body is in it.
    copied: usize,
    most: usize,
}

impl Copy<'_> {
    /// Writes a text in place of a string, which stands with its quotes at `at`.
    fn replace(&mut self, at: Range<usize>, text: &str) -> Result<(), Unfit> {
        self.written.extend_from_slice(self.body.get(self.copied..at.start).unwrap_or_default());
        serde_json::to_writer(&mut self.written, text).map_err(|_| Unfit::TooLarge)?;
        self.copied = at.end;
        if self.written.len() > self.most { Err(Unfit::TooLarge) } else { Ok(()) }
    }

    /// All of it; `None` where nothing was replaced.
    fn done(mut self) -> Result<Option<Vec<u8>>, Unfit> {
        if self.copied == 0 {
            return Ok(None);
        }
        self.written.extend_from_slice(self.body.get(self.copied..).unwrap_or_default());
        if self.written.len() > self.most { Err(Unfit::TooLarge) } else { Ok(Some(self.written)) }
    }
}

/// Where a literal stands with its quotes.
fn quoted(literal: &Literal<'_>) -> Range<usize> {
    literal.start.saturating_sub(1)..literal.start.saturating_add(literal.text.len()).saturating_add(1)
}

/// A literal as its reader has it. Half a surrogate pair, which some readers let pass, hides nothing.
pub(super) fn decoded<'b>(body: &[u8], literal: &Literal<'b>) -> Cow<'b, str> {
    if memchr::memchr(b'\\', literal.text).is_none() {
        return json::utf8(literal.text).map_or_else(|_| String::from_utf8_lossy(literal.text), Cow::Borrowed);
    }
    let quoted = body.get(quoted(literal)).unwrap_or_default();
    if let Ok(text) = json::from_slice::<String>(quoted) {
        return text.into();
    }
    match json::from_slice::<Bytes>(quoted) {
        Ok(Bytes(bytes)) => {
            let text = String::from_utf8(bytes);
            text.unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()).into()
        }
        Err(_) => String::from_utf8_lossy(literal.text),
    }
}

/// Bytes as a text that is no longer than they are: a control character stands for what is no text.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend((!chunk.invalid().is_empty()).then_some('\u{7f}'));
    }
    Cow::Owned(text)
}

/// A JSON string as bytes: `serde_json` is less strict with these.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyBytes;
        impl Visitor<'_> for AnyBytes {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(AnyBytes)
    }
}

#[cfg(test)]
mod tests;
