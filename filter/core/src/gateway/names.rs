//! Which model a name asks for: one of `models` by its own name; by an alias, which is replaced before anything else is looked at;
//! or by the most specific pattern that fits. For callers who may choose targets also a provider's own name behind the provider's.
//!
//! A model that a pattern found is made anew for the request: the pattern's entry, with targets that ask for the name. It has the
//! entry's name, under which everything is counted, so that clients cannot make up counters. What all workers note of a target is
//! noted under its own name only where the file or the table of prices knows that model; of others under the pattern's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sluice_wire::order;

use crate::keys::Glob;
use crate::routing::capabilities::Capabilities;
use crate::routing::pattern::{Pattern, has_steps, may_fit};
use crate::routing::target::{Model, Target};
use crate::routing::target_health::Cells;
use crate::routing::target_health::keys::Keys;
use crate::usage::price::Price;

use super::Gateway;

/// Names besides those of models.
#[derive(Debug, Default)]
pub struct Names {
    /// What each stands for.
    pub aliases: BTreeMap<String, String>,
    /// The same of those with a star, the most specific first.
    pub general: Vec<(Pattern, Alias)>,
    /// Models whose names are patterns, the most specific first.
    pub patterns: Vec<(Pattern, Rc<Model>)>,
    /// Targets that ask for names, each as a model by itself: the most specific first.
    pub direct: Vec<(Pattern, Rc<Model>)>,
    /// What is known of the models that such targets can ask for, by `provider/model`.
    pub known: BTreeMap<String, Known>,
}

/// What an alias with a star stands for.
#[derive(Debug)]
pub enum Alias {
    /// The name with what the star stands for.
    Filled(Pattern),
    /// This name always.
    Only(String),
}

/// What is known of a provider's model.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What it costs.
    pub price: Option<Price>,
    /// What it can do.
    pub capabilities: Option<Capabilities>,
}

/// What a name asks for.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The model, ready to be asked.
    pub model: Rc<Model>,
    /// The name by which `models` have it: the one that was asked for, unless that is an alias.
    pub name: Cow<'a, str>,
}

impl Names {
    /// Whether a key's pattern may fit a name that one of the patterns fits. `direct`: also one of targets.
    pub fn meets(&self, glob: &Glob, direct: bool) -> bool {
        let aliases = self.general.iter().map(|(pattern, _)| pattern);
        let models = self.patterns.iter().chain(self.direct.iter().filter(|_| direct)).map(|(pattern, _)| pattern);
        aliases.chain(models).any(|pattern| pattern.meets(glob))
    }

    /// The name that an alias stands for.
    fn other(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(other) = self.aliases.get(name) {
            return Some(other.into());
        }
        let mut fitting = self.general.iter().filter(|_| may_fit(name));
        fitting.find_map(|(pattern, alias)| {
            let part = pattern.part(name)?;
            Some(match alias {
                Alias::Filled(other) => other.fill(part).into(),
                Alias::Only(other) => other.into(),
            })
        })
    }
}

impl Gateway {
    /// What `name` asks for. `direct`: whether also a target may be meant.
    pub fn find<'a>(&'a self, name: &'a str, direct: bool) -> Option<Found<'a>> {
        // Nobody asks for a pattern.
        if name.contains('*') {
            return None;
        }
        if let Some(model) = self.models.get(name) {
            return Some(Found { model: model.clone(), name: name.into() });
        }
        let name = self.names.other(name).unwrap_or(name.into());
        let model = self.entry(&name, direct)?;
        Some(Found { model, name })
    }

    /// The same of a name that is no alias.
    fn entry(&self, name: &str, direct: bool) -> Option<Rc<Model>> {
        if let Some(model) = self.models.get(name).filter(|model| model.pattern.is_none()) {
            return Some(model.clone());
        }
        if let Some(model) = self.direct.get(name).filter(|_| direct) {
            return Some(model.clone());
        }
        let names = &self.names;
        let mut fitting = names.direct.iter().filter(|_| direct).chain(&names.patterns).filter(|_| may_fit(name));
        let (part, model) = fitting.find_map(|(pattern, model)| Some((pattern.part(name)?, model)))?;
        self.filled(model, part)
    }

    /// A pattern's model, for a name of which this is what the star stands for; `None` where a target would be asked for what is
    /// no name in a path.
    fn filled(&self, model: &Model, part: &str) -> Option<Rc<Model>> {
        let target = |target: &Rc<Target>| match target.shape.as_ref().map(|shape| shape.fill(part)) {
            None => Some(target.clone()),
            Some(name) => (!has_steps(&name)).then(|| Rc::new(self.target(target, name))),
        };
        let targets = model.targets.iter().map(target).collect::<Option<_>>()?;
        Some(Rc::new(Model { targets, ..model.clone() }))
    }

    /// The target that asks for `model`, where `general` asks for names.
    fn target(&self, general: &Target, model: String) -> Target {
        let provider = &general.provider.name;
        let name = format!("{provider}/{model}");
        let known = self.names.known.get(&name);
        let (cells, keys) = match known {
            Some(_) => {
                let (cluster, keys) = (general.provider.cluster(0), general.provider.clusters.len());
                (Cells::of(cluster, &model), Keys::of(cluster, &model, keys))
            }
            None => (general.cells.clone(), general.keys.clone()),
        };
        // A model that was tuned by the customer, `ft:gpt-4.1-2025-04-14:me::id`, is as its kind.
        let kind = || {
            let (kind, _) = model.strip_prefix("ft:")?.split_once(':')?;
            self.names.known.get(&format!("{provider}/ft:{kind}"))
        };
        let known = known.or_else(kind);
        let price = known.and_then(|known| known.price).or(general.price);
        let capabilities = known.and_then(|known| known.capabilities).unwrap_or(general.capabilities);
        let (provider, shape) = (general.provider.clone(), None);
        Target { name, cells, keys, provider, model, price, capabilities, shape, ..*general }
    }

    /// Every name that is known to be served: of models, of aliases, and of the models that are known of which a pattern's
    /// targets could ask for. `direct`: behind them also those of targets.
    pub fn known_names(&self, direct: bool) -> Vec<String> {
        let exact = self.models.values().filter(|model| model.pattern.is_none()).map(|model| model.name.clone());
        let mut names: BTreeSet<String> = order::gathered(exact.chain(self.names.aliases.keys().cloned()));
        names.extend(self.models.values().flat_map(|model| self.known_of(model)));
        let mut targets: BTreeSet<String> = BTreeSet::new();
        if direct {
            targets.extend(self.direct.keys().cloned());
            targets.extend(self.names.direct.iter().flat_map(|(_, model)| self.known_of(model)));
        }
        let targets: Vec<String> = targets.into_iter().filter(|name| !names.contains(name)).collect();
        names.into_iter().chain(targets).collect()
    }

    /// Every model that is known of which a pattern's target could ask its provider, with the pattern.
    pub fn known_targets(&self) -> Vec<(&str, Rc<Target>)> {
        let patterns = self.models.values().filter(|model| model.pattern.is_some());
        let mut known = Vec::new();
        for model in patterns {
            for name in order::gathered::<_, BTreeSet<_>>(self.known_of(model)) {
                let found = self.find(&name, false).filter(|found| found.model.name == model.name);
                let targets = found.into_iter().flat_map(|found| found.model.targets.clone());
                let is_known = |target: &Rc<Target>| self.names.known.contains_key(&target.name);
                known.extend(targets.filter(is_known).map(|target| (model.name.as_str(), target)));
            }
        }
        known
    }

    /// The names by which a pattern's model is asked for what is known.
    fn known_of<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = String> + use<'a> {
        let shaped = model.pattern.iter().flat_map(|pattern| {
            model.targets.iter().filter_map(move |target| Some((pattern, target, target.shape.as_ref()?)))
        });
        shaped.flat_map(|(pattern, target, shape)| {
            let front = format!("{}/", target.provider.name);
            let known = self.names.known.keys().filter_map(move |name| name.strip_prefix(&*front));
            // The kind of those that a customer tunes is no model by itself.
            let known = known.filter(|name| !name.starts_with("ft:") || name.matches(':').count() > 1);
            let asked = known.filter_map(|name| shape.part(name).map(|part| pattern.fill(part)));
            asked.filter(|name| may_fit(name))
        })
    }

    /// What `name` asks for, and the target of it that asks `provider` for `asked`.
    pub fn served(&self, name: &str, provider: &str, asked: &str, direct: bool) -> Option<(Rc<Model>, Rc<Target>)> {
        let model = self.find(name, direct)?.model;
        let is = |target: &&Rc<Target>| target.provider.name == provider && target.model == asked;
        let target = model.targets.iter().find(is)?.clone();
        Some((model, target))
    }

    /// The names by which `provider` is asked for `model`, each with what it asks for. `direct`: also those of targets.
    pub fn names_for<'a>(
        &'a self,
        provider: &'a str,
        model: &'a str,
        direct: bool,
    ) -> impl Iterator<Item = (String, Rc<Model>, Rc<Target>)> + use<'a> {
        let one = self.direct.values().filter(move |_| direct);
        let general = self.names.direct.iter().map(|(_, model)| model).filter(move |_| direct);
        self.models.values().chain(one).chain(general).filter_map(move |entry| {
            let asked = entry.targets.iter().filter(|target| target.provider.name == provider).find_map(|target| {
                match (&target.shape, &entry.pattern) {
                    (Some(shape), Some(pattern)) => Some(pattern.fill(shape.part(model)?)),
                    // Its own name is as good as any that leads there.
                    (None, Some(pattern)) => {
                        (target.model == model && pattern.part(model).is_some()).then(|| model.to_owned())
                    }
                    _ => (target.model == model).then(|| entry.name.clone()),
                }
            })?;
            let (found, target) = self.served(&asked, provider, model, direct)?;
            // A more specific entry may have the name.
            (found.name == entry.name).then_some((asked, found, target))
        })
    }
}
