//! Looks for several things in a text at once.
//!
//! One quick pass over the text tells whether it may have any of them; most texts have none, and that is all they cost. Another tells
//! which are in it, and what is in it costs a pass more for each. The invariant: a text costs time linear in its length, whatever it
//! holds and whatever is looked for. Steps are counted, and when a text has used up its own, the rest of it counts as one find, and its
//! prompt is blocked.

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

/// What one expression may take of memory, compiled in one direction.
const LARGEST: usize = 1 << 20;
/// Steps for a body, besides those for its length: for the states that its first texts bring about.
const AT_FIRST: u64 = 1 << 22;
/// Steps for a byte, each time that a text is passed over once: one for itself, the others for making states and for looking ahead.
const FOR_A_BYTE: u64 = 16;

/// All that a guardrail looks for.
#[derive(Debug)]
pub struct Matcher {
    /// Tells most texts that have nothing of it.
    sieve: Option<Sieve>,
    any: Which,
    things: Vec<Thing>,
}

#[derive(Debug)]
struct Thing {
    label: String,
    form: Form,
}

/// Something that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'f> {
    /// What it is: a detector's name, a pattern's, or `words`.
    pub label: &'f str,
    /// Where it stands in the text.
    pub at: Range<usize>,
}

/// What is to be looked for.
#[derive(Debug, Default)]
pub struct Wanted {
    things: Vec<(String, Hir, Shape)>,
}

impl Wanted {
    /// What Sluice knows how to find.
    pub fn detector(&mut self, detector: Detector) {
        for (expression, shape) in detector::expressions(detector) {
            // Each of them is compiled by a test.
            if let Ok(expression) = syntax::parse(expression) {
                self.things.push((detector.name().to_owned(), expression, *shape));
            }
        }
    }

    /// An expression; the error is what is wrong with it, for who wrote it.
    pub fn pattern(&mut self, label: &str, expression: &str) -> Result<(), String> {
        let expression = syntax::parse(expression).map_err(|error| {
            // The last line says what is wrong; those before it show where.
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

    /// Words, in any case; they are found as whole words only.
    pub fn words(&mut self, words: &[String]) {
        // The edge of a word of ASCII is ASCII's: its automaton is smaller, and tells it from nothing but bytes.
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
        // Escaped words are an expression, unless there are none.
        if let (false, Ok(any)) = (words.is_empty(), syntax::parse(&format!("(?i)(?:{})", any.join("|")))) {
            self.things.push(("words".to_owned(), any, Shape::Plain));
        }
    }

    /// Ready to look for all of it; an error when there is too much.
    pub fn finder(self) -> Result<Matcher, String> {
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
    /// The steps that a body may cost before its texts bring their own.
    pub fn steps() -> Steps {
        Steps::at_most(AT_FIRST)
    }

    /// One thing that is in the text, if any is: as it is, or as a person reads it.
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

    /// Whether nothing is in the text, not as a person reads it either. `false` says nothing.
    pub(super) fn sees_nothing(&self, text: &str, steps: &Steps) -> bool {
        self.sight(text, steps) == Sight::Nothing
    }

    /// What can be seen of a text at a glance. With no steps left anything may be in it.
    fn sight(&self, text: &str, steps: &Steps) -> Sight {
        let sieve = self.sieve.as_ref().filter(|_| !steps.are_spent());
        let sight = sieve.map_or(Sight::Something, |sieve| sieve.look(text));
        if sight != Sight::Something {
            passed(text, steps);
        }
        sight
    }

    pub(super) fn first_in(&self, text: &str, steps: &Steps) -> Option<&str> {
        let is_there = |thing: &&Thing| thing.form.is_sure() || Track::of(&thing.form, text, steps).next().is_some();
        self.candidates(text, steps).into_iter().find(is_there).map(|thing| thing.label.as_str())
    }

    /// All that is in the text, from left to right. What overlaps is one find, by the name of what begins first.
    pub fn all<'f>(&'f self, text: &'f str, steps: &'f Steps) -> Finds<'f> {
        let track = |thing: &'f Thing| {
            let mut track = Track::of(&thing.form, text, steps);
            let next = track.next();
            (thing, track, next)
        };
        let may_have_it = self.sight(text, steps) == Sight::Something;
        let candidates = may_have_it.then(|| self.candidates(text, steps));
        Finds { tracks: candidates.into_iter().flatten().map(track).collect() }
    }

    /// What is in the text, going by its form. Where that would cost too much, all of it may be.
    fn candidates(&self, text: &str, steps: &Steps) -> Vec<&Thing> {
        allow_a_pass(text, steps);
        match self.any.all(text, steps) {
            Ok(found) => found.into_iter().filter_map(|number| self.things.get(number)).collect(),
            Err(_) => self.things.iter().collect(),
        }
    }
}

/// Allows what one pass over a text may cost.
fn allow_a_pass(text: &str, taken: &Steps) {
    taken.allow(steps(text.len()).saturating_mul(FOR_A_BYTE));
}

/// Counts a pass over a text that has come to its end, which is less than what is allowed for it.
fn passed(text: &str, taken: &Steps) {
    allow_a_pass(text, taken);
    let _ = taken.take(steps(text.len()));
}

/// All finds in a text.
#[derive(Debug)]
pub struct Finds<'f> {
    /// For each thing, where it is looked for, and its next find.
    tracks: Vec<(&'f Thing, Track<'f>, Option<Range<usize>>)>,
}

impl<'f> Finds<'f> {
    /// Of the next finds of all things the one that begins first, or the longest of those.
    fn pop(&mut self, before: usize) -> Option<Match<'f>> {
        let order = |next: &Option<Range<usize>>| next.as_ref().map(|at| (at.start, std::cmp::Reverse(at.end)));
        let waiting = self.tracks.iter_mut().filter(|(.., next)| next.as_ref().is_some_and(|at| at.start < before));
        let (thing, track, next) = waiting.min_by_key(|(.., next)| order(next))?;
        let at = std::mem::replace(next, track.next())?;
        Some(Match { label: &thing.label, at })
    }
}

impl<'f> Iterator for Finds<'f> {
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
