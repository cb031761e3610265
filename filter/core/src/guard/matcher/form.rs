//! Searches a text for one thing, with counted steps.
//!
//! One pass from the end of the text marks every position where a match may start. From each start after the last match, one look-ahead
//! finds the end. Look-aheads could add up, so they stop when the steps run out; then the rest of the text is the last match.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_syntax::hir::{Hir, Repetition};

use super::super::automaton::{Ends, Marks, Starts, TooLarge, WIDTH};
use super::super::detector::Confirm;
use super::super::steps::{Spent, Steps, steps};
use super::allow_a_pass;

/// An expression with at most this look-ahead gets steps for every start: the total stays linear.
const NEAR: usize = 64;

/// How an expression's matches become finds.
#[derive(Debug, Clone, Copy)]
pub(in crate::guard) enum Shape {
    /// Every match counts, up to the end that the expression prefers.
    Plain,
    /// The longest confirmed match at each start. If none is confirmed, the search continues at the next letter.
    Confirmed(Confirm),
    /// The match is the head of a block. The block ends with the next match of this expression, if only printable ASCII and spaces are in
    /// between. Without such an end, the head alone counts.
    Block(&'static str),
}

/// The compiled search for one thing.
#[derive(Debug)]
pub(super) struct Form {
    edges: Edges,
    more: More,
    /// The starts of matches with the text after them that decides about them, if that is more than the expression matches.
    decided: Option<Starts>,
    /// The most bytes that may be read to decide about a match.
    pub(super) longest: Option<usize>,
}

/// The starts and ends of an expression.
#[derive(Debug)]
struct Edges {
    starts: Starts,
    ends: Ends,
    /// Its maximum look-ahead if that is near; else 0.
    near: u64,
}

#[derive(Debug)]
enum More {
    Nothing,
    Confirm(Confirm),
    Foot(Box<Edges>),
}

impl Form {
    /// Compiles an expression within `most` bytes for each direction.
    pub(super) fn of(expression: &Hir, shape: Shape, most: usize) -> Result<Self, TooLarge> {
        let more = match shape {
            Shape::Plain => More::Nothing,
            Shape::Confirmed(confirm) => More::Confirm(confirm),
            // The detector's own expression; a test parses it.
            Shape::Block(foot) => {
                let foot = syntax::parse(foot).unwrap_or_else(|_| Hir::fail());
                More::Foot(Box::new(Edges::of(&foot, Ends::preferred, most)?))
            }
        };
        let ends = if matches!(more, More::Confirm(_)) { Ends::every } else { Ends::preferred };
        let after = match shape {
            Shape::Plain => None,
            Shape::Confirmed(confirm) => confirm.after.map(str::to_owned),
            Shape::Block(foot) => Some(format!(r"(?-u)[ -~\t-\r]*{foot}")),
        };
        let edges = Edges::of(expression, ends, most)?;
        let longest = expression.properties().maximum_len();
        let Some(after) = after.and_then(|after| syntax::parse(&after).ok()) else {
            return Ok(Self { edges, more, decided: None, longest });
        };
        let after = Repetition { min: 0, max: Some(1), greedy: true, sub: Box::new(after) };
        let decided = Hir::concat(vec![expression.clone(), Hir::repetition(after)]);
        let longest = decided.properties().maximum_len();
        Ok(Self { edges, more, decided: Some(Starts::of(&decided, most)?), longest })
    }

    /// The first position at or after `from` where a match may start that later text completes or changes; the end if there is none.
    pub(super) fn unsettled(&self, text: &str, from: usize, taken: &Steps) -> Result<usize, Spent> {
        allow_a_pass(text.get(from..).unwrap_or_default(), taken);
        self.decided.as_ref().unwrap_or(&self.edges.starts).unsettled(text, from, taken)
    }

    /// Whether every match counts without a check.
    pub(super) fn is_sure(&self) -> bool {
        !matches!(self.more, More::Confirm(_))
    }
}

impl Edges {
    fn of(expression: &Hir, ends: fn(&Hir, usize) -> Result<Ends, TooLarge>, most: usize) -> Result<Self, TooLarge> {
        let near = expression.properties().maximum_len().filter(|length| *length <= NEAR).unwrap_or(0);
        Ok(Self { starts: Starts::of(expression, most)?, ends: ends(expression, most)?, near: steps(near) })
    }

    /// Every position where a match starts.
    fn starts(&self, text: &str, taken: &Steps) -> Result<Marks, Spent> {
        allow_a_pass(text, taken);
        self.starts.all(text, taken)
    }

    /// Every end of the match that starts here.
    fn ends(&self, text: &str, start: usize, taken: &Steps, ends: &mut Vec<usize>) -> Result<(), Spent> {
        taken.allow(self.near);
        ends.clear();
        self.ends.from(text, start, taken, |end| ends.push(end))
    }

    /// The end of the match that starts here.
    fn end(&self, text: &str, start: usize, taken: &Steps) -> Result<Option<usize>, Spent> {
        taken.allow(self.near);
        let mut last = None;
        self.ends.from(text, start, taken, |end| last = Some(end))?;
        // An empty match does not count.
        Ok(last.filter(|end| *end > start))
    }
}

/// An iterator over the matches of one thing in one text.
#[derive(Debug)]
pub(super) struct Track<'f> {
    form: &'f Form,
    text: &'f str,
    steps: &'f Steps,
    /// The positions where a match may start.
    starts: Result<Marks, Spent>,
    /// The known blocks.
    blocks: Option<Blocks>,
    /// The next match starts here or later.
    from: usize,
    /// The possible ends of a match.
    ends: Vec<usize>,
}

/// Known ends of blocks, so that each is searched once.
#[derive(Debug)]
struct Blocks {
    /// The positions where an end may start.
    feet: Marks,
    /// The first end after the last head, as far as it is known; `None` if no end is left.
    foot: Option<usize>,
    /// The first byte after a head that cannot be in a block, as far as it is known.
    foreign: usize,
}

impl<'f> Track<'f> {
    /// The matches that start at or after `from`.
    pub(super) fn of(form: &'f Form, text: &'f str, from: usize, steps: &'f Steps) -> Self {
        let starts = form.edges.starts(text, steps);
        Self { form, text, steps, starts, blocks: None, from, ends: Vec::new() }
    }

    /// The first position after the last match where another may start.
    fn start(&self) -> Option<usize> {
        let start = self.starts.as_ref().map_or(Some(self.from), |starts| starts.next(self.from))?;
        (start < self.text.len()).then_some(start)
    }

    /// The end of the match that starts here; `None` if it does not count.
    fn find(&mut self, start: usize) -> Result<Option<usize>, Spent> {
        self.starts.as_ref().map_err(|spent| *spent)?;
        let Form { edges, more, .. } = self.form;
        match more {
            More::Nothing => edges.end(self.text, start, self.steps),
            More::Confirm(confirm) if !(confirm.begins)(self.text, start) => Ok(None),
            More::Confirm(confirm) => {
                edges.ends(self.text, start, self.steps, &mut self.ends)?;
                Ok(self.ends.iter().rev().copied().find(|end| (confirm.is)(self.text, start..*end)))
            }
            More::Foot(foot) => {
                let Some(head) = edges.end(self.text, start, self.steps)? else { return Ok(None) };
                Ok(Some(self.block(foot, head)?.unwrap_or(head)))
            }
        }
    }

    /// The end of the block whose head ends here; `None` if it has no end.
    fn block(&mut self, foot: &Edges, head: usize) -> Result<Option<usize>, Spent> {
        let blocks = match &mut self.blocks {
            Some(blocks) => blocks,
            none => none.insert(Blocks { feet: foot.starts(self.text, self.steps)?, foot: Some(0), foreign: 0 }),
        };
        if blocks.foot.is_some_and(|foot| foot < head) {
            blocks.foot = blocks.feet.next(head);
            let ahead = blocks.foot.unwrap_or(self.text.len()).saturating_sub(head);
            self.steps.take(steps(ahead / WIDTH))?;
        }
        let Some(start) = blocks.foot else { return Ok(None) };
        if blocks.foreign < head {
            let rest = self.text.as_bytes().get(head..).unwrap_or_default();
            let length = rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
            blocks.foreign = head.saturating_add(length);
            self.steps.take(steps(length))?;
        }
        if blocks.foreign < start { Ok(None) } else { foot.end(self.text, start, self.steps) }
    }
}

/// Whether a byte may occur in a block.
fn belongs(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t'..=b'\r')
}

impl Iterator for Track<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while let Some(start) = self.start() {
            let found = match self.find(start) {
                Ok(None) => {
                    self.from = start.saturating_add(1);
                    continue;
                }
                Ok(Some(end)) => start..end,
                Err(Spent) => start..self.text.len(),
            };
            self.from = found.end;
            return Some(found);
        }
        None
    }
}
