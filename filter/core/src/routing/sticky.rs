//! Sticky routing: keeps the requests of one value (a key, a user, a header) at one target, where the strategy would choose anew for each
//! request. A provider that has seen a conversation has its prompt cached.
//!
//! A weighted choice hashes the value and needs no memory. For other strategies, Envoy's shared data stores the last value in each of a few
//! thousand slots, for a limited time. If two values share a slot, the later one replaces the earlier one, which is then routed anew.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::value::{Value, age, bytes, parse, read, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"sticky\0\x01";

/// The maximum number of stored values.
const SLOTS: u64 = 4096;

/// How long a value is stored after its last request. Providers cache prompts for less.
const REMEMBERED: Duration = Duration::from_secs(30 * 60);

/// The minimum time between two writes for the same value.
const FRESH: Duration = Duration::from_secs(60);

/// A value and its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stay {
    value: u64,
    target: u64,
    at: Time,
}

impl Value for Stay {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [value, target, at] = parse(&FORMAT, bytes)?;
        Some(Self { value, target, at: Time(at) })
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&FORMAT, &[self.value, self.target, self.at.0])
    }
}

/// The recent target of a value.
pub fn target_of(value: u64, now: Time, shared: &dyn SharedData) -> Option<u64> {
    let stay: Stay = read(shared, &slot(value));
    (stay.value == value && is_within(now, stay.at, REMEMBERED)).then_some(stay.target)
}

/// Records the target of a value.
pub fn note(value: u64, target: u64, now: Time, shared: &dyn SharedData) {
    update(shared, &slot(value), |stay: Stay| {
        let known = stay.value == value && stay.target == target && is_within(now, stay.at, FRESH);
        (!known).then_some(Stay { value, target, at: now })
    });
}

fn is_within(now: Time, at: Time, span: Duration) -> bool {
    age(now, at).is_some_and(|age| age < span)
}

fn slot(value: u64) -> String {
    format!("sluice.sticky.1.{:03x}", value % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fake::Shared;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_value_is_remembered_for_a_while_and_of_two_in_a_slot_the_later_one() {
        let shared = Shared::default();
        let at = |seconds: u64| Time((1_800_000_000 + seconds) * 1_000_000_000);
        assert_eq!(target_of(7, at(0), &shared), None);
        note(7, 1, at(0), &shared);
        assert_eq!((target_of(7, at(1799), &shared), target_of(7, at(1801), &shared)), (Some(1), None));
        note(7, 1, at(61), &shared);
        assert_eq!(target_of(7, at(1801), &shared), Some(1), "it goes on as long as it comes");
        note(7 + SLOTS, 2, at(62), &shared);
        assert_eq!((target_of(7, at(63), &shared), target_of(7 + SLOTS, at(63), &shared)), (None, Some(2)));
        (0..20_000).for_each(|value| note(value, 1, at(70), &shared));
        assert_eq!(shared.names().len(), 4096, "no more, whatever clients send");
    }
}
