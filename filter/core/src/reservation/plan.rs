//! The debits of a request on every counter that concerns it, for each candidate that can serve it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::error::{ApiError, ErrorKind};

use crate::compiled::CompiledConfig;
use crate::keys::caller::Caller;
use crate::limits::Applied;
use crate::limits::Subject;
use crate::limits::{Rule, Unit};
use crate::reservation::work::{UsageSum, Work};
use crate::routing::target::{Model, Target};
use crate::store::{Counter, Debit, LimitExceeded, LimitWindow, ReserveRequest};
use crate::usage::estimate::Estimate;
use crate::usage::price::MicroUsd;

/// The candidates that can serve a request, in the order they are tried.
#[derive(Debug)]
pub struct Plan {
    /// The candidates; not empty if there was a target.
    pub candidates: Vec<Candidate>,
    /// Index of the first candidate of the model to reserve for: the requested one, unless a budget led to another.
    pub first: usize,
    pub(super) caller: Rc<Caller>,
}

/// A model and a target that can serve a request.
#[derive(Debug)]
pub struct Candidate {
    /// The model that is served: the requested one, or a budget's fallback model.
    pub model: Rc<Model>,
    /// The target that serves it.
    pub target: Rc<Target>,
    /// The debits; each counter occurs once.
    pub parts: Vec<Part>,
    /// The exhausted budget that makes this candidate serve.
    pub instead_of: Option<Rc<Rule>>,
}

/// A candidate's debit on one counter.
#[derive(Debug, Clone)]
pub struct Part {
    /// The amount and the limit.
    pub debit: Debit,
    /// The rule that sets the limit.
    pub rule: Rc<Rule>,
    /// A soft rule on the same counter, which warns at its own limit.
    pub also: Option<Rc<Rule>>,
    /// The part of the amount for a batch that the request creates.
    pub batch: u64,
}

impl Candidate {
    /// Whether a budget concerns it.
    pub fn has_budget(&self) -> bool {
        self.parts.iter().any(|part| part.rule.unit == Unit::MicroUsd)
    }
}

impl Plan {
    /// Plans a request of `caller` for `model`, at `targets`. Drops targets without a price where a budget applies, and targets where the
    /// request exceeds the maximum request size; fails when none is left.
    ///
    /// If a hard budget with a fallback model concerns the request, the fallback model's targets follow, for [`Plan::turn`]. Their cost
    /// counts towards that budget but is not stopped by it. The fallback model's own budgets can stop it, but their fallback models are not
    /// tried. The key needs no permission for the fallback model: the budget's author chose it. Stored objects have no fallback: another
    /// provider does not have them. `reserve_request` returns that model's targets in the order to try them.
    pub fn new(
        config: &CompiledConfig,
        caller: &Rc<Caller>,
        model: &Rc<Model>,
        targets: &[Rc<Target>],
        reserve_request: impl Fn(&Rc<Model>) -> Vec<Rc<Target>>,
        estimate: impl Fn(&Target) -> Estimate,
    ) -> Result<Self, ApiError> {
        let mut draft = Draft { config, caller, asked: model, estimate, candidates: Vec::new(), left_out: None };
        for target in targets {
            draft.candidate(model, target, &[], None);
        }
        if draft.candidates.is_empty()
            && let Some(error) = draft.left_out
        {
            return Err(error);
        }
        let turning = draft.turning();
        let mut lifted: Vec<Rc<Rule>> = Vec::new();
        for (index, rule) in turning.iter().enumerate() {
            let same = |other: &&Rc<Rule>| other.then_model == rule.then_model;
            if turning.iter().take(index).any(|other| same(&other)) {
                continue;
            }
            // All periods of a budget name the same fallback model. Lifting one period does not help if another one rejects.
            lifted.extend(turning.iter().filter(same).cloned());
            let Some(then) = rule.then_model.as_ref().and_then(|then| config.models.get(&**then)) else { continue };
            for target in reserve_request(then) {
                draft.candidate(then, &target, &lifted, Some(rule));
            }
        }
        Ok(Self { candidates: draft.candidates, first: 0, caller: caller.clone() })
    }

    /// The candidates of the model to reserve for.
    fn current(&self) -> &[Candidate] {
        let rest = self.candidates.get(self.first..).unwrap_or_default();
        rest.chunk_by(|one, next| Rc::ptr_eq(&one.model, &next.model)).next().unwrap_or_default()
    }

    /// What stopped each of the current candidates.
    pub(super) fn stopped<'a>(
        &'a self,
        all_exceeded: &'a [LimitExceeded],
    ) -> impl Iterator<Item = (&'a LimitExceeded, &'a Part, &'a Candidate)> {
        let each = all_exceeded.iter().zip(self.current());
        each.filter_map(|(exceeded, candidate)| Some((exceeded, candidate.parts.get(exceeded.debit)?, candidate)))
    }

    /// Moves on to a fallback model, if a budget that leads to it stopped one of the current candidates. Returns whether there is one.
    pub fn turn(&mut self, all_exceeded: &[LimitExceeded]) -> bool {
        let asked = self.candidates.first().map_or("", |candidate| &candidate.model.name);
        let is_led_to = |other: &Candidate| {
            self.stopped(all_exceeded).any(|(_, Part { rule, .. }, candidate)| {
                rule.then_model.as_deref() == Some(&*other.model.name)
                    && rule.fits(asked, &candidate.target.provider.name)
            })
        };
        let after = self.first.saturating_add(self.current().len());
        let found = self.candidates.iter().skip(after).position(is_led_to);
        if let Some(found) = found {
            self.first = after.saturating_add(found);
        }
        found.is_some()
    }

    /// Raises the money that every candidate reserves to that of its most expensive fallback in the same model, for a store that cannot
    /// extend a reservation later.
    pub fn cover_fallbacks(&mut self) {
        let mut dearest: BTreeMap<Rc<str>, u64> = BTreeMap::new();
        let mut model: Option<Rc<Model>> = None;
        for candidate in self.candidates.iter_mut().rev() {
            if model.as_ref().is_none_or(|model| !Rc::ptr_eq(model, &candidate.model)) {
                dearest.clear();
                model = Some(candidate.model.clone());
            }
            for part in candidate.parts.iter_mut().filter(|part| part.rule.unit == Unit::MicroUsd) {
                let most = dearest.entry(part.debit.counter.name.clone()).or_default();
                *most = part.debit.amount.max(*most);
                part.debit.amount = *most;
            }
        }
    }

    /// Adds a cost that each candidate may have besides its target's, to all budgets.
    pub fn add_cost(&mut self, cost: impl Fn(&Model) -> MicroUsd) {
        for candidate in &mut self.candidates {
            let MicroUsd(cost) = cost(&candidate.model);
            for part in candidate.parts.iter_mut().filter(|part| part.rule.unit == Unit::MicroUsd) {
                part.debit.amount = part.debit.amount.saturating_add(cost);
            }
        }
    }

    /// Adds the usage of a batch for this model to every candidate, on daily, monthly and total counters. Per-minute limits do not apply:
    /// the provider schedules the batch.
    pub fn add_batch(
        &mut self,
        config: &CompiledConfig,
        model: &Rc<Model>,
        target: &Rc<Target>,
        work: &Work,
    ) -> Result<(), ApiError> {
        let caller = self.caller.clone();
        let of = subject(&caller, model, target);
        let rules = config.index.shared(&model.name).chain(&caller.rules);
        let concerning: Vec<&Applied> = rules.filter(|applied| applied.rule.fits(of.model, of.provider)).collect();
        for candidate in &mut self.candidates {
            let mut parts = Parts { target, parts: std::mem::take(&mut candidate.parts) };
            for applied in &concerning {
                parts.add_batch(applied, &of, work)?;
            }
            candidate.parts = parts.parts;
        }
        Ok(())
    }

    /// The request to the store; `None` when there is nothing to count.
    pub fn reserve_request(&self, id: Rc<str>, lease: Duration) -> Option<ReserveRequest> {
        let counts = self.candidates.iter().any(|candidate| !candidate.parts.is_empty());
        counts.then(|| ReserveRequest { id, lease, alternatives: self.alternatives() })
    }

    /// The debits of each of the current candidates.
    pub fn alternatives(&self) -> Vec<Vec<Debit>> {
        // Who takes nothing exceeds no limit, not even one that others have exceeded.
        let debit = |Part { debit, .. }: &Part| Debit { hard: debit.hard && debit.amount > 0, ..debit.clone() };
        let debits = |candidate: &Candidate| candidate.parts.iter().map(debit).collect();
        self.current().iter().map(debits).collect()
    }

    pub(super) fn subject<'a>(&'a self, candidate: &'a Candidate) -> Subject<'a> {
        subject(&self.caller, &candidate.model, &candidate.target)
    }
}

fn subject<'a>(caller: &'a Caller, model: &'a Model, target: &'a Target) -> Subject<'a> {
    Subject {
        key: &caller.key_id,
        team: &caller.team,
        app: caller.app.as_deref(),
        model: &model.name,
        provider: &target.provider.name,
    }
}

/// A plan under construction.
struct Draft<'a, E> {
    config: &'a CompiledConfig,
    caller: &'a Rc<Caller>,
    asked: &'a Rc<Model>,
    estimate: E,
    candidates: Vec<Candidate>,
    /// Why the first dropped target was dropped.
    left_out: Option<ApiError>,
}

impl<'a, E: Fn(&Target) -> Estimate> Draft<'a, E> {
    /// The rules for requests for this model, at any provider.
    fn rules(&self, model: &str) -> impl Iterator<Item = &'a Applied> + use<'a, E> {
        self.config.index.shared(model).chain(&self.caller.rules)
    }

    /// The hard budgets with a fallback model that concern the request.
    fn turning(&self) -> Vec<Rc<Rule>> {
        if self.config.stored.as_ref().is_some_and(|stored| Rc::ptr_eq(stored, self.asked)) {
            return Vec::new();
        }
        let fits = |rule: &Rule| {
            let mut providers = self.asked.targets.iter().map(|target| &target.provider.name);
            providers.any(|provider| rule.fits(&self.asked.name, provider))
        };
        self.rules(&self.asked.name)
            .map(|applied| &applied.rule)
            .filter(|rule| rule.hard && rule.then_model.as_deref().is_some_and(|then| then != self.asked.name))
            .filter(|rule| fits(rule))
            .cloned()
            .collect()
    }

    /// Adds a candidate; `lifted` budgets count its cost without a limit.
    fn candidate(
        &mut self,
        model: &Rc<Model>,
        target: &Rc<Target>,
        lifted: &[Rc<Rule>],
        instead_of: Option<&Rc<Rule>>,
    ) {
        let estimated = OnceCell::new();
        let estimate = || *estimated.get_or_init(|| (self.estimate)(target));
        let mut parts = Parts { target, parts: Vec::new() };
        let soft = |rule: &Rc<Rule>| {
            rule.then_model.as_deref() == Some(&*model.name) || lifted.iter().any(|other| Rc::ptr_eq(other, rule))
        };
        let served = subject(self.caller, model, target);
        let asked = Subject { model: &self.asked.name, ..served };
        let mut taken = Vec::new();
        // Budgets with a fallback model come first: they lead to it whatever else stops the request.
        for leads in [true, false] {
            let concerning = self.rules(&model.name).filter(|applied| {
                applied.rule.then_model.is_some() == leads && applied.rule.fits(served.model, served.provider)
            });
            taken.extend(concerning.map(|applied| (applied, served)));
        }
        if instead_of.is_some() {
            // The fallback model's cost is spent from the budget that led to it.
            let spent_from = self.rules(&self.asked.name).filter(|applied| {
                applied.rule.fits(asked.model, asked.provider)
                    && lifted.iter().any(|rule| Rc::ptr_eq(rule, &applied.rule))
            });
            taken.extend(spent_from.map(|applied| (applied, asked)));
        }
        for (applied, of) in taken {
            let hard = applied.rule.hard && !soft(&applied.rule);
            if let Err(error) = parts.add(applied, &of, hard, &estimate) {
                self.left_out.get_or_insert(error);
                return;
            }
        }
        let (model, target, parts) = (model.clone(), target.clone(), parts.parts);
        self.candidates.push(Candidate { model, target, parts, instead_of: instead_of.cloned() });
    }
}

/// A candidate's parts under construction.
struct Parts<'a> {
    target: &'a Target,
    parts: Vec<Part>,
}

impl Parts<'_> {
    fn add(
        &mut self,
        applied: &Applied,
        of: &Subject,
        hard: bool,
        estimate: &impl Fn() -> Estimate,
    ) -> Result<(), ApiError> {
        let rule = &applied.rule;
        let amount = match rule.unit {
            Unit::Requests => 1,
            Unit::MicroUsd => {
                let price = self.target.price.ok_or_else(|| not_priced(of))?;
                price.most(&estimate()).0
            }
            unit => tokens(unit, estimate().input, estimate().output),
        };
        let counter = match &applied.counter {
            Some(counter) => Some(counter.clone()),
            None => rule.counter(of),
        };
        match counter {
            Some(counter) => self.debit(counter, amount, rule, hard),
            None if amount > rule.limit => return Err(too_large(rule, of, amount, estimate())),
            None => {}
        }
        Ok(())
    }

    /// Adds a batch's debit for one rule.
    fn add_batch(&mut self, applied: &Applied, of: &Subject, work: &Work) -> Result<(), ApiError> {
        let rule = &applied.rule;
        let Some(counter) = applied.counter.clone().or_else(|| rule.counter(of)) else {
            let UsageSum { input, output, .. } = work.longest;
            let amount = tokens(rule.unit, input, output);
            let one = Estimate { input, output, ..Estimate::default() };
            return if amount > rule.limit { Err(too_large(rule, of, amount, one)) } else { Ok(()) };
        };
        if !matches!(counter.kind, LimitWindow::Day | LimitWindow::Month | LimitWindow::Total) {
            return Ok(());
        }
        if rule.unit == Unit::MicroUsd && !work.priced {
            return Err(not_priced(of));
        }
        let amount = work.total.of(rule.unit);
        self.debit(counter.clone(), 0, rule, rule.hard);
        if let Some(part) = self.parts.iter_mut().find(|part| part.debit.counter == counter && part.batch == 0) {
            part.batch = amount;
            part.debit.amount = part.debit.amount.saturating_add(amount);
        }
        Ok(())
    }

    /// Adds a debit. A counter that is already among the parts is debited once, up to the smallest hard limit.
    fn debit(&mut self, counter: Counter, amount: u64, rule: &Rc<Rule>, hard: bool) {
        let limit = rule.limit;
        let Some(part) = self.parts.iter_mut().find(|part| part.debit.counter == counter) else {
            let debit = Debit { counter, amount, limit, hard };
            self.parts.push(Part { debit, rule: rule.clone(), also: None, batch: 0 });
            return;
        };
        let warned = |also: &Option<Rc<Rule>>| also.as_ref().map_or(u64::MAX, |also| also.limit);
        match (part.debit.hard, hard) {
            (true, false) if limit < warned(&part.also) => part.also = Some(rule.clone()),
            (false, true) => {
                part.also = Some(std::mem::replace(&mut part.rule, rule.clone()));
                (part.debit.limit, part.debit.hard) = (limit, true);
            }
            (before, now) if before == now && limit < part.debit.limit => {
                part.rule = rule.clone();
                part.debit.limit = limit;
            }
            _ => {}
        }
    }
}

pub(super) fn tokens(unit: Unit, input: u64, output: u64) -> u64 {
    match unit {
        Unit::InputTokens => input,
        Unit::OutputTokens => output,
        Unit::Tokens | Unit::Requests | Unit::MicroUsd => input.saturating_add(output),
    }
}

fn too_large(rule: &Rule, of: &Subject, amount: u64, estimate: Estimate) -> ApiError {
    let Estimate { input, output, .. } = estimate;
    let (whom, limit) = (rule.described(of), rule.limit);
    let message = format!(
        "This request may use {amount} tokens (about {input} for the prompt, up to {output} for the answer), but \
         {whom} may use only {limit} per request. Shorten the prompt, or ask for a shorter answer."
    );
    ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("max_request_tokens_exceeded")
}

fn not_priced(of: &Subject) -> ApiError {
    let message = format!(
        "The model {} has no price, so the gateway cannot check the budget of this request. Ask the gateway's \
         operator to set a price (`prices.models` in the gateway file) or a default price (`prices.unpriced`).",
        of.model
    );
    ApiError::new(403, ErrorKind::Permission, message).with_code("model_not_priced")
}

impl Part {
    /// Whether it is a concurrency slot, which is released when the request ends.
    pub(super) fn is_slot(&self) -> bool {
        self.debit.counter.kind == LimitWindow::Concurrent
    }
}
