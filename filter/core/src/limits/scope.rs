//! The scope of a rule, and the names of counters.
//!
//! A counter's name contains the unit and the scope but never the limit, so the count survives a change of the limit. Two rules that count
//! the same share a counter.

use std::rc::Rc;

use crate::matching::Match;
use crate::store::dimension::Dimension;
use crate::store::{Counter, LimitWindow};

use super::{Rule, Unit};

/// All dimensions, in the order of counter names: alphabetical.
pub const DIMENSIONS: [Dimension; 5] =
    [Dimension::App, Dimension::Key, Dimension::Model, Dimension::Provider, Dimension::Team];

impl Dimension {
    /// The dimension's name in the gateway file and in counter names.
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

/// A request's value of each dimension.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The key's id.
    pub key: &'a str,
    /// The key's team.
    pub team: &'a str,
    /// The key's application; keys without one are counted together, as an application with an empty name.
    pub app: Option<&'a str>,
    /// The model, by the name clients use.
    pub model: &'a str,
    /// The provider that serves the request.
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

pub(super) fn window_name(kind: LimitWindow) -> &'static str {
    match kind {
        LimitWindow::Minute => "minute",
        LimitWindow::Day => "day",
        LimitWindow::Month => "month",
        LimitWindow::Total => "total",
        LimitWindow::Concurrent => "concurrent",
    }
}

impl Rule {
    /// Whether the rule matches or counts by this dimension.
    pub fn holds(&self, dimension: Dimension) -> bool {
        self.matches.fixed(dimension).is_some() || self.per.contains(&dimension)
    }

    /// Whether the rule can apply to requests for this model at this provider, from some caller.
    pub fn fits(&self, model: &str, provider: &str) -> bool {
        self.matches.allows(Dimension::Model, Some(model)) && self.matches.allows(Dimension::Provider, Some(provider))
    }

    /// The counter for this request; `None` when the rule has no window.
    pub fn counter(&self, of: &Subject) -> Option<Counter> {
        let kind = self.kind?;
        // A key belongs to one team; an application may span several.
        let of_one_team = self.holds(Dimension::Key) || self.holds(Dimension::Team);
        let shard = if of_one_team { of.team } else { "" };
        let name = format!("{}/{}/{}", self.scope(of), self.unit.name(), window_name(kind));
        Some(Counter { name: name.into(), shard_key: shard.into(), kind })
    }

    /// The values that requests on the same counter share: `model=chat,team=research`, or `all`.
    pub fn scope(&self, of: &Subject) -> String {
        let mut scope = String::new();
        for dimension in DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension)) {
            let comma = if scope.is_empty() { "" } else { "," };
            scope.extend([comma, dimension.name(), "="]);
            // A model's name may contain any visible character; other names contain neither of these two.
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

    /// The scope for error messages: `team research and model chat`, or `this gateway`.
    pub(crate) fn described(&self, of: &Subject) -> String {
        let named = |dimension: Dimension| match (dimension, of.get(dimension)) {
            (Dimension::App, "") => "keys without an app".to_owned(),
            (_, value) => format!("{} {value}", dimension.name()),
        };
        let held = DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension));
        let parts: Vec<String> = held.map(named).collect();
        if parts.is_empty() { "this gateway".to_owned() } else { parts.join(" and ") }
    }

    /// Identifies what the rule counts, apart from the request's values. Two rules with the same label are duplicates.
    pub fn label(&self) -> String {
        let mut label = String::new();
        for dimension in DIMENSIONS.into_iter().filter(|dimension| self.holds(*dimension)) {
            match self.matches.fixed(dimension) {
                Some(value) => label += &format!("{}={value:?},", dimension.name()),
                None => label += &format!("{},", dimension.name()),
            }
        }
        format!("{label}/{}/{}", self.unit.name(), self.kind.map_or("request", window_name))
    }

    /// Whether the counter's name depends on the request's model or provider.
    pub(super) fn varies(&self) -> bool {
        self.per.iter().any(|dimension| matches!(dimension, Dimension::Model | Dimension::Provider))
    }

    /// Whether the rule depends on the key, team or app.
    pub(super) fn knows_callers(&self) -> bool {
        [Dimension::Key, Dimension::Team, Dimension::App].into_iter().any(|dimension| self.holds(dimension))
    }
}

/// A subject with empty values, for dimensions that a counter's name does not contain.
pub(super) fn nobody() -> Subject<'static> {
    Subject { key: "", team: "", app: None, model: "", provider: "" }
}

/// The rule's counter, if its name does not depend on the request's model and provider.
pub(super) fn settled_counter(rule: &Rc<Rule>, of: &Subject) -> Option<Counter> {
    // A model or provider that the rule fixes is part of the name.
    let Match { model, provider, .. } = &rule.matches;
    let of = Subject { model: model.as_deref().unwrap_or(""), provider: provider.as_deref().unwrap_or(""), ..*of };
    if rule.varies() { None } else { rule.counter(&of) }
}
