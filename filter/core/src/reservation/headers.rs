//! Response headers on limits and budgets: `x-ratelimit-…` in OpenAI's format, and `x-sluice-budget`.

use std::time::Duration;

use sluice_wire::calendar::written_as_openai;

use crate::limits::Unit;
use crate::store::{CounterSnapshot, Debit, LimitWindow};

/// The state of a per-minute limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitStatus {
    limit: u64,
    remaining: u64,
    reset: Duration,
}

/// The per-minute limits with the least remaining, for requests and for tokens.
#[derive(Debug, Default)]
pub(super) struct Standings {
    requests: Option<LimitStatus>,
    tokens: Option<LimitStatus>,
}

impl Standings {
    /// Adds a counter.
    pub(super) fn add(&mut self, unit: Unit, debit: &Debit, snapshot: &CounterSnapshot) {
        let of_its_kind = match unit {
            Unit::Requests => &mut self.requests,
            Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => &mut self.tokens,
            Unit::MicroUsd => return,
        };
        let remaining = debit.limit.saturating_sub(snapshot.used);
        if debit.counter.kind == LimitWindow::Minute && of_its_kind.is_none_or(|least| remaining < least.remaining) {
            *of_its_kind = Some(LimitStatus { limit: debit.limit, remaining, reset: snapshot.reset });
        }
    }

    pub(super) fn write(&self, headers: &mut Vec<(&'static str, String)>) {
        if let Some(LimitStatus { limit, remaining, reset }) = self.requests {
            headers.push(("x-ratelimit-limit-requests", limit.to_string()));
            headers.push(("x-ratelimit-remaining-requests", remaining.to_string()));
            headers.push(("x-ratelimit-reset-requests", written_as_openai(reset)));
        }
        if let Some(LimitStatus { limit, remaining, reset }) = self.tokens {
            headers.push(("x-ratelimit-limit-tokens", limit.to_string()));
            headers.push(("x-ratelimit-remaining-tokens", remaining.to_string()));
            headers.push(("x-ratelimit-reset-tokens", written_as_openai(reset)));
        }
    }
}
