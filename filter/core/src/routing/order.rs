//! The strategies: targets in, targets out, in another order.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::order::{by_numbers, of_float};
use sluice_wire::time::Time;

use crate::mix::number;
use crate::routing::target::Target;
use crate::store::SharedData;
use crate::usage::estimate::Estimate;

use super::target_health::load;
use super::target_health::speed::{self, Speed};

/// By their weights: each comes before the others as often as its weight says, over many `by`; the same `by` gives the same
/// order, and a target that joins or leaves moves no more than its own share (rendezvous hashing). Weights of 0 come last.
pub fn weighted(targets: &[Rc<Target>], by: u64) -> Vec<Rc<Target>> {
    let score = |target: &Rc<Target>| {
        let drawn = number(&by.to_le_bytes(), target.name.as_bytes());
        // Evenly between 0 and 1, neither of them.
        let even = ((drawn >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        -even.ln() / f64::from(target.weight)
    };
    let mut ordered = targets.to_vec();
    by_numbers(&mut ordered, |target| (of_float(score(target)), 0));
    ordered
}

/// By what the request will cost; those whose price is not known come last.
pub fn cheapest(targets: &[Rc<Target>], estimate: &dyn Fn(&Target) -> Estimate) -> Vec<Rc<Target>> {
    let cost = |target: &Rc<Target>| {
        let estimate = estimate(target);
        target.price.map_or(u64::MAX, |price| price.expected(&estimate).0)
    };
    let mut ordered = targets.to_vec();
    by_numbers(&mut ordered, |target| (cost(target), 0));
    ordered
}

/// By how soon an answer of so many tokens will be there.
pub fn fastest(
    targets: &[Rc<Target>],
    expected: u64,
    now: Time,
    dice: u64,
    shared: &dyn SharedData,
) -> Vec<Rc<Target>> {
    let known: Vec<Speed> = targets.iter().map(|target| speed::read(shared, &target.cells)).collect();
    let claim =
        |place: usize| targets.get(place).is_some_and(|target| speed::claim_exploration(shared, &target.cells, now));
    let order = speed::order(&known, expected, now, dice).into_indices(claim);
    order.into_iter().filter_map(|place| targets.get(place)).cloned().collect()
}

/// By the requests that each is answering; equals by chance.
pub fn least_busy(
    targets: &[Rc<Target>],
    now: Time,
    lease: Duration,
    dice: u64,
    shared: &dyn SharedData,
) -> Vec<Rc<Target>> {
    let mut ordered = targets.to_vec();
    let chance = |target: &Rc<Target>| number(&dice.to_le_bytes(), target.name.as_bytes());
    by_numbers(&mut ordered, |target| (load::in_flight(shared, &target.cells, now, lease), chance(target)));
    ordered
}
