//! Checks a request body with guardrails before anything else processes it.
//!
//! Every string is checked, keys too, in decoded form and whatever it means in the client's dialect. So nothing escapes the check by its
//! position. Long numbers are checked too. Only images, audio and files are skipped, which [`media`](super::media) recognizes. A match that
//! cannot be masked (a number, a base64 text, a form) is blocked instead. A masked body is written while its strings are checked, and
//! abandoned when it exceeds its limit.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use sluice_wire::json;
use sluice_wire::percent;

use crate::guard::spec::{Action, MaskStyle, Side};
use crate::peek::literals::{Literal, Literals};

use super::escapes::{Decoded, escaped, is_json, unescaped, unfolded};
use super::folded::folded;
use super::mask::Placeholders;
use super::matcher::Matcher;
use super::media::{Content, content};
use super::steps::Steps;
use super::{Finding, Guard, note, numbers};

/// A body that passed the guardrails.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// The masked body, if something was masked.
    pub body: Option<Vec<u8>>,
    /// The matches.
    pub findings: Vec<Finding>,
    /// The placeholders of masked texts.
    pub placeholders: Placeholders,
}

/// Why a body does not pass.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A guardrail blocks it.
    Blocked(Finding),
    /// The masked body would exceed its size limit.
    TooLarge,
}

/// Checks a valid JSON body, except for the literal in `except` (the model's name). The masked body may have `most` bytes.
pub fn screen(guards: &[Rc<Guard>], body: &[u8], except: &Range<usize>, most: usize) -> Result<Screened, Unfit> {
    let mut look = Look::of(guards);
    if guards.iter().any(|guard| guard.action == Action::Mask && guard.style == MaskStyle::Numbered) {
        look.placeholders.note_foreign(body);
    }
    let mut copy = Copy::of(body, most);
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
                if let Some(masked) = look.masked(&decoded(body, &literal), most)? {
                    copy.replace(quoted(&literal), &masked)?;
                }
            }
        }
    }
    numbers::of(body).try_for_each(|number| look.as_it_is(number))?;
    Ok(Screened { body: copy.done()?, findings: look.findings, placeholders: look.placeholders })
}

/// Checks a body that is not JSON. It may contain JSON, such as the lines of a batch's file, and in that the JSON of tools: so each line is
/// also checked with all escapes decoded, once and twice.
pub fn screen_bytes(guards: &[Rc<Guard>], body: &[u8]) -> Result<Screened, Unfit> {
    let mut look = Look::of(guards);
    let text = unfolded(readable(body));
    look.as_it_is(&text)?;
    for line in text.split('\n') {
        let mut line = Cow::Borrowed(line);
        for _ in 0..2 {
            if memchr::memchr(b'\\', line.as_bytes()).is_none() {
                break;
            }
            line = unescaped(line, true);
            look.as_it_is(&line)?;
        }
    }
    Ok(Screened { findings: look.findings, ..Screened::default() })
}

/// Checks a decoded query.
pub fn screen_query(guards: &[Rc<Guard>], query: &str) -> Result<Screened, Unfit> {
    screen_bytes(guards, &percent::decoded(&query.replace('+', " ")))
}

/// A check of all texts of a body.
struct Look<'g> {
    guards: &'g [Rc<Guard>],
    steps: Steps,
    findings: Vec<Finding>,
    placeholders: Placeholders,
}

impl<'g> Look<'g> {
    fn of(guards: &'g [Rc<Guard>]) -> Self {
        Self { guards, steps: Matcher::steps(), findings: Vec::new(), placeholders: Placeholders::default() }
    }

    /// Records the matches that do not block the text; an error if one blocks it.
    fn pass(&mut self, text: &str) -> Result<(), Unfit> {
        for guard in self.guards.iter().filter(|guard| guard.action != Action::Mask) {
            let Some(label) = guard.matcher.first(text, &self.steps) else { continue };
            match guard.action {
                Action::Block => return Err(Unfit::Blocked(Finding::of(guard, label, Side::Prompts))),
                _ => note(&mut self.findings, guard, label, Side::Prompts),
            }
        }
        Ok(())
    }

    /// Checks a text that cannot be masked: a match that needs masking blocks it.
    fn as_it_is(&mut self, text: &str) -> Result<(), Unfit> {
        self.pass(text)?;
        for guard in self.guards.iter().filter(|guard| guard.action == Action::Mask) {
            if let Some(label) = guard.matcher.first(text, &self.steps) {
                let finding = Finding { action: Action::Block, ..Finding::of(guard, label, Side::Prompts) };
                return Err(Unfit::Blocked(finding));
            }
        }
        Ok(())
    }

    /// Checks a text and replaces matches by their labels; `None` if there are none. An error if the text exceeds `most` bytes. Matches in
    /// the folded form are masked last.
    fn masked(&mut self, text: &str, most: usize) -> Result<Option<String>, Unfit> {
        let mut read = unfolded(Cow::Borrowed(text));
        self.pass(&read)?;
        let (mut masked, mut json): (Option<String>, _) = (None, None);
        let guards = self.guards;
        for guard in guards.iter().filter(|guard| guard.action == Action::Mask) {
            if guard.matcher.sees_nothing(&read, &self.steps) {
                continue;
            }
            // A masked number makes a text invalid, but not less JSON.
            let json = *json.get_or_insert_with(|| is_json(text));
            for folds in [false, true] {
                let current = masked.as_deref().unwrap_or(text);
                let Some(next) = self.mask(guard, &Decoded::whole(current, json), current, folds, most)? else {
                    continue;
                };
                read = Cow::Owned(unescaped(Cow::Borrowed(&next), json).into_owned());
                masked = Some(next);
            }
        }
        Ok(masked)
    }

    /// Masks the matches in a decoded text, or in its folded form.
    fn mask(
        &mut self,
        guard: &Guard,
        decoded: &Decoded,
        text: &str,
        folds: bool,
        most: usize,
    ) -> Result<Option<String>, Unfit> {
        let folded = if folds { folded(&decoded.text) } else { None };
        if folds && folded.is_none() {
            return Ok(None);
        }
        let read = folded.as_ref().map_or(decoded.text.as_str(), |folded| folded.text.as_str());
        let (mut out, mut copied, mut last) = (String::new(), 0, None);
        for find in guard.matcher.all(read, 0, &self.steps) {
            let at = folded.as_ref().map_or(find.at.clone(), |folded| folded.unfolded(&find.at));
            let found = decoded.text.get(at.clone()).unwrap_or_default();
            let placeholder = self.placeholders.of(guard, find.label, found, true);
            out.push_str(text.get(copied..decoded.place(at.start)).unwrap_or_default());
            out.push_str(&if decoded.json { escaped(&placeholder) } else { placeholder });
            copied = decoded.place(at.end);
            last = Some(find.label);
            note(&mut self.findings, guard, find.label, Side::Prompts);
            if out.len() > most {
                return Err(Unfit::TooLarge);
            }
        }
        // Without steps left, the rest would be masked, keys too, and no provider could read the body.
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

/// A copy of a body with some strings replaced.
pub(super) struct Copy<'b> {
    body: &'b [u8],
    written: Vec<u8>,
    /// The number of bytes of the body that were copied.
    copied: usize,
    most: usize,
}

impl<'b> Copy<'b> {
    /// A copy that may have `most` bytes.
    pub(super) fn of(body: &'b [u8], most: usize) -> Self {
        Self { body, written: Vec::new(), copied: 0, most }
    }

    /// Replaces the literal at `at`, including its quotes.
    pub(super) fn replace(&mut self, at: Range<usize>, text: &str) -> Result<(), Unfit> {
        self.written.extend_from_slice(self.body.get(self.copied..at.start).unwrap_or_default());
        sluice_wire::json::write(text, &mut self.written).map_err(|_| Unfit::TooLarge)?;
        self.copied = at.end;
        if self.written.len() > self.most { Err(Unfit::TooLarge) } else { Ok(()) }
    }

    /// Completes the copy; `None` if nothing was replaced.
    pub(super) fn done(mut self) -> Result<Option<Vec<u8>>, Unfit> {
        if self.copied == 0 {
            return Ok(None);
        }
        self.written.extend_from_slice(self.body.get(self.copied..).unwrap_or_default());
        if self.written.len() > self.most { Err(Unfit::TooLarge) } else { Ok(Some(self.written)) }
    }
}

/// The range of a literal with its quotes.
pub(super) fn quoted(literal: &Literal<'_>) -> Range<usize> {
    literal.start.saturating_sub(1)..literal.start.saturating_add(literal.text.len()).saturating_add(1)
}

/// Decodes a literal. Lone surrogates, which some parsers accept, do not hide the rest.
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

/// Bytes as text of at most the same length. A control character replaces invalid UTF-8.
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
