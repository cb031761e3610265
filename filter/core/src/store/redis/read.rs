//! Meters as they are, for reports: nothing is taken. What was lost is given back first.

use super::wire::{Command, RedisReply, Script};
use super::{LEASES, METERS, Numbers, letter, names, senseless, text};
use crate::store::{Counter, CounterSnapshot, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: &[METERS, LEASES, include_str!("lua/read.lua")],
    sha1: "dbb3810351603f293f8746585e1ea761328bce32",
};

/// Asks for many meters at once.
pub fn command(prefix: &str, meters: &[Counter]) -> Command {
    let meters_of = meters.iter().map(|meter| names::meter(prefix, meter));
    let keys = std::iter::once(names::open_orders(prefix)).chain(meters_of).collect();
    let gauges = meters.iter().map(|meter| letter(meter.kind).to_owned()).collect();
    Command::script(&SCRIPT, keys, gauges)
}

/// What they show, in the order they were asked for.
pub fn readings(meters: &[Counter], reply: &RedisReply) -> Result<Vec<CounterSnapshot>, Unavailable> {
    let answer = text(reply)?;
    if meters.is_empty() && answer.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Numbers::of(answer);
    let readings = meters.iter().map(|_| super::reserve::reading(&mut numbers)).collect::<Option<_>>();
    readings.and_then(|readings| numbers.end(readings)).ok_or_else(|| senseless(reply))
}
