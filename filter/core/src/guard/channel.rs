//! Inspects a text that arrives in pieces, and tells how much of it may leave.
//!
//! Text leaves once nothing that follows can make it part of a match. So what waits is seldom more than the last word. Matches are found
//! with their context: the letters before them are kept. The invariants: the matches do not depend on how the text is cut, and no letter
//! of a match leaves, except where the text ends and yet goes on (see [`Channel::pause`]). The work is linear in the text: a long part that
//! waits is searched again only after it has grown by a share.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use sluice_wire::order;

use crate::guard::spec::{Action, Side};

use super::answer::{Checks, Inspection};
use super::escapes::{Decoded, begins_json, escaped};
use super::folded::{folded, is_visible};
use super::steps::Steps;
use super::{Finding, Guard};

/// A part of this length that waits is searched again with every piece.
const SHORT: usize = 512;
/// The share by which a longer one has to grow before.
const SHARE: usize = 8;
/// Text that is no longer needed is dropped in parts of at least this length.
const MANY: usize = 64;

/// A text of a response that arrives in pieces.
#[derive(Debug, Default)]
pub struct Channel {
    decoded: Decoded,
    /// The search of guardrails that act.
    acting: Progress,
    /// The search of guardrails that only log, which holds nothing back.
    logging: Progress,
    /// The length of the text that may leave.
    released: usize,
    /// The length of the text that has left although it may be the start of a match.
    paused: usize,
    edits: VecDeque<Edit>,
    /// For JSON that may be masked.
    strings: Option<Strings>,
    /// Whether the text has more than spaces.
    begun: bool,
    /// Whether judges have judged it: guardrails masked it before, and only placeholders are replaced.
    judged: bool,
}

/// The progress of a search in the decoded text.
#[derive(Debug, Default)]
struct Progress {
    /// All matches before this position are known.
    seen: usize,
    /// The length of the text when it was searched last.
    searched: usize,
}

impl Progress {
    /// Whether a text of this length is to be searched.
    fn is_due(&self, length: usize) -> bool {
        let waiting = length.saturating_sub(self.seen);
        let fresh = length.saturating_sub(self.searched);
        waiting <= SHORT || fresh.saturating_mul(SHARE) >= waiting
    }

    fn forget(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
        self.searched = self.searched.saturating_sub(bytes);
    }
}

/// A replacement in the pieces.
#[derive(Debug)]
struct Edit {
    at: Range<usize>,
    with: String,
}

/// A match, or a placeholder of a masked text.
struct Span<'a> {
    at: Range<usize>,
    is: Is<'a>,
}

enum Is<'a> {
    Match(&'a Guard, &'a str),
    /// The placeholder of this text.
    Placeholder(String),
}

impl Channel {
    /// An empty text; `json`: it is JSON, such as the arguments of a tool, if it begins so; `judged`: judges have judged it.
    pub fn of(json: bool, judged: bool) -> Self {
        Self { decoded: Decoded::of(json), strings: json.then(Strings::default), judged, ..Self::default() }
    }

    /// Adds a piece. Returns the length of the text with it.
    pub fn push(&mut self, piece: &str) -> usize {
        let first = piece.trim_start().chars().next().filter(|_| !self.begun);
        self.begun |= first.is_some();
        if first.is_some_and(|first| !begins_json(first)) {
            self.strings = None;
            self.decoded.json = false;
        }
        self.decoded.push(piece);
        if let Some(strings) = &mut self.strings {
            strings.push(piece);
        }
        self.decoded.length()
    }

    /// The length of the text so far.
    pub fn length(&self) -> usize {
        self.decoded.length()
    }

    /// The length of the text that may leave.
    pub fn released(&self) -> usize {
        self.released
    }

    /// Searches the text so far. An error if a match blocks it.
    pub fn inspect(&mut self, inspection: &mut Inspection<'_>) -> Result<(), Finding> {
        let length = self.decoded.text.len();
        if self.logging.is_due(length) {
            self.log(inspection, false);
        }
        let acted = if self.acting.is_due(length) { self.act(inspection, false) } else { Ok(()) };
        self.forget();
        acted
    }

    /// The text ends, or another one begins: all of it may leave that is no match by now. If the text goes on nevertheless, a match that
    /// contains text that has left blocks the response, even if it should be masked.
    pub fn pause(&mut self, inspection: &mut Inspection<'_>) -> Result<(), Finding> {
        if self.paused == self.decoded.length() {
            return Ok(());
        }
        self.decoded.end();
        self.log(inspection, true);
        self.act(inspection, true)?;
        self.forget();
        Ok(())
    }

    /// The guardrails that inspect it.
    fn guards<'c>(&self, checks: &'c Checks) -> &'c [Rc<Guard>] {
        if self.judged { &[] } else { &checks.guards }
    }

    fn log(&mut self, inspection: &mut Inspection<'_>, end: bool) {
        let text = self.decoded.text.as_str();
        let search = Search { text, from: self.logging.seen, end };
        let (mut matches, settled) = search.matches(self.guards(inspection.checks), inspection.steps, true);
        for (guard, label) in matches.iter().filter_map(Span::found) {
            super::note(inspection.findings, guard, label, Side::Answers);
        }
        // The next search must not begin within a match, where it could find others.
        order::by(&mut matches, |one, other| other.at.end.cmp(&one.at.end));
        let before = |seen: usize, span: &Span<'_>| if span.at.end > seen { seen.min(span.at.start) } else { seen };
        let seen = matches.iter().fold(settled, before);
        self.logging = Progress { seen, searched: text.len() };
    }

    fn act(&mut self, inspection: &mut Inspection<'_>, end: bool) -> Result<(), Finding> {
        let Inspection { checks, steps, .. } = *inspection;
        let text = self.decoded.text.as_str();
        let seen = self.acting.seen;
        let (mut spans, mut free) = Search { text, from: seen, end }.matches(self.guards(checks), steps, false);
        // What has left before a pause was inspected then.
        spans.retain(|span| self.decoded.place(span.at.end) > self.paused);
        let blocking = |span: &Span<'_>| {
            let (guard, label) = span.found()?;
            let late = self.decoded.place(span.at.start) < self.paused;
            let blocks = late || guard.action == Action::Block || steps.are_spent();
            blocks.then(|| Finding::blocking(guard, label))
        };
        if let Some(finding) = spans.iter().find_map(blocking) {
            return Err(finding);
        }
        let placeholders = checks.placeholders.borrow();
        for (at, text) in placeholders.originals(text, seen) {
            if self.decoded.place(at.start) >= self.paused {
                spans.push(Span { at, is: Is::Placeholder(text.to_owned()) });
            }
        }
        free = free.min(placeholders.unsettled(text).max(seen));
        drop(placeholders);
        spans.retain(|span| end || span.at.start < free);
        order::by(&mut spans, |one, other| {
            (one.at.start, Reverse(one.at.end)).cmp(&(other.at.start, Reverse(other.at.end)))
        });
        let mut apart: Vec<Span<'_>> = Vec::new();
        for span in spans {
            match apart.last_mut().filter(|last| span.at.start < last.at.end) {
                Some(last) => last.at.end = last.at.end.max(span.at.end),
                None => apart.push(span),
            }
        }
        if let Some(last) = apart.last().filter(|last| !end && last.at.end > free) {
            free = last.at.start;
            apart.pop();
        }
        let edits: Result<Vec<_>, _> = apart.into_iter().map(|span| self.edit(span, inspection)).collect();
        self.edits.extend(edits?.into_iter().flatten());
        self.acting = Progress { seen: free, searched: self.decoded.text.len() };
        self.released = if end { self.decoded.length() } else { self.released.max(self.decoded.place(free)) };
        if end {
            self.paused = self.released;
        }
        Ok(())
    }

    /// The replacement of a match or placeholder; `None` if it stays. An error if a match cannot be masked.
    fn edit(&self, span: Span<'_>, inspection: &mut Inspection<'_>) -> Result<Option<Edit>, Finding> {
        let text = &self.decoded.text;
        let at = span.at;
        let Some(found) = text.get(at.clone()).filter(|found| !found.is_empty()) else { return Ok(None) };
        let place = self.decoded.place(at.start)..self.decoded.place(at.end);
        let is_text = self.strings.as_ref().is_none_or(|strings| strings.contain(&place));
        let with = match span.is {
            Is::Match(guard, label) if !is_text => return Err(Finding::blocking(guard, label)),
            Is::Match(guard, label) => {
                super::note(inspection.findings, guard, label, Side::Answers);
                inspection.checks.placeholders.borrow_mut().of(guard, label, found, false)
            }
            // Judges see placeholders.
            Is::Placeholder(_) if !is_text || (!self.judged && !inspection.checks.judges.is_empty()) => {
                return Ok(None);
            }
            Is::Placeholder(original) => original,
        };
        let with = if self.strings.is_some() { escaped(&with) } else { with };
        Ok(Some(Edit { at: place, with }))
    }

    /// Drops text that no later match or its context needs.
    fn forget(&mut self) {
        let keep = context(&self.decoded.text, self.acting.seen.min(self.logging.seen));
        if keep < MANY {
            return;
        }
        self.decoded.forget(keep);
        self.acting.forget(keep);
        self.logging.forget(keep);
        if let Some(strings) = &mut self.strings {
            strings.forget(self.decoded.place(0).min(self.released));
        }
    }

    /// Rewrites the piece at `at`; `None` if it stays as it is. Call it for all pieces in order.
    pub fn rewrite(&mut self, at: Range<usize>, piece: &str) -> Option<String> {
        let mut out: Option<String> = None;
        let mut copied = at.start;
        let part = |range: Range<usize>| {
            piece.get(range.start.saturating_sub(at.start)..range.end.saturating_sub(at.start)).unwrap_or_default()
        };
        while let Some(edit) = self.edits.front().filter(|edit| edit.at.start < at.end) {
            let out = out.get_or_insert_default();
            if edit.at.start >= at.start {
                out.push_str(part(copied..edit.at.start));
                out.push_str(&edit.with);
            }
            copied = edit.at.end.min(at.end);
            if edit.at.end > at.end {
                break;
            }
            self.edits.pop_front();
        }
        if let Some(out) = &mut out {
            out.push_str(part(copied..at.end));
        }
        out
    }

    /// Approximate memory in bytes.
    pub fn held(&self) -> usize {
        self.decoded.held().saturating_add(self.edits.capacity().saturating_mul(size_of::<Edit>()))
    }
}

impl<'a> Span<'a> {
    fn found(&self) -> Option<(&'a Guard, &'a str)> {
        match self.is {
            Is::Match(guard, label) => Some((guard, label)),
            Is::Placeholder(_) => None,
        }
    }
}

/// A text to search from a position.
#[derive(Clone, Copy)]
struct Search<'t> {
    text: &'t str,
    from: usize,
    /// Whether no text follows.
    end: bool,
}

impl<'t> Search<'t> {
    /// The matches that later text cannot change, of guardrails that only log or of the others; and the position up to which these are all.
    fn matches<'a>(&self, guards: &'a [Rc<Guard>], steps: &'a Steps, logs: bool) -> (Vec<Span<'a>>, usize)
    where
        't: 'a,
    {
        let start = context(self.text, self.from);
        let (text, from) = (self.text.get(start..).unwrap_or_default(), self.from.saturating_sub(start));
        let outline = folded(text);
        let (folded, end) = (outline.as_ref(), self.end);
        let (mut spans, mut settled) = (Vec::new(), text.len());
        for guard in guards.iter().filter(|guard| (guard.action == Action::Log) == logs) {
            let (guard, matcher): (&Guard, _) = (guard, &guard.matcher);
            let mut free = matcher.unsettled(text, from, steps);
            if let Some(folded) = folded {
                free = free.min(folded.place(matcher.unsettled(&folded.text, folded.folded(from), steps))).max(from);
            }
            settled = settled.min(free);
            if matcher.sees_nothing(text, steps) {
                continue;
            }
            let limit = if end || steps.are_spent() { usize::MAX } else { free };
            let mut add = |at: Range<usize>, label: &'a str| {
                if (from..limit).contains(&at.start) {
                    let at = at.start.saturating_add(start)..at.end.saturating_add(start);
                    spans.push(Span { at, is: Is::Match(guard, label) });
                }
            };
            matcher.all(text, from, steps).for_each(|found| add(found.at, found.label));
            if let Some(folded) = folded {
                let all = matcher.all(&folded.text, folded.folded(from), steps);
                all.for_each(|found| add(folded.unfolded(&found.at), found.label));
            }
        }
        (spans, settled.saturating_add(start))
    }
}

/// The start of the text that is the context of a match at or after `from`: two letters before it, also once the text is folded.
fn context(text: &str, from: usize) -> usize {
    let before = text.get(..from).unwrap_or_default();
    let mut visible = before.char_indices().rev().filter(|(_, letter)| is_visible(*letter));
    visible.nth(1).map_or(0, |(start, _)| start)
}

/// The strings of a JSON text that arrives in pieces.
#[derive(Debug, Default)]
struct Strings {
    /// The positions of quotes that begin or end a string.
    quotes: VecDeque<usize>,
    /// Whether the text before the first of them is in a string.
    inside: bool,
    escapes: bool,
    length: usize,
}

impl Strings {
    fn push(&mut self, piece: &str) {
        for (byte, at) in piece.bytes().zip(self.length..) {
            match byte {
                _ if std::mem::take(&mut self.escapes) => {}
                b'\\' => self.escapes = true,
                b'"' => self.quotes.push_back(at),
                _ => {}
            }
        }
        self.length = self.length.saturating_add(piece.len());
    }

    /// Whether one string contains this range.
    fn contain(&self, at: &Range<usize>) -> bool {
        let before = self.quotes.partition_point(|quote| *quote < at.start);
        let inside = self.inside ^ (before % 2 == 1);
        inside && self.quotes.get(before).is_none_or(|quote| *quote >= at.end)
    }

    fn forget(&mut self, until: usize) {
        while self.quotes.front().is_some_and(|quote| *quote < until) {
            self.quotes.pop_front();
            self.inside = !self.inside;
        }
    }
}

#[cfg(test)]
mod tests;
