//! The estimated usage of a batch.

use serde::{Deserialize, Serialize};
use sluice_wire::extras::Tier;

use crate::limits::Unit;
use crate::routing::target::Target;
use crate::usage::estimate::Estimate;
use crate::usage::price::Price;
use crate::usage::surcharge::Surcharges;

/// Usage of one request or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageSum {
    /// Number of requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Response tokens.
    pub output: u64,
    /// Cost in micro-dollars.
    pub cost: u64,
}

impl UsageSum {
    /// The amount in this unit.
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

/// The estimated usage of an input file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The id of the key that uploaded the file, and whose permissions applied.
    pub key: String,
    /// The one model of all its requests, by the gateway's name.
    pub model: String,
    /// The model's name in the requests, if the gateway's name is a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The provider's name for the model.
    pub target: String,
    /// The sum of all requests.
    pub total: UsageSum,
    /// The most input and output tokens of a single request.
    pub longest: UsageSum,
    /// The part of the cost that is not for tokens: images, calls of hosted tools.
    pub pieces: u64,
    /// Whether the model has a price.
    pub priced: bool,
}

impl Work {
    /// An empty file for this model.
    pub(crate) fn new(key: &str, model: &str, asked: &str, target: &Target) -> Self {
        Self {
            key: key.to_owned(),
            model: model.to_owned(),
            asked: (asked != model).then(|| asked.to_owned()),
            target: target.model.clone(),
            total: UsageSum::default(),
            longest: UsageSum::default(),
            pieces: 0,
            priced: target.price.is_some(),
        }
    }

    /// The name by which the gateway finds the model.
    pub(crate) fn asked(&self) -> &str {
        self.asked.as_deref().unwrap_or(&self.model)
    }

    /// Adds one request.
    pub(crate) fn add(&mut self, estimate: &Estimate, price: Option<&Price>) {
        let wishes = Surcharges { tier: Some(Tier::Batch), any_tier: false, ..estimate.wishes };
        let estimate = Estimate { wishes, ..*estimate };
        let most = |estimate: &Estimate| price.map(|price| price.most(estimate).0).unwrap_or_default();
        let pieces = most(&Estimate { input: 0, output: 0, ..estimate });
        let UsageSum { requests, input, output, cost } = self.total;
        self.total = UsageSum {
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
