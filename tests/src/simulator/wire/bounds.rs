//! The numeric limits of services, and their error messages.
//!
//! Sources: each service's API reference, and 400 responses that clients reported.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::simulator::reply::Refusal;

/// A field with its minimum and maximum.
pub type Bound = (&'static str, RangeInclusive<f64>);

/// OpenAI's chat completions: "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 130 instead."
pub const OPENAI: [Bound; 6] = [
    ("temperature", 0.0..=2.0),
    ("top_p", 0.0..=1.0),
    ("frequency_penalty", -2.0..=2.0),
    ("presence_penalty", -2.0..=2.0),
    ("n", 1.0..=128.0),
    ("top_logprobs", 0.0..=20.0),
];

/// Mistral.
pub const MISTRAL: [Bound; 6] = [
    ("temperature", 0.0..=1.5),
    ("top_p", 0.0..=1.0),
    ("frequency_penalty", -2.0..=2.0),
    ("presence_penalty", -2.0..=2.0),
    ("n", 1.0..=f64::INFINITY),
    ("random_seed", 0.0..=f64::INFINITY),
];

/// Rejects a number in `body` outside its bounds; `told` formats the message from field, value and bound.
pub fn check(
    body: &Value,
    bounds: &[Bound],
    told: impl Fn(&str, f64, &RangeInclusive<f64>) -> Refusal,
) -> Result<(), Refusal> {
    let beyond = |(name, range): &Bound| {
        let value = body[*name].as_f64()?;
        (!range.contains(&value)).then(|| told(name, value, range))
    };
    bounds.iter().find_map(beyond).map_or(Ok(()), Err)
}

/// Checks the bounds with OpenAI's messages.
pub fn openai(body: &Value) -> Result<(), Refusal> {
    check(body, &OPENAI, |name, value, range| {
        let (word, sign, bound) = match value < *range.start() {
            true => ("below minimum", ">=", range.start()),
            false => ("above maximum", "<=", range.end()),
        };
        let kind = if value.fract() == 0.0 { "integer" } else { "decimal" };
        let message =
            format!("Invalid '{name}': {kind} {word} value. Expected a value {sign} {bound}, but got {value} instead.");
        Refusal::invalid(message)
    })
}

/// Checks Google's penalties, which its models no longer accept since Gemini 2.5, the candidate count, which is lower
/// for preview models, and `topK`.
pub fn gemini(model: &str, configuration: impl Fn(&str) -> Option<f64>) -> Result<(), Refusal> {
    let penalized = ["presencePenalty", "frequencyPenalty"].map(|name| configuration(name).unwrap_or_default());
    if ["gemini-2.5", "gemini-3"].iter().any(|family| model.contains(family)) && penalized != [0.0; 2] {
        return Err(Refusal::invalid("Penalty is not enabled for this model"));
    }
    let range = |name: &str, value: f64, least: f64, end: f64| match (least..end).contains(&value) {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "Unable to submit request because it has a {name} value of {value} but the supported range is from {least} (inclusive) to {end} \
             (exclusive). Update the value and try again."
        ))),
    };
    range("presencePenalty", penalized[0], -2.0, 2.0)?;
    range("frequencyPenalty", penalized[1], -2.0, 2.0)?;
    let candidates = if model.contains("gemini-3") && model.contains("preview") { 2.0 } else { 9.0 };
    range("candidateCount", configuration("candidateCount").unwrap_or(1.0), 1.0, candidates)?;
    let last = if model.contains("gemini-1.5") { 41.0 } else { f64::INFINITY };
    configuration("topK").map_or(Ok(()), |top_k| range("topK", top_k, 1.0, last))
}
