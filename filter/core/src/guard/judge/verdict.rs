//! A judge's verdict on texts.

use std::ops::Range;

use sluice_wire::order;

use super::parts::Part;
use super::reply::Unreadable;

/// The longest label in bytes.
const LABEL_MAX: usize = 64;
/// The most labels of a verdict.
const LABELS_MAX: usize = 16;

/// A judge's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The texts may pass.
    Pass,
    /// A text must not pass.
    Block {
        /// The judge's finding: at most 64 letters, digits, and any of `. _ - / :`. Safe in headers and logs.
        label: String,
    },
    /// The texts may pass with changes.
    Mask {
        /// The changes, in no particular order. They may overlap.
        edits: Vec<Edit>,
        /// The judge's findings, each once.
        labels: Vec<String>,
    },
}

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The text's index.
    pub text: usize,
    /// The bytes to replace.
    pub at: Range<usize>,
    /// The replacement.
    pub with: String,
}

impl Verdict {
    /// A block for what the judge found.
    pub(super) fn block(found: &str) -> Self {
        Self::Block { label: label(found) }
    }

    /// The verdict on all texts, from the verdicts on parts of them. The first block counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Pass, other) => other,
            (one, Self::Pass) => one,
            (one @ Self::Block { .. }, _) => one,
            (_, other @ Self::Block { .. }) => other,
            (Self::Mask { mut edits, mut labels }, Self::Mask { edits: more, labels: found }) => {
                edits.extend(more);
                found.into_iter().for_each(|label| note(&mut labels, label));
                Self::Mask { edits, labels }
            }
        }
    }

    /// The verdict where texts cannot be masked.
    #[must_use]
    pub fn without_masks(self) -> Self {
        match self {
            Self::Mask { labels, .. } => Self::block(labels.first().map_or("", |label| label)),
            other => other,
        }
    }
}

/// Adds a label unless it was added before, or there are many.
pub fn note(labels: &mut Vec<String>, label: String) {
    if labels.len() < LABELS_MAX && !labels.contains(&label) {
        labels.push(label);
    }
}

/// A judge's word as a label.
pub fn label(found: &str) -> String {
    let good = |b: u8| if b.is_ascii_alphanumeric() || b"._-/:".contains(&b) { b } else { b'_' };
    let bytes = found.bytes().take(LABEL_MAX).map(good).collect();
    String::from_utf8(bytes).ok().filter(|label| !label.is_empty()).unwrap_or_else(|| "flagged".to_owned())
}

/// The verdict of a judge that returns all parts, changed or not.
pub fn rewritten(
    new: &[Option<&str>],
    labels: Vec<String>,
    parts: &[Part],
    texts: &[&str],
) -> Result<Verdict, Unreadable> {
    if new.len() != parts.len() {
        return Err(Unreadable::Texts(new.len(), parts.len()));
    }
    let mut edits = Vec::new();
    for (part, new) in parts.iter().zip(new) {
        let new = new.ok_or_else(|| Unreadable::without("one of its texts"))?;
        if new != part.of(texts) {
            edits.push(difference(part, part.of(texts), new));
        }
    }
    Ok(if edits.is_empty() { Verdict::Pass } else { Verdict::Mask { edits, labels } })
}

/// The smallest edit that changes a part into another text.
fn difference(part: &Part, old: &str, new: &str) -> Edit {
    let equal = |pairs: &mut dyn Iterator<Item = (char, char)>| -> Vec<usize> {
        pairs.take_while(|(old, new)| old == new).map(|(old, _)| old.len_utf8()).collect()
    };
    let start = equal(&mut old.chars().zip(new.chars()));
    let mut start: usize = start.iter().sum();
    let (old_rest, new_rest) = (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let mut end = equal(&mut old_rest.chars().rev().zip(new_rest.chars().rev()));
    if old_rest.len() == end.iter().sum::<usize>() {
        // Nothing is replaced: an edit needs at least one character.
        match old.get(..start).and_then(|text| text.chars().next_back()) {
            Some(last) => start = start.saturating_sub(last.len_utf8()),
            None => drop(end.pop()),
        }
    }
    let end = end.iter().sum::<usize>();
    Edit {
        text: part.text,
        at: part.at.start.saturating_add(start)..part.at.end.saturating_sub(end),
        with: new.get(start..new.len().saturating_sub(end)).unwrap_or_default().to_owned(),
    }
}

/// The changed texts with their indices. Edits that overlap are one, with the replacement of the first. A range that begins or ends within
/// a character includes all of it. An empty range changes nothing.
pub fn edited(texts: &[&str], mut edits: Vec<Edit>) -> Vec<(usize, String)> {
    order::by(&mut edits, |a, b| (a.text, a.at.start, b.at.end).cmp(&(b.text, b.at.start, a.at.end)));
    let mut out: Vec<(usize, String)> = Vec::new();
    let (mut copied, mut last) = (0, None);
    for edit in edits {
        let Some(text) = texts.get(edit.text).filter(|_| !edit.at.is_empty()) else { continue };
        let (start, end) = (text.floor_char_boundary(edit.at.start), text.ceil_char_boundary(edit.at.end));
        if last != Some(edit.text) {
            finish(texts, &mut out, copied);
            (copied, last) = (0, Some(edit.text));
            out.push((edit.text, String::with_capacity(text.len())));
        } else if start < copied {
            copied = copied.max(end);
            continue;
        }
        if let Some((_, masked)) = out.last_mut() {
            masked.push_str(text.get(copied..start).unwrap_or_default());
            masked.push_str(&edit.with);
        }
        copied = end;
    }
    finish(texts, &mut out, copied);
    out
}

/// Appends the rest of the last text.
fn finish(texts: &[&str], out: &mut [(usize, String)], copied: usize) {
    if let Some((index, masked)) = out.last_mut() {
        masked.push_str(texts.get(*index).and_then(|text| text.get(copied..)).unwrap_or_default());
    }
}
