//! Prices and costs as integers. Dollar amounts in configuration are converted once; costs never use floating point.

use std::fmt;

use sluice_wire::conversation::Usage;

use super::estimate::Estimate;
use super::surcharge::Surcharges;
#[cfg(doc)]
use sluice_wire::extras::Tool;
use sluice_wire::extras::{Calls, Extras, Tier};

/// The highest accepted price: a million dollars per million tokens, which is a dollar per token.
const DEAREST_MILLION: f64 = 1e6;
const MILLION: f64 = 1e6;

/// Millionths of a US dollar; displayed as dollars: `0.001234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// Converts dollars; exact with up to six decimals. `None` for a negative amount, NaN, an amount above `most`, or a positive amount
    /// that rounds to zero.
    pub fn from_dollars(dollars: f64, most: f64) -> Option<Self> {
        millionths(dollars, most).map(Self)
    }

    /// Rounded up.
    fn from_picodollars(picodollars: u128) -> Self {
        Self(u64::try_from(picodollars.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Picodollars (10⁻¹² USD) per token; a dollar per million tokens is a rate of one million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(pub u64);

impl Rate {
    /// Converts dollars per million tokens; exact with up to six decimals. `None` for a negative price, NaN, more than a dollar per token,
    /// or a positive price that rounds to zero.
    pub fn from_dollars_per_million(dollars: f64) -> Option<Self> {
        millionths(dollars, DEAREST_MILLION).map(Self)
    }

    /// The cost of this many units, rounded up.
    pub fn cost(self, units: u64) -> MicroUsd {
        let picodollars = u128::from(self.0).saturating_mul(u128::from(units));
        MicroUsd::from_picodollars(picodollars)
    }
}

/// Rounds to the nearest millionth. Exact for up to six decimals: below 2⁵³ millionths, the rounding errors of the decimal-to-float
/// conversion and of the product add up to less than a half.
fn millionths(value: f64, most: f64) -> Option<u64> {
    // False for NaN.
    let sound = value >= 0.0 && value <= most.min(2f64.powi(52) / MILLION);
    let nearest = (value * MILLION).round();
    // A positive price must not round to free.
    let vanished = value > 0.0 && nearest < 1.0;
    // In range: `sound` bounds it.
    (sound && !vanished).then_some(nearest as u64)
}

/// Token prices in one service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Prompt tokens.
    pub input: Rate,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: Rate,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: Rate,
    /// Prompt tokens written to the provider's one-hour cache.
    pub cache_write_1h: Rate,
    /// Response tokens without reasoning.
    pub output: Rate,
    /// Reasoning tokens.
    pub reasoning: Rate,
}

/// The prices of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Token prices in the plain service tier.
    pub plain: Rates,
    /// Token prices in the priority tier, if different.
    pub priority: Option<Rates>,
    /// Token prices in the flex tier, if different.
    pub flex: Option<Rates>,
    /// Token prices in the batch tier, if different.
    pub batch: Option<Rates>,
    /// Price of an image in a request.
    pub per_image: MicroUsd,
    /// Price of a request.
    pub per_request: MicroUsd,
    /// Price of a call of each tool, in the order of [`Tool::ALL`].
    pub per_call: [MicroUsd; 4],
    /// The most output tokens of one response.
    pub max_output: Option<u64>,
}

/// The effect of a provider's prompt cache on the cost of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheValue {
    /// The price of the tokens read from the cache as plain input, minus their price; rounded down.
    pub saved: MicroUsd,
    /// The price of the tokens written to the cache, minus their price as plain input; rounded up.
    pub surcharge: MicroUsd,
}

impl CacheValue {
    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        let sum = |one: MicroUsd, other: MicroUsd| MicroUsd(one.0.saturating_add(other.0));
        Self { saved: sum(self.saved, other.saved), surcharge: sum(self.surcharge, other.surcharge) }
    }
}

impl Rates {
    /// The cost of these tokens, in picodollars.
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

    /// The highest possible cost of these tokens, in picodollars: each at the highest rate it can have.
    fn most(&self, input: u64, output: u64, wishes: &Surcharges) -> u128 {
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
    /// Token prices in this service tier.
    fn rates(&self, tier: Option<Tier>) -> &Rates {
        let own = match tier {
            Some(Tier::Priority) => self.priority.as_ref(),
            Some(Tier::Flex) => self.flex.as_ref(),
            Some(Tier::Batch) => self.batch.as_ref(),
            Some(Tier::Plain) | None => None,
        };
        own.unwrap_or(&self.plain)
    }

    /// The cost of one successful request, rounded up once to the next micro-dollar. `images` counts the images in its prompt.
    pub fn cost(&self, usage: &Usage, images: u64, extras: &Extras) -> MicroUsd {
        let tokens = self.rates(extras.tier).cost(usage, extras.hour_writes.unwrap_or_default());
        self.with_pieces(tokens, images, &extras.calls)
    }

    /// The savings from the provider's prompt cache on this usage.
    pub fn prompt_cache(&self, usage: &Usage, extras: &Extras) -> CacheValue {
        let Rates { input, cached_input, cache_write, cache_write_1h, .. } = *self.rates(extras.tier);
        let difference =
            |count: u64, dear: Rate, cheap: Rate| u128::from(count) * u128::from(dear.0.saturating_sub(cheap.0));
        let written = usage.cache_write.min(usage.input.saturating_sub(usage.cached));
        let for_an_hour = extras.hour_writes.unwrap_or_default().min(written);
        let surcharge = difference(written - for_an_hour, cache_write, input).saturating_add(difference(
            for_an_hour,
            cache_write_1h,
            input,
        ));
        let micro = |picodollars: u128| MicroUsd(u64::try_from(picodollars).unwrap_or(u64::MAX));
        CacheValue {
            saved: micro(difference(usage.cached.min(usage.input), input, cached_input) / 1_000_000),
            surcharge: micro(surcharge.div_ceil(1_000_000)),
        }
    }

    /// The token cost of a batch, for all its requests together.
    pub fn of_batch(&self, usage: &Usage) -> MicroUsd {
        MicroUsd::from_picodollars(self.rates(Some(Tier::Batch)).cost(usage, 0))
    }

    /// The expected cost of a request with this estimate, in the service tier that it names, without tool calls.
    pub fn expected(&self, estimate: &Estimate) -> MicroUsd {
        let extras = Extras { tier: estimate.wishes.tier, ..Extras::default() };
        self.cost(&estimate.usage(), estimate.images, &extras)
    }

    /// The highest possible cost of a request with this estimate.
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
