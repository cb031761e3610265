//! Converts a provider's rate limit headers to OpenAI's: `x-ratelimit-remaining-tokens` and others.
//!
//! Sources: OpenAI's guide on rate limits; Anthropic's page on response headers.

use std::time::Duration;

use crate::calendar;
use crate::headers::HeaderMap;

/// OpenAI's names and Anthropic's equivalents.
const NAMES: [(&str, &str); 6] = [
    ("x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit"),
    ("x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit"),
    ("x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining"),
    ("x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining"),
    (RESET_REQUESTS, "anthropic-ratelimit-requests-reset"),
    (RESET_TOKENS, "anthropic-ratelimit-tokens-reset"),
];

/// Headers that OpenAI's clients read, processing time and API version included.
pub(super) const OPENAIS: &[&str] = &[
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    RESET_REQUESTS,
    RESET_TOKENS,
];

/// Headers that Anthropic's clients read.
pub(super) const ANTHROPICS: &[&str] = &[
    "request-id",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];

const RESET_REQUESTS: &str = "x-ratelimit-reset-requests";
const RESET_TOKENS: &str = "x-ratelimit-reset-tokens";

/// For a provider with OpenAI's headers.
pub(super) fn pass(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    NAMES.iter().filter_map(|(name, _)| Some((*name, headers.text(name)?.to_owned()))).collect()
}

/// For a provider with Anthropic's headers. They have points in time where OpenAI's have durations.
pub(super) fn of_anthropic(headers: &HeaderMap, now: u64) -> Vec<(&'static str, String)> {
    let said = |(name, theirs): &(&'static str, &str)| {
        let value = headers.text(theirs)?;
        match *name {
            RESET_REQUESTS | RESET_TOKENS => {
                let wait = calendar::rfc3339(value)?.saturating_sub(now);
                Some((*name, calendar::written_as_openai(Duration::from_secs(wait))))
            }
            name => Some((name, value.to_owned())),
        }
    };
    NAMES.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn anthropics_moments_become_openais_durations() {
        let headers: HeaderMap = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-23T12:06:00Z"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-23T11:00:00Z"),
            ("anthropic-ratelimit-input-tokens-limit", "7"),
        ]
        .into_iter()
        .collect();
        let noon = calendar::rfc3339("2026-11-23T12:00:00Z").unwrap();
        let expected = [
            ("x-ratelimit-limit-requests", "50"),
            ("x-ratelimit-remaining-requests", "49"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-reset-tokens", "0s"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        assert_eq!(of_anthropic(&headers, noon), expected);
    }

    #[test]
    fn openais_own_pass_and_what_makes_no_sense_is_left_out() {
        let headers: HeaderMap =
            [("x-ratelimit-reset-tokens", "12ms"), ("anthropic-ratelimit-tokens-reset", "soon")].into_iter().collect();
        assert_eq!(pass(&headers), [("x-ratelimit-reset-tokens", "12ms".to_owned())]);
        assert_eq!(of_anthropic(&headers, 0), []);
    }
}
