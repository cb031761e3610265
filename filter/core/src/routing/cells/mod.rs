//! What all workers of an Envoy know together of each target (a provider and one of its models): whether it fails
//! ([`circuit`]), how fast it is ([`speed`]), and how busy ([`load`]); and which of a provider's keys rest ([`keys`]).
//!
//! Each is one small value for each target, in the memory that Envoy's workers share. They are hints for the order in which
//! targets are tried, and nothing is charged by them: a change that others get ahead of too often is dropped, and bytes that make
//! no sense read as if nothing was known, and are overwritten with the next change. Nothing here outlives Envoy's process, and
//! there are as many values as targets were configured while it ran.
//!
//! Moments come from the clock of the machine, which may be set back. What was noted at a moment that is yet to come is
//! then forgotten, so that it does not hold until the clock is there again.

use std::time::Duration;

use crate::exchange::Time;
use crate::store::SharedData;

pub mod circuit;
pub mod keys;
pub mod load;
pub mod speed;

/// How often a change is tried when others write the same value in between. A cell is written within microseconds, so that
/// losing so often in a row is rare, and what is lost is one observation.
const ATTEMPTS: usize = 16;

/// The version to write a value that does not exist yet. Envoy ignores it then; if somebody else was first, it is not the
/// version they got.
const NOT_YET: u32 = u32::MAX;

/// By how much a moment may be yet to come that another worker noted. All read the same clock, one a little before the other.
const SKEW: Duration = Duration::from_secs(1);

/// Where what is known of one target is kept. Made once, with the configuration: the names are long, and read with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    circuit: Box<str>,
    speed: Box<str>,
    load: Box<str>,
}

impl Cells {
    /// The cells of a target, by the provider's name in the gateway file, which has no slash, and its own name for the model.
    /// The names begin with the kind and its format's number, as those of the store do: no two kinds ever meet, and a
    /// filter that is updated in a running Envoy starts anew.
    pub fn of(provider: &str, model: &str) -> Self {
        let name = |kind: &str| [kind, provider, "/", model].concat().into_boxed_str();
        Self { circuit: name("sluice.circuit.1."), speed: name("sluice.speed.1."), load: name("sluice.load.1.") }
    }
}

/// What a cell holds. The default stands for a cell that does not exist, and for one that makes no sense.
trait Value: Default {
    /// From what [`Value::bytes`] gives; `None` from anything else.
    fn parse(bytes: &[u8]) -> Option<Self>;
    /// The bytes that are kept.
    fn bytes(&self) -> Vec<u8>;
}

fn read<V: Value>(shared: &dyn SharedData, name: &str) -> V {
    shared.read(name).and_then(|(bytes, _)| V::parse(&bytes)).unwrap_or_default()
}

/// Changes a cell, again and again until nobody else wrote in between; whether it was changed. `change` says `None` when
/// there is nothing to write.
fn update<V: Value>(shared: &dyn SharedData, name: &str, change: impl Fn(V) -> Option<V>) -> bool {
    for _ in 0..ATTEMPTS {
        let (value, version) = match shared.read(name) {
            Some((bytes, version)) => (V::parse(&bytes).unwrap_or_default(), version),
            None => (V::default(), NOT_YET),
        };
        let Some(changed) = change(value) else { return false };
        if shared.write(name, &changed.bytes(), version).is_ok() {
            return true;
        }
    }
    false
}

/// So many numbers after the mark of their format, and nothing else.
fn parse<const N: usize>(format: &[u8; 8], bytes: &[u8]) -> Option<[u64; N]> {
    let (numbers, rest) = bytes.strip_prefix(format)?.as_chunks();
    let numbers: &[[u8; 8]; N] = numbers.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(u64::from_le_bytes))
}

fn bytes(format: &[u8; 8], numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + 8 * numbers.len());
    bytes.extend(format);
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes
}

/// How long ago something was; `None` when it is yet to come, by a clock that was set back since.
fn age(now: Time, at: Time) -> Option<Duration> {
    (after(now, SKEW) >= at).then(|| now.since(at))
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
