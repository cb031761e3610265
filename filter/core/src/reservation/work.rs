//! What a batch asks for.

use serde::{Deserialize, Serialize};
use sluice_wire::extras::Tier;

use crate::limits::Unit;
use crate::routing::target::Target;
use crate::usage::estimate::Estimate;
use crate::usage::price::Price;
use crate::usage::surcharge::Wishes;

/// What requests may use together, or one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// How many there are.
    pub requests: u64,
    /// Tokens of prompts.
    pub input: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Micro-dollars.
    pub cost: u64,
}

impl Share {
    /// As much as is counted in this unit.
    pub fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Tokens => self.input.saturating_add(self.output),
            Unit::InputTokens => self.input,
            Unit::OutputTokens => self.output,
            Unit::MicroUsd => self.cost,
        }
    }
}

/// What an input file asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The id of the key that has uploaded it, by whose permissions it was read.
    pub key: String,
    /// The one model that it asks, by the gateway's name for it.
    pub model: String,
    /// The name that led there, where the gateway's is a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// And by its provider's.
    pub target: String,
    /// All requests together.
    pub total: Share,
    /// The most tokens of each kind that one of them may use.
    pub longest: Share,
    /// Of the cost, what is not for tokens: images, calls of hosted tools.
    pub pieces: u64,
    /// Whether the model has a price.
    pub priced: bool,
}

impl Work {
    /// Nothing yet, for this model.
    pub(crate) fn new(key: &str, model: &str, asked: &str, target: &Target) -> Self {
        Self {
            key: key.to_owned(),
            model: model.to_owned(),
            asked: (asked != model).then(|| asked.to_owned()),
            target: target.model.clone(),
            total: Share::default(),
            longest: Share::default(),
            pieces: 0,
            priced: target.price.is_some(),
        }
    }

    /// The name by which the gateway finds its model.
    pub(crate) fn asked(&self) -> &str {
        self.asked.as_deref().unwrap_or(&self.model)
    }

    /// One request more.
    pub(crate) fn add(&mut self, estimate: &Estimate, price: Option<&Price>) {
        let wishes = Wishes { tier: Some(Tier::Batch), any_tier: false, ..estimate.wishes };
        let estimate = Estimate { wishes, ..*estimate };
        let most = |estimate: &Estimate| price.map(|price| price.most(estimate).0).unwrap_or_default();
        let pieces = most(&Estimate { input: 0, output: 0, ..estimate });
        let Share { requests, input, output, cost } = self.total;
        self.total = Share {
            requests: requests.saturating_add(1),
            input: input.saturating_add(estimate.input),
            output: output.saturating_add(estimate.output),
            cost: cost.saturating_add(most(&estimate)),
        };
        self.longest.input = self.longest.input.max(estimate.input);
        self.longest.output = self.longest.output.max(estimate.output);
        self.pieces = self.pieces.saturating_add(pieces);
    }
}
