//! Regular expressions with counted work.
//!
//! The `regex` crate finds one match in linear time. Finding all matches takes it quadratic time if an expression looks far ahead, it does
//! not report how far it looked, and Unicode word boundaries make it slow on non-ASCII text. So this is a lazy automaton on top of that
//! crate's own parser and compiler, with three ways to search a text. [`Which`] and [`Starts`] pass over it once, whatever it contains.
//! [`Ends`] looks ahead from one position, and counts how far.

use std::cell::RefCell;

use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_syntax::hir::Hir;

use super::steps::{Spent, Steps, steps};
use columns::Columns;
use looks::Looks;
use states::{Id, Order, Plan, Settled, States};

mod columns;
mod looks;
mod marks;
mod states;

pub(super) use marks::{Marks, WIDTH};

/// The memory limit for the states of one automaton.
const MEMORY: usize = 512 << 10;
const LITTLE_MEMORY: usize = 64 << 10;

/// The compiled expression would exceed its memory limit. A parsed expression fails to compile for no other reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooLarge;

/// Finds which of several expressions match in a text.
#[derive(Debug)]
pub(super) struct Which(Automaton);

/// Finds the positions where matches of an expression start.
#[derive(Debug)]
pub(super) struct Starts(Automaton);

/// Finds the ends of the matches that start at a given position.
#[derive(Debug)]
pub(super) struct Ends(Automaton);

/// One or several expressions in one direction, and their states so far.
struct Automaton {
    plan: Plan,
    states: RefCell<States>,
}

impl Which {
    /// Compiles these expressions within `most` bytes.
    pub(super) fn of(expressions: &[Hir], most: usize) -> Result<Self, TooLarge> {
        Automaton::of(expressions, false, Order::Every, most).map(Self)
    }

    /// Compiles them with a small state limit, for short-lived automata.
    pub(super) fn small(expressions: &[Hir], most: usize) -> Result<Self, TooLarge> {
        let mut which = Self::of(expressions, most)?;
        which.0.plan.memory = LITTLE_MEMORY;
        Ok(which)
    }

    /// The numbers of the expressions that match in the text.
    pub(super) fn all(&self, text: &str, taken: &Steps) -> Result<Vec<usize>, Spent> {
        taken.take(steps(text.len()))?;
        let states = &mut *self.0.states.borrow_mut();
        let mut walk = Walk::new(&self.0.plan, states, text, taken)?;
        let mut found = Vec::new();
        while let Some(id) = walk.stop()? {
            for number in walk.states.matched(id) {
                if !found.contains(number) {
                    found.push(*number);
                }
            }
            if found.len() == self.0.plan.nfa.pattern_len() || !walk.step()? {
                break;
            }
        }
        Ok(found)
    }
}

impl Starts {
    /// Compiles this expression within `most` bytes.
    pub(super) fn of(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), true, Order::Every, most).map(Self)
    }

    /// Every position where a match starts, found in one pass from the end of the text.
    pub(super) fn all(&self, text: &str, taken: &Steps) -> Result<Marks, Spent> {
        taken.take(steps(text.len()))?;
        let states = &mut *self.0.states.borrow_mut();
        let mut walk = Walk::new(&self.0.plan, states, text, taken)?;
        let mut marks = Marks::of(text.len());
        while let Some(id) = walk.stop()? {
            if id.matches() {
                marks.set(walk.at);
            }
            if !walk.step()? {
                break;
            }
        }
        Ok(marks)
    }

    /// The first position at or after `from` where a match may start that text after the end completes or changes; the end if there is
    /// none.
    pub(super) fn unsettled(&self, text: &str, from: usize, taken: &Steps) -> Result<usize, Spent> {
        let states = &mut *self.0.states.borrow_mut();
        let id = states.ongoing(&self.0.plan, taken)?;
        let mut walk = Walk { plan: &self.0.plan, states, text, taken, id, settled: None, at: text.len() };
        let mut first = text.len();
        while let Some(id) = walk.stop()?.filter(|_| walk.at >= from) {
            if id.matches() {
                first = walk.at;
            }
            if walk.at == from || !walk.step()? {
                break;
            }
        }
        taken.take(steps(text.len().saturating_sub(walk.at)))?;
        Ok(first)
    }
}

impl Ends {
    /// Compiles this expression within `most` bytes, to find the preferred end.
    pub(super) fn preferred(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Preferred, most).map(Self)
    }

    /// Compiles this expression within `most` bytes, to find every end.
    pub(super) fn every(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Every, most).map(Self)
    }

    /// Passes the ends of the match that starts at `start` to `end`, the best one last.
    pub(super) fn from(
        &self,
        text: &str,
        start: usize,
        taken: &Steps,
        mut end: impl FnMut(usize),
    ) -> Result<(), Spent> {
        let states = &mut *self.0.states.borrow_mut();
        let mut walk = Walk::from(&self.0.plan, states, text, start, taken)?;
        let mut counted = start;
        while let Some(id) = walk.stop()? {
            if id.matches() {
                end(walk.at);
            }
            let goes_on = walk.step()?;
            taken.take(steps(walk.at.saturating_sub(counted)))?;
            counted = walk.at;
            if !goes_on {
                break;
            }
        }
        taken.take(steps(walk.at.saturating_sub(counted)))
    }
}

/// A walk through a text.
struct Walk<'a> {
    plan: &'a Plan,
    states: &'a mut States,
    text: &'a str,
    taken: &'a Steps,
    id: Id,
    /// The open state that `id` was resolved from.
    settled: Option<Settled>,
    at: usize,
}

impl<'a> Walk<'a> {
    /// A walk through the whole text, in the automaton's direction.
    fn new(plan: &'a Plan, states: &'a mut States, text: &'a str, taken: &'a Steps) -> Result<Self, Spent> {
        let id = states.start(plan, plan.nfa.start_unanchored(), taken)?;
        let at = if plan.nfa.is_reverse() { text.len() } else { 0 };
        Ok(Self { plan, states, text, taken, id, settled: None, at })
    }

    /// A walk from this position.
    fn from(plan: &'a Plan, states: &'a mut States, text: &'a str, at: usize, taken: &'a Steps) -> Result<Self, Spent> {
        let id = states.start(plan, plan.nfa.start_anchored(), taken)?;
        Ok(Self { plan, states, text, taken, id, settled: None, at })
    }

    fn byte_before(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at.checked_sub(1)?).copied()
    }

    fn byte_behind(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Advances to the next position with a match or an unresolved look-around, and resolves it. `None` if no match is possible any more.
    fn stop(&mut self) -> Result<Option<Id>, Spent> {
        let (before, behind) = self.text.as_bytes().split_at_checked(self.at).unwrap_or_default();
        if self.plan.nfa.is_reverse() {
            let (id, count) = self.states.run(self.plan, self.id, self.byte_behind(), before.iter().rev().copied());
            (self.id, self.at) = (id, self.at.saturating_sub(count));
        } else {
            let (id, count) = self.states.run(self.plan, self.id, self.byte_before(), behind.iter().copied());
            (self.id, self.at) = (id, self.at.saturating_add(count));
        }
        self.settled = None;
        if self.id.is_open() {
            let kind = self.plan.looks.kind(self.text, self.at);
            let (id, settled) = self.states.settled(self.plan, self.id, kind, self.taken)?;
            (self.id, self.settled) = (id, Some(settled));
        }
        Ok((self.id != Id::DEAD).then_some(self.id))
    }

    /// Consumes the next byte; `false` if there is none.
    fn step(&mut self) -> Result<bool, Spent> {
        let backwards = self.plan.nfa.is_reverse();
        let byte = if backwards { self.byte_before() } else { self.byte_behind() };
        let Some(byte) = byte else { return Ok(false) };
        self.id = self.states.after(self.plan, (self.id, self.settled), byte, self.taken)?;
        self.at = if backwards { self.at.saturating_sub(1) } else { self.at.saturating_add(1) };
        Ok(true)
    }
}

impl Automaton {
    fn of(expressions: &[Hir], backwards: bool, order: Order, most: usize) -> Result<Self, TooLarge> {
        let config = NFA::config().reverse(backwards).nfa_size_limit(Some(most)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler().configure(config).build_many_from_hir(expressions).map_err(|_| TooLarge)?;
        let looks = Looks::of(&nfa);
        let columns = Columns::of(&nfa, &looks);
        Ok(Self { plan: Plan { nfa, looks, columns, order, memory: MEMORY }, states: RefCell::new(States::new()) })
    }
}

/// Omits the states, which would fill pages.
impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an automaton of {} states", self.plan.nfa.states().len())
    }
}

#[cfg(test)]
mod tests;
