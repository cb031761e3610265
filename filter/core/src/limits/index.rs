//! The gateway's rules, indexed by scope, so that neither compiling a key nor handling a request scans all of them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Rule;
use super::scope::{Subject, nobody, settled_counter};
use crate::store::Counter;

/// A rule resolved for one caller, or for all callers.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The rule.
    pub rule: Rc<Rule>,
    /// The rule's counter, unless its name depends on the model or the provider.
    pub counter: Option<Counter>,
}

impl Applied {
    fn new(rule: &Rc<Rule>, of: &Subject) -> Self {
        Self { rule: rule.clone(), counter: settled_counter(rule, of) }
    }
}

/// All rules except those of single keys. Rules that depend on the caller are resolved for each caller; the others are resolved once.
#[derive(Debug, Default)]
pub struct Index {
    everywhere: Vec<Applied>,
    models: BTreeMap<String, Vec<Applied>>,
    keys: BTreeMap<String, Vec<Rc<Rule>>>,
    teams: BTreeMap<String, Vec<Rc<Rule>>>,
    apps: BTreeMap<String, Vec<Rc<Rule>>>,
    callers: Vec<Rc<Rule>>,
}

impl Index {
    /// Indexes the rules.
    pub fn new(rules: &[Rc<Rule>]) -> Self {
        let mut index = Self::default();
        for rule in rules {
            let matches = &rule.matches;
            let group = match (&matches.key, &matches.team, &matches.app) {
                (Some(key), _, _) => index.keys.entry(key.clone()).or_default(),
                (_, Some(team), _) => index.teams.entry(team.clone()).or_default(),
                (_, _, Some(app)) => index.apps.entry(app.clone()).or_default(),
                _ if rule.knows_callers() => &mut index.callers,
                _ => {
                    let shared = match &matches.model {
                        Some(model) => index.models.entry(model.clone()).or_default(),
                        None => &mut index.everywhere,
                    };
                    shared.push(Applied::new(rule, &nobody()));
                    continue;
                }
            };
            group.push(rule.clone());
        }
        index
    }

    /// The rules that depend on this caller: the key's `own`, and all that match or count by its key, team or app.
    pub fn of_caller(&self, key: &str, team: &str, app: Option<&str>, own: Vec<Rc<Rule>>) -> Vec<Applied> {
        let of = Subject { key, team, app, ..nobody() };
        let groups = [self.keys.get(key), self.teams.get(team), app.and_then(|app| self.apps.get(app))];
        let named = groups.into_iter().flatten().flatten().chain(&self.callers);
        let about = named.filter(|rule| rule.matches.is_about(key, team, app));
        own.iter().chain(about).map(|rule| Applied::new(rule, &of)).collect()
    }

    /// The rules for this model that do not depend on the caller.
    pub fn shared<'a>(&'a self, model: &str) -> impl Iterator<Item = &'a Applied> + use<'a> {
        self.everywhere.iter().chain(self.models.get(model).into_iter().flatten())
    }
}
