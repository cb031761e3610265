//! Meters as they are, for reports: nothing is taken.

use super::wire::{Command, Reply, Script};
use super::{Numbers, letter, names, senseless, text};
use crate::store::{Meter, Reading, Unavailable};

pub(super) static SCRIPT: Script = Script {
    source: concat!(include_str!("lua/meters.lua"), include_str!("lua/read.lua")),
    sha1: "a1712542409dcf80d34ff26f39efd33120a539fc",
};

/// Asks for many meters at once.
pub fn command(prefix: &str, meters: &[Meter]) -> Command {
    let keys = meters.iter().map(|meter| names::meter(prefix, meter)).collect();
    let gauges = meters.iter().map(|meter| letter(meter.gauge).to_owned()).collect();
    Command::script(&SCRIPT, keys, gauges)
}

/// What they show, in the order they were asked for.
pub fn readings(meters: &[Meter], reply: &Reply) -> Result<Vec<Reading>, Unavailable> {
    let answer = text(reply)?;
    if meters.is_empty() && answer.is_empty() {
        return Ok(Vec::new());
    }
    let mut numbers = Numbers::of(answer);
    let readings = meters.iter().map(|_| super::reserve::reading(&mut numbers)).collect::<Option<_>>();
    readings.and_then(|readings| numbers.end(readings)).ok_or_else(|| senseless(reply))
}
