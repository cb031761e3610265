//! The states of an automaton, each built when a text first reaches it.
//!
//! A state is a list of NFA states, in order of preference if that matters. A state with unresolved look-around is open: it is resolved at
//! a position, which decides the look-around. The invariant: states take at most the plan's memory plus one state. Beyond that all states
//! are discarded and rebuilt on demand, and building them counts as work.

use std::collections::BTreeMap;
use std::rc::Rc;

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::LookSet;
use regex_automata::util::primitives::StateID;

use super::columns::Columns;
use super::looks::Looks;
use crate::guard::steps::{Spent, Steps, steps};

/// The approximate memory of a state besides its list and row.
const OVERHEAD: usize = 64;

/// A state: the offset of its row, and flags that are checked before the row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

impl Id {
    const SPECIAL: u32 = 1 << 31;
    const OPEN: u32 = 1 << 30;
    /// The state without transitions.
    pub(super) const DEAD: Self = Self(Self::SPECIAL);
    /// Marks a transition that has not been explored.
    const UNKNOWN: Self = Self(u32::MAX);

    /// Whether it must be resolved.
    pub(super) fn is_open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    /// Whether a match ends here.
    pub(super) fn matches(self) -> bool {
        self.is_special() && self != Self::DEAD
    }

    /// Whether a run stops here.
    fn is_special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    fn row(self) -> usize {
        usize::try_from(self.0 & !(Self::OPEN | Self::SPECIAL)).unwrap_or(usize::MAX)
    }
}

/// Which matches count if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All of them.
    Every,
    /// Those that the expression prefers over the first completed one.
    Preferred,
}

/// The fixed part of an automaton.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nfa: NFA,
    pub(super) looks: Looks,
    pub(super) columns: Columns,
    pub(super) order: Order,
    /// The memory limit of all states.
    pub(super) memory: usize,
}

/// The states built so far.
#[derive(Debug)]
pub(super) struct States {
    /// The rows of all states as [`Columns`] lays them out: nothing, the state's number, transitions.
    rows: Vec<u32>,
    lists: Vec<List>,
    known: BTreeMap<(bool, Rc<[StateID]>), Id>,
    start: Option<Id>,
    /// The state that contains every NFA state of the expressions.
    ongoing: Option<Id>,
    memory: usize,
    /// How often all states were discarded.
    forgotten: u64,
    scratch: Scratch,
}

/// The NFA states of a state.
#[derive(Debug)]
struct List {
    states: Rc<[StateID]>,
    /// The numbers of the expressions that end in it.
    matched: Box<[usize]>,
}

/// An open state and the kind of position that resolved it. Valid until the states are discarded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    open: Id,
    kind: usize,
    forgotten: u64,
}

/// Scratch memory to build a state.
#[derive(Debug)]
struct Scratch {
    list: Vec<StateID>,
    stack: Vec<StateID>,
    /// The last round in which each NFA state was visited.
    seen: Vec<u32>,
    round: u32,
    visited: usize,
}

impl States {
    pub(super) fn new() -> Self {
        let scratch = Scratch { list: Vec::new(), stack: Vec::new(), seen: Vec::new(), round: 0, visited: 0 };
        let (rows, lists, known) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut states = Self { rows, lists, known, start: None, ongoing: None, memory: 0, forgotten: 0, scratch };
        states.forget();
        states
    }

    /// The initial state, from the NFA's start state.
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

    /// The state of a match that is under way at any of its places.
    pub(super) fn ongoing(&mut self, plan: &Plan, steps: &Steps) -> Result<Id, Spent> {
        if let Some(ongoing) = self.ongoing {
            return Ok(ongoing);
        }
        self.scratch.begin(plan);
        self.scratch.reach(plan);
        let open = self.scratch.arrive(plan);
        let ongoing = self.made(plan, open, steps)?;
        self.ongoing = Some(ongoing);
        Ok(ongoing)
    }

    /// Follows known transitions until a match or an unresolved state, and returns the state and the number of bytes. `last` is the byte
    /// before.
    pub(super) fn run(&self, plan: &Plan, from: Id, last: Option<u8>, bytes: impl Iterator<Item = u8>) -> (Id, usize) {
        let (mut id, mut count, mut side) = (from, 0, plan.columns.side(last));
        for byte in bytes {
            if id.is_special() {
                break;
            }
            let column = if id.is_open() { plan.columns.open(side, byte) } else { plan.columns.closed(byte) };
            match self.rows.get(id.row().saturating_add(column)) {
                Some(next) if *next != Id::UNKNOWN.0 => id = Id(*next),
                _ => break,
            }
            side = plan.columns.side(Some(byte));
            count += 1;
        }
        (id, count)
    }

    /// The transition of a byte from a resolved state. Adds a shortcut to the open state that it was resolved from.
    pub(super) fn after(
        &mut self,
        plan: &Plan,
        (id, settled): (Id, Option<Settled>),
        byte: u8,
        steps: &Steps,
    ) -> Result<Id, Spent> {
        let next = self.follow(plan, id, plan.columns.closed(byte), steps)?;
        if let Some(Settled { open, kind, forgotten }) = settled
            && let Some(column) = plan.columns.shortcut(kind, byte).filter(|_| !id.is_special())
            && self.forgotten == forgotten
        {
            self.set(open, column, next);
        }
        Ok(next)
    }

    /// Resolves an open state at this kind of position.
    pub(super) fn settled(
        &mut self,
        plan: &Plan,
        open: Id,
        kind: usize,
        steps: &Steps,
    ) -> Result<(Id, Settled), Spent> {
        let id = self.follow(plan, open, plan.columns.kind(kind), steps)?;
        Ok((id, Settled { open, kind, forgotten: self.forgotten }))
    }

    /// The numbers of the expressions that end in a state.
    pub(super) fn matched(&self, id: Id) -> &[usize] {
        self.list(id).map_or(&[], |list| &list.matched)
    }

    fn list(&self, id: Id) -> Option<&List> {
        let number = *self.rows.get(id.row().saturating_add(Columns::NUMBER))?;
        self.lists.get(usize::try_from(number).ok()?)
    }

    fn set(&mut self, id: Id, column: usize, next: Id) {
        if let Some(cell) = self.rows.get_mut(id.row().saturating_add(column)) {
            *cell = next.0;
        }
    }

    fn follow(&mut self, plan: &Plan, id: Id, column: usize, steps: &Steps) -> Result<Id, Spent> {
        match self.rows.get(id.row().saturating_add(column)) {
            Some(known) if *known != Id::UNKNOWN.0 => Ok(Id(*known)),
            _ => self.explore(plan, id, column, steps),
        }
    }

    #[cold]
    fn explore(&mut self, plan: &Plan, id: Id, column: usize, steps: &Steps) -> Result<Id, Spent> {
        let Some(list) = self.list(id).map(|list| list.states.clone()) else { return Ok(Id::DEAD) };
        self.scratch.begin(plan);
        let open = if id.is_open() {
            let held = Some(plan.looks.held(plan.columns.kind_of(column)));
            list.iter().fold(false, |_, state| self.scratch.visit(plan, *state, held))
        } else {
            let byte = plan.columns.byte_of(column);
            let targets = list.iter().filter_map(|state| target(plan.nfa.state(*state), byte));
            targets.for_each(|target| self.scratch.enter(target));
            self.scratch.arrive(plan)
        };
        self.scratch.visited = self.scratch.visited.saturating_add(list.len());
        let before = self.forgotten;
        let next = self.made(plan, open, steps)?;
        // The states may have been discarded, and this row with them.
        if self.forgotten == before {
            self.set(id, column, next);
        }
        Ok(next)
    }

    /// The state for the list in `scratch`, existing or new.
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
        let columns = plan.columns.len(open);
        let size = OVERHEAD + size_of::<u32>() * columns + size_of::<StateID>() * list.len();
        if self.memory.saturating_add(size) > plan.memory {
            self.forget();
        }
        self.memory = self.memory.saturating_add(size);
        let ends = list.iter().filter_map(|state| match plan.nfa.state(*state) {
            State::Match { pattern_id } if !open => Some(pattern_id.as_usize()),
            _ => None,
        });
        let matched: Box<[usize]> = ends.collect();
        let row = self.rows.len();
        let flags = if open { Id::OPEN } else { 0 } | if matched.is_empty() { 0 } else { Id::SPECIAL };
        let id = Id(u32::try_from(row).unwrap_or(0) | flags);
        self.rows.resize(row.saturating_add(columns), Id::UNKNOWN.0);
        if let Some(number) = self.rows.get_mut(row.saturating_add(Columns::NUMBER)) {
            *number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        }
        self.lists.push(List { states: list.clone(), matched });
        self.known.insert((open, list), id);
        id
    }

    fn forget(&mut self) {
        self.rows.clear();
        self.lists.clear();
        self.known.clear();
        (self.start, self.ongoing) = (None, None);
        (self.memory, self.forgotten) = (0, self.forgotten.wrapping_add(1));
        // No row may start at offset 0, which is the dead state's.
        self.rows.extend([Id::UNKNOWN.0; Columns::NUMBER + 1]);
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

    /// Whether this is the first visit in this round.
    fn is_new(&mut self, id: StateID) -> bool {
        let Some(seen) = self.seen.get_mut(id.as_usize()).filter(|seen| **seen != self.round) else { return false };
        *seen = self.round;
        self.visited = self.visited.saturating_add(1);
        true
    }

    /// Adds the NFA state that a byte leads to.
    fn enter(&mut self, id: StateID) {
        if self.is_new(id) {
            self.list.push(id);
        }
    }

    /// Enters every NFA state of the expressions, without the loop that searches for their starts.
    fn reach(&mut self, plan: &Plan) {
        self.enter(plan.nfa.start_anchored());
        let mut at = 0;
        while let Some(id) = self.list.get(at).copied() {
            at = at.saturating_add(1);
            match plan.nfa.state(id) {
                State::ByteRange { trans } => self.enter(trans.next),
                State::Sparse(transitions) => transitions.transitions.iter().for_each(|trans| self.enter(trans.next)),
                State::Dense(transitions) => {
                    (0..=u8::MAX).filter_map(|byte| transitions.matches_byte(byte)).for_each(|next| self.enter(next));
                }
                State::Look { next, .. } | State::Capture { next, .. } => self.enter(*next),
                State::Union { alternates } => alternates.iter().for_each(|next| self.enter(*next)),
                State::BinaryUnion { alt1, alt2 } => [*alt1, *alt2].into_iter().for_each(|next| self.enter(next)),
                State::Fail | State::Match { .. } => {}
            }
        }
    }

    /// Expands the entered NFA states up to the first look-around. If there is one, keeps the entered states instead and returns `true`:
    /// the order of preference depends on the path, so everything has to be followed again once the look-around is resolved.
    fn arrive(&mut self, plan: &Plan) -> bool {
        let entered = std::mem::take(&mut self.list);
        self.next_round(plan);
        let met = entered.iter().any(|id| self.visit(plan, *id, None));
        if met {
            self.list = entered;
        }
        met
    }

    /// Adds an NFA state and its epsilon closure, in order of preference. Follows the look-arounds in `held`. If `held` is `None`, returns
    /// `true` at the first look-around.
    fn visit(&mut self, plan: &Plan, from: StateID, held: Option<LookSet>) -> bool {
        self.stack.clear();
        self.stack.push(from);
        while let Some(id) = self.stack.pop() {
            if !self.is_new(id) {
                continue;
            }
            match plan.nfa.state(id) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => {
                    self.list.push(id)
                }
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

/// The transition of an NFA state for a byte.
fn target(state: &State, byte: u8) -> Option<StateID> {
    match state {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches_byte(byte),
        State::Dense(transitions) => transitions.matches_byte(byte),
        _ => None,
    }
}
