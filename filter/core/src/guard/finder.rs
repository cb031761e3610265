//! Looks for several things in a text at once.
//!
//! One pass over the text tells which of them are in it at all; most texts have none, and that is all they cost.

use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::detector::{self, Confirm};
use crate::config::file::Detector;

/// What one expression may take of memory, compiled: as much as `regex` allows by itself is 10 MiB, in each worker.
const LARGEST: usize = 1 << 20;

/// All that a guardrail looks for.
#[derive(Debug)]
pub struct Finder {
    any: RegexSet,
    things: Vec<Thing>,
}

#[derive(Debug)]
struct Thing {
    label: String,
    expression: Regex,
    confirm: Confirm,
}

/// Something that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Find<'f> {
    /// What it is: a detector's name, a pattern's, or `words`.
    pub label: &'f str,
    /// Where it stands in the text.
    pub at: Range<usize>,
}

/// What is to be looked for.
#[derive(Debug, Default)]
pub struct Wanted {
    things: Vec<(String, String, Confirm)>,
}

impl Wanted {
    /// What Sluice knows how to find.
    pub fn detector(&mut self, detector: Detector) {
        let name = detector.name();
        let things = detector::expressions(detector)
            .iter()
            .map(|(text, confirm)| (name.to_owned(), (*text).to_owned(), *confirm));
        self.things.extend(things);
    }

    /// An expression; the error is what is wrong with it, for who wrote it.
    pub fn pattern(&mut self, label: &str, expression: &str) -> Result<(), String> {
        let compiled = compile(expression).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "it is too large when compiled: use fewer or smaller repetitions".to_owned()
            }
            // The last line says what is wrong; those before it show where.
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })?;
        if compiled.is_match("") {
            return Err("it matches nothing at all, and so every text".to_owned());
        }
        self.things.push((label.to_owned(), expression.to_owned(), detector::all));
        Ok(())
    }

    /// Words, in any case; they are found as whole words only.
    pub fn words(&mut self, words: &[String]) {
        // The edge of a word of ASCII is ASCII's: where there are other letters, the fast way to search knows no other edges.
        let edge = |c: Option<char>| match c {
            Some(c) if c.is_ascii_alphanumeric() || c == '_' => r"(?-u:\b)",
            Some(c) if c.is_alphanumeric() => r"\b",
            _ => "",
        };
        let word = |word: &String| {
            let (first, last) = (edge(word.chars().next()), edge(word.chars().next_back()));
            format!("{first}{}{last}", regex::escape(word))
        };
        if !words.is_empty() {
            let any: Vec<String> = words.iter().map(word).collect();
            self.things.push(("words".to_owned(), format!("(?i)(?:{})", any.join("|")), detector::all));
        }
    }

    /// Ready to look for all of it; an error when there is too much.
    pub fn finder(self) -> Result<Finder, String> {
        let too_much = |_| "too much when compiled: use fewer or smaller repetitions, or several guardrails".to_owned();
        let expressions = self.things.iter().map(|(_, expression, _)| expression);
        let any = RegexSetBuilder::new(expressions).size_limit(4 * LARGEST).build().map_err(too_much)?;
        let thing = |(label, expression, confirm): (String, String, Confirm)| {
            Ok(Thing { label, expression: compile(&expression).map_err(too_much)?, confirm })
        };
        let things = self.things.into_iter().map(thing).collect::<Result<_, String>>()?;
        Ok(Finder { any, things })
    }
}

fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).size_limit(LARGEST).build()
}

impl Finder {
    /// One thing that is in the text, if any is.
    pub fn first(&self, text: &str) -> Option<&str> {
        self.candidates(text).find_map(|thing| thing.finds(text).next()).map(|find| find.label)
    }

    /// All that is in the text, from left to right; of what overlaps, what begins first.
    pub fn all(&self, text: &str) -> Vec<Find<'_>> {
        let mut finds: Vec<Find<'_>> = self.candidates(text).flat_map(|thing| thing.finds(text)).collect();
        finds.sort_by_key(|find| (find.at.start, std::cmp::Reverse(find.at.end)));
        let mut end = 0;
        finds.retain(|find| {
            let apart = find.at.start >= end;
            end = if apart { find.at.end } else { end };
            apart
        });
        finds
    }

    fn candidates<'f>(&'f self, text: &str) -> impl Iterator<Item = &'f Thing> + use<'f> {
        self.any.matches(text).into_iter().filter_map(|index| self.things.get(index))
    }
}

impl Thing {
    fn finds<'f, 't>(&'f self, text: &'t str) -> impl Iterator<Item = Find<'f>> + use<'f, 't> {
        self.expression.find_iter(text).filter_map(|found| {
            let length = (self.confirm)(found.as_str())?;
            Some(Find { label: &self.label, at: found.start()..found.start().saturating_add(length) })
        })
    }
}

#[cfg(test)]
mod tests;
