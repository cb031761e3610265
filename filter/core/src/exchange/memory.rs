//! What a worker knows between requests, whatever its configuration: what it has seen of targets, and the names of orders.
//!
//! It lives as long as the worker's VM. Each configuration has a [`Worker`](super::worker::Worker) of its own, and all of them
//! have the same memory: so an order's name never comes twice, and a retry budget or a turn is not begun anew with a changed file.
//! It is bounded by what the present configuration names and what is under way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

use sluice_wire::hex;
use sluice_wire::time::Time;

use crate::mix::{mixed, number};
use crate::routing::pace::Pace;
use crate::routing::retry_budget::RetryBudget;
use crate::routing::target_health::load::InFlight;

/// An order's number in digits, with what stands before it.
const LONGEST_NUMBER: usize = 17;

/// One worker's memory.
#[derive(Debug)]
pub(super) struct Memory {
    seed: String,
    /// The same, as a number.
    id: u64,
    orders: Cell<u64>,
    throws: Cell<u64>,
    /// How many configurations there were.
    generations: Cell<u64>,
    /// What is known of targets here alone, by their cells' names.
    targets: RefCell<BTreeMap<String, Rc<Known>>>,
    /// Whether Redis answered when somebody wanted to know nothing else, and when that was.
    pub(super) redis_heard: Cell<Option<(Time, bool)>>,
}

/// What one worker knows of a target, and no other.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) retries: RetryBudget,
    pub(super) in_flight: InFlight,
    /// The key whose turn it is; the first is 0.
    pub(super) turn: Cell<usize>,
    pub(super) pace: Pace,
}

impl Memory {
    /// One that knows nothing. `seed` is what no other worker of any Envoy ever had.
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            id: number(&seed, &[]),
            seed: hex::encoded(&seed),
            orders: Cell::new(0),
            throws: Cell::new(0),
            generations: Cell::new(0),
            targets: RefCell::default(),
            redis_heard: Cell::default(),
        }
    }

    /// Another configuration begins: its number.
    pub(super) fn begins(&self) -> u64 {
        let generation = self.generations.get().wrapping_add(1);
        self.generations.set(generation);
        generation
    }

    /// A random number, good enough for a choice among targets.
    pub(super) fn dice(&self) -> u64 {
        let throw = self.throws.get().wrapping_add(1);
        self.throws.set(throw);
        mixed(self.id ^ mixed(throw))
    }

    /// A name that no other request of any Envoy has, and that no client can choose.
    pub(super) fn order_id(&self) -> Rc<str> {
        let number = self.orders.get();
        self.orders.set(number.wrapping_add(1));
        let mut name = String::with_capacity(self.seed.len() + LONGEST_NUMBER);
        name.push_str(&self.seed);
        // A text takes all that is written.
        let _ = write!(name, "-{number:x}");
        name.into()
    }

    /// Of how many targets something is known.
    pub(super) fn known_targets(&self) -> usize {
        self.targets.borrow().len()
    }

    /// What is known of the target with these cells.
    pub(super) fn known(&self, id: &str) -> Rc<Known> {
        let mut targets = self.targets.borrow_mut();
        if let Some(known) = targets.get(id) {
            return known.clone();
        }
        let known = Rc::new(Known {
            retries: RetryBudget::default(),
            in_flight: InFlight::new(self.id),
            turn: Cell::default(),
            pace: Pace::default(),
        });
        targets.insert(id.to_owned(), known.clone());
        known
    }

    /// Forgets the targets that are not named any more, but those to which requests are on their way.
    pub(super) fn keep_targets(&self, is_named: impl Fn(&str) -> bool) {
        self.targets.borrow_mut().retain(|id, known| known.in_flight.any() || is_named(id));
    }
}
