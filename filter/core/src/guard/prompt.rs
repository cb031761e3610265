//! What guardrails make of a request's body, before anything else is done with it.
//!
//! Every string in it is looked at, keys too, by itself and as its reader will have it: what it is in the client's format makes no
//! difference, so nothing can be put where nobody looks. Only base64 where it stands for pictures, sound and files is passed
//! over. A body that is no JSON, a form, is looked at as it is, and blocked where a part of it would have to be masked.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::escapes::unfolded;
use super::{Finding, Guard, note};
use crate::config::file::{Action, Side};
use crate::dialect::quirk::{Edits, edited};
use crate::exchange::outline::json_string;
use crate::usage::estimate::is_media;
use crate::usage::literals::Literals;

/// A body that may go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Screened {
    /// The body with what was found masked, if it was.
    pub body: Option<Vec<u8>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Looks at a body that was read as JSON. What stands in `except`, the model's name, is not looked at. An error is what it is
/// blocked for.
pub fn screen(guards: &[Rc<Guard>], body: &[u8], except: &Range<usize>) -> Result<Screened, Finding> {
    let mut screened = Screened::default();
    let mut edits = Edits::new();
    let mut before: &[u8] = &[];
    for literal in Literals::of(body) {
        let (start, end) = (literal.start, literal.start.saturating_add(literal.text.len()));
        let skipped = is_media(before, literal.text) || (except.start..except.end).contains(&start);
        before = literal.text;
        if skipped {
            continue;
        }
        let text = unfolded(decoded(literal.text));
        look(guards, &text, &mut screened.findings)?;
        if let Some(masked) = masked(guards, &text, &mut screened.findings) {
            edits.push((start..end, inside(&json_string(&masked)).to_owned()));
        }
    }
    if !edits.is_empty() {
        screened.body = Some(edited(body, &edits));
    }
    Ok(screened)
}

/// Looks at a body that is no JSON.
pub fn screen_bytes(guards: &[Rc<Guard>], body: &[u8]) -> Result<Screened, Finding> {
    let text = unfolded(String::from_utf8_lossy(body));
    let mut screened = Screened::default();
    look(guards, &text, &mut screened.findings)?;
    let masks = guards.iter().filter(|guard| guard.action == Action::Mask);
    for guard in masks {
        if let Some(label) = guard.finder.first(&text) {
            return Err(Finding { action: Action::Block, ..Finding::of(guard, label, Side::Prompts) });
        }
    }
    Ok(screened)
}

/// Notes what was found that may go on as it is; an error is what may not.
fn look(guards: &[Rc<Guard>], text: &str, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    for guard in guards.iter().filter(|guard| guard.action != Action::Mask) {
        let Some(label) = guard.finder.first(text) else { continue };
        let finding = Finding::of(guard, label, Side::Prompts);
        match guard.action {
            Action::Block => return Err(finding),
            _ => note(findings, finding),
        }
    }
    Ok(())
}

/// The text with the names of things in place of them; `None` when there is nothing to mask.
fn masked(guards: &[Rc<Guard>], text: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let mut masked: Option<String> = None;
    for guard in guards.iter().filter(|guard| guard.action == Action::Mask) {
        let current = masked.as_deref().unwrap_or(text);
        let (mut out, mut copied) = (String::new(), 0);
        for find in guard.finder.all(current) {
            out.push_str(current.get(copied..find.at.start).unwrap_or_default());
            out.push('[');
            out.push_str(find.label);
            out.push(']');
            copied = find.at.end;
            note(findings, Finding::of(guard, find.label, Side::Prompts));
        }
        if copied > 0 {
            out.push_str(current.get(copied..).unwrap_or_default());
            masked = Some(out);
        }
    }
    masked
}

/// A string without its quotes.
fn inside(quoted: &str) -> &str {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted)
}

/// A literal as its reader has it. Half a surrogate pair, which some readers let pass, hides nothing.
fn decoded(literal: &[u8]) -> Cow<'_, str> {
    if !literal.contains(&b'\\') {
        return String::from_utf8_lossy(literal);
    }
    let quoted = [b"\"", literal, b"\""].concat();
    match serde_json::from_slice::<Bytes>(&quoted) {
        Ok(Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned().into(),
        Err(_) => String::from_utf8_lossy(literal),
    }
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
