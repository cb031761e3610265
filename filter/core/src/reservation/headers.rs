//! What answers say of limits and budgets: `x-ratelimit-…` as OpenAI's do, and `x-sluice-budget`.

use std::time::Duration;

use crate::limits::Unit;
use crate::store::{Gauge, Reading, Take};

/// How a limit per minute stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    limit: u64,
    remaining: u64,
    reset: Duration,
}

/// The limits per minute that have the least left: of requests, and of tokens.
#[derive(Debug, Default)]
pub(super) struct Standings {
    requests: Option<Standing>,
    tokens: Option<Standing>,
}

impl Standings {
    /// Takes a meter into account.
    pub(super) fn add(&mut self, unit: Unit, take: &Take, reading: &Reading) {
        let of_its_kind = match unit {
            Unit::Requests => &mut self.requests,
            Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => &mut self.tokens,
            Unit::MicroUsd => return,
        };
        let remaining = take.limit.saturating_sub(reading.used);
        if take.meter.gauge == Gauge::Minute && of_its_kind.is_none_or(|least| remaining < least.remaining) {
            *of_its_kind = Some(Standing { limit: take.limit, remaining, reset: reading.reset });
        }
    }

    pub(super) fn write(&self, headers: &mut Vec<(&'static str, String)>) {
        if let Some(Standing { limit, remaining, reset }) = self.requests {
            headers.push(("x-ratelimit-limit-requests", limit.to_string()));
            headers.push(("x-ratelimit-remaining-requests", remaining.to_string()));
            headers.push(("x-ratelimit-reset-requests", duration(reset)));
        }
        if let Some(Standing { limit, remaining, reset }) = self.tokens {
            headers.push(("x-ratelimit-limit-tokens", limit.to_string()));
            headers.push(("x-ratelimit-remaining-tokens", remaining.to_string()));
            headers.push(("x-ratelimit-reset-tokens", duration(reset)));
        }
    }
}

/// A duration as OpenAI writes it: `120ms`, `1s`, `7.66s`, `6m0s`, `1h0m0s`; rounded up to the next millisecond.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    if milliseconds < 1_000 {
        return format!("{milliseconds}ms");
    }
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (microseconds, text) in [
            (0, "0ms"),
            (1, "1ms"),
            (120_000, "120ms"),
            (999_001, "1s"),
            (1_000_000, "1s"),
            (7_660_000, "7.66s"),
            (10_000_000, "10s"),
            (360_000_000, "6m0s"),
            (86_400_000, "1m26.4s"),
            (3_600_000_000, "1h0m0s"),
            (86_399_000_000, "23h59m59s"),
        ] {
            assert_eq!(duration(Duration::from_micros(microseconds)), text);
        }
    }
}
