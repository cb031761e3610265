//! How hard to think, in words and in tokens.
//!
//! Each format, and each generation of models, knows some of the words. What it does not know becomes the next lower word that it
//! knows, or else its lowest: nobody is made to pay for more than was asked for.

use crate::error::ApiError;

/// Every word, from the least.
const WORDS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What an effort is in tokens of thinking, for those who count them; none for no thinking at all. The highest two are
/// the same: more would leave no room for an answer where 32,000 tokens are the most. The only error is an effort that
/// has no meaning.
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

/// The effort that a budget is.
pub(super) fn of_budget(tokens: u64) -> &'static str {
    match tokens {
        0..=4096 => "low",
        4097..=16384 => "medium",
        _ => "high",
    }
}

/// What `effort` is where only `known` words are, from the least; `known` is not empty, or there is no effort.
pub(super) fn nearest(effort: &str, known: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
    let rank = |effort: &str| WORDS.iter().position(|word| *word == effort);
    let wished = rank(effort).ok_or_else(unknown)?;
    let lower = known.iter().rev().find(|word| rank(word).is_some_and(|rank| rank <= wished));
    Ok(lower.or(known.first()).copied())
}

/// The error of an effort that has no meaning.
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
