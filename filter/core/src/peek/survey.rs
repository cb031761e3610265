//! The one walk over a body's literals that tells how deep its JSON is nested, whether there may be others' reasoning in it, and
//! whether it may refer to what a provider keeps. Whoever wants to know something else of the literals hears them on the way.
//!
//! It comes before the body is read as JSON. Of what turns out to be none, only the depth was asked for.

use sluice_wire::dialect::sealed;

use super::literals::{Literal, Literals};
use super::words::Word;

/// JSON nested deeper than this is refused: no real request is, and some providers' parsers recurse.
pub(super) const DEEPEST: usize = 128;

/// What the walk has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// Whether brackets are open deeper than [`DEEPEST`].
    pub too_deep: bool,
    /// Whether there may be reasoning in it that another has sealed, or nobody.
    pub sealed: bool,
    /// Whether nothing in it can refer to what a provider keeps. Where that is not sure, [`first_denied`] finds out.
    ///
    /// [`first_denied`]: super::mentions::first_denied
    pub refers_to_nothing: bool,
    /// Whether tools may be offered in it, at any depth.
    pub offers: bool,
}

/// A literal on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed<'a> {
    /// The literal.
    pub literal: Literal<'a>,
    /// The word that it is.
    pub word: Word,
    /// The word that the literal before was.
    pub before: Word,
    /// Whether it is the value of a key, which is the literal before.
    pub is_value: bool,
}

/// Walks over the body; `hear` is called with each literal. What stands behind the last one is returned, too.
pub(crate) fn walk<'a>(body: &'a [u8], mut hear: impl FnMut(&Passed<'a>)) -> &'a [u8] {
    let mut literals = Literals::of(body);
    let mut before = Word::None;
    for literal in literals.by_ref() {
        let (word, is_value) = (Word::of(literal.text), literal.is_value());
        hear(&Passed { literal, word, before, is_value });
        before = word;
    }
    literals.rest()
}

impl Survey {
    /// Surveys the body; `hear` is called with each literal.
    pub(crate) fn of<'a>(body: &'a [u8], mut hear: impl FnMut(&Passed<'a>)) -> (Self, &'a [u8]) {
        let mut survey = Self::default();
        let mut depth = Depth::default();
        let (mut refers, mut ids, mut items) = (false, false, false);
        let rest = walk(body, |passed| {
            depth.add(passed.literal.gap);
            match passed.word {
                Word::Id => ids = true,
                Word::Offering => survey.offers = true,
                Word::Input | Word::ItemReference => items = true,
                word => refers |= word.is_referring(),
            }
            survey.sealed |= sealed::may_begin(passed.literal.text)
                || (passed.before == Word::Signature && passed.is_value && passed.literal.text.is_empty());
            hear(passed);
        });
        depth.add(rest.split(|byte| *byte == b'"').next().unwrap_or_default());
        survey.too_deep = depth.most > DEEPEST;
        // An `id` refers to something in an item of the `input`, in what says that it is a reference, and behind such a key.
        survey.refers_to_nothing = !(refers || (ids && items));
        (survey, rest)
    }
}

/// How many brackets are open outside of literals, and the most that were.
#[derive(Debug, Default)]
struct Depth {
    open: usize,
    most: usize,
}

impl Depth {
    fn add(&mut self, gap: &[u8]) {
        for byte in gap {
            match byte {
                b'[' | b'{' => {
                    self.open = self.open.saturating_add(1);
                    self.most = self.most.max(self.open);
                }
                b']' | b'}' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
