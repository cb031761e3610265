//! Any interleaving of reservations, settlements, repetitions and lease ends counts like a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sluice_core::store::{Counter, LimitWindow, Settlement};
use sluice_tests::redis::Redis;

use crate::leases::lose;
use crate::store::{Store, counter, debit, is_granted, part, reserve_request, settlement, start};

const COUNTERS: usize = 3;
const LIMIT: u64 = 30;

#[derive(Debug, Clone)]
enum Step {
    /// A reservation: its number, and its amounts by counter.
    Reserve(usize, Vec<(usize, u64)>),
    /// Settles a reservation, and whether its lease ended just before.
    Settle(usize, Vec<(usize, u64)>, bool),
    /// A reservation's lease ends.
    Lose(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parts = || proptest::collection::btree_map(0..COUNTERS, 0..12_u64, 0..=COUNTERS);
    let reserve = (0..8_usize, parts()).prop_map(|(id, parts)| Step::Reserve(id, parts.into_iter().collect()));
    let settle = (0..8_usize, parts(), proptest::bool::weighted(0.2))
        .prop_map(|(id, parts, late)| Step::Settle(id, parts.into_iter().collect(), late));
    let lose = (0..8_usize).prop_map(Step::Lose);
    proptest::collection::vec(prop_oneof![3 => reserve, 2 => settle, 1 => lose], 1..24)
}

#[derive(Default)]
struct Model {
    used: [u64; COUNTERS],
    open: BTreeMap<usize, Vec<(usize, u64)>>,
    settled: Vec<usize>,
}

impl Model {
    /// Whether it is granted; `None` if it was settled before.
    fn reserve(&mut self, id: usize, debits: &[(usize, u64)]) -> Option<bool> {
        if self.settled.contains(&id) {
            return None;
        }
        if self.open.contains_key(&id) {
            return Some(true);
        }
        let fits = debits.iter().all(|(counter, amount)| self.used[*counter] + amount <= LIMIT);
        if fits {
            debits.iter().for_each(|(counter, amount)| self.used[*counter] += amount);
            self.open.insert(id, debits.to_vec());
        }
        Some(fits)
    }

    fn settle(&mut self, id: usize, parts: &[(usize, u64)]) -> usize {
        if self.settled.contains(&id) {
            return 0;
        }
        self.settled.push(id);
        self.lose(id);
        self.open.remove(&id);
        parts.iter().for_each(|(counter, used)| self.used[*counter] += used);
        1
    }

    /// Releases its amounts. It stays open without any.
    fn lose(&mut self, id: usize) {
        for (counter, amount) in self.open.get_mut(&id).map(std::mem::take).unwrap_or_default() {
            self.used[counter] -= amount;
        }
    }
}

/// Each case has its own counters and requests, so all share one Redis.
async fn follow(store: &mut Store, redis: &Redis, case: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let counters: Vec<Counter> =
        (0..COUNTERS).map(|number| counter(&format!("{case}/{number}"), LimitWindow::Total)).collect();
    let mut model = Model::default();
    // A repeated reservation is the same request, so it has the first one's amounts.
    let mut shapes = BTreeMap::new();
    for step in steps {
        match step {
            Step::Reserve(id, debits) => {
                let debits = shapes.entry(id).or_insert(debits);
                let parts = debits.iter().map(|(number, amount)| debit(&counters[*number], *amount, LIMIT)).collect();
                let verdict = store.reserve(&reserve_request(&format!("{case}-{id}"), parts)).await.ok();
                prop_assert_eq!(verdict.as_ref().map(is_granted), model.reserve(id, debits));
            }
            Step::Lose(id) => {
                lose(redis, &format!("{case}-{id}"));
                model.lose(id);
            }
            Step::Settle(id, parts, late) => {
                if late {
                    lose(redis, &format!("{case}-{id}"));
                }
                let new = model.settle(id, &parts);
                let parts = parts.iter().map(|(number, used)| part(&counters[*number], 0, *used)).collect();
                let settlement: Settlement = settlement(&format!("{case}-{id}"), parts);
                prop_assert_eq!(store.settle(&[settlement]).await, Ok(new));
            }
        }
        let used: Vec<u64> = store.read(&counters).await.iter().map(|reading| reading.used).collect();
        prop_assert_eq!(used, model.used.to_vec());
    }
    Ok(())
}

#[test]
fn any_interleaving_counts_as_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (redis, _webdis, store) = runtime.block_on(start());
    let store = std::cell::RefCell::new(store);
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        case.set(case.get() + 1);
        runtime.block_on(follow(&mut store.borrow_mut(), &redis, case.get(), steps))
    });
    assert!(result.is_ok(), "{result:?}");
}
