//! Relaxed mode: what one Envoy counted by itself is added to what all have, and what all have comes back.
//!
//! Days, months and totals are the same meters as in strict mode. Minutes and concurrent requests are kept apart from strict
//! mode's: Envoys of both modes on one Redis do not see each other's.

use super::wire::{Command, Reply, Script};
use super::{EXACT, Numbers, letter, names, senseless, text};
use crate::store::{Delta, Global, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: concat!(include_str!("lua/meters.lua"), include_str!("lua/sync.lua")),
    sha1: "48730d049f62ee087f65b7470371fe83e31388d3",
};

/// Adds deltas once, however often the batch is sent. For `Concurrent` the amount is how many there are at this Envoy now.
pub fn command(prefix: &str, batch: &str, envoy: &str, deltas: &[Delta]) -> Command {
    let mut keys = vec![names::batch(prefix, batch)];
    let mut arguments = vec![envoy.to_owned()];
    let exact = i64::try_from(EXACT).unwrap_or(i64::MAX);
    for delta in deltas {
        keys.push(names::shared_meter(prefix, &delta.meter));
        arguments.push(letter(delta.meter.gauge).to_owned());
        arguments.push(super::exact(delta.window));
        arguments.push(delta.amount.clamp(-exact, exact).to_string());
    }
    Command::script(&SCRIPT, keys, arguments)
}

/// What all Envoys have counted, in the order of the deltas; of `Concurrent` what all others have.
pub fn globals(deltas: &[Delta], reply: &Reply) -> Result<Vec<Global>, Unavailable> {
    let answer = text(reply)?;
    if deltas.is_empty() && answer.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Numbers::of(answer);
    let global = |delta: &Delta| {
        let (used, window) = (numbers.next()?, numbers.next()?);
        Some(Global { meter: delta.meter.clone(), window, used })
    };
    let globals = deltas.iter().map(global).collect::<Option<_>>();
    globals.and_then(|globals| numbers.end(globals)).ok_or_else(|| senseless(reply))
}
