//! Whom a rule is about, and by what name its counter is known.
//!
//! A counter's name is made of what is counted and for whom, and never of how much is allowed: a changed limit goes on with the
//! same count. Two rules that count the same have the same counter.

use std::rc::Rc;

use crate::matching::Match;
use crate::store::dimension::Dimension;
use crate::store::{Counter, LimitWindow};

use super::{Rule, Unit};

/// All dimensions, in the order in which they stand in names: by the alphabet.
pub const DIMENSIONS: [Dimension; 5] =
    [Dimension::App, Dimension::Key, Dimension::Model, Dimension::Provider, Dimension::Team];

impl Dimension {
    /// As the gateway file and counters' names write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Key => "key",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Team => "team",
        }
    }
}

/// What a request is, for rules: one value of each dimension.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The key's id.
    pub key: &'a str,
    /// Its team.
    pub team: &'a str,
    /// Its application; keys without one are counted together, as an application without a name.
    pub app: Option<&'a str>,
    /// The model, by the name that clients ask for.
    pub model: &'a str,
    /// Who serves.
    pub provider: &'a str,
}

impl<'a> Subject<'a> {
    fn get(&self, dimension: Dimension) -> &'a str {
        match dimension {
            Dimension::App => self.app.unwrap_or_default(),
            Dimension::Key => self.key,
            Dimension::Model => self.model,
            Dimension::Provider => self.provider,
            Dimension::Team => self.team,
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::MicroUsd => "usd",
        }
    }
}

pub(super) fn gauge_name(kind: LimitWindow) -> &'static str {
    match kind {
        LimitWindow::Minute => "minute",
        LimitWindow::Day => "day",
        LimitWindow::Month => "month",
        LimitWindow::Total => "total",
        LimitWindow::Concurrent => "concurrent",
    }
}

impl Rule {
    /// Whether it tells requests apart by this.
    pub fn holds(&self, dimension: Dimension) -> bool {
        self.matches.fixed(dimension).is_some() || self.per.contains(&dimension)
    }

    /// Whether it can be about requests for this model at this provider, whoever asks.
    pub fn fits(&self, model: &str, provider: &str) -> bool {
        self.matches.allows(Dimension::Model, Some(model)) && self.matches.allows(Dimension::Provider, Some(provider))
    }

    /// The counter that counts this request; `None` when the rule counts nothing.
    pub fn counter(&self, of: &Subject) -> Option<Counter> {
        let kind = self.kind?;
        // A key's and a team's requests are one team's; an application may be used by several.
        let of_one_team = self.holds(Dimension::Key) || self.holds(Dimension::Team);
        let shard = if of_one_team { of.team } else { "" };
        let name = format!("{}/{}/{}", self.scope(of), self.unit.name(), gauge_name(kind));
        Some(Counter { name: name.into(), shard_key: shard.into(), kind })
    }

    /// Whose requests are counted together with this one: `model=chat,team=research`, or `all`.
    pub fn scope(&self, of: &Subject) -> String {
        let mut scope = String::new();
        for dimension in DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension)) {
            let comma = if scope.is_empty() { "" } else { "," };
            scope.extend([comma, dimension.name(), "="]);
            // A model's name may hold any visible character. No other name holds these.
            for c in of.get(dimension).chars() {
                match c {
                    ',' => scope.push_str("%2C"),
                    '%' => scope.push_str("%25"),
                    _ => scope.push(c),
                }
            }
        }
        if scope.is_empty() { "all".to_owned() } else { scope }
    }

    /// The same for people: `team research and model chat`, or `this gateway`.
    pub(crate) fn described(&self, of: &Subject) -> String {
        let named = |dimension: Dimension| match (dimension, of.get(dimension)) {
            (Dimension::App, "") => "keys without an app".to_owned(),
            (_, value) => format!("{} {value}", dimension.name()),
        };
        let held = DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension));
        let parts: Vec<String> = held.map(named).collect();
        if parts.is_empty() { "this gateway".to_owned() } else { parts.join(" and ") }
    }

    /// What it counts, whatever the values: two rules with the same label are one too many.
    pub fn label(&self) -> String {
        let mut label = String::new();
        for dimension in DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension)) {
            match self.matches.fixed(dimension) {
                Some(value) => label += &format!("{}={value:?},", dimension.name()),
                None => label += &format!("{},", dimension.name()),
            }
        }
        format!("{label}/{}/{}", self.unit.name(), self.kind.map_or("request", gauge_name))
    }

    /// What the counter's name is made of besides what a caller is: nothing, or the model and the provider.
    pub(super) fn varies(&self) -> bool {
        self.per.iter().any(|dimension| matches!(dimension, Dimension::Model | Dimension::Provider))
    }

    /// Whom it is about is one of these, so that it is no one else's.
    pub(super) fn knows_callers(&self) -> bool {
        [Dimension::Key, Dimension::Team, Dimension::App].into_iter().any(|dimension| self.holds(dimension))
    }
}

/// An empty name, for what a counter's name is not made of.
pub(super) fn nobody() -> Subject<'static> {
    Subject { key: "", team: "", app: None, model: "", provider: "" }
}

/// A rule's counter, when its name is known before a model and a provider are.
pub(super) fn settled_meter(rule: &Rc<Rule>, of: &Subject) -> Option<Counter> {
    // A fixed model or provider is part of the name as the rule has it.
    let Match { model, provider, .. } = &rule.matches;
    let of = Subject { model: model.as_deref().unwrap_or(""), provider: provider.as_deref().unwrap_or(""), ..*of };
    if rule.varies() { None } else { rule.counter(&of) }
}
