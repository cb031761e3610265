//! Prices and costs, in integers: what a person wrote in dollars is read once, and never counted in floating point.

use std::fmt;

use crate::config::file;
use crate::conversation::Usage;

/// The dearest that is believed: dollars for a million tokens, which makes a dollar a token.
const DEAREST_MILLION: f64 = 1e6;
/// The dearest that is believed: dollars for one image, or for one request.
const DEAREST_PIECE: f64 = 1e4;
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

/// A field of a price that cannot be meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Unbelievable {
    /// Its name in the gateway file.
    pub field: &'static str,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub expected: &'static str,
}

impl TryFrom<&file::Price> for Price {
    type Error = Vec<Unbelievable>;

    /// Reads what a person wrote; what is left out is priced as [`file::Price`] says.
    fn try_from(written: &file::Price) -> Result<Self, Vec<Unbelievable>> {
        let mut wrong = Vec::new();
        let mut rate = |field, dollars: f64| {
            Rate::from_dollars_per_million(dollars).unwrap_or_else(|| {
                let expected = "US dollars for a million tokens: 0, or from 0.000001 to 1000000";
                wrong.push(Unbelievable { field, found: dollars.to_string(), expected });
                Rate::default()
            })
        };
        let input = rate("input", written.input);
        let output = rate("output", written.output);
        let mut or = |field, dollars: Option<f64>, other| dollars.map_or(other, |dollars| rate(field, dollars));
        let cached_input = or("cached_input", written.cached_input, input);
        let cache_write = or("cache_write", written.cache_write, input);
        let reasoning = or("reasoning", written.reasoning, output);
        let mut piece = |field, dollars: Option<f64>| {
            let dollars = dollars.unwrap_or_default();
            MicroUsd::from_dollars(dollars, DEAREST_PIECE).unwrap_or_else(|| {
                let expected = "US dollars: 0, or from 0.000001 to 10000";
                wrong.push(Unbelievable { field, found: dollars.to_string(), expected });
                MicroUsd::default()
            })
        };
        let per_image = piece("per_image", written.per_image);
        let per_request = piece("per_request", written.per_request);
        let max_output = written.max_output;
        if max_output == Some(0) {
            wrong.push(Unbelievable { field: "max_output", found: "0".to_owned(), expected: "at least one token" });
        }
        let price = Self { input, cached_input, cache_write, output, reasoning, per_image, per_request, max_output };
        if wrong.is_empty() { Ok(price) } else { Err(wrong) }
    }
}

impl Price {
    /// What one answered request costs, rounded up to the next micro-dollar once.
    pub fn cost(&self, usage: &Usage, images: u64) -> MicroUsd {
        let tokens = |count: u64, rate: Rate| u128::from(count) * u128::from(rate.0);
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        let plain = usage.input - cached - written;
        let reasoning = usage.reasoning.min(usage.output);
        let picodollars = [
            tokens(cached, self.cached_input),
            tokens(written, self.cache_write),
            tokens(usage.output - reasoning, self.output),
            tokens(reasoning, self.reasoning),
        ]
        .into_iter()
        .fold(tokens(plain, self.input), u128::saturating_add);
        let micro = picodollars
            .div_ceil(1_000_000)
            .saturating_add(u128::from(self.per_request.0))
            .saturating_add(u128::from(images) * u128::from(self.per_image.0));
        MicroUsd(u64::try_from(micro).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
