//! Names of all Redis keys: `{prefix}:…`, so that a Redis cluster stores all of one gateway's keys in one slot.

use sluice_wire::hex;

use crate::key_hash::KeyHash;
use crate::store::dimension::Grouping;
use crate::store::{Batch, Counter, LimitWindow};

/// `{prefix}:rest`.
pub fn of(prefix: &str, rest: &str) -> String {
    format!("{{{prefix}}}:{rest}")
}

/// A virtual key's record: a text.
pub fn key(prefix: &str, hash: &KeyHash) -> String {
    of(prefix, &format!("key:{}", hex::encoded(&hash.0)))
}

/// All virtual keys: a hash, id to SHA-256.
pub fn keys(prefix: &str) -> String {
    of(prefix, "keys")
}

/// A note: a text.
pub fn note(prefix: &str, name: &str) -> String {
    of(prefix, &format!("n:{name}"))
}

pub(super) fn counter(prefix: &str, counter: &Counter) -> String {
    of(prefix, &format!("m:{}", counter.name))
}

/// A counter in relaxed mode. Only concurrency slots differ: strict mode tracks them one by one.
pub(super) fn shared_counter(prefix: &str, shared: &Counter) -> String {
    match shared.kind {
        LimitWindow::Day | LimitWindow::Month | LimitWindow::Total | LimitWindow::Minute => counter(prefix, shared),
        LimitWindow::Concurrent => of(prefix, &format!("s:{}", shared.name)),
    }
}

/// A reservation's record: the reserved amounts, or the tombstone of a settled one.
pub(super) fn record(prefix: &str, id: &str) -> String {
    of(prefix, &format!("r:{id}"))
}

/// Open reservations: a sorted set of their records by the end of their lease, in microseconds.
pub(super) fn open_reservations(prefix: &str) -> String {
    of(prefix, "open")
}

/// The number of the last batch that was added for an Envoy's shard.
pub(super) fn batch(prefix: &str, batch: &Batch) -> String {
    of(prefix, &format!("b:{}:{}", batch.envoy, batch.place.number()))
}

/// The account of one name for a day since 1970: a hash with the fields `requests`, `input`, `output`
/// and `cost` ([`super::settle::sums`]).
pub fn account(prefix: &str, by: Grouping, name: &str, day: u64) -> String {
    of(prefix, &format!("a:{}:{day}:{name}", by.name()))
}

/// Spending by name in a day since 1970: a sorted set, in micro-dollars.
pub fn spenders_of_day(prefix: &str, by: Grouping, day: u64) -> String {
    of(prefix, &format!("top:{}:d{day}", by.name()))
}

/// Spending by name in a month since January 1970: a sorted set, in micro-dollars.
pub fn spenders_of_month(prefix: &str, by: Grouping, month: u64) -> String {
    of(prefix, &format!("top:{}:m{month}", by.name()))
}
