//! Debug log messages on decisions: rejected requests, the chosen target and why, why an attempt failed and the next step, and cache
//! results.
//!
//! A message contains names that are also in the access log (the ids of request and key, models, providers) and fixed words. It never
//! contains a prompt, a response, an error message, a secret or another header's value. Disabled log levels cost no formatting: the macro
//! checks the level first.

use std::fmt::{self, Display, Formatter};

use sluice_wire::error::ApiError;

use crate::routing::decision::{Rank, RankedTarget, RoutingDecision};
use crate::routing::target::Target;

/// The gateway rejects a request.
pub fn refused(request_id: Option<&str>, key: Option<&str>, error: &ApiError) {
    let (request, code) = (request_id.unwrap_or("-"), error.code.as_deref().unwrap_or("invalid_request"));
    log::debug!("{request}: refused with {} {code}, key {}", error.status, key.unwrap_or("-"));
}

/// The targets of a request are ranked.
pub fn decided(request: &str, model: &str, decision: &RoutingDecision) {
    log::debug!("{request}: {}", Decided { model, decision });
}

/// A cache lookup is done.
pub fn looked(request: &str, word: Option<&str>) {
    if let Some(word) = word {
        log::debug!("{request}: cache {word}");
    }
}

/// The attempt of this number begins.
pub fn begun(request: &str, number: usize, target_key: TargetKey<'_>) {
    log::debug!("{request}: attempt {number} asks {target_key}");
}

/// The last attempt failed; `next` is the target tried next.
pub fn failed(request: &str, target_key: TargetKey<'_>, reason: &str, next: Option<&str>) {
    log::debug!("{request}: {target_key} failed: {reason}; next: {}", next.unwrap_or("none"));
}

/// A target is skipped in its turn.
pub fn skipped(request: &str, target: &Target, reason: &str) {
    log::debug!("{request}: {} is passed over: {reason}", target.name);
}

/// A response broke off after the client got a part of it.
pub fn broken(request: &str, target_key: TargetKey<'_>, reason: &str) {
    log::debug!("{request}: {target_key} broke off: {reason}");
}

/// A target and, if it has several keys, which one.
#[derive(Debug, Clone, Copy)]
pub struct TargetKey<'a> {
    /// The target.
    pub target: &'a Target,
    /// The key's index.
    pub key: usize,
}

impl Display for TargetKey<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { target, key } = self;
        f.write_str(&target.name)?;
        match target.keys.several() {
            true => write!(f, " (key {})", key.saturating_add(1)),
            false => Ok(()),
        }
    }
}

/// All ranked targets of a model, with reasons for unusual ranks.
struct Decided<'a> {
    model: &'a str,
    decision: &'a RoutingDecision,
}

impl Display for Decided<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RoutingDecision { route, strategy, ranked, .. } = self.decision;
        write!(f, "model {}, strategy {}", self.model, strategy.name())?;
        if let Some(route) = route {
            write!(f, ", route {route}")?;
        }
        for (place, RankedTarget { target, place: standing }) in ranked.iter().enumerate() {
            write!(f, "{} {}", if place == 0 { ":" } else { "," }, target.name)?;
            match standing {
                Rank::InTurn => {}
                Rank::Probe => f.write_str(" (a probe)")?,
                Rank::Last(trouble) => write!(f, " (last: {trouble})")?,
                Rank::Out(reason) => write!(f, " (left out: {reason})")?,
            }
        }
        Ok(())
    }
}
