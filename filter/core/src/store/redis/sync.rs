//! Relaxed mode: adds the usage that one Envoy counted to the shared counters and returns their values.
//!
//! Days, months, totals and minutes use the same counters as strict mode. Concurrent requests have counters of their own: Envoys in strict
//! and in relaxed mode on one Redis do not see each other's.

use super::wire::{Command, RedisReply, Script};
use super::{COUNTERS, EXACT, Numbers, letter, names, senseless, text};
use crate::store::{Batch, Delta, Global, Unavailable};

pub(super) static SCRIPT: Script =
    Script { source: &[COUNTERS, include_str!("lua/sync.lua")], sha1: "f42f9ca8ddc3dcd6f924d2443a6ce402915954f3" };

/// Adds a batch exactly once, however often it is sent. An Envoy sends a shard's batches one at a time and repeats each until Redis
/// replies, so Redis only remembers the number of the last one.
pub fn command(prefix: &str, batch: &Batch) -> Command {
    let mut keys = vec![names::batch(prefix, batch)];
    let mut arguments = vec![batch.envoy.to_string(), super::exact(batch.number)];
    let exact = i64::try_from(EXACT).unwrap_or(i64::MAX);
    for delta in &batch.deltas {
        keys.push(names::shared_counter(prefix, &delta.counter));
        arguments.push(letter(delta.counter.kind).to_owned());
        arguments.push(super::exact(delta.window));
        arguments.push(delta.amount.clamp(-exact, exact).to_string());
    }
    Command::script(&SCRIPT, keys, arguments)
}

/// The shared counts, in the order of the deltas. For `Concurrent`, the count of all other Envoys.
pub fn globals(deltas: &[Delta], reply: &RedisReply) -> Result<Vec<Global>, Unavailable> {
    let answer = text(reply)?;
    if deltas.is_empty() && answer.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Numbers::of(answer);
    let global = |delta: &Delta| {
        let (used, window) = (numbers.next()?, numbers.next()?);
        Some(Global { counter: delta.counter.clone(), window, used })
    };
    let globals = deltas.iter().map(global).collect::<Option<_>>();
    globals.and_then(|globals| numbers.end(globals)).ok_or_else(|| senseless(reply))
}
