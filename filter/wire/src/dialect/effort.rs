//! Reasoning effort, as levels and as token budgets.
//!
//! Each format and each generation of models supports some levels. An unsupported level becomes the next lower supported one, or the lowest
//! if there is none below it: clients should not pay for more than they requested.

use crate::error::ApiError;

/// All levels, lowest first.
const WORDS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The token budget for a level; `None` for no reasoning. The two highest levels are equal: more would leave no room for output where
/// 32,000 tokens are the maximum. Fails on an unknown level.
pub(super) fn budget(effort: &str) -> Result<Option<u64>, ApiError> {
    Ok(Some(match effort {
        "none" => return Ok(None),
        "minimal" => 1024,
        "low" => 2048,
        "medium" => 8192,
        "high" => 16384,
        "xhigh" | "max" => 24576,
        _ => return Err(unknown()),
    }))
}

/// The level for a token budget.
pub(super) fn of_budget(tokens: u64) -> &'static str {
    match tokens {
        0..=4096 => "low",
        4097..=16384 => "medium",
        _ => "high",
    }
}

/// Maps `effort` to the nearest of the `known` levels, lowest first. `None` if `known` is empty.
pub(super) fn nearest(effort: &str, known: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
    let rank = |effort: &str| WORDS.iter().position(|word| *word == effort);
    let wished = rank(effort).ok_or_else(unknown)?;
    let lower = known.iter().rev().find(|word| rank(word).is_some_and(|rank| rank <= wished));
    Ok(lower.or(known.first()).copied())
}

/// The error for an unknown level.
pub(super) fn unknown() -> ApiError {
    let message = format!("'reasoning_effort' must be one of {}.", WORDS.join(", "));
    ApiError::invalid("reasoning_effort", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_not_known_is_the_next_lower_or_the_lowest() {
        let known = ["low", "medium", "high", "max"];
        for (effort, expected) in
            [("none", "low"), ("minimal", "low"), ("low", "low"), ("high", "high"), ("xhigh", "high"), ("max", "max")]
        {
            assert_eq!(nearest(effort, &known).unwrap(), Some(expected), "{effort}");
        }
        assert_eq!(nearest("max", &["none", "low"]).unwrap(), Some("low"));
        assert_eq!(nearest("low", &["high"]).unwrap(), Some("high"));
        assert_eq!(nearest("low", &[]).unwrap(), None);
        assert_eq!(nearest("extreme", &known).unwrap_err().param.as_deref(), Some("reasoning_effort"));
    }

    #[test]
    fn every_word_has_a_budget() {
        for word in WORDS {
            assert_eq!(budget(word).unwrap().is_none(), word == "none", "{word}");
        }
        assert!(budget("extreme").is_err());
    }
}
