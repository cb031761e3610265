//! Prices and costs, in integers.

use crate::conversation::Usage;

/// Millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MicroUsd(pub u64);

/// Picodollars (10⁻¹² USD) for one token; a dollar for a million tokens is a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate(pub u64);

/// What a target costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Of prompts.
    pub input: Rate,
    /// Of prompts read from the provider's cache.
    pub cached_input: Rate,
    /// Of prompts written to the provider's cache.
    pub cache_write: Rate,
    /// Of answers, reasoning left out.
    pub output: Rate,
    /// Of reasoning.
    pub reasoning: Rate,
    /// For an image in a request.
    pub per_image: MicroUsd,
    /// For a request.
    pub per_request: MicroUsd,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
}

impl Price {
    /// What one answered request costs, rounded up to the next micro-dollar once.
    pub fn cost(&self, usage: &Usage, images: u64) -> MicroUsd {
        let tokens = |count: u64, rate: Rate| u128::from(count) * u128::from(rate.0);
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        let plain = usage.input - cached - written;
        let reasoning = usage.reasoning.min(usage.output);
        let picodollars = tokens(plain, self.input)
            + tokens(cached, self.cached_input)
            + tokens(written, self.cache_write)
            + tokens(usage.output - reasoning, self.output)
            + tokens(reasoning, self.reasoning);
        let micro = picodollars.div_ceil(1_000_000)
            + u128::from(self.per_request.0)
            + u128::from(images) * u128::from(self.per_image.0);
        MicroUsd(u64::try_from(micro).unwrap_or(u64::MAX))
    }
}
