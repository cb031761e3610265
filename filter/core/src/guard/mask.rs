//! Placeholders for masked texts, and the way back.
//!
//! A request has one table of numbered placeholders, which is dropped with the request. The invariant: a placeholder that the client itself
//! wrote in its prompt is no masked text's, so that it is never replaced in the response.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use crate::guard::spec::MaskStyle;
use crate::peek::literals::Literals;

use super::Guard;
use super::prompt::decoded;

/// The longest placeholder that is searched in a text.
const LONGEST: usize = 128;
/// The most numbered placeholders of a request, and the most that its client may have written.
const MOST: usize = 10_000;
/// The fewest letters and digits of a text whose last four are shown.
const FEWEST: usize = 12;

/// The numbered placeholders of a request.
#[derive(Default, PartialEq, Eq)]
pub struct Placeholders {
    /// The placeholder of each name and text, by both.
    given: BTreeMap<String, String>,
    /// The last number of each name.
    last: Vec<(String, u64)>,
    /// Placeholders in the client's own prompt. With too many, none is given.
    foreign: BTreeSet<String>,
    /// The texts that the client gets back, by their placeholders.
    originals: BTreeMap<String, String>,
}

impl Placeholders {
    /// Notes the placeholders that the client wrote in a JSON body.
    pub fn note_foreign(&mut self, body: &[u8]) {
        for literal in Literals::of(body) {
            let text = decoded(body, &literal);
            let starts = memchr::memchr_iter(b'[', text.as_bytes());
            let found = starts.filter_map(|at| bracketed(text.get(at..)?)).filter(|found| is_numbered(found));
            self.foreign.extend(found.take(MOST).map(str::to_owned));
            if self.foreign.len() > MOST {
                break;
            }
        }
    }

    /// The placeholder for a text that `guard` masks under this name.
    pub fn of(&mut self, guard: &Guard, label: &str, text: &str, in_prompt: bool) -> String {
        match &guard.style {
            MaskStyle::Label => format!("[{label}]"),
            MaskStyle::Text(text) => text.clone(),
            MaskStyle::Hash => {
                let hash = blake3::keyed_hash(&guard.digest, text.as_bytes()).to_hex();
                format!("[{label} {}]", hash.get(..8).unwrap_or_default())
            }
            MaskStyle::LastFour => {
                let signs: Vec<char> = text.chars().filter(|sign| sign.is_alphanumeric()).collect();
                let last = signs.get(signs.len().saturating_sub(4)..).filter(|_| signs.len() >= FEWEST);
                last.map_or_else(
                    || format!("[{label}]"),
                    |last| format!("[{label} {}]", last.iter().collect::<String>()),
                )
            }
            MaskStyle::Numbered => {
                let Some(placeholder) = self.numbered(label, text) else { return format!("[{label}]") };
                if guard.restore && in_prompt {
                    let original = self.restored(text);
                    self.originals.entry(placeholder.clone()).or_insert(original);
                }
                placeholder
            }
        }
    }

    /// A numbered placeholder; `None` if there are too many.
    fn numbered(&mut self, label: &str, text: &str) -> Option<String> {
        let name = label.to_ascii_uppercase();
        let key = format!("{name} {text}");
        if let Some(known) = self.given.get(&key) {
            return Some(known.clone());
        }
        if self.given.len().max(self.foreign.len()) > MOST {
            return None;
        }
        if self.last.iter().all(|(known, _)| *known != name) {
            self.last.push((name.clone(), 0));
        }
        let (_, last) = self.last.iter_mut().find(|(known, _)| *known == name)?;
        let placeholder = loop {
            *last = last.saturating_add(1);
            let placeholder = format!("[{name}_{last}]");
            if !self.foreign.contains(&placeholder) {
                break placeholder;
            }
        };
        self.given.insert(key, placeholder.clone());
        Some(placeholder)
    }

    /// The client gets no text back.
    pub fn restore_nothing(&mut self) {
        self.originals.clear();
    }

    /// Whether the client gets no text back.
    pub fn restores_nothing(&self) -> bool {
        self.originals.is_empty()
    }

    /// A text with the originals of the placeholders in it, which other guardrails have put there.
    fn restored(&self, text: &str) -> String {
        let (mut out, mut copied) = (String::new(), 0);
        for (at, original) in self.originals(text, 0) {
            out.push_str(text.get(copied..at.start).unwrap_or_default());
            out.push_str(original);
            copied = at.end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// The placeholders in `text` at or after `from`, each with its original text.
    pub(super) fn originals<'a>(&'a self, text: &'a str, from: usize) -> impl Iterator<Item = (Range<usize>, &'a str)> {
        let rest = text.get(from..).filter(|_| !self.restores_nothing()).unwrap_or_default();
        memchr::memchr_iter(b'[', rest.as_bytes()).filter_map(move |at| {
            let placeholder = bracketed(rest.get(at..)?)?;
            let start = from.saturating_add(at);
            Some((start..start.saturating_add(placeholder.len()), self.originals.get(placeholder)?.as_str()))
        })
    }

    /// The position of a placeholder that is cut off by the end of `text`; the end if there is none.
    pub(super) fn unsettled(&self, text: &str) -> usize {
        let last = memchr::memrchr(b'[', text.as_bytes()).filter(|_| !self.restores_nothing());
        let is_start = |at: &usize| {
            let start = text.get(*at..).unwrap_or_default();
            start.len() < LONGEST
                && self
                    .originals
                    .keys()
                    .any(|placeholder| placeholder.len() > start.len() && placeholder.starts_with(start))
        };
        last.filter(is_start).unwrap_or(text.len())
    }
}

/// Whether a text in brackets may be a numbered placeholder.
fn is_numbered(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
    inside.rsplit_once('_').is_some_and(|(_, number)| number.parse::<u64>().is_ok())
}

/// The text up to the first closing bracket, if it is not too long.
fn bracketed(text: &str) -> Option<&str> {
    let end = memchr::memchr(b']', text.as_bytes().get(..text.len().min(LONGEST))?)?;
    text.get(..=end)
}

/// Omits the texts.
impl fmt::Debug for Placeholders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} placeholders", self.given.len())
    }
}
