//! Regular expressions whose work is counted.
//!
//! The `regex` crate finds in linear time whether and where a text matches once. All that it matches take it quadratic time where
//! an expression looks far ahead, how far it looked it does not tell, and a word's edge among letters beyond ASCII makes it slow.
//! So this is a lazy automaton over that crate's own parser and compiler, with three ways to go through a text. [`Which`] and
//! [`Starts`] pass over it once, whatever it holds. [`Ends`] looks on from one place, and counts how far.

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

/// What the states of one automaton may take of memory.
const MEMORY: usize = 512 << 10;
const LITTLE_MEMORY: usize = 64 << 10;

/// Compiled, an expression would take more memory than it may: nothing else keeps one that was read from being compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooLarge;

/// Tells which of several expressions a text has in it.
#[derive(Debug)]
pub(super) struct Which(Automaton);

/// Tells where in a text an expression begins to match.
#[derive(Debug)]
pub(super) struct Starts(Automaton);

/// Tells where in a text an expression that begins here ends.
#[derive(Debug)]
pub(super) struct Ends(Automaton);

/// One expression or several in one direction, and the states that were made of them.
struct Automaton {
    plan: Plan,
    states: RefCell<States>,
}

impl Which {
    /// Of these expressions; compiled they may take so many bytes.
    pub(super) fn of(expressions: &[Hir], most: usize) -> Result<Self, TooLarge> {
        Automaton::of(expressions, false, Order::Every, most).map(Self)
    }

    /// The same with few states, for what does not last.
    pub(super) fn small(expressions: &[Hir], most: usize) -> Result<Self, TooLarge> {
        let mut which = Self::of(expressions, most)?;
        which.0.plan.memory = LITTLE_MEMORY;
        Ok(which)
    }

    /// The numbers of the expressions that are in a text.
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
    /// Of this expression; compiled it may take so many bytes.
    pub(super) fn of(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), true, Order::Every, most).map(Self)
    }

    /// Every place of a text where it begins to match, as one pass from the end tells.
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
}

impl Ends {
    /// Of this expression, the end that it prefers; compiled it may take so many bytes.
    pub(super) fn preferred(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Preferred, most).map(Self)
    }

    /// Of this expression, every end; compiled it may take so many bytes.
    pub(super) fn every(expression: &Hir, most: usize) -> Result<Self, TooLarge> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Every, most).map(Self)
    }

    /// Where it ends that begins at `start`, the best end last.
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

/// One way through a text.
struct Walk<'a> {
    plan: &'a Plan,
    states: &'a mut States,
    text: &'a str,
    taken: &'a Steps,
    id: Id,
    /// The open state that it was.
    settled: Option<Settled>,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Through all of it, from the end that the automaton begins at.
    fn new(plan: &'a Plan, states: &'a mut States, text: &'a str, taken: &'a Steps) -> Result<Self, Spent> {
        let id = states.start(plan, plan.nfa.start_unanchored(), taken)?;
        let at = if plan.nfa.is_reverse() { text.len() } else { 0 };
        Ok(Self { plan, states, text, taken, id, settled: None, at })
    }

    /// From this place.
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

    /// Goes to the next place where something is to be noted or found out. The state there is not open; `None` where it leads
    /// nowhere.
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

    /// Takes the next byte; `false` where there is none.
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

/// The states themselves would fill pages.
impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an automaton of {} states", self.plan.nfa.states().len())
    }
}

#[cfg(test)]
mod tests;
