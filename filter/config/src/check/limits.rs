//! Checks and compiles all limits and budgets of the file.

use std::collections::BTreeMap;
use std::rc::Rc;

use sluice_core::limits::{Rule, Unit};
use sluice_core::matching::Match;
use sluice_core::routing::target::Model;
use sluice_core::store::LimitWindow;
use sluice_core::store::dimension::Dimension;
use sluice_core::usage::price::MicroUsd;
use sluice_wire::order;

use crate::file::{Budget, Limits};

use super::super::diagnostic::{self, Diagnostic};
use super::keys::reference;
use super::place::{Path, text};
use super::{Check, ONLY_COMPILES};

/// The maximum of a limit. More is unlimited in practice, and would be inexact in stores that count in doubles: they also count millionths
/// of a minute's limit.
const LIMIT_MAX: u64 = 1_000_000_000;
/// The maximum of a daily limit.
const DAILY_MAX: u64 = 1_000_000_000_000;
/// The maximum of a budget, in dollars.
const BUDGET_MAX: u64 = 1_000_000_000;

impl Check<'_> {
    /// All rules except those of single keys.
    pub(super) fn rules(&mut self, models: &BTreeMap<String, Rc<Model>>) -> Vec<Rc<Rule>> {
        let file = self.file;
        let mut rules = Rules::new(Some(models));
        let root = diagnostic::Path::root();
        for (name, provider) in &file.providers {
            let matches = Match { provider: Some(name.clone()), ..Match::default() };
            rules.inline(&LimitPlace::of(&root.key("providers").key(name), &matches), &provider.limits, None);
        }
        for (name, model) in &file.models {
            let matches = Match { model: Some(name.clone()), ..Match::default() };
            rules.inline(&LimitPlace::of(&root.key("models").key(name), &matches), &model.limits, Some(&model.budget));
        }
        for (name, team) in &file.teams {
            let matches = Match { team: Some(name.clone()), ..Match::default() };
            rules.inline(&LimitPlace::of(&root.key("teams").key(name), &matches), &team.limits, Some(&team.budget));
        }
        for (name, app) in &file.apps {
            let matches = Match { app: Some(name.clone()), ..Match::default() };
            rules.inline(&LimitPlace::of(&root.key("apps").key(name), &matches), &app.limits, Some(&app.budget));
        }
        for (index, rule) in file.limits.iter().enumerate() {
            let path = root.key("limits").index(index);
            let per = self.scope(&rule.matches, &rule.per, &Path::section("limits").index(index));
            let place = LimitPlace { path: &path, matches: &rule.matches, per: &per };
            if rule.limits == Limits::default() {
                rules.diagnostic(&path.key("limits"), "nothing", "at least one limit");
            }
            rules.inline(&place, &rule.limits, None);
        }
        for (index, rule) in file.budgets.iter().enumerate() {
            let path = root.key("budgets").index(index);
            let per = self.scope(&rule.matches, &rule.per, &Path::section("budgets").index(index));
            let place = LimitPlace { path: &path, matches: &rule.matches, per: &per };
            if rule.budget == Budget::default() {
                rules.diagnostic(&path.key("budget"), "nothing", "at least one of daily, monthly, total");
            }
            rules.inline(&place, &Limits::default(), Some(&rule.budget));
        }
        self.diagnostics.append(&mut rules.diagnostics);
        rules.compiled
    }

    /// Checks that all names of a rule exist. Returns its sorted `per`.
    fn scope(&mut self, matches: &Match, per: &[Dimension], path: &Path) -> Vec<Dimension> {
        self.matching(matches, &path.key("match"));
        let mut sorted: Vec<Dimension> = Vec::with_capacity(per.len());
        for (index, dimension) in per.iter().enumerate() {
            let path = path.key("per").index(index);
            let name = dimension.name();
            if sorted.contains(dimension) {
                self.diagnostic(&path, text!("{name:?} again"), "each value once");
            } else if matches.fixed(*dimension).is_some() {
                let expected = "a dimension that `match` does not fix: all matching requests have the same value of \
                                this one";
                self.diagnostic(&path, text!("{name:?}"), expected);
            } else {
                sorted.push(*dimension);
            }
        }
        order::by_numbers(&mut sorted, |dimension| (*dimension as u64, 0));
        sorted
    }

    /// Checks that all names of a rule, guardrail or route exist.
    pub(super) fn matching(&mut self, matches: &Match, path: &Path) {
        if ONLY_COMPILES {
            return;
        }
        let file = self.file;
        // Keys may also be added in Redis at any time.
        if let Some(key) = matches.key.as_ref().filter(|_| file.redis.is_none()) {
            self.existing(key, file.keys.iter().map(|key| &key.id), &path.key("key"));
        }
        if let Some(team) = &matches.team {
            self.existing(team, file.teams.keys(), &path.key("team"));
        }
        if let Some(app) = &matches.app {
            self.existing(app, file.apps.keys(), &path.key("app"));
        }
        if let Some(model) = &matches.model {
            self.existing(model, file.models.keys(), &path.key("model"));
        }
        if let Some(provider) = &matches.provider {
            self.existing(provider, file.providers.keys(), &path.key("provider"));
        }
    }

    /// Checks a name in a rule. It is also a mistake if nothing of its kind is defined.
    fn existing<'n>(&mut self, name: &str, known: impl Iterator<Item = &'n String> + Clone, path: &Path) {
        if known.clone().next().is_none() {
            self.diagnostic(path, text!("{name:?}"), "no such field: the file defines none");
        }
        self.reference(name, known, path);
    }
}

/// The place of limits and budgets, and the requests that they count.
pub(super) struct LimitPlace<'a> {
    pub path: &'a diagnostic::Path,
    pub matches: &'a Match,
    pub per: &'a [Dimension],
}

impl<'a> LimitPlace<'a> {
    fn of(path: &'a diagnostic::Path, matches: &'a Match) -> Self {
        Self { path, matches, per: &[] }
    }

    fn rule(&self, unit: Unit, kind: Option<LimitWindow>, limit: u64) -> Rule {
        let (matches, per) = (self.matches.clone(), self.per.to_vec());
        Rule { matches, per, unit, kind, limit, hard: true, then_model: None }
    }
}

/// The rules compiled so far.
pub(super) struct Rules<'a> {
    /// The models for `then_model`; `None` skips that check.
    models: Option<&'a BTreeMap<String, Rc<Model>>>,
    /// The combinations that have a rule, with the rule's place.
    counted: BTreeMap<(String, bool), String>,
    pub compiled: Vec<Rc<Rule>>,
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(models: Option<&'a BTreeMap<String, Rc<Model>>>) -> Self {
        Self { models, counted: BTreeMap::new(), compiled: Vec::new(), diagnostics: Vec::new() }
    }

    /// Adds rules of the same key from elsewhere, so that they are not counted twice.
    pub(super) fn know<'r>(&mut self, rules: impl IntoIterator<Item = &'r Rc<Rule>>) {
        for rule in rules {
            self.counted.insert((rule.label(), rule.hard), "another rule for this key".to_owned());
        }
    }

    fn diagnostic(&mut self, path: &diagnostic::Path, found: impl Into<String>, expected: impl Into<String>) {
        self.diagnostics.push(Diagnostic { path: path.to_string(), found: found.into(), expected: expected.into() });
    }

    /// Compiles the `limits` and `budget` of one place.
    pub(super) fn inline(&mut self, place: &LimitPlace, limits: &Limits, budget: Option<&Budget>) {
        self.limits(place, limits);
        if let Some(budget) = budget {
            self.budget(place, budget);
        }
    }

    fn limits(&mut self, place: &LimitPlace, limits: &Limits) {
        let path = place.path.key("limits");
        let minute = Some(LimitWindow::Minute);
        for (field, amount, unit, kind) in [
            ("requests_per_minute", limits.requests_per_minute, Unit::Requests, minute),
            ("tokens_per_minute", limits.tokens_per_minute, Unit::Tokens, minute),
            ("input_tokens_per_minute", limits.input_tokens_per_minute, Unit::InputTokens, minute),
            ("output_tokens_per_minute", limits.output_tokens_per_minute, Unit::OutputTokens, minute),
            ("tokens_per_day", limits.tokens_per_day, Unit::Tokens, Some(LimitWindow::Day)),
            ("concurrent_requests", limits.concurrent_requests, Unit::Requests, Some(LimitWindow::Concurrent)),
            ("max_request_tokens", limits.max_request_tokens, Unit::Tokens, None),
        ] {
            let Some(amount) = amount else { continue };
            let path = path.key(field);
            let most = if kind == Some(LimitWindow::Day) { DAILY_MAX } else { LIMIT_MAX };
            if amount == 0 || amount > most {
                let expected = format!("1 to {most} (remove the field for no limit)");
                self.diagnostic(&path, amount.to_string(), expected);
            }
            self.add(place.rule(unit, kind, amount), &path);
        }
    }

    fn budget(&mut self, place: &LimitPlace, budget: &Budget) {
        if *budget == Budget::default() {
            return;
        }
        let path = place.path.key("budget");
        let periods = [
            ("daily", budget.daily, LimitWindow::Day),
            ("monthly", budget.monthly, LimitWindow::Month),
            ("total", budget.total, LimitWindow::Total),
        ];
        if periods.iter().all(|(_, dollars, _)| dollars.is_none()) {
            self.diagnostic(&path, "no budget", "at least one of daily, monthly, total");
        }
        if let Some(then) = &budget.then_model {
            self.then_model(then, budget, place, &path.key("then_model"));
        }
        for (field, dollars, kind) in periods {
            let Some(dollars) = dollars else { continue };
            let path = path.key(field);
            let limit = match micro_dollars(dollars) {
                Ok(limit) => limit,
                Err(found) => {
                    let expected = format!("US dollars above 0 and up to {BUDGET_MAX}, with at most 6 decimals");
                    self.diagnostic(&path, found, expected);
                    continue;
                }
            };
            let then_model = budget.then_model.as_deref().map(Rc::from);
            let rule = Rule { hard: !budget.soft, then_model, ..place.rule(Unit::MicroUsd, Some(kind), limit) };
            self.add(rule, &path);
        }
    }

    fn then_model(&mut self, then: &str, budget: &Budget, place: &LimitPlace, path: &diagnostic::Path) {
        if let Some(models) = self.models {
            match models.get(then) {
                Some(model) if model.pattern.is_some() => {
                    self.diagnostic(path, format!("{then:?}, a pattern"), "the full name of a model in `models`");
                }
                _ => self.diagnostics.extend(reference(then, models.keys(), path)),
            }
        }
        if budget.soft {
            let expected = "no such field: a soft budget never blocks requests (or remove `soft`)";
            self.diagnostic(path, format!("{then:?} of a soft budget"), expected);
        }
        if place.matches.model.as_deref() == Some(then) {
            self.diagnostic(path, "the model that this budget applies to", "another, cheaper model");
        }
    }

    fn add(&mut self, rule: Rule, path: &diagnostic::Path) {
        let path = path.to_string();
        if let Some(first) = self.counted.insert((rule.label(), rule.hard), path.clone()) {
            let (found, expected) = (format!("a duplicate of {first}"), "only one of the two".to_owned());
            self.diagnostics.push(Diagnostic { path, found, expected });
        }
        self.compiled.push(Rc::new(rule));
    }
}

/// Converts dollars to micro-dollars exactly, or explains why it cannot.
fn micro_dollars(dollars: f64) -> Result<u64, String> {
    let micro = MicroUsd::from_dollars(dollars, BUDGET_MAX as f64).unwrap_or_default().0;
    // With more than six decimals, it would be another number. Below 2^53, the division is exact.
    if micro > 0 && micro as f64 / 1e6 == dollars { Ok(micro) } else { Err(sluice_wire::json::decimal(dollars)) }
}

#[cfg(test)]
mod tests;
