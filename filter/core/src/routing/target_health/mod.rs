//! What all workers of an Envoy know together of each target (a provider and one of its models): whether it fails
//! ([`circuit`]), how fast it is ([`speed`]), and how busy ([`load`]); and which of a provider's keys rest ([`keys`]).
//!
//! Each is a small cell for each target, in the memory that Envoy's workers share ([`bucket`]). They are hints for the order in
//! which targets are tried, and nothing is charged by them: a change that others get ahead of too often is dropped, and bytes that
//! make no sense read as if nothing was known, and are overwritten with the next change. Nothing here outlives Envoy's process, and
//! there is no more of it however many targets were configured while it ran.
//!
//! Moments come from the clock of the machine, which may be set back. What was noted at a moment that is yet to come is
//! then forgotten, so that it does not hold until the clock is there again.

use std::time::Duration;

use bucket::{Spot, read, update};
use sluice_wire::time::Time;

use crate::store::value::{Value, age, bytes, parse};

mod bucket;
pub mod circuit;
pub mod keys;
pub mod load;
pub mod speed;

/// Where what is known of one target is kept. Made once, with the configuration: the names are long, and read with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    id: Box<str>,
    circuit: Spot,
    speed: Spot,
    load: Spot,
}

impl Cells {
    /// The cells of a target, by its provider's first cluster, whose name has no slash, and its own name for the model: a provider
    /// whose definition changes is another one, of which nothing is known.
    /// The buckets' names begin with the kind and its format's number, as those of the store do: no two kinds ever meet, and a
    /// filter that is updated in a running Envoy starts anew.
    pub fn of(cluster: &str, model: &str) -> Self {
        let id = [cluster, "/", model].concat().into_boxed_str();
        let spot = |kind: &str| Spot::of(kind, &id);
        let [circuit, speed, load] = ["sluice.circuit.2.", "sluice.speed.2.", "sluice.load.2."].map(spot);
        Self { id, circuit, speed, load }
    }

    /// What tells them from others.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The moment so much later.
fn after(at: Time, length: Duration) -> Time {
    Time(at.0.saturating_add(nanos(length)))
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
