//! The decisions that Envoy's own log tells at the level `debug`: who was refused, which target is asked and why, why an attempt
//! failed and what follows, and what the cache had.
//!
//! A note holds names that the access log has too (the request's id, a key's, models, providers) and words of ours. It never holds
//! a prompt, an answer, a message of an error, a secret or another header's value. Nothing is made of a note while nobody listens:
//! the macro looks at the level first.

use std::fmt::{self, Display, Formatter};

use sluice_wire::error::ApiError;

use crate::routing::decision::{Rank, RankedTarget, RoutingDecision};
use crate::routing::target::Target;

/// The gateway refuses a request by itself.
pub fn refused(request_id: Option<&str>, key: Option<&str>, error: &ApiError) {
    let (request, code) = (request_id.unwrap_or("-"), error.code.as_deref().unwrap_or("invalid_request"));
    log::debug!("{request}: refused with {} {code}, key {}", error.status, key.unwrap_or("-"));
}

/// The targets of a request are in order.
pub fn decided(request: &str, model: &str, decision: &RoutingDecision) {
    log::debug!("{request}: {}", Decided { model, decision });
}

/// An answer was looked for in the cache.
pub fn looked(request: &str, word: Option<&str>) {
    if let Some(word) = word {
        log::debug!("{request}: cache {word}");
    }
}

/// An attempt begins, the one of this number.
pub fn begun(request: &str, number: usize, asked: Asked<'_>) {
    log::debug!("{request}: attempt {number} asks {asked}");
}

/// The last attempt failed, and it is known who is asked next.
pub fn failed(request: &str, asked: Asked<'_>, reason: &str, next: Option<&str>) {
    log::debug!("{request}: {asked} failed: {reason}; next: {}", next.unwrap_or("nobody"));
}

/// A target is not asked, though its turn has come.
pub fn passed_over(request: &str, target: &Target, reason: &str) {
    log::debug!("{request}: {} is passed over: {reason}", target.name);
}

/// An answer broke off of which the client has a part.
pub fn broken(request: &str, asked: Asked<'_>, reason: &str) {
    log::debug!("{request}: {asked} broke off: {reason}");
}

/// A target, and which of its keys where there are several.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The target.
    pub target: &'a Target,
    /// The key; the first is 0.
    pub key: usize,
}

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { target, key } = self;
        f.write_str(&target.name)?;
        match target.keys.several() {
            true => write!(f, " (key {})", key.saturating_add(1)),
            false => Ok(()),
        }
    }
}

/// Every target of a model, with the reason where it is not simply asked in its turn.
struct Decided<'a> {
    model: &'a str,
    decision: &'a RoutingDecision,
}

impl Display for Decided<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RoutingDecision { route, strategy, considered } = self.decision;
        write!(f, "model {}, strategy {}", self.model, strategy.name())?;
        if let Some(route) = route {
            write!(f, ", route {route}")?;
        }
        for (place, RankedTarget { target, place: standing }) in considered.iter().enumerate() {
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
