//! What one request holds of the meters that concern it, and what it owes in the end.
//!
//! It is made before the request leaves, follows it from target to target, and is settled once, when the request is over,
//! however it ended.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::extras::Extras;
use sluice_wire::time::Time;

use crate::keys::caller::Caller;
use crate::reservation::{AttemptUsage, Plan, Reservation};
use crate::routing::target::{Model, Target};
use crate::store::embedded::CounterScope;
use crate::store::{AccountEntry, CounterSnapshot, ReserveResult, Settled, Settlement, SharedData, Sums, embedded};
use crate::usage::price::MicroUsd;

/// Who keeps the reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedIn {
    /// Nobody: there was nothing to reserve, or nobody to ask.
    Nowhere,
    /// The memory of this Envoy.
    Envoy(CounterScope),
    /// Redis.
    Redis,
}

/// A request's reservation and its bill.
#[derive(Debug)]
pub struct Billing {
    /// The order's id.
    pub id: Rc<str>,
    /// Where it may go, and what each way takes.
    pub plan: Plan,
    /// Who keeps the reservation.
    pub ledger: ReservedIn,
    /// What is held.
    pub reservation: Reservation,
    /// What was used so far, by attempts that are over.
    pub spent: Vec<AttemptUsage>,
    /// Whether something was used that has no price.
    unpriced: bool,
}

impl Billing {
    /// Nothing is reserved yet: as if the first way had been granted for nothing.
    pub fn new(id: Rc<str>, plan: Plan) -> Self {
        let reservation = plan.grant(0, Vec::new(), id.clone());
        Self { id, plan, ledger: ReservedIn::Nowhere, reservation, spent: Vec::new(), unpriced: false }
    }

    /// The way at `chosen` was granted.
    pub fn granted(&mut self, ledger: ReservedIn, chosen: usize, snapshots: Vec<CounterSnapshot>) {
        self.ledger = ledger;
        self.reservation = self.plan.grant(chosen, snapshots, self.id.clone());
    }

    /// The next attempt goes to `target`: what that takes beyond what is held is reserved too, where that can be done at
    /// once. Redis would have to be asked, which an attempt cannot wait for: there the dearest target was reserved for
    /// from the beginning, and what a fallback's provider takes is counted when the request is settled. False when it does
    /// not fit.
    pub fn moves_to(&mut self, target: &Rc<Target>, lease: Duration, shared: &dyn SharedData, now: Time) -> bool {
        let Some(index) = self.index_of(target) else { return true };
        let Some(reserve_request) = self.reservation.extension(&self.plan, index, lease) else { return true };
        let ReservedIn::Envoy(scope) = self.ledger else { return true };
        match embedded::reserve(shared, &reserve_request, scope, now) {
            Ok(ReserveResult::Granted { snapshots, .. }) => {
                self.reservation.extend(&self.plan, index, snapshots);
                true
            }
            Ok(ReserveResult::Refused(_)) => false,
            // The memory of this Envoy is too contended to say: settled all the same.
            Err(_) => true,
        }
    }

    fn index_of(&self, target: &Rc<Target>) -> Option<usize> {
        self.plan.candidates.iter().position(|way| Rc::ptr_eq(&way.target, target))
    }

    /// An attempt at `target` is over, and used this much; nothing, when that is not known. `estimated` where its provider has not
    /// counted all of it.
    pub fn owe(
        &mut self,
        target: &Rc<Target>,
        usage: Option<Usage>,
        (images, extras): (u64, &Extras),
        estimated: bool,
    ) {
        let Some(candidate) = self.index_of(target) else { return };
        let cost = match (usage, target.price) {
            (None, _) => Some(MicroUsd::default()),
            (Some(usage), price) => price.map(|price| price.cost(&usage, images, extras)),
        };
        self.unpriced |= cost.is_none();
        let (usage, cost) = (usage.unwrap_or_default(), cost.unwrap_or_default());
        self.spent.push(AttemptUsage { candidate, usage, cost, estimated });
    }

    /// What all attempts cost together; `None` when there is none with a price.
    pub fn cost(&self) -> Option<MicroUsd> {
        (!self.unpriced).then(|| self.sums().cost).map(MicroUsd)
    }

    /// For the client: limits, and budgets that are nearly used up.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.reservation.headers();
        let instead_of = self.plan.candidates.get(self.reservation.chosen).and_then(|way| way.instead_of.as_ref());
        if let (Some(_), Some(first)) = (instead_of, self.plan.candidates.first()) {
            headers.push(("x-sluice-instead-of", first.model.name.clone()));
        }
        headers
    }

    /// For the log: budgets that are nearly used up.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.reservation.warnings_after(&self.plan, &self.spent);
        warnings.iter().map(|warning| format!("{} {}%", warning.budget, warning.percent)).collect()
    }

    /// What the request came to.
    pub fn settlement(&self, caller: &Caller, model: &Model, at: Time) -> Settlement {
        let closings = self.reservation.settle(&self.plan, &self.spent, at);
        self.closed(closings.into_iter().flat_map(|closing| closing.parts).collect(), (caller, model), self.sums(), at)
    }

    /// The same when nobody knows whether any of the ways was reserved: nothing was used of them.
    pub fn withdrawn(&self, caller: &Caller, model: &Model, at: Time) -> Settlement {
        self.closed(Vec::new(), (caller, model), Sums::default(), at)
    }

    fn closed(&self, parts: Vec<Settled>, (caller, model): (&Caller, &Model), sums: Sums, at: Time) -> Settlement {
        let entry = Some(AccountEntry {
            key: caller.key_id.clone(),
            team: caller.team.clone(),
            app: caller.app.clone(),
            model: model.name.as_str().into(),
            sums,
        });
        Settlement { id: self.id.clone(), parts, entry, at, corrects: false, notes: Vec::new() }
    }

    fn sums(&self) -> Sums {
        let start = Sums { requests: 1, ..Sums::default() };
        self.spent.iter().fold(start, |sums, spent| {
            let Usage { input, output, .. } = spent.usage;
            let used = Sums { input_tokens: input, output_tokens: output, cost: spent.cost.0, ..Sums::default() };
            sums.plus(&match spent.estimated {
                true => Sums { estimated_tokens: input.saturating_add(output), estimated_cost: spent.cost.0, ..used },
                false => used,
            })
        })
    }
}
