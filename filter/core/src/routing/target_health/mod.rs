//! The health of each target (a provider and one of its models), shared by all workers of an Envoy: whether it fails ([`circuit`]), how
//! fast it is ([`speed`]), and how busy ([`load`]); and which of a provider's keys are unusable for now ([`keys`]).
//!
//! Each is a small entry per target in Envoy's shared data ([`bucket`]). Entries only influence the order of targets; nothing is charged by
//! them. An update that loses too many races is dropped. Invalid bytes read as an empty entry, and the next update overwrites them. The
//! entries are lost when Envoy's process ends, and their size is bounded, however many targets were configured over time.
//!
//! Timestamps come from the system clock, which may be set back. A timestamp in the future is discarded, so that it does not stay valid
//! until the clock has caught up.

use std::time::Duration;

use bucket::{EntryKey, read, update};
use sluice_wire::time::Time;

use crate::store::value::{Value, age, bytes, parse};

mod bucket;
pub mod circuit;
pub mod keys;
pub mod load;
pub mod speed;

/// The locations of one target's entries. Built once, with the configuration: the names are long, and every request reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    id: Box<str>,
    circuit: EntryKey,
    speed: EntryKey,
    load: EntryKey,
}

impl TargetHealth {
    /// Locates the entries of a target by its provider's first cluster, whose name has no slash, and the provider's name for the model. A
    /// provider whose definition changes gets new, empty entries. The buckets' names start with the kind of entry and its format version,
    /// as in the store: kinds never collide, and a filter that is updated in a running Envoy starts with empty entries.
    pub fn of(cluster: &str, model: &str) -> Self {
        let id = [cluster, "/", model].concat().into_boxed_str();
        let entry_key = |kind: &str| EntryKey::of(kind, &id);
        let [circuit, speed, load] = ["sluice.circuit.2.", "sluice.speed.2.", "sluice.load.2."].map(entry_key);
        Self { id, circuit, speed, load }
    }

    /// The name of the target in the entries' names: `cluster/model`.
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn after(at: Time, length: Duration) -> Time {
    Time(at.0.saturating_add(nanos(length)))
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
