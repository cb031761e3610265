//! The decisions that Envoy's own log tells at the level `debug`: who was refused, which target is asked and why, why an attempt
//! failed and what follows, and what the cache had.
//!
//! A note holds names that the access log has too (the request's id, a key's, models, providers) and words of ours. It never holds
//! a prompt, an answer, a message of an error, a secret or another header's value. Nothing is made of a note while nobody listens:
//! the macro looks at the level first.

use std::fmt::{self, Display, Formatter};

use sluice_wire::error::ApiError;

use crate::routing::decision::{Considered, Decision, Place};
use crate::routing::target::Target;

use super::failure::Failure;
use super::journey::{Journey, Request, Tried};

/// The gateway refuses a request by itself.
pub fn refused(request_id: Option<&str>, key: Option<&str>, error: &ApiError) {
    let (request, code) = (request_id.unwrap_or("-"), error.code.as_deref().unwrap_or("invalid_request"));
    log::debug!("{request}: refused with {} {code}, key {}", error.status, key.unwrap_or("-"));
}

/// The targets of a request are in order.
pub fn decided(request: &Request, decision: &Decision) {
    log::debug!("{}: {}", request.request_id(), Decided { model: &request.model.name, decision });
}

/// An answer was looked for in the cache.
pub fn looked(request: &Request, word: Option<&str>) {
    if let Some(word) = word {
        log::debug!("{}: cache {word}", request.request_id());
    }
}

/// An attempt begins.
pub fn begun(journey: &Journey) {
    let Some(tried) = journey.progress.attempts.last() else { return };
    log::debug!("{}: attempt {} asks {}", journey.request.request_id(), journey.progress.attempts.len(), Asked(tried));
}

/// The last attempt failed, and it is known what follows.
pub fn failed(journey: &Journey, failure: &Failure) {
    let Some(tried) = journey.progress.attempts.last() else { return };
    let next = journey.route.upcoming().unwrap_or("nobody");
    log::debug!("{}: {} failed: {}; next: {next}", journey.request.request_id(), Asked(tried), failure.reason);
}

/// A target is not asked, though its turn has come.
pub fn passed_over(journey: &Journey, target: &Target, reason: &str) {
    log::debug!("{}: {} is passed over: {reason}", journey.request.request_id(), target.name);
}

/// An answer broke off of which the client has a part.
pub fn broken(journey: &Journey, failure: &Failure) {
    let Some(tried) = journey.progress.attempts.last() else { return };
    log::debug!("{}: {} broke off: {}", journey.request.request_id(), Asked(tried), failure.reason);
}

/// A target, and which of its keys where there are several.
struct Asked<'a>(&'a Tried);

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Tried { target, key, .. } = self.0;
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
    decision: &'a Decision,
}

impl Display for Decided<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Decision { route, strategy, considered } = self.decision;
        write!(f, "model {}, strategy {}", self.model, strategy.name())?;
        if let Some(route) = route {
            write!(f, ", route {route}")?;
        }
        for (place, Considered { target, place: standing }) in considered.iter().enumerate() {
            write!(f, "{} {}", if place == 0 { ":" } else { "," }, target.name)?;
            match standing {
                Place::InTurn => {}
                Place::Probe => f.write_str(" (a probe)")?,
                Place::Last(trouble) => write!(f, " (last: {trouble})")?,
                Place::Out(reason) => write!(f, " (left out: {reason})")?,
            }
        }
        Ok(())
    }
}
