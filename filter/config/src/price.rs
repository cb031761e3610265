//! Compiles prices in dollars into the integer prices of the core.

use sluice_core::usage::price::{MicroUsd, Price, Rate, Rates};
use sluice_wire::json::decimal;

use crate::file;

/// The highest plausible price of one image or request, in dollars.
const DEAREST_PIECE: f64 = 1e4;

/// A field of a price with an implausible value.
#[derive(Debug, Clone, PartialEq)]
pub struct Unbelievable {
    /// The field's name in the gateway file.
    pub field: &'static str,
    /// The value that was found.
    pub found: String,
    /// The value that was expected.
    pub expected: &'static str,
}

impl TryFrom<&file::Price> for Price {
    type Error = Vec<Unbelievable>;

    /// Compiles a price. Omitted fields have the defaults of [`file::Price`].
    fn try_from(written: &file::Price) -> Result<Self, Vec<Unbelievable>> {
        let mut wrong = Vec::new();
        let mut rate = |field, dollars: f64| {
            Rate::from_dollars_per_million(dollars).unwrap_or_else(|| {
                let expected = "US dollars per million tokens: 0, or from 0.000001 to 1000000";
                wrong.push(Unbelievable { field, found: decimal(dollars), expected });
                Rate::default()
            })
        };
        let input = rate("input", written.input);
        let output = rate("output", written.output);
        let mut or = |field, dollars: Option<f64>, other| dollars.map_or(other, |dollars| rate(field, dollars));
        let cached_input = or("cached_input", written.cached_input, input);
        let cache_write = or("cache_write", written.cache_write, input);
        let cache_write_1h = or("cache_write_1h", written.cache_write_1h, cache_write);
        let reasoning = or("reasoning", written.reasoning, output);
        let plain = Rates { input, cached_input, cache_write, cache_write_1h, output, reasoning };
        let mut tier = |field, tier: Option<file::TierPrice>| {
            let tier = tier?;
            let input = or(field, tier.input, plain.input);
            let cached_input = written.cached_input.map_or(input, |_| plain.cached_input);
            let cache_write = written.cache_write.map_or(input, |_| plain.cache_write);
            let output = or(field, tier.output, plain.output);
            let cache_write = or(field, tier.cache_write, cache_write);
            Some(Rates {
                input,
                cached_input: or(field, tier.cached_input, cached_input),
                cache_write,
                cache_write_1h: written.cache_write_1h.map_or(cache_write, |_| plain.cache_write_1h),
                output,
                reasoning: written.reasoning.map_or(output, |_| plain.reasoning),
            })
        };
        let tiers = written.service_tiers;
        let priority = tier("service_tiers.priority", tiers.priority);
        let flex = tier("service_tiers.flex", tiers.flex);
        let batch = tier("service_tiers.batch", tiers.batch);
        let mut piece = |field, dollars: Option<f64>| {
            let dollars = dollars.unwrap_or_default();
            MicroUsd::from_dollars(dollars, DEAREST_PIECE).unwrap_or_else(|| {
                let expected = "US dollars: 0, or from 0.000001 to 10000";
                wrong.push(Unbelievable { field, found: decimal(dollars), expected });
                MicroUsd::default()
            })
        };
        let per_image = piece("per_image", written.per_image);
        let per_request = piece("per_request", written.per_request);
        let per_call = [
            piece("per_call.web_search", written.per_call.web_search),
            piece("per_call.file_search", written.per_call.file_search),
            piece("per_call.code_interpreter", written.per_call.code_interpreter),
            piece("per_call.image_generation", written.per_call.image_generation),
        ];
        let max_output = written.max_output;
        if max_output == Some(0) {
            wrong.push(Unbelievable { field: "max_output", found: "0".to_owned(), expected: "at least one token" });
        }
        let price = Price { plain, priority, flex, batch, per_image, per_request, per_call, max_output };
        if wrong.is_empty() { Ok(price) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests;
