//! Reads counters for reports without reserving anything. Expired reservations are released first.

use super::wire::{Command, RedisReply, Script};
use super::{COUNTERS, LEASES, Numbers, letter, names, senseless, text};
use crate::store::{Counter, CounterSnapshot, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: &[COUNTERS, LEASES, include_str!("lua/read.lua")],
    sha1: "088a84ea986f6cf12e31b15b0269f48f02503675",
};

/// Reads many counters at once.
pub fn command(prefix: &str, counters: &[Counter]) -> Command {
    let counters_of = counters.iter().map(|counter| names::counter(prefix, counter));
    let keys = std::iter::once(names::open_reservations(prefix)).chain(counters_of).collect();
    let kinds = counters.iter().map(|counter| letter(counter.kind).to_owned()).collect();
    Command::script(&SCRIPT, keys, kinds)
}

/// The counters' snapshots, in the order of `counters`.
pub fn snapshots(counters: &[Counter], reply: &RedisReply) -> Result<Vec<CounterSnapshot>, Unavailable> {
    let answer = text(reply)?;
    if counters.is_empty() && answer.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Numbers::of(answer);
    let snapshots = counters.iter().map(|_| super::reserve::snapshot(&mut numbers)).collect::<Option<_>>();
    snapshots.and_then(|snapshots| numbers.end(snapshots)).ok_or_else(|| senseless(reply))
}
