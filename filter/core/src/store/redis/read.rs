//! Reads counters for reports without reserving anything. Expired reservations are released first.

use super::settings::Mode;
use super::wire::{Command, RedisReply, Script};
use super::{COUNTERS, LEASES, Numbers, letter, names, senseless, text};
use crate::store::{Counter, CounterSnapshot, LimitWindow, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: &[COUNTERS, LEASES, include_str!("lua/read.lua")],
    sha1: "840a03598678c6cbbfa1d5778d7bd7a2352fe50e",
};

/// Reads many counters at once, as Envoys in this mode count.
pub fn command(prefix: &str, mode: Mode, counters: &[Counter]) -> Command {
    let named = match mode {
        Mode::Strict => names::counter,
        Mode::Relaxed => names::shared_counter,
    };
    let counters_of = counters.iter().map(|counter| named(prefix, counter));
    let keys = std::iter::once(names::open_reservations(prefix)).chain(counters_of).collect();
    let letter = |counter: &Counter| match (mode, counter.kind) {
        (Mode::Relaxed, LimitWindow::Concurrent) => "s".to_owned(),
        (_, kind) => letter(kind).to_owned(),
    };
    let kinds = counters.iter().map(letter).collect();
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
