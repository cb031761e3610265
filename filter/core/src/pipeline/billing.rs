//! One request's reservation and bill.
//!
//! It is created before the request is forwarded, follows the request from target to target, and is settled once, when the request is over,
//! however it ended.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::extras::Extras;
use sluice_wire::time::Time;

use crate::keys::caller::Caller;
use crate::reservation::{AttemptUsage, BudgetStatus, Candidate, Plan, Reservation};
use crate::routing::target::{Model, Target};
use crate::store::embedded::CounterScope;
use crate::store::{AccountEntry, CounterSnapshot, ReserveResult, Settled, Settlement, SharedData, Sums, embedded};
use crate::usage::price::{CacheValue, MicroUsd};

/// Where the reservation is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedIn {
    /// Nothing is reserved: there was nothing to reserve, or no store was available.
    Nowhere,
    /// In the memory of this Envoy.
    Envoy(CounterScope),
    /// In Redis.
    Redis,
}

/// A request's reservation and its bill.
#[derive(Debug)]
pub struct Billing {
    /// The reservation's id.
    pub id: Rc<str>,
    /// The candidates and the debits of each.
    pub plan: Plan,
    /// Where the reservation is stored.
    pub ledger: ReservedIn,
    /// The reservation.
    pub reservation: Reservation,
    /// Usage of the attempts that are over.
    pub spent: Vec<AttemptUsage>,
    /// Whether an attempt used something without a price.
    unpriced: bool,
}

impl Billing {
    /// Starts without a reservation, as if the first candidate had been granted with no debits.
    pub fn new(id: Rc<str>, plan: Plan) -> Self {
        let reservation = plan.grant(0, Vec::new(), id.clone());
        Self { id, plan, ledger: ReservedIn::Nowhere, reservation, spent: Vec::new(), unpriced: false }
    }

    /// Records that one of the current candidates was granted.
    pub fn granted(&mut self, ledger: ReservedIn, chosen: usize, snapshots: Vec<CounterSnapshot>) {
        self.ledger = ledger;
        self.reservation = self.plan.grant(self.plan.first.saturating_add(chosen), snapshots, self.id.clone());
    }

    /// Moves on to `target` and extends the reservation by the target's additional debits. Returns false if they do not fit.
    ///
    /// A reservation in Redis is not extended, because an attempt cannot wait for a call: it covers the most expensive target from the
    /// start, and the debits of a fallback's provider are counted at settlement.
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
            // The shared memory is too contended for an answer. The usage is settled anyway.
            Err(_) => true,
        }
    }

    fn index_of(&self, target: &Rc<Target>) -> Option<usize> {
        self.plan.candidates.iter().position(|way| Rc::ptr_eq(&way.target, target))
    }

    /// Adds the usage of a finished attempt at `target`; `usage` is `None` when it is unknown. `estimated`: the provider has not counted
    /// all of it. Returns the attempt's cost, if there is a price.
    pub fn owe(
        &mut self,
        target: &Rc<Target>,
        usage: Option<Usage>,
        (images, extras): (u64, &Extras),
        estimated: bool,
    ) -> Option<MicroUsd> {
        let candidate = self.index_of(target)?;
        let cost = match usage {
            None => Some(MicroUsd::default()),
            Some(usage) => target.price.map(|price| price.cost(&usage, images, extras)),
        };
        self.unpriced |= cost.is_none();
        let usage = usage.unwrap_or_default();
        let prompt_cache = target.price.map(|price| price.prompt_cache(&usage, extras)).unwrap_or_default();
        self.spent.push(AttemptUsage { candidate, usage, cost: cost.unwrap_or_default(), prompt_cache, estimated });
        cost
    }

    /// Whether a budget concerns the request.
    pub fn has_budget(&self) -> bool {
        self.plan.candidates.get(self.reservation.chosen).is_some_and(Candidate::has_budget)
    }

    /// Records the cost of an embedding that was asked for, by estimate or (`known`) exactly. It is the first thing that the request spends.
    /// An embedding without a price costs nothing.
    pub fn owe_embedding(&mut self, cost: Option<MicroUsd>, known: bool) {
        self.spent.clear();
        let (candidate, usage) = (self.reservation.chosen, Usage::default());
        let (cost, prompt_cache) = (cost.unwrap_or_default(), CacheValue::default());
        self.spent.push(AttemptUsage { candidate, usage, cost, prompt_cache, estimated: !known });
    }

    /// The cost of all attempts; `None` if one of them has no price.
    #[inline(never)]
    pub fn cost(&self) -> Option<MicroUsd> {
        (!self.unpriced).then(|| self.sums().cost).map(MicroUsd)
    }

    /// Response headers for the client: limits, and budgets that are nearly used up.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.reservation.headers();
        let instead_of = self.plan.candidates.get(self.reservation.chosen).and_then(|way| way.instead_of.as_ref());
        if let (Some(_), Some(first)) = (instead_of, self.plan.candidates.first()) {
            headers.push(("x-sluice-instead-of", first.model.name.clone()));
        }
        headers
    }

    /// The budgets that the request concerns, with its cost.
    pub fn budgets(&self) -> impl Iterator<Item = BudgetStatus<'_>> {
        self.reservation.budgets(&self.plan, &self.spent)
    }

    /// For the access log: budgets that are nearly used up.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.reservation.warnings_after(&self.plan, &self.spent);
        warnings.iter().map(|warning| format!("{} {}%", warning.budget, warning.percent)).collect()
    }

    /// The settlement of the whole request.
    pub fn settlement(&self, caller: &Caller, model: &Model, at: Time) -> Settlement {
        let closings = self.reservation.settle(&self.plan, &self.spent, at);
        self.closed(closings.into_iter().flat_map(|closing| closing.parts).collect(), (caller, model), self.sums(), at)
    }

    /// The settlement when it is unknown whether a candidate was reserved: nothing was used.
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

    /// The tokens of all attempts.
    pub fn used(&self) -> Usage {
        self.spent.iter().fold(Usage::default(), |sum, AttemptUsage { usage, .. }| Usage {
            input: sum.input.saturating_add(usage.input),
            output: sum.output.saturating_add(usage.output),
            cached: sum.cached.saturating_add(usage.cached),
            cache_write: sum.cache_write.saturating_add(usage.cache_write),
            reasoning: sum.reasoning.saturating_add(usage.reasoning),
        })
    }

    /// The savings from the providers' prompt caches, in all attempts.
    pub fn prompt_cache(&self) -> CacheValue {
        self.spent.iter().fold(CacheValue::default(), |sum, spent| sum.plus(spent.prompt_cache))
    }

    /// The usage of all attempts, for the accounts.
    pub fn sums(&self) -> Sums {
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
