//! Checks prices, which targets need one, and reservations.
//!
//! A target needs a price where a budget applies, since requests for an unpriced target are rejected there. The check reports it only when
//! that is certain: some key of this file that is not revoked may request the target's model, and the budget matches both. Keys in Redis are
//! unknown here: `sluice check` warns of what [`of_stored_keys`] finds.

use sluice_core::keys::Glob;
use sluice_core::matching::Match;
use sluice_core::routing::pattern::{Pattern, shape};
use sluice_core::store::dimension::Dimension;
use sluice_core::usage::price::Price;
use sluice_wire::order;

use super::super::file;
use super::Check;
use super::place::{Path, quoted, text};

/// A budget of the file: its place and the requests that it counts.
struct Counted<'a> {
    at: Path,
    matches: Match,
    budget: &'a file::Budget,
}

impl Check<'_> {
    pub(super) fn prices(&mut self) {
        let section = Path::section("prices");
        let prices = &self.file.prices;
        if let Some(price) = &prices.unpriced {
            self.price(price, &section.key("unpriced"));
        }
        for (name, price) in &prices.models {
            let path = section.key("models").key(name);
            self.target_name(name, &path);
            self.price(price, &path);
        }
        if self.file.prices.unpriced.is_none() {
            self.missing();
        }
        if self.file.reservation.output_tokens == 0 {
            let path = Path::section("reservation").key("output_tokens");
            self.diagnostic(
                &path,
                "0",
                "at least one token: with 0, limits and budgets reserve nothing for the answer",
            );
        }
    }

    fn price(&mut self, price: &file::Price, path: &Path) {
        for wrong in Price::try_from(price).err().unwrap_or_default() {
            let place = wrong.field.split('.').fold(path.clone(), |place, step| place.key(step));
            self.diagnostic(&place, wrong.found, wrong.expected);
        }
    }

    /// Checks that a name is some target's `provider/model`. A misspelt provider of the same model is reported as the mistake.
    pub(super) fn target_name(&mut self, name: &str, path: &Path) {
        let targets = self.file.models.values().flat_map(|model| &model.targets);
        let mut known: Vec<String> = targets.clone().map(file::Target::price_name).collect();
        order::by(&mut known, Ord::cmp);
        known.dedup();
        let misspelt = |target: &file::Target| {
            !self.file.providers.contains_key(&target.provider) && name.ends_with(&format!("/{}", target.model))
        };
        if !targets.into_iter().any(misspelt) && !self.may_be_asked(name) {
            self.reference(name, known.iter(), path);
        }
    }

    /// Whether a target with a pattern may request this `provider/model`.
    fn may_be_asked(&self, name: &str) -> bool {
        let Some((provider, asked)) = name.split_once('/') else { return false };
        let patterns = self.file.models.iter().filter_map(|(name, model)| Some((Pattern::read(name)?, model)));
        patterns.into_iter().any(|(pattern, model)| {
            let mut targets = model.targets.iter().filter(|target| target.provider == provider);
            targets
                .any(|target| shape(&pattern, provider, &target.model).is_some_and(|shape| shape.part(asked).is_some()))
        })
    }

    /// Reports targets without a price that a budget counts. A target whose provider has a mistake is skipped.
    fn missing(&mut self) {
        let budgets = budgets(self.file);
        let section = Path::section("models");
        for (name, model) in &self.file.models {
            for (index, target) in model.targets.iter().enumerate() {
                let price_name = target.price_name();
                let provider = Path::section("providers").key(&target.provider);
                let unsure = !self.file.providers.contains_key(&target.provider)
                    || self.diagnostics.iter().any(|diagnostic| provider.holds(&diagnostic.path));
                if unsure || is_priced(self.file, name, target) {
                    continue;
                }
                let counted = |budget: &&Counted<'_>| budget.counts(self.file, name, target);
                if let Some(budget) = budgets.iter().find(counted) {
                    let found = text!("no price for {}, but {} applies to it", quoted(&price_name), budget.at);
                    let entry = Path::section("prices").key("models").key(&price_name);
                    let expected = text!("a price at {entry}, or a default price at prices.unpriced");
                    self.diagnostic(&section.key(name).key("targets").index(index), found, expected);
                }
            }
        }
    }
}

/// The budgets that may count a target without a price in requests of keys that are not in this file: the place of each, and the name that
/// needs a price.
pub fn of_stored_keys(file: &file::File) -> Vec<(Path, String)> {
    if file.prices.unpriced.is_some() {
        return Vec::new();
    }
    let targets = file.models.iter().flat_map(|(name, model)| model.targets.iter().map(move |target| (name, target)));
    let unpriced: Vec<_> = targets.filter(|(name, target)| !is_priced(file, name, target)).collect();
    let mut budgets = budgets(file);
    budgets.retain(|budget| !file.keys.iter().any(|key| budget.matches.key.as_ref() == Some(&key.id)));
    let found = budgets.into_iter().filter_map(|budget| {
        let (_, target) = unpriced.iter().find(|(name, target)| budget.is_about(name, target))?;
        Some((budget.at, target.price_name()))
    });
    found.collect()
}

/// Whether a target has a price of its own, or with a pattern may request a model that has one.
fn is_priced(file: &file::File, model: &str, target: &file::Target) -> bool {
    if file.prices.models.contains_key(&target.price_name()) {
        return true;
    }
    let Some(shape) = Pattern::read(model).and_then(|model| shape(&model, &target.provider, &target.model)) else {
        return false;
    };
    let names = file.prices.models.keys().filter_map(|name| name.split_once('/'));
    names.into_iter().any(|(provider, model)| provider == target.provider && shape.part(model).is_some())
}

/// All budgets of the file.
fn budgets(file: &file::File) -> Vec<Counted<'_>> {
    let mut budgets = Vec::new();
    let mut add = |at: Path, matches: Match, budget| {
        budgets.push(Counted { at: at.key("budget"), matches, budget });
    };
    let anybody = Match::default;
    for (name, model) in &file.models {
        let matches = Match { model: Some(name.clone()), ..anybody() };
        add(Path::section("models").key(name), matches, &model.budget);
    }
    for (name, team) in &file.teams {
        add(Path::section("teams").key(name), Match { team: Some(name.clone()), ..anybody() }, &team.budget);
    }
    for (name, app) in &file.apps {
        add(Path::section("apps").key(name), Match { app: Some(name.clone()), ..anybody() }, &app.budget);
    }
    for (index, key) in file.keys.iter().enumerate() {
        let matches = Match { key: Some(key.id.clone()), ..anybody() };
        add(Path::section("keys").index(index), matches, &key.budget);
    }
    for (index, rule) in file.budgets.iter().enumerate() {
        add(Path::section("budgets").index(index), rule.matches.clone(), &rule.budget);
    }
    budgets.retain(|counted| {
        let file::Budget { daily, monthly, total, .. } = counted.budget;
        daily.or(*monthly).or(*total).is_some()
    });
    budgets
}

impl Counted<'_> {
    /// Whether the budget certainly counts some key's request for `model` served by `target`, either because clients request the model or
    /// because it is the budget's `then_model`.
    fn counts(&self, file: &file::File, model: &str, target: &file::Target) -> bool {
        self.is_about(model, target)
            && file.keys.iter().any(|holder| {
                self.matches.is_about(&holder.id, &holder.team, holder.app.as_deref())
                    && !holder.revoked
                    && (self.leads_to(model) || may_ask(holder, model))
            })
    }

    /// Whether the budget counts requests for `model` served by `target`.
    fn is_about(&self, model: &str, target: &file::Target) -> bool {
        self.matches.allows(Dimension::Provider, Some(&target.provider))
            && (self.leads_to(model) || self.matches.allows(Dimension::Model, Some(model)))
    }

    fn leads_to(&self, model: &str) -> bool {
        self.budget.then_model.as_deref() == Some(model)
    }
}

fn may_ask(key: &file::Key, model: &str) -> bool {
    let may = |own: &String| {
        let glob = Glob::new(own);
        Pattern::read(model).map_or_else(|| glob.matches(model), |pattern| pattern.meets(&glob))
    };
    key.models.as_deref().is_none_or(|patterns| patterns.iter().any(may))
}

#[cfg(test)]
mod tests;
