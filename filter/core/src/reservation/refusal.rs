//! The error when no candidate fits: whose limit was reached, how much is left, and when to retry. It only names the caller's own key, team
//! and app, since no other rules concern the caller.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::calendar::written_as_openai;
use sluice_wire::error::{ApiError, ErrorKind};

use crate::limits::Subject;
use crate::limits::{Rule, Unit};
use crate::store::{CounterSnapshot, LimitExceeded, LimitWindow};

use super::headers::Standings;
use super::plan::{Part, Plan};

/// The rejection of a request that exceeds a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitRefusal {
    /// The error for the client.
    pub error: ApiError,
    /// Headers in addition to those of every error.
    pub headers: Vec<(&'static str, String)>,
    /// The name of the limit's counter: `team=research/requests/minute`.
    pub limit: Option<Rc<str>>,
}

/// Stops the SDKs of OpenAI and Anthropic from retrying.
pub const NO_RETRY: (&str, &str) = ("x-should-retry", "false");
/// Retry delay when no concurrency slot is free: it is unknown when one will be.
const PLACE_WAIT: Duration = Duration::from_secs(1);

impl Plan {
    /// The rejection. Reports the limit of that of the current candidates that may serve first.
    pub fn refuse(&self, all_exceeded: &[LimitExceeded]) -> LimitRefusal {
        // A store that rejects without a reason violates its contract; the client can only retry.
        let stopped = self.stopped(all_exceeded).map(|stopped| (wait(stopped.0, stopped.1), stopped));
        let soonest = stopped.min_by_key(|(wait, _)| wait.unwrap_or(Duration::MAX));
        let Some((wait, (exceeded, part, candidate))) = soonest else {
            let error = limited("Rate limit reached.".to_owned(), Some(PLACE_WAIT));
            return LimitRefusal { error, headers: Vec::new(), limit: None };
        };
        let of = self.subject(candidate);
        let mut headers = Vec::new();
        let mut standings = Standings::default();
        standings.add(part.rule.unit, &part.debit, &exceeded.snapshot);
        standings.write(&mut headers);
        let error = match (part.rule.unit, part.debit.counter.kind, wait) {
            (Unit::MicroUsd, kind, _) => used_up(part, kind, &of, &exceeded.snapshot),
            (_, LimitWindow::Concurrent, _) => crowded(part, &of),
            (_, _, None) => never_fits(part, &of),
            (_, _, Some(wait)) => too_fast(part, &of, exceeded.snapshot.used, wait),
        };
        if error.retry_after.is_none() {
            headers.push((NO_RETRY.0, NO_RETRY.1.to_owned()));
        }
        LimitRefusal { error, headers, limit: Some(part.debit.counter.name.clone()) }
    }
}

/// The time until the part may fit; `None` if waiting does not help.
fn wait(exceeded: &LimitExceeded, part: &Part) -> Option<Duration> {
    match (part.rule.unit, part.debit.counter.kind) {
        (Unit::MicroUsd, _) => None,
        (_, LimitWindow::Concurrent) => Some(PLACE_WAIT),
        _ if part.debit.amount > part.debit.limit => None,
        _ => Some(exceeded.retry_after.unwrap_or(exceeded.snapshot.reset)),
    }
}

fn limited(message: String, retry_after: Option<Duration>) -> ApiError {
    let error = ApiError::new(429, ErrorKind::RateLimit, message).with_code("rate_limit_exceeded");
    ApiError { retry_after, ..error }
}

/// `tokens per min (TPM)`, in OpenAI's wording.
fn rate(rule: &Rule) -> String {
    let (what, short) = match rule.unit {
        Unit::Requests => ("requests", "R"),
        Unit::InputTokens => ("input tokens", "ITokens"),
        Unit::OutputTokens => ("output tokens", "OTokens"),
        Unit::Tokens | Unit::MicroUsd => ("tokens", "T"),
    };
    let (per, initial) = match rule.kind {
        Some(LimitWindow::Day) => ("day", "PD"),
        _ => ("min", "PM"),
    };
    format!("{what} per {per} ({}{initial})", short.replace("Tokens", "T"))
}

fn too_fast(part: &Part, of: &Subject, used: u64, wait: Duration) -> ApiError {
    let (whom, rate) = (part.rule.described(of), rate(&part.rule));
    let (limit, requested) = (part.debit.limit, part.debit.amount);
    let message = format!(
        "Rate limit reached for {} by {whom} on {rate}: Limit {limit}, Used {used}, Requested {requested}. Please try again \
         in {}.",
        of.model,
        written_as_openai(wait)
    );
    limited(message, Some(wait))
}

fn never_fits(part: &Part, of: &Subject) -> ApiError {
    let (whom, rate) = (part.rule.described(of), rate(&part.rule));
    let message = format!(
        "Request too large for {} by {whom} on {rate}: Limit {}, Requested {}. Shorten the prompt, or ask for a shorter answer.",
        of.model, part.debit.limit, part.debit.amount
    );
    limited(message, None)
}

fn crowded(part: &Part, of: &Subject) -> ApiError {
    let message = format!(
        "Too many concurrent requests for {} by {}: Limit {}. Please try again when one of them has finished.",
        of.model,
        part.rule.described(of),
        part.debit.limit
    );
    limited(message, Some(PLACE_WAIT)).with_code("concurrency_limit_exceeded")
}

fn used_up(part: &Part, kind: LimitWindow, of: &Subject, snapshot: &CounterSnapshot) -> ApiError {
    let (period, anew) = match kind {
        LimitWindow::Day => (
            "daily budget",
            "It resets at 00:00 UTC. Retries fail until then, or until the gateway's operator raises the budget.",
        ),
        LimitWindow::Month => (
            "monthly budget",
            "It resets on the first day of next month at 00:00 UTC. Retries fail until then, or until the gateway's \
             operator raises the budget.",
        ),
        _ => ("budget", "It does not reset. Retries fail until the gateway's operator raises it."),
    };
    let message = format!(
        "You exceeded the {period} of {}: Limit {}, Used {}, this request may cost {}. {anew}",
        part.rule.described(of),
        dollars(part.debit.limit),
        dollars(snapshot.used),
        dollars(part.debit.amount),
    );
    ApiError::new(429, ErrorKind::InsufficientQuota, message).with_code("insufficient_quota")
}

/// Micro-dollars as `$0.50`, `$12.000001`.
fn dollars(micro: u64) -> String {
    let decimals = format!("{:06}", micro % 1_000_000);
    let (cents, rest) = decimals.split_at_checked(2).unwrap_or((&decimals, ""));
    format!("${}.{cents}{}", micro / 1_000_000, rest.trim_end_matches('0'))
}
