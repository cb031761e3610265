//! The states of an automaton, each made when a text first leads to it.
//!
//! A state is a list of the expression's own states, in order of preference where that counts. From some of them looks lead on: such
//! a state is open, and which of its looks hold is known at a place only, and settles it. The invariant: states take up to [`MOST_MEMORY`] and one
//! state beyond it; then all of them are forgotten and made again as they are needed, and each making counts as work.

use std::collections::BTreeMap;
use std::rc::Rc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::LookSet;
use regex_automata::util::primitives::StateID;

use super::looks::Looks;
use crate::guard::steps::{Spent, Steps, steps};

/// What all states of one automaton may take of memory.
const MOST_MEMORY: usize = 256 << 10;
/// About what a state takes besides its list and its row.
const OVERHEAD: usize = 64;

/// A state: where its row begins, and what is to be known of it before its row is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

impl Id {
    /// Leads nowhere.
    pub(super) const DEAD: Self = Self(0);
    /// Stands in rows where nobody went yet.
    const UNKNOWN: Self = Self(u32::MAX);
    const OPEN: u32 = 1 << 31;
    const MATCHES: u32 = 1 << 30;

    /// Whether it has to be settled.
    pub(super) fn is_open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    /// Whether what is looked for ends here.
    pub(super) fn matches(self) -> bool {
        self.0 & Self::MATCHES != 0
    }

    fn row(self) -> usize {
        usize::try_from(self.0 & !(Self::OPEN | Self::MATCHES)).unwrap_or(usize::MAX)
    }
}

/// Which of several ways to match count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All of them.
    Every,
    /// Those that the expression prefers to the first that has come to its end.
    Preferred,
}

/// What states are made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nfa: NFA,
    pub(super) looks: Looks,
    pub(super) order: Order,
    /// Bytes that the expression does not tell apart have the same class; for each class one of its bytes.
    pub(super) classes: Vec<u8>,
}

/// The states that were made.
#[derive(Debug)]
pub(super) struct States {
    /// Each state's row: its number, then for each class of bytes, or for each kind of place when it is open, where that leads.
    rows: Vec<u32>,
    lists: Vec<Rc<[StateID]>>,
    known: BTreeMap<(bool, Rc<[StateID]>), Id>,
    start: Option<Id>,
    memory: usize,
    /// How often all of them were forgotten.
    forgotten: u64,
    scratch: Scratch,
}

/// What making a state needs.
#[derive(Debug)]
struct Scratch {
    list: Vec<StateID>,
    stack: Vec<StateID>,
    /// For each of the expression's states the last round in which it was visited.
    seen: Vec<u32>,
    round: u32,
    visited: usize,
}

impl States {
    pub(super) fn new() -> Self {
        let scratch = Scratch { list: Vec::new(), stack: Vec::new(), seen: Vec::new(), round: 0, visited: 0 };
        let (rows, lists, known) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut states = Self { rows, lists, known, start: None, memory: 0, forgotten: 0, scratch };
        states.forget();
        states
    }

    /// The first state, from where the expression begins.
    pub(super) fn start(&mut self, plan: &Plan, from: StateID, steps: &Steps) -> Result<Id, Spent> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        self.scratch.begin(plan);
        self.scratch.enter(from);
        let open = self.scratch.arrive(plan);
        let start = self.made(plan, open, steps)?;
        self.start = Some(start);
        Ok(start)
    }

    /// Where a byte leads from a state that is not open.
    pub(super) fn after(&mut self, plan: &Plan, id: Id, byte: u8, steps: &Steps) -> Result<Id, Spent> {
        let class = plan.nfa.byte_classes().get(byte);
        self.follow(plan, id, usize::from(class), steps)
    }

    /// What an open state is at a place of this kind.
    pub(super) fn settled(&mut self, plan: &Plan, id: Id, kind: usize, steps: &Steps) -> Result<Id, Spent> {
        self.follow(plan, id, kind, steps)
    }

    /// The expressions that end in a state.
    pub(super) fn matched<'s>(&'s self, plan: &'s Plan, id: Id) -> impl Iterator<Item = usize> + 's {
        self.list(id).into_iter().flat_map(|list| list.iter()).filter_map(|state| match plan.nfa.state(*state) {
            State::Match { pattern_id } => Some(pattern_id.as_usize()),
            _ => None,
        })
    }

    fn list(&self, id: Id) -> Option<&Rc<[StateID]>> {
        let number = *self.rows.get(id.row())?;
        self.lists.get(usize::try_from(number).ok()?)
    }

    fn follow(&mut self, plan: &Plan, id: Id, column: usize, steps: &Steps) -> Result<Id, Spent> {
        let cell = id.row().saturating_add(1).saturating_add(column);
        match self.rows.get(cell) {
            Some(known) if *known != Id::UNKNOWN.0 => Ok(Id(*known)),
            _ => self.explore(plan, id, column, steps),
        }
    }

    #[cold]
    fn explore(&mut self, plan: &Plan, id: Id, column: usize, steps: &Steps) -> Result<Id, Spent> {
        let Some(list) = self.list(id).cloned() else { return Ok(Id::DEAD) };
        self.scratch.begin(plan);
        let open = if id.is_open() {
            let held = Some(plan.looks.held(column));
            list.iter().fold(false, |_, state| self.scratch.visit(plan, *state, held))
        } else {
            let Some(byte) = plan.classes.get(column) else { return Ok(Id::DEAD) };
            let targets = list.iter().filter_map(|state| target(plan.nfa.state(*state), *byte));
            targets.for_each(|target| self.scratch.enter(target));
            self.scratch.arrive(plan)
        };
        self.scratch.visited = self.scratch.visited.saturating_add(list.len());
        let before = self.forgotten;
        let next = self.made(plan, open, steps)?;
        // The row that it would stand in may be forgotten by now.
        if self.forgotten == before
            && let Some(cell) = self.rows.get_mut(id.row().saturating_add(1).saturating_add(column))
        {
            *cell = next.0;
        }
        Ok(next)
    }

    /// The state of the list that was made, which may be known.
    fn made(&mut self, plan: &Plan, open: bool, taken: &Steps) -> Result<Id, Spent> {
        taken.take(steps(self.scratch.visited))?;
        let list = &mut self.scratch.list;
        match plan.order {
            Order::Every => list.sort_unstable(),
            Order::Preferred if open => {}
            Order::Preferred => {
                let end = list.iter().position(|state| matches!(plan.nfa.state(*state), State::Match { .. }));
                list.truncate(end.map_or(list.len(), |end| end.saturating_add(1)));
            }
        }
        if list.is_empty() {
            return Ok(Id::DEAD);
        }
        let key = (open, Rc::from(list.as_slice()));
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        Ok(self.add(plan, key))
    }

    fn add(&mut self, plan: &Plan, key: (bool, Rc<[StateID]>)) -> Id {
        let (open, list) = key;
        let columns = if open { plan.looks.len() } else { plan.classes.len() };
        let size = OVERHEAD + size_of::<u32>() * (columns + 1) + size_of::<StateID>() * list.len();
        if self.memory.saturating_add(size) > MOST_MEMORY {
            self.forget();
        }
        self.memory = self.memory.saturating_add(size);
        let matches = !open && list.iter().any(|state| matches!(plan.nfa.state(*state), State::Match { .. }));
        let row = u32::try_from(self.rows.len()).unwrap_or(0);
        let id = Id(row | if open { Id::OPEN } else { 0 } | if matches { Id::MATCHES } else { 0 });
        self.rows.push(u32::try_from(self.lists.len()).unwrap_or(u32::MAX));
        self.rows.resize(self.rows.len().saturating_add(columns), Id::UNKNOWN.0);
        self.lists.push(list.clone());
        self.known.insert((open, list), id);
        id
    }

    fn forget(&mut self) {
        self.rows.clear();
        self.lists.clear();
        self.known.clear();
        (self.start, self.memory, self.forgotten) = (None, 0, self.forgotten.wrapping_add(1));
        // No row begins where the dead state's would.
        self.rows.push(u32::MAX);
    }
}

impl Scratch {
    fn begin(&mut self, plan: &Plan) {
        self.list.clear();
        self.visited = 0;
        self.next_round(plan);
    }

    fn next_round(&mut self, plan: &Plan) {
        self.round = self.round.wrapping_add(1);
        if self.seen.is_empty() || self.round == 0 {
            self.seen.clear();
            self.seen.resize(plan.nfa.states().len(), 0);
            self.round = 1;
        }
    }

    /// Whether this is the first time in this round.
    fn is_new(&mut self, id: StateID) -> bool {
        let Some(seen) = self.seen.get_mut(id.as_usize()).filter(|seen| **seen != self.round) else { return false };
        *seen = self.round;
        self.visited = self.visited.saturating_add(1);
        true
    }

    /// Lists a state to which a byte has led.
    fn enter(&mut self, id: StateID) {
        if self.is_new(id) {
            self.list.push(id);
        }
    }

    /// Follows those that were listed as far as no look stands in the way. Where one does they stay as they are: `true`. What is
    /// preferred to what depends on the way there, so with looks all of it is followed again.
    fn arrive(&mut self, plan: &Plan) -> bool {
        let entered = std::mem::take(&mut self.list);
        self.next_round(plan);
        let met = entered.iter().any(|id| self.visit(plan, *id, None));
        if met {
            self.list = entered;
        }
        met
    }

    /// Lists a state and those that it leads to without a byte, the preferred ones first. Looks are followed if they hold; where that
    /// is not known, `true` as soon as one is met.
    fn visit(&mut self, plan: &Plan, from: StateID, held: Option<LookSet>) -> bool {
        self.stack.clear();
        self.stack.push(from);
        while let Some(id) = self.stack.pop() {
            if !self.is_new(id) {
                continue;
            }
            match plan.nfa.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => self.list.push(id),
                State::Look { look, next } => match held {
                    Some(held) if held.contains(*look) => self.stack.push(*next),
                    Some(_) => {}
                    None => return true,
                },
                State::Union { alternates } => self.stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt2, *alt1]),
                State::Capture { next, .. } => self.stack.push(*next),
                State::Fail => {}
            }
        }
        false
    }
}

/// Where a byte leads from one of the expression's own states.
fn target(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches_byte(byte),
        State::Dense(transitions) => transitions.matches_byte(byte),
        _ => None,
    }
}
