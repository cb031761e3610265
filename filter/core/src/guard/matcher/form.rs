//! How one thing is looked for in a text, in steps that are counted.
//!
//! One pass from the end of the text marks every place where the thing begins; from each of them that lies behind the find before,
//! one look ahead tells where it ends. The looks ahead are what could add up: they stop with the steps, and then all that is left of
//! the text is the last find.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_syntax::hir::Hir;

use super::super::automaton::{Ends, Marks, Starts, TooLarge, WIDTH};
use super::super::detector::Confirm;
use super::super::steps::{Spent, Steps, steps};
use super::allow_a_pass;

/// As far as an expression may look ahead and still be looked for at every place, whatever that adds up to: it is linear anyhow.
const NEAR: usize = 64;

/// What makes an expression's match a find.
#[derive(Debug, Clone, Copy)]
pub(in crate::guard) enum Shape {
    /// Every match is one, up to the end that the expression prefers.
    Plain,
    /// Of the matches that begin at one place, the longest that is confirmed. Where none is, one may begin a letter later.
    Confirmed(Confirm),
    /// It is the head of a block, which reaches to the end of the next match of this expression, if only ASCII that can be printed
    /// and spaces lie between them. Without such an end the head is one by itself.
    Block(&'static str),
}

/// What it takes to look for one thing.
#[derive(Debug)]
pub(super) struct Form {
    edges: Edges,
    more: More,
}

/// Where an expression begins and ends.
#[derive(Debug)]
struct Edges {
    starts: Starts,
    ends: Ends,
    /// How far it looks ahead at most, if that is near.
    near: u64,
}

#[derive(Debug)]
enum More {
    Nothing,
    Confirm(Confirm),
    Foot(Box<Edges>),
}

impl Form {
    /// Of an expression; compiled in one direction it may take so many bytes.
    pub(super) fn of(expression: &Hir, shape: Shape, most: usize) -> Result<Self, TooLarge> {
        let more = match shape {
            Shape::Plain => More::Nothing,
            Shape::Confirmed(confirm) => More::Confirm(confirm),
            // It is the detector's own, and a test reads it.
            Shape::Block(foot) => {
                let foot = syntax::parse(foot).unwrap_or_else(|_| Hir::fail());
                More::Foot(Box::new(Edges::of(&foot, Ends::preferred, most)?))
            }
        };
        let ends = if matches!(more, More::Confirm(_)) { Ends::every } else { Ends::preferred };
        Ok(Self { edges: Edges::of(expression, ends, most)?, more })
    }

    /// Whether a text that matches has it.
    pub(super) fn is_sure(&self) -> bool {
        !matches!(self.more, More::Confirm(_))
    }
}

impl Edges {
    fn of(expression: &Hir, ends: fn(&Hir, usize) -> Result<Ends, TooLarge>, most: usize) -> Result<Self, TooLarge> {
        let near = expression.properties().maximum_len().filter(|length| *length <= NEAR).unwrap_or(0);
        Ok(Self { starts: Starts::of(expression, most)?, ends: ends(expression, most)?, near: steps(near) })
    }

    /// Every place where it begins.
    fn starts(&self, text: &str, taken: &Steps) -> Result<Marks, Spent> {
        allow_a_pass(text, taken);
        self.starts.all(text, taken)
    }

    /// Every place where it ends that begins here.
    fn ends(&self, text: &str, start: usize, taken: &Steps, ends: &mut Vec<usize>) -> Result<(), Spent> {
        taken.allow(self.near);
        ends.clear();
        self.ends.from(text, start, taken, |end| ends.push(end))
    }

    /// Where the match that begins here ends.
    fn end(&self, text: &str, start: usize, taken: &Steps) -> Result<Option<usize>, Spent> {
        taken.allow(self.near);
        let mut last = None;
        self.ends.from(text, start, taken, |end| last = Some(end))?;
        // A find of nothing is none.
        Ok(last.filter(|end| *end > start))
    }
}

/// The finds of one thing in one text, one after the other.
#[derive(Debug)]
pub(super) struct Track<'f> {
    form: &'f Form,
    text: &'f str,
    steps: &'f Steps,
    /// Every place where a find may begin.
    starts: Result<Marks, Spent>,
    /// What came to light about blocks.
    blocks: Option<Blocks>,
    /// The next find begins here or later.
    from: usize,
    /// Where a find may end.
    ends: Vec<usize>,
}

/// What was found out about the ends of blocks, so that it is found out once.
#[derive(Debug)]
struct Blocks {
    /// Every place where an end may begin.
    feet: Marks,
    /// The first of them behind the last head, as far as that is known; `None` when there is none any more.
    foot: Option<usize>,
    /// The first byte behind a head that does not belong into a block, as far as that is known.
    foreign: usize,
}

impl<'f> Track<'f> {
    pub(super) fn of(form: &'f Form, text: &'f str, steps: &'f Steps) -> Self {
        let starts = form.edges.starts(text, steps);
        Self { form, text, steps, starts, blocks: None, from: 0, ends: Vec::new() }
    }

    /// The first place behind the last find where another may begin.
    fn start(&self) -> Option<usize> {
        let start = self.starts.as_ref().map_or(Some(self.from), |starts| starts.next(self.from))?;
        (start < self.text.len()).then_some(start)
    }

    /// Where the find ends that begins at this place, if it is one.
    fn find(&mut self, start: usize) -> Result<Option<usize>, Spent> {
        self.starts.as_ref().map_err(|spent| *spent)?;
        let Form { edges, more } = self.form;
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

    /// Where the block ends whose head ends here; `None` if it has no end.
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

/// Whether a byte may stand in a block.
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
