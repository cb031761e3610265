//! Searches a text for several things at once.
//!
//! One quick pass tells whether the text may contain any of them. Most texts do not, and cost nothing more. A second pass tells which
//! things may occur, and each of those costs one more pass. The invariant: the cost is linear in the length of the text, whatever the text
//! and the expressions are. Steps are counted. When a text exhausts its steps, the rest of it counts as one match, and its prompt is
//! blocked.

use std::ops::Range;

use regex_automata::util::syntax;
use regex_syntax::hir::Hir;

use crate::guard::spec::Detector;

use super::automaton::Which;
use super::detector;
use super::folded::folded;
use super::steps::{Steps, steps};

mod form;
mod sieve;
mod windows;

pub(super) use form::Shape;
use form::{Form, Track};
use sieve::{Sieve, Sight};

/// The memory limit of an expression compiled in one direction.
const LARGEST: usize = 1 << 20;
/// The steps of a body that do not depend on its length: for the states that its first texts create.
const AT_FIRST: u64 = 1 << 22;
/// The steps for each byte of a pass: one for the byte, the others to build states and look ahead.
const FOR_A_BYTE: u64 = 16;

/// Searches a text for everything that a guardrail looks for.
#[derive(Debug)]
pub struct Matcher {
    /// Clears most texts without a match.
    sieve: Option<Sieve>,
    any: Which,
    things: Vec<Thing>,
}

#[derive(Debug)]
struct Thing {
    label: String,
    form: Form,
}

/// A match in a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'f> {
    /// The name of a detector or pattern, or `words`.
    pub label: &'f str,
    /// The range in the text.
    pub at: Range<usize>,
}

/// Collects the expressions of a guardrail.
#[derive(Debug, Default)]
pub struct Wanted {
    things: Vec<(String, Hir, Shape)>,
}

impl Wanted {
    /// Adds a built-in detector.
    pub fn detector(&mut self, detector: Detector) {
        for (expression, shape) in detector::expressions(detector) {
            // A test compiles all of them.
            if let Ok(expression) = syntax::parse(expression) {
                self.things.push((detector.name().to_owned(), expression, *shape));
            }
        }
    }

    /// Adds an expression. The error tells the author of the expression what is wrong.
    pub fn pattern(&mut self, label: &str, expression: &str) -> Result<(), String> {
        let expression = syntax::parse(expression).map_err(|error| {
            // The last line contains the reason; the lines before show the position.
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        if expression.properties().minimum_len() == Some(0) {
            return Err("it matches an empty string, and therefore every text".to_owned());
        }
        let too_large = |_| "it is too large when compiled: use fewer or smaller repetitions".to_owned();
        Form::of(&expression, Shape::Plain, LARGEST).map_err(too_large)?;
        self.things.push((label.to_owned(), expression, Shape::Plain));
        Ok(())
    }

    /// Adds words, matched in any case and as whole words only.
    pub fn words(&mut self, words: &[String]) {
        // An ASCII word boundary next to an ASCII letter keeps the automaton smaller, and it depends on single bytes only.
        let edge = |c: Option<char>| match c {
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => r"(?-u:\b)",
            Some(c) if c.is_alphanumeric() => r"\b",
            _ => "",
        };
        let word = |word: &String| {
            let (first, last) = (edge(word.chars().next()), edge(word.chars().next_back()));
            format!("{first}{}{last}", regex_syntax::escape(word))
        };
        let any: Vec<String> = words.iter().map(word).collect();
        // Escaped words always parse; the list may be empty.
        if let (false, Ok(any)) = (words.is_empty(), syntax::parse(&format!("(?i)(?:{})", any.join("|")))) {
            self.things.push(("words".to_owned(), any, Shape::Plain));
        }
    }

    /// Compiles the matcher; an error if it would be too large.
    pub fn matcher(self) -> Result<Matcher, String> {
        let too_much = |_| "patterns that are too large when compiled".to_owned();
        let expressions: Vec<Hir> = self.things.iter().map(|(_, expression, _)| expression.clone()).collect();
        let any = Which::of(&expressions, 4 * LARGEST).map_err(too_much)?;
        let thing = |(label, expression, shape): (String, Hir, Shape)| {
            Ok(Thing { label, form: Form::of(&expression, shape, LARGEST).map_err(too_much)? })
        };
        let things = self.things.into_iter().map(thing).collect::<Result<_, String>>()?;
        Ok(Matcher { sieve: Sieve::of(&expressions), any, things })
    }
}

impl Matcher {
    /// The steps of a body before its texts add their own.
    pub fn steps() -> Steps {
        Steps::at_most(AT_FIRST)
    }

    /// The label of one match, in the text or in its folded form.
    pub fn first(&self, text: &str, steps: &Steps) -> Option<&str> {
        let as_it_is = match self.sight(text, steps) {
            Sight::Nothing => return None,
            Sight::Folds => None,
            Sight::Something => self.first_in(text, steps),
        };
        as_it_is.or_else(|| {
            let folded = folded(text)?;
            let may_have_it = self.sight(&folded.text, steps) == Sight::Something;
            may_have_it.then(|| self.first_in(&folded.text, steps)).flatten()
        })
    }

    /// Whether the sieve rules out a match, in the folded form too. `false` proves nothing.
    pub(super) fn sees_nothing(&self, text: &str, steps: &Steps) -> bool {
        self.sight(text, steps) == Sight::Nothing
    }

    /// Scans the text with the sieve. Without steps left, everything may match.
    fn sight(&self, text: &str, steps: &Steps) -> Sight {
        let sieve = self.sieve.as_ref().filter(|_| !steps.are_spent());
        let sight = sieve.map_or(Sight::Something, |sieve| sieve.look(text));
        if sight != Sight::Something {
            passed(text, steps);
        }
        sight
    }

    pub(super) fn first_in(&self, text: &str, steps: &Steps) -> Option<&str> {
        let is_there = |thing: &&Thing| thing.form.is_sure() || Track::of(&thing.form, text, 0, steps).next().is_some();
        self.candidates(text, steps).into_iter().find(is_there).map(|thing| thing.label.as_str())
    }

    /// All matches that start at or after `from`, from left to right. Overlapping matches are merged, with the label of the first.
    pub fn all<'f: 't, 't>(&'f self, text: &'t str, from: usize, steps: &'t Steps) -> Finds<'f, 't> {
        let track = |thing: &'f Thing| {
            let mut track = Track::of(&thing.form, text, from, steps);
            let next = track.next();
            (thing, track, next)
        };
        let may_have_it = self.sight(text, steps) == Sight::Something;
        let candidates = may_have_it.then(|| self.candidates(text, steps));
        Finds { tracks: candidates.into_iter().flatten().map(track).collect() }
    }

    /// The first position at or after `from` where a match may start that later text completes or changes; the end if there is none.
    pub(super) fn unsettled(&self, text: &str, from: usize, steps: &Steps) -> usize {
        let of = |thing: &Thing| thing.form.unsettled(text, from, steps).unwrap_or(from);
        self.things.iter().map(of).min().unwrap_or(text.len())
    }

    /// For each name of a detector or pattern, and for `words`: the most bytes that decide about a match, if they are limited.
    pub fn longest(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.things.iter().map(|thing| (thing.label.as_str(), thing.form.longest))
    }

    /// The things that may match, by their expressions. If the steps run out, all of them.
    fn candidates(&self, text: &str, steps: &Steps) -> Vec<&Thing> {
        allow_a_pass(text, steps);
        match self.any.all(text, steps) {
            Ok(found) => found.into_iter().filter_map(|number| self.things.get(number)).collect(),
            Err(_) => self.things.iter().collect(),
        }
    }
}

/// Allows the steps of one pass over a text.
fn allow_a_pass(text: &str, taken: &Steps) {
    taken.allow(steps(text.len()).saturating_mul(FOR_A_BYTE));
}

/// Counts a completed pass over a text, which takes less than its allowance.
fn passed(text: &str, taken: &Steps) {
    allow_a_pass(text, taken);
    let _ = taken.take(steps(text.len()));
}

/// All matches in a text.
#[derive(Debug)]
pub struct Finds<'f, 't> {
    /// The search position of each thing, and its next match.
    tracks: Vec<(&'f Thing, Track<'t>, Option<Range<usize>>)>,
}

impl<'f> Finds<'f, '_> {
    /// Takes the earliest match among all things; the longest one if several start there.
    fn pop(&mut self, before: usize) -> Option<Match<'f>> {
        let order = |next: &Option<Range<usize>>| next.as_ref().map(|at| (at.start, std::cmp::Reverse(at.end)));
        let waiting = self.tracks.iter_mut().filter(|(.., next)| next.as_ref().is_some_and(|at| at.start < before));
        let (thing, track, next) = waiting.min_by_key(|(.., next)| order(next))?;
        let at = std::mem::replace(next, track.next())?;
        Some(Match { label: &thing.label, at })
    }
}

impl<'f> Iterator for Finds<'f, '_> {
    type Item = Match<'f>;

    fn next(&mut self) -> Option<Match<'f>> {
        let mut find = self.pop(usize::MAX)?;
        while let Some(other) = self.pop(find.at.end) {
            find.at.end = find.at.end.max(other.at.end);
        }
        Some(find)
    }
}

#[cfg(test)]
mod tests;
