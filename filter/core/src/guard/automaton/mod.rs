//! Regular expressions whose work is counted.
//!
//! The `regex` crate finds in linear time whether and where a text matches once. All that it matches take it quadratic time where
//! an expression looks far ahead, how far it looked it does not tell, and a word's edge among letters beyond ASCII makes it slow.
//! So this is a lazy automaton over that crate's own parser and compiler, with three ways to go through a text. [`Which`] and
//! [`Starts`] pass over it once, whatever it holds. [`Ends`] looks on from one place, and counts how far.

use std::cell::RefCell;

use regex_automata::nfa::thompson::{BuildError, NFA, WhichCaptures};
use regex_syntax::hir::Hir;

use super::steps::{Spent, Steps, steps};
use looks::Looks;
use states::{Id, Order, Plan, States};

mod looks;
mod marks;
mod states;

pub(super) use marks::Marks;

/// Steps that are allowed for a byte that is passed over once: one for itself, the others for states to be made and for looking ahead.
const FOR_A_BYTE: u64 = 16;

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
    pub(super) fn of(expressions: &[Hir], most: usize) -> Result<Self, BuildError> {
        Automaton::of(expressions, false, Order::Every, most).map(Self)
    }

    /// The numbers of the expressions that are in a text.
    pub(super) fn all(&self, text: &str, taken: &Steps) -> Result<Vec<usize>, Spent> {
        let (plan, states) = (&self.0.plan, &mut *self.0.states.borrow_mut());
        pass(text, taken)?;
        let mut found = Vec::new();
        let mut last = Id::DEAD;
        let mut id = states.start(plan, plan.nfa.start_unanchored(), taken)?;
        for at in 0..=text.len() {
            id = self.0.settled(states, id, text, at, taken)?;
            if id == Id::DEAD {
                break;
            }
            if id.matches() && id != last {
                last = id;
                let new = states.matched(plan, id).filter(|number| !found.contains(number)).collect::<Vec<_>>();
                found.extend(new);
                if found.len() == plan.nfa.pattern_len() {
                    break;
                }
            }
            let Some(byte) = text.as_bytes().get(at) else { break };
            id = states.after(plan, id, *byte, taken)?;
        }
        Ok(found)
    }
}

impl Starts {
    /// Of this expression; compiled it may take so many bytes.
    pub(super) fn of(expression: &Hir, most: usize) -> Result<Self, BuildError> {
        Automaton::of(std::slice::from_ref(expression), true, Order::Every, most).map(Self)
    }

    /// Every place of a text where it begins to match, as one pass from the end tells.
    pub(super) fn all(&self, text: &str, taken: &Steps) -> Result<Marks, Spent> {
        let (plan, states) = (&self.0.plan, &mut *self.0.states.borrow_mut());
        pass(text, taken)?;
        let mut marks = Marks::of(text.len());
        let mut id = states.start(plan, plan.nfa.start_unanchored(), taken)?;
        for at in (0..=text.len()).rev() {
            id = self.0.settled(states, id, text, at, taken)?;
            if id == Id::DEAD {
                break;
            }
            if id.matches() {
                marks.set(at);
            }
            let Some(byte) = at.checked_sub(1).and_then(|before| text.as_bytes().get(before)) else { break };
            id = states.after(plan, id, *byte, taken)?;
        }
        Ok(marks)
    }
}

impl Ends {
    /// Of this expression, the end that it prefers; compiled it may take so many bytes.
    pub(super) fn preferred(expression: &Hir, most: usize) -> Result<Self, BuildError> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Preferred, most).map(Self)
    }

    /// Of this expression, every end; compiled it may take so many bytes.
    pub(super) fn every(expression: &Hir, most: usize) -> Result<Self, BuildError> {
        Automaton::of(std::slice::from_ref(expression), false, Order::Every, most).map(Self)
    }

    /// Where it ends that begins at `start`, the best end last.
    pub(super) fn from(&self, text: &str, start: usize, taken: &Steps, mut end: impl FnMut(usize)) -> Result<(), Spent> {
        let (plan, states) = (&self.0.plan, &mut *self.0.states.borrow_mut());
        let mut id = states.start(plan, plan.nfa.start_anchored(), taken)?;
        for at in start..=text.len() {
            id = self.0.settled(states, id, text, at, taken)?;
            if id == Id::DEAD {
                break;
            }
            if id.matches() {
                end(at);
            }
            let Some(byte) = text.as_bytes().get(at) else { break };
            id = states.after(plan, id, *byte, taken)?;
            taken.take(1)?;
        }
        Ok(())
    }
}

/// Counts one pass over a text.
fn pass(text: &str, taken: &Steps) -> Result<(), Spent> {
    let length = steps(text.len());
    taken.allow(length.saturating_mul(FOR_A_BYTE));
    taken.take(length)
}

impl Automaton {
    fn of(expressions: &[Hir], backwards: bool, order: Order, most: usize) -> Result<Self, BuildError> {
        let config = NFA::config().reverse(backwards).nfa_size_limit(Some(most)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler().configure(config).build_many_from_hir(expressions)?;
        let classes = nfa.byte_classes().representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let plan = Plan { looks: Looks::of(&nfa), nfa, order, classes };
        Ok(Self { plan, states: RefCell::new(States::new()) })
    }

    fn settled(&self, states: &mut States, id: Id, text: &str, at: usize, taken: &Steps) -> Result<Id, Spent> {
        if !id.is_open() {
            return Ok(id);
        }
        states.settled(&self.plan, id, self.plan.looks.kind(text, at), taken)
    }
}

/// The states themselves would fill pages.
impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an automaton of {} states", self.plan.nfa.states().len())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
