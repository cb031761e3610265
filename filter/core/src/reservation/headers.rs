//! What answers say of limits and budgets: `x-ratelimit-…` as OpenAI's do, and `x-sluice-budget`.

use std::time::Duration;

use sluice_wire::calendar::written_as_openai;

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
            headers.push(("x-ratelimit-reset-requests", written_as_openai(reset)));
        }
        if let Some(Standing { limit, remaining, reset }) = self.tokens {
            headers.push(("x-ratelimit-limit-tokens", limit.to_string()));
            headers.push(("x-ratelimit-remaining-tokens", remaining.to_string()));
            headers.push(("x-ratelimit-reset-tokens", written_as_openai(reset)));
        }
    }
}
