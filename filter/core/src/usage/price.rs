//! Prices and costs, in integers: what a person wrote in dollars is read once, and never counted in floating point.

use std::fmt;

use sluice_wire::conversation::Usage;

use super::estimate::Estimate;
use super::surcharge::Wishes;
#[cfg(doc)]
use sluice_wire::extras::Tool;
use sluice_wire::extras::{Calls, Extras, Tier};

/// The dearest that is believed: dollars for a million tokens, which makes a dollar a token.
const DEAREST_MILLION: f64 = 1e6;
const MILLION: f64 = 1e6;

/// Millionths of a US dollar; displayed as dollars: `0.001234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// From dollars, exactly when they have six decimals at most. What is negative, no number, not zero but nearly, or beyond
    /// `most` is nothing.
    pub fn from_dollars(dollars: f64, most: f64) -> Option<Self> {
        millionths(dollars, most).map(Self)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Picodollars (10⁻¹² USD) for one token; a dollar for a million tokens is a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(pub u64);

impl Rate {
    /// From dollars for a million tokens, exactly when they have six decimals at most. What is negative, no number, not zero
    /// but nearly, or above a dollar a token is nothing.
    pub fn from_dollars_per_million(dollars: f64) -> Option<Self> {
        millionths(dollars, DEAREST_MILLION).map(Self)
    }
}

/// The nearest number of millionths. A decimal with six places has no other near it: below 2⁵³ millionths the two roundings,
/// of the decimal to a float and of the product, together stay below a half.
fn millionths(value: f64, most: f64) -> Option<u64> {
    // No comparison holds for what is not a number.
    let sound = value >= 0.0 && value <= most.min(2f64.powi(52) / MILLION);
    let nearest = (value * MILLION).round();
    // Free by rounding would be free by accident.
    let vanished = value > 0.0 && nearest < 1.0;
    // In range: `sound` bounds it.
    (sound && !vanished).then_some(nearest as u64)
}

/// What tokens cost in one class of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Of prompts.
    pub input: Rate,
    /// Of prompts read from the provider's cache.
    pub cached_input: Rate,
    /// Of prompts written to the provider's cache.
    pub cache_write: Rate,
    /// Of prompts written to a cache that keeps them for an hour.
    pub cache_write_1h: Rate,
    /// Of answers, reasoning left out.
    pub output: Rate,
    /// Of reasoning.
    pub reasoning: Rate,
}

/// What a target costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Tokens in the plain class of service.
    pub plain: Rates,
    /// In the other ones that have prices of their own.
    pub priority: Option<Rates>,
    /// As above.
    pub flex: Option<Rates>,
    /// As above.
    pub batch: Option<Rates>,
    /// For an image in a request.
    pub per_image: MicroUsd,
    /// For a request.
    pub per_request: MicroUsd,
    /// For a call of each tool, in the order of [`Tool::ALL`].
    pub per_call: [MicroUsd; 4],
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
}

impl Rates {
    /// What these tokens cost, in picodollars.
    fn cost(&self, usage: &Usage, hour_writes: u64) -> u128 {
        let tokens = |count: u64, rate: Rate| u128::from(count) * u128::from(rate.0);
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        let for_an_hour = hour_writes.min(written);
        let plain = usage.input - cached - written;
        let reasoning = usage.reasoning.min(usage.output);
        [
            tokens(cached, self.cached_input),
            tokens(written - for_an_hour, self.cache_write),
            tokens(for_an_hour, self.cache_write_1h),
            tokens(usage.output - reasoning, self.output),
            tokens(reasoning, self.reasoning),
        ]
        .into_iter()
        .fold(tokens(plain, self.input), u128::saturating_add)
    }

    /// The most that these tokens may come to: of a prompt at its dearest rate, and of an answer.
    fn most(&self, input: u64, output: u64, wishes: &Wishes) -> u128 {
        let tokens = |count: u64, rate: Rate| u128::from(count) * u128::from(rate.0);
        let written = match (wishes.caches, wishes.for_an_hour) {
            (false, _) => self.input,
            (true, false) => self.cache_write,
            (true, true) => self.cache_write.max(self.cache_write_1h),
        };
        tokens(input, self.input.max(written)).saturating_add(tokens(output, self.output.max(self.reasoning)))
    }
}

impl Price {
    /// In this class of service.
    fn rates(&self, tier: Option<Tier>) -> &Rates {
        let own = match tier {
            Some(Tier::Priority) => self.priority.as_ref(),
            Some(Tier::Flex) => self.flex.as_ref(),
            Some(Tier::Batch) => self.batch.as_ref(),
            Some(Tier::Plain) | None => None,
        };
        own.unwrap_or(&self.plain)
    }

    /// What one answered request costs, rounded up to the next micro-dollar once. `images` are those of its prompt.
    pub fn cost(&self, usage: &Usage, images: u64, extras: &Extras) -> MicroUsd {
        let tokens = self.rates(extras.tier).cost(usage, extras.hour_writes.unwrap_or_default());
        self.with_pieces(tokens, images, &extras.calls)
    }

    /// What these tokens of a batch cost: of all its requests together.
    pub fn of_batch(&self, usage: &Usage) -> MicroUsd {
        let picodollars = self.rates(Some(Tier::Batch)).cost(usage, 0);
        MicroUsd(u64::try_from(picodollars.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// What a request with this estimate is expected to cost: in the class of service that it names, calls left out.
    pub fn expected(&self, estimate: &Estimate) -> MicroUsd {
        let extras = Extras { tier: estimate.wishes.tier, ..Extras::default() };
        self.cost(&estimate.usage(), estimate.images, &extras)
    }

    /// The most that a request with this estimate may come to.
    pub fn most(&self, estimate: &Estimate) -> MicroUsd {
        let Estimate { input, output, images, wishes } = estimate;
        let any = [Tier::Priority, Tier::Flex, Tier::Batch, Tier::Plain].into_iter().filter(|_| wishes.any_tier);
        let tiers = any.map(Some).chain([wishes.tier]);
        let tokens = tiers.map(|tier| self.rates(tier).most(*input, *output, wishes)).max().unwrap_or_default();
        self.with_pieces(tokens, *images, &wishes.calls)
    }

    fn with_pieces(&self, picodollars: u128, images: u64, calls: &Calls) -> MicroUsd {
        let calls = calls.each().zip(self.per_call).map(|((_, calls), price)| u128::from(calls) * u128::from(price.0));
        let micro = picodollars
            .div_ceil(1_000_000)
            .saturating_add(u128::from(self.per_request.0))
            .saturating_add(u128::from(images) * u128::from(self.per_image.0));
        let micro = calls.fold(micro, u128::saturating_add);
        MicroUsd(u64::try_from(micro).unwrap_or(u64::MAX))
    }
}
