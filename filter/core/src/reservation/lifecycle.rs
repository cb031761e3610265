//! A request's reservation, from the store's grant to its settlement.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::time::Time;

use crate::limits::{Rule, Unit};
use crate::store::{
    Counter, CounterSnapshot, Debit, LimitExceeded, LimitWindow, ReserveRequest, Settled, day_and_month,
};
use crate::usage::price::{CacheValue, MicroUsd};

use super::headers::Standings;
use super::plan::{Candidate, Part, Plan, tokens};

/// A request's reservation.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Index of the granted candidate.
    pub chosen: usize,
    /// Ids of the reserve request and of its extensions.
    reserve_request_ids: Vec<Rc<str>>,
    held: Vec<ReservedPart>,
    /// Whether the request creates a batch that is billed on this reservation.
    batch: bool,
}

/// A reserved part.
#[derive(Debug, Clone)]
struct ReservedPart {
    part: Part,
    snapshot: CounterSnapshot,
    /// Index of its reserve request in `reserve_request_ids`.
    reserve_request: usize,
}

/// The settlement of one reserve request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The reserve request's id.
    pub id: Rc<str>,
    /// Every part that it reserved; the first also has the parts that were used without a reservation.
    pub parts: Vec<Settled>,
}

/// The usage of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptUsage {
    /// Index of the candidate in the plan.
    pub candidate: usize,
    /// Tokens used.
    pub usage: Usage,
    /// Cost.
    pub cost: MicroUsd,
    /// The savings from the provider's prompt cache.
    pub prompt_cache: CacheValue,
    /// Whether the provider did not report all of the usage.
    pub estimated: bool,
}

/// A budget after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetStatus<'a> {
    /// `team=research`.
    pub scope: &'a str,
    /// `day`, `month`, `total`.
    pub period: &'a str,
    /// Micro-dollars used.
    pub used: u64,
    /// Micro-dollars in all.
    pub limit: u64,
    /// The time until the period ends.
    pub reset: Option<Duration>,
}

impl<'a> BudgetStatus<'a> {
    /// With what the request itself has used; `None` if the part is no budget's.
    fn of(part: &'a Part, snapshot: &CounterSnapshot, own: u64) -> Option<Self> {
        let (scope, period) = part.debit.counter.name.rsplit_once('/')?;
        Some(Self {
            scope: scope.strip_suffix("/usd")?,
            period,
            used: snapshot.used.saturating_sub(snapshot.reserved).saturating_add(own),
            limit: part.rule.limit,
            reset: Some(snapshot.reset).filter(|reset| !reset.is_zero()),
        })
    }
}

/// A budget that is at least 80% used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The budget's scope and period: `team=research/month`.
    pub budget: String,
    /// Used part of the budget, in percent.
    pub percent: u64,
    /// The threshold that was crossed: 80 or 100.
    pub mark: u64,
    /// Whether the budget rejects requests that would exceed it.
    pub hard: bool,
}

impl Plan {
    /// Creates the reservation for the candidate that a store granted. A request that passes without a grant has no snapshots, and its
    /// usage is only counted at settlement.
    pub fn grant(&self, chosen: usize, snapshots: Vec<CounterSnapshot>, id: Rc<str>) -> Reservation {
        let parts = self.candidates.get(chosen).map(|candidate| candidate.parts.as_slice()).unwrap_or_default();
        let held = parts.iter().zip(snapshots).map(|(part, snapshot)| ReservedPart {
            part: part.clone(),
            snapshot,
            reserve_request: 0,
        });
        Reservation { chosen, reserve_request_ids: vec![id], held: held.collect(), batch: true }
    }
}

impl Plan {
    /// The budgets that rejected the candidates, as if unused: how much of them is only reserved is unknown.
    pub fn exceeded<'a>(&'a self, all: &'a [LimitExceeded]) -> impl Iterator<Item = BudgetStatus<'a>> {
        self.stopped(all).filter_map(|(_, part, _)| BudgetStatus::of(part, &CounterSnapshot::default(), 0))
    }
}

impl Reservation {
    /// The request failed to create its batch: the batch is not billed.
    pub fn without_batch(&mut self) {
        self.batch = false;
    }

    /// The parts billed to the batch that the request created, each with the period of its counter.
    pub fn batch(&self) -> impl Iterator<Item = (&Part, u64)> {
        self.held.iter().filter(|held| self.batch && held.part.batch > 0).map(|held| (&held.part, held.snapshot.period))
    }

    /// The response headers on limits and budgets.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let mut standings = Standings::default();
        for ReservedPart { part, snapshot, .. } in &self.held {
            standings.add(part.rule.unit, &part.debit, snapshot);
        }
        standings.write(&mut headers);
        let warnings: Vec<String> =
            self.warnings().iter().map(|warning| format!("{} {}%", warning.budget, warning.percent)).collect();
        if !warnings.is_empty() {
            headers.push(("x-sluice-budget", warnings.join(", ")));
        }
        headers
    }

    /// Budgets, hard and soft, that are at least 80% spent. Reservations of requests in flight do not count: most of that money is
    /// returned.
    #[inline(never)]
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings_with(|_| 0)
    }

    /// The budgets that this request concerns, with its own cost.
    pub fn budgets(&self, plan: &Plan, spent: &[AttemptUsage]) -> impl Iterator<Item = BudgetStatus<'_>> {
        let own: Vec<u64> = self.held.iter().map(|held| self.used(plan, spent, &held.part)).collect();
        self.held.iter().zip(own).filter_map(|(held, own)| BudgetStatus::of(&held.part, &held.snapshot, own))
    }

    /// [`Self::warnings`] including this request's own cost.
    pub fn warnings_after(&self, plan: &Plan, spent: &[AttemptUsage]) -> Vec<Warning> {
        self.warnings_with(|part| self.used(plan, spent, part))
    }

    fn warnings_with(&self, own: impl Fn(&Part) -> u64) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        for ReservedPart { part, snapshot, .. } in self.held.iter().filter(|held| held.part.rule.unit == Unit::MicroUsd)
        {
            let soft = part.also.iter().map(|also| (also, false));
            let rules = [(&part.rule, part.debit.hard)].into_iter().chain(soft);
            for (rule, hard) in rules {
                let spent = snapshot.used.saturating_sub(snapshot.reserved).saturating_add(own(part));
                let Some(warning) = warning(rule, &part.debit.counter, spent, hard) else { continue };
                let same = |other: &&mut Warning| other.budget == warning.budget && other.hard == hard;
                match warnings.iter_mut().find(same) {
                    Some(known) if known.percent >= warning.percent => {}
                    Some(known) => *known = warning,
                    None => warnings.push(warning),
                }
            }
        }
        warnings
    }

    /// The additional reservation needed before the candidate at `to` is tried; `None` when nothing is missing. For counters that are
    /// already reserved, it asks for the difference. The request has an id of its own, derived from the first, since a store treats an id
    /// it has seen as the same request. [`Reservation::extend`] expects a snapshot for each debit of its only alternative.
    pub fn extension(&self, plan: &Plan, to: usize, lease: Duration) -> Option<ReserveRequest> {
        let debits: Vec<Debit> = self.missing(plan.candidates.get(to)?).map(|part| part.debit).collect();
        (!debits.is_empty()).then(|| ReserveRequest { id: self.next_id(), lease, alternatives: vec![debits] })
    }

    /// Records that the last extension, to the candidate at `to`, was granted.
    pub fn extend(&mut self, plan: &Plan, to: usize, snapshots: Vec<CounterSnapshot>) {
        let Some(candidate) = plan.candidates.get(to) else { return };
        let reserve_request = self.reserve_request_ids.len();
        let held = |(part, snapshot)| ReservedPart { part, snapshot, reserve_request };
        let added: Vec<ReservedPart> = self.missing(candidate).zip(snapshots).map(held).collect();
        self.reserve_request_ids.push(self.next_id());
        self.held.extend(added);
    }

    fn next_id(&self) -> Rc<str> {
        let first = self.reserve_request_ids.first().map_or("", |id| id);
        format!("{first}+{}", self.reserve_request_ids.len()).into()
    }

    /// The parts of a candidate that are not reserved yet, or not in full.
    fn missing<'a>(&'a self, candidate: &'a Candidate) -> impl Iterator<Item = Part> + 'a {
        candidate.parts.iter().filter_map(|part| {
            let held = self.held.iter().filter(|held| held.part.debit.counter == part.debit.counter);
            let amount = held.fold(part.debit.amount, |left, held| left.saturating_sub(held.part.debit.amount));
            (amount > 0).then(|| Part { debit: Debit { amount, ..part.debit.clone() }, ..part.clone() })
        })
    }

    /// The request's settlement: one [`Closing`] per reserve request. The first one also enters the accounts, and exists even if nothing
    /// was reserved. Each reserved part occurs once. Counters without a reservation that a tried candidate used are counted as of `now`.
    /// `spent` has at least one entry for each candidate that was tried, even if it used nothing.
    pub fn settle(&self, plan: &Plan, spent: &[AttemptUsage], now: Time) -> Vec<Closing> {
        let mut seen: Vec<&Counter> = Vec::with_capacity(self.held.len());
        let mut closings: Vec<Closing> =
            self.reserve_request_ids.iter().map(|id| Closing { id: id.clone(), parts: Vec::new() }).collect();
        for ReservedPart { part, snapshot, reserve_request } in &self.held {
            let counter = &part.debit.counter;
            // If a counter is reserved twice, the first part has all of the usage.
            let used = if seen.contains(&counter) { 0 } else { self.used(plan, spent, part) };
            seen.push(counter);
            if let Some(closing) = closings.get_mut(*reserve_request) {
                let (CounterSnapshot { period: window, until, .. }, reserved) = (*snapshot, part.debit.amount);
                closing.parts.push(Settled { counter: counter.clone(), window, until, reserved, used });
            }
        }
        let Some(own) = closings.first_mut() else { return closings };
        let tried = spent.iter().filter_map(|spent| plan.candidates.get(spent.candidate));
        for part in tried.flat_map(|candidate| &candidate.parts).filter(|part| !part.is_slot()) {
            let counter = &part.debit.counter;
            if seen.contains(&counter) {
                continue;
            }
            seen.push(counter);
            let (used, window) = (self.used(plan, spent, part), window(counter.kind, now));
            if used > 0 {
                own.parts.push(Settled { counter: counter.clone(), window, until: 0, reserved: 0, used });
            }
        }
        closings
    }

    /// The usage of a counter, by the request and by the batch it created.
    fn used(&self, plan: &Plan, spent: &[AttemptUsage], part: &Part) -> u64 {
        used(plan, spent, part).saturating_add(if self.batch { part.batch } else { 0 })
    }
}

/// The usage of a counter, by the candidates that have it among their parts.
fn used(plan: &Plan, spent: &[AttemptUsage], part: &Part) -> u64 {
    let (counter, unit) = (&part.debit.counter, part.rule.unit);
    match (unit, counter.kind) {
        (_, LimitWindow::Concurrent) => return 0,
        // A request counts once, whatever the number of attempts and even if all fail.
        (Unit::Requests, _) => return 1,
        _ => {}
    }
    let concerned = spent.iter().filter(|spent| {
        let candidate = plan.candidates.get(spent.candidate);
        candidate.is_some_and(|candidate| candidate.parts.iter().any(|part| part.debit.counter == *counter))
    });
    concerned.fold(0, |sum, AttemptUsage { usage, cost, .. }| {
        sum.saturating_add(if unit == Unit::MicroUsd { cost.0 } else { tokens(unit, usage.input, usage.output) })
    })
}

/// The period for usage that is counted now without a reservation.
fn window(kind: LimitWindow, now: Time) -> u64 {
    let (day, month) = day_and_month(now);
    match kind {
        LimitWindow::Minute => now.0 / 1_000,
        LimitWindow::Day => day,
        LimitWindow::Month => month,
        LimitWindow::Total | LimitWindow::Concurrent => 0,
    }
}

fn warning(rule: &Rule, counter: &Counter, used: u64, hard: bool) -> Option<Warning> {
    let percent = u128::from(used) * 100 / u128::from(rule.limit.max(1));
    let mark = match percent {
        0..80 => return None,
        80..100 => 80,
        _ => 100,
    };
    // `team=research/usd/month`: the unit is dropped, since a budget is always money.
    let (scope, period) = counter.name.rsplit_once('/')?;
    let budget = format!("{}/{period}", scope.strip_suffix("/usd")?);
    Some(Warning { budget, percent: u64::try_from(percent).unwrap_or(u64::MAX), mark, hard })
}
