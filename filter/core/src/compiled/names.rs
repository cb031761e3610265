//! Resolves a requested name to a model: one of `models` by its own name; by an alias, which is replaced before any pattern is tried; or by
//! the most specific pattern that matches. Callers that may choose targets can also prefix a provider's own model name with the provider.
//!
//! A pattern's model is created for each request: the pattern's entry, with targets for the requested name. Usage counts under the entry's
//! name, so that clients cannot create counters. Target state shared by workers is stored under the target's own name only if the file or
//! the price table knows that model, otherwise under the pattern's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sluice_wire::order;

use crate::keys::Glob;
use crate::routing::capabilities::Capabilities;
use crate::routing::pattern::{Pattern, has_steps, may_fit};
use crate::routing::target::{Model, Target};
use crate::routing::target_health::TargetHealth;
use crate::routing::target_health::keys::Keys;
use crate::usage::price::Price;

use super::CompiledConfig;

/// Names other than those of models.
#[derive(Debug, Default)]
pub struct Names {
    /// Aliases and the names they stand for.
    pub aliases: BTreeMap<String, String>,
    /// Aliases with a star, the most specific first.
    pub general: Vec<(Pattern, Alias)>,
    /// Models whose names are patterns, the most specific first.
    pub patterns: Vec<(Pattern, Rc<Model>)>,
    /// Targets whose model name is a pattern, each as a model of its own, the most specific first.
    pub direct: Vec<(Pattern, Rc<Model>)>,
    /// Known models of such targets, by `provider/model`.
    pub known: BTreeMap<String, Known>,
}

/// The replacement of an alias with a star.
#[derive(Debug)]
pub enum Alias {
    /// A pattern to fill with the text that the star matched.
    Filled(Pattern),
    /// Always this name.
    Only(String),
}

/// Known properties of a provider's model.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The model's price.
    pub price: Option<Price>,
    /// The model's capabilities.
    pub capabilities: Option<Capabilities>,
}

/// A resolved name.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The model, with targets for the name.
    pub model: Rc<Model>,
    /// The requested name, with an alias replaced.
    pub name: Cow<'a, str>,
}

impl Names {
    /// Whether a key's pattern can match a name that one of these patterns matches. `direct` includes the patterns of targets.
    pub fn meets(&self, glob: &Glob, direct: bool) -> bool {
        let aliases = self.general.iter().map(|(pattern, _)| pattern);
        let models = self.patterns.iter().chain(self.direct.iter().filter(|_| direct)).map(|(pattern, _)| pattern);
        aliases.chain(models).any(|pattern| pattern.meets(glob))
    }

    /// The name that an alias stands for; `None` if `name` is not an alias.
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

impl CompiledConfig {
    /// Resolves `name`. `direct` says whether it may also name a target.
    pub fn find<'a>(&'a self, name: &'a str, direct: bool) -> Option<Found<'a>> {
        // A pattern itself cannot be requested.
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

    /// Resolves a name that is not an alias.
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

    /// A pattern's model for a name in which the star matches `part`; `None` where a target's model name would contain path steps.
    fn filled(&self, model: &Model, part: &str) -> Option<Rc<Model>> {
        let target = |target: &Rc<Target>| match target.shape.as_ref().map(|shape| shape.fill(part)) {
            None => Some(target.clone()),
            Some(name) => (!has_steps(&name)).then(|| Rc::new(self.target(target, name))),
        };
        let targets = model.targets.iter().map(target).collect::<Option<_>>()?;
        Some(Rc::new(Model { targets, ..model.clone() }))
    }

    /// The target for `model`, from the target `general` whose model name is a pattern.
    fn target(&self, general: &Target, model: String) -> Target {
        let provider = &general.provider.name;
        let name = format!("{provider}/{model}");
        let known = self.names.known.get(&name);
        let (health, keys) = match known {
            Some(_) => {
                let (cluster, keys) = (general.provider.cluster(0), general.provider.clusters.len());
                (TargetHealth::of(cluster, &model), Keys::of(cluster, &model, keys))
            }
            None => (general.health.clone(), general.keys.clone()),
        };
        // A fine-tuned model, `ft:gpt-4.1-2025-04-14:me::id`, has the properties of its base model.
        let kind = || {
            let (kind, _) = model.strip_prefix("ft:")?.split_once(':')?;
            self.names.known.get(&format!("{provider}/ft:{kind}"))
        };
        let known = known.or_else(kind);
        let price = known.and_then(|known| known.price).or(general.price);
        let capabilities = known.and_then(|known| known.capabilities).unwrap_or(general.capabilities);
        let pattern = general.shape.as_ref().map_or_else(|| general.model.clone(), Pattern::text);
        let (provider, shape, general_model) = (general.provider.clone(), None, Some(pattern.into()));
        Target { name, health, keys, provider, model, price, capabilities, shape, general: general_model, ..*general }
    }

    /// Every known name that is served: models, aliases, and known models that a pattern's targets can serve. `direct` appends the names of
    /// targets.
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

    /// Every known model that a pattern's target can serve, with the pattern.
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

    /// The names under which a pattern's model serves known models.
    fn known_of<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = String> + use<'a> {
        let shaped = model.pattern.iter().flat_map(|pattern| {
            model.targets.iter().filter_map(move |target| Some((pattern, target, target.shape.as_ref()?)))
        });
        shaped.flat_map(|(pattern, target, shape)| {
            let front = format!("{}/", target.provider.name);
            let known = self.names.known.keys().filter_map(move |name| name.strip_prefix(&*front));
            // `ft:` with only a base model stands for its fine-tuned models and is not a model itself.
            let known = known.filter(|name| !name.starts_with("ft:") || name.matches(':').count() > 1);
            let asked = known.filter_map(|name| shape.part(name).map(|part| pattern.fill(part)));
            asked.filter(|name| may_fit(name))
        })
    }

    /// The model that `name` resolves to, and its target with the model name `asked` at `provider`.
    pub fn served(&self, name: &str, provider: &str, asked: &str, direct: bool) -> Option<(Rc<Model>, Rc<Target>)> {
        let model = self.find(name, direct)?.model;
        let is = |target: &&Rc<Target>| target.provider.name == provider && target.model == asked;
        let target = model.targets.iter().find(is)?.clone();
        Some((model, target))
    }

    /// The names that resolve to `model` at `provider`, each with its model and target. `direct` includes the names of targets.
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
                    // Its own name is as good as any other that resolves to it.
                    (None, Some(pattern)) => {
                        (target.model == model && pattern.part(model).is_some()).then(|| model.to_owned())
                    }
                    _ => (target.model == model).then(|| entry.name.clone()),
                }
            })?;
            let (found, target) = self.served(&asked, provider, model, direct)?;
            // A more specific entry may own the name.
            (found.name == entry.name).then_some((asked, found, target))
        })
    }
}
