//! What one request holds of its meters, from the moment a store grants it until it is settled.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::conversation::Usage;
use sluice_wire::time::Time;

use crate::limits::{Rule, Unit};
use crate::store::{Counter, CounterSnapshot, Debit, LimitWindow, ReserveRequest, Settled, day_and_month};
use crate::usage::price::MicroUsd;

use super::headers::Standings;
use super::plan::{Candidate, Part, Plan, tokens};

/// A request's reservation.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Which candidate was granted.
    pub chosen: usize,
    /// The request's order, and those of its extensions.
    orders: Vec<Rc<str>>,
    held: Vec<Held>,
    /// Whether a batch takes its parts.
    batch: bool,
}

/// A reserved part.
#[derive(Debug, Clone)]
struct Held {
    part: Part,
    snapshot: CounterSnapshot,
    /// By which of the orders.
    reserve_request: usize,
}

/// What closes one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The order's.
    pub id: Rc<str>,
    /// Every part that it reserved; for the request's own order also parts that were used and not reserved.
    pub parts: Vec<Settled>,
}

/// What one candidate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptUsage {
    /// Its index in the plan.
    pub candidate: usize,
    /// Tokens.
    pub usage: Usage,
    /// Money.
    pub cost: MicroUsd,
    /// Whether its provider has not counted all of it.
    pub estimated: bool,
}

/// A budget that is nearly used up, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Whose, and for which time: `team=research/month`.
    pub budget: String,
    /// How much of it is used, in percent.
    pub percent: u64,
    /// The mark that was passed: 80 or 100.
    pub mark: u64,
    /// Whether the budget refuses what goes beyond it.
    pub hard: bool,
}

impl Plan {
    /// The ticket for the candidate that a store granted, or for one that was let pass without: then there are no readings, and
    /// what it uses is only counted when it is settled.
    pub fn grant(&self, chosen: usize, snapshots: Vec<CounterSnapshot>, id: Rc<str>) -> Reservation {
        let parts = self.candidates.get(chosen).map(|candidate| candidate.parts.as_slice()).unwrap_or_default();
        let held = parts.iter().zip(snapshots).map(|(part, snapshot)| Held {
            part: part.clone(),
            snapshot,
            reserve_request: 0,
        });
        Reservation { chosen, orders: vec![id], held: held.collect(), batch: true }
    }
}

impl Reservation {
    /// The batch that the request was to create is none, and takes nothing.
    pub fn without_batch(&mut self) {
        self.batch = false;
    }

    /// What a batch that the request has created is charged with: each part, and in which of its meter's windows.
    pub fn batch(&self) -> impl Iterator<Item = (&Part, u64)> {
        self.held.iter().filter(|held| self.batch && held.part.batch > 0).map(|held| (&held.part, held.snapshot.period))
    }

    /// What the answer says of limits and budgets.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let mut standings = Standings::default();
        for Held { part, snapshot, .. } in &self.held {
            standings.add(part.rule.unit, &part.take, snapshot);
        }
        standings.write(&mut headers);
        let warnings: Vec<String> =
            self.warnings().iter().map(|warning| format!("{} {}%", warning.budget, warning.percent)).collect();
        if !warnings.is_empty() {
            headers.push(("x-sluice-budget", warnings.join(", ")));
        }
        headers
    }

    /// Budgets, hard and soft, of which 80% or more are spent. What is reserved for requests under way is not: most of it comes back.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings_with(|_| 0)
    }

    /// The same, with what this request has spent.
    pub fn warnings_after(&self, plan: &Plan, spent: &[AttemptUsage]) -> Vec<Warning> {
        self.warnings_with(|part| self.used(plan, spent, part))
    }

    fn warnings_with(&self, own: impl Fn(&Part) -> u64) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        for Held { part, snapshot, .. } in self.held.iter().filter(|held| held.part.rule.unit == Unit::MicroUsd) {
            let soft = part.also.iter().map(|also| (also, false));
            let rules = [(&part.rule, part.take.hard)].into_iter().chain(soft);
            for (rule, hard) in rules {
                let spent = snapshot.used.saturating_sub(snapshot.reserved).saturating_add(own(part));
                let Some(warning) = warning(rule, &part.take.counter, spent, hard) else { continue };
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

    /// What must be reserved in addition before the candidate at `to` is tried: of meters that are held, what it takes more;
    /// of others, all. `None` when nothing is missing. The order has a name of its own, made from the request's, since a store
    /// that sees a name again takes it for the same order; its only alternative has the parts that [`Reservation::extend`] expects
    /// readings for.
    pub fn extension(&self, plan: &Plan, to: usize, lease: Duration) -> Option<ReserveRequest> {
        let debits: Vec<Debit> = self.missing(plan.candidates.get(to)?).map(|part| part.take).collect();
        (!debits.is_empty()).then(|| ReserveRequest { id: self.next_id(), lease, alternatives: vec![debits] })
    }

    /// The last extension, to the candidate at `to`, was granted.
    pub fn extend(&mut self, plan: &Plan, to: usize, snapshots: Vec<CounterSnapshot>) {
        let Some(candidate) = plan.candidates.get(to) else { return };
        let reserve_request = self.orders.len();
        let held = |(part, snapshot)| Held { part, snapshot, reserve_request };
        let added: Vec<Held> = self.missing(candidate).zip(snapshots).map(held).collect();
        self.orders.push(self.next_id());
        self.held.extend(added);
    }

    fn next_id(&self) -> Rc<str> {
        let first = self.orders.first().map_or("", |id| id);
        format!("{first}+{}", self.orders.len()).into()
    }

    /// The parts of a candidate that are not held, or not enough of.
    fn missing<'a>(&'a self, candidate: &'a Candidate) -> impl Iterator<Item = Part> + 'a {
        candidate.parts.iter().filter_map(|part| {
            let held = self.held.iter().filter(|held| held.part.take.counter == part.take.counter);
            let amount = held.fold(part.take.amount, |left, held| left.saturating_sub(held.part.take.amount));
            (amount > 0).then(|| Part { take: Debit { amount, ..part.take.clone() }, ..part.clone() })
        })
    }

    /// What the request came to: for each of its orders, what closes it; the first is the request's own, with which it enters
    /// the accounts, and is there also when it reserved nothing. Every part that is held stands once; meters that were not
    /// held and are used by a candidate that was tried are counted as of `now`. `spent` has one entry or more for each
    /// candidate that was tried, also when it used nothing.
    pub fn settle(&self, plan: &Plan, spent: &[AttemptUsage], now: Time) -> Vec<Closing> {
        let mut seen: Vec<&Counter> = Vec::with_capacity(self.held.len());
        let mut closings: Vec<Closing> =
            self.orders.iter().map(|id| Closing { id: id.clone(), parts: Vec::new() }).collect();
        for Held { part, snapshot, reserve_request } in &self.held {
            let meter = &part.take.counter;
            // A meter that is held twice has its use in the first part.
            let used = if seen.contains(&meter) { 0 } else { self.used(plan, spent, part) };
            seen.push(meter);
            if let Some(closing) = closings.get_mut(*reserve_request) {
                let (CounterSnapshot { period: window, until, .. }, reserved) = (*snapshot, part.take.amount);
                closing.parts.push(Settled { counter: meter.clone(), window, until, reserved, used });
            }
        }
        let Some(own) = closings.first_mut() else { return closings };
        let tried = spent.iter().filter_map(|spent| plan.candidates.get(spent.candidate));
        for part in tried.flat_map(|candidate| &candidate.parts).filter(|part| !part.is_place()) {
            let meter = &part.take.counter;
            if seen.contains(&meter) {
                continue;
            }
            seen.push(meter);
            let (used, window) = (self.used(plan, spent, part), window(meter.kind, now));
            if used > 0 {
                own.parts.push(Settled { counter: meter.clone(), window, until: 0, reserved: 0, used });
            }
        }
        closings
    }

    /// How much of a meter was used, by the request and by the batch that it has created.
    fn used(&self, plan: &Plan, spent: &[AttemptUsage], part: &Part) -> u64 {
        used(plan, spent, part).saturating_add(if self.batch { part.batch } else { 0 })
    }
}

/// How much of a meter was used: by the candidates that it concerns.
fn used(plan: &Plan, spent: &[AttemptUsage], part: &Part) -> u64 {
    let (meter, unit) = (&part.take.counter, part.rule.unit);
    match (unit, meter.kind) {
        (_, LimitWindow::Concurrent) => return 0,
        // A request is one, however often it was tried, and also when every attempt failed.
        (Unit::Requests, _) => return 1,
        _ => {}
    }
    let concerned = spent.iter().filter(|spent| {
        let candidate = plan.candidates.get(spent.candidate);
        candidate.is_some_and(|candidate| candidate.parts.iter().any(|part| part.take.counter == *meter))
    });
    concerned.fold(0, |sum, AttemptUsage { usage, cost, .. }| {
        sum.saturating_add(if unit == Unit::MicroUsd { cost.0 } else { tokens(unit, usage.input, usage.output) })
    })
}

/// The window of what is counted now without having been reserved.
fn window(kind: LimitWindow, now: Time) -> u64 {
    let (day, month) = day_and_month(now);
    match kind {
        LimitWindow::Minute => now.0 / 1_000,
        LimitWindow::Day => day,
        LimitWindow::Month => month,
        LimitWindow::Total | LimitWindow::Concurrent => 0,
    }
}

fn warning(rule: &Rule, meter: &Counter, used: u64, hard: bool) -> Option<Warning> {
    let percent = u128::from(used) * 100 / u128::from(rule.limit.max(1));
    let mark = match percent {
        0..80 => return None,
        80..100 => 80,
        _ => 100,
    };
    // `team=research/usd/month`: that it is money goes without saying.
    let (scope, period) = meter.name.rsplit_once('/')?;
    let budget = format!("{}/{period}", scope.strip_suffix("/usd")?);
    Some(Warning { budget, percent: u64::try_from(percent).unwrap_or(u64::MAX), mark, hard })
}
