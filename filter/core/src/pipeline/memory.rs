//! A worker's state between requests, independent of its configuration: target state and the sequence of reservation ids.
//!
//! It lives as long as the worker's VM. All [`Worker`](super::worker::Worker)s, one for each configuration, share it: so reservation ids
//! stay unique, and a changed file resets neither retry budgets nor key rotation. Its size is bounded by the current configuration's
//! targets and the requests in flight.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use sluice_wire::hex;
use sluice_wire::time::Time;

use crate::metrics::Recorder;
use crate::mix::{mixed, number};
use crate::routing::output_rate::OutputRate;
use crate::routing::retry_budget::RetryBudget;
use crate::routing::target_health::load::InFlight;

use super::rare_warning::RareWarning;
use super::redis_cache::RedisCache;
use super::similar_requests::SimilarRequests;
use super::span_queue::SpanQueue;

/// The digits of an id's number, with the separator.
const LONGEST_NUMBER: usize = 17;

/// The most words of a guardrail's judge with their own time series: a judge may write any.
const MOST_WORDS: usize = 50;

/// One worker's memory.
#[derive(Debug)]
pub(super) struct Memory {
    seed: String,
    /// The seed as a number.
    id: u64,
    reservations: Cell<u64>,
    throws: Cell<u64>,
    /// The new metrics.
    pub(super) recorder: Arc<Recorder>,
    /// The spans that are not exported yet.
    pub(super) spans: Arc<SpanQueue>,
    /// Its part in the shared cache.
    pub(super) redis_cache: Arc<RedisCache>,
    /// Its part in the semantic cache.
    pub(super) similar: SimilarRequests,
    /// How many configurations have been loaded.
    generations: Cell<u64>,
    /// Target state of this worker alone, by the id of the target's health counters.
    targets: RefCell<BTreeMap<String, Rc<Known>>>,
    /// Guardrails with judges, each with a word of its verdicts that has its own time series.
    words: RefCell<Vec<(String, String)>>,
    /// The last result of a Redis check, and its time.
    pub(super) redis_heard: Cell<Option<(Time, bool)>>,
    /// Limits and budgets cannot be checked in Envoy's memory.
    pub(super) unchecked: RareWarning,
}

/// One worker's own state of a target.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) retries: RetryBudget,
    pub(super) in_flight: InFlight,
    /// The index of the next key.
    pub(super) turn: Cell<usize>,
    pub(super) output_rate: OutputRate,
}

impl Memory {
    /// Creates an empty memory. `seed` must be unique among all workers of all Envoys.
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            id: number(&seed, &[]),
            recorder: Arc::new(Recorder::new(hex::encoded(&seed))),
            spans: Arc::default(),
            redis_cache: Arc::default(),
            similar: SimilarRequests::default(),
            seed: hex::encoded(&seed),
            reservations: Cell::new(0),
            throws: Cell::new(0),
            generations: Cell::new(0),
            targets: RefCell::default(),
            words: RefCell::default(),
            redis_heard: Cell::default(),
            unchecked: RareWarning::default(),
        }
    }

    /// Starts the next configuration and returns its number.
    pub(super) fn begins(&self) -> u64 {
        let generation = self.generations.get().wrapping_add(1);
        self.generations.set(generation);
        generation
    }

    /// A random number for choices among targets; not cryptographic.
    pub(super) fn dice(&self) -> u64 {
        let throw = self.throws.get().wrapping_add(1);
        self.throws.set(throw);
        mixed(self.id ^ mixed(throw))
    }

    /// A new id of a span; not zero.
    pub(super) fn span_id(&self) -> u64 {
        self.dice().max(1)
    }

    /// A new id of a trace; not zero.
    pub(super) fn trace_id(&self) -> u128 {
        u128::from(self.dice()) << 64 | u128::from(self.span_id())
    }

    /// Returns a reservation id that is unique among all Envoys and that no client can choose.
    pub(super) fn reservation_id(&self) -> Rc<str> {
        let number = self.reservations.get();
        self.reservations.set(number.wrapping_add(1));
        let mut name = String::with_capacity(self.seed.len() + LONGEST_NUMBER);
        name.push_str(&self.seed);
        // Writing to a `String` cannot fail.
        let _ = write!(name, "-{number:x}");
        name.into()
    }

    /// A secret of this worker.
    pub(super) fn secret(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.seed.as_bytes())
    }

    /// Whether a word of a judge gets its own time series. The first of each guardrail do.
    pub(super) fn admits_word(&self, guard: &str, word: &str) -> bool {
        let mut words = self.words.borrow_mut();
        let of_guard = || words.iter().filter(|(known, _)| known == guard);
        if of_guard().any(|(_, known)| known == word) {
            return true;
        }
        let admits = of_guard().count() < MOST_WORDS;
        if admits {
            words.push((guard.to_owned(), word.to_owned()));
        }
        admits
    }

    /// The number of targets with state.
    pub(super) fn known_targets(&self) -> usize {
        self.targets.borrow().len()
    }

    /// The state of the target with this id.
    pub(super) fn known(&self, id: &str) -> Rc<Known> {
        let mut targets = self.targets.borrow_mut();
        if let Some(known) = targets.get(id) {
            return known.clone();
        }
        let known = Rc::new(Known {
            retries: RetryBudget::default(),
            in_flight: InFlight::new(self.id),
            turn: Cell::default(),
            output_rate: OutputRate::default(),
        });
        targets.insert(id.to_owned(), known.clone());
        known
    }

    /// Drops the state of targets that are no longer configured, unless they have requests in flight.
    pub(super) fn keep_targets(&self, is_named: impl Fn(&str) -> bool) {
        self.targets.borrow_mut().retain(|id, known| known.in_flight.any() || is_named(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_the_first_words_of_each_guardrails_judge_get_their_own_time_series() {
        let memory = Memory::new([7; 16]);
        let admitted = |guard: &str| (0..80).filter(|word| memory.admits_word(guard, &word.to_string())).count();
        assert_eq!([admitted("a"), admitted("b"), admitted("a")], [MOST_WORDS; 3]);
        assert!(memory.admits_word("a", "0") && !memory.admits_word("a", "new"));
    }
}
