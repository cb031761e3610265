//! The routing strategies: each sorts a list of targets.

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

/// Sorts by weight with rendezvous hashing: over many values of `by`, each target comes first in proportion to its weight. The same `by`
/// gives the same order, and adding or removing a target moves only its own share. Targets with weight 0 come last.
pub fn weighted(targets: &[Rc<Target>], by: u64) -> Vec<Rc<Target>> {
    let score = |target: &Rc<Target>| {
        let drawn = number(&by.to_le_bytes(), target.name.as_bytes());
        // Uniform in the open interval from 0 to 1.
        let even = ((drawn >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        -even.ln() / f64::from(target.weight)
    };
    let mut ordered = targets.to_vec();
    by_numbers(&mut ordered, |target| (of_float(score(target)), 0));
    ordered
}

/// Sorts by the estimated cost of the request. Targets without a price come last.
pub fn cheapest(targets: &[Rc<Target>], estimate: &dyn Fn(&Target) -> Estimate) -> Vec<Rc<Target>> {
    let cost = |target: &Rc<Target>| {
        let estimate = estimate(target);
        target.price.map_or(u64::MAX, |price| price.expected(&estimate).0)
    };
    let mut ordered = targets.to_vec();
    by_numbers(&mut ordered, |target| (cost(target), 0));
    ordered
}

/// Sorts by the expected time of a response with `expected` tokens.
pub fn fastest(
    targets: &[Rc<Target>],
    expected: u64,
    now: Time,
    dice: u64,
    shared: &dyn SharedData,
) -> Vec<Rc<Target>> {
    let known: Vec<Speed> = targets.iter().map(|target| speed::read(shared, &target.health)).collect();
    let claim =
        |place: usize| targets.get(place).is_some_and(|target| speed::claim_exploration(shared, &target.health, now));
    let order = speed::order(&known, expected, now, dice).into_indices(claim);
    order.into_iter().filter_map(|place| targets.get(place)).cloned().collect()
}

/// Sorts by the number of requests in flight; ties are broken at random.
pub fn least_busy(
    targets: &[Rc<Target>],
    now: Time,
    lease: Duration,
    dice: u64,
    shared: &dyn SharedData,
) -> Vec<Rc<Target>> {
    let mut ordered = targets.to_vec();
    let chance = |target: &Rc<Target>| number(&dice.to_le_bytes(), target.name.as_bytes());
    by_numbers(&mut ordered, |target| (load::in_flight(shared, &target.health, now, lease), chance(target)));
    ordered
}
