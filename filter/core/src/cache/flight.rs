//! Single flight: of identical requests that meet on one Envoy, one goes to the provider and the others wait for its response.
//!
//! A fixed number of slots in Envoy's shared data hold the current flights. A request claims the flight of its cache key. Requests that find
//! it claimed wait, and look again at each tick of their worker. The owner ends its flight: if its response was stored, the waiting requests
//! find it in the cache, or go if they cannot use it; if it failed, one of them claims the flight; if responses to this request are not
//! stored, all of them go. A claim lasts for a limited time, because its owner's VM may end without a callback. If two keys share a slot, the second one does not wait.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::value::{Value, bytes, parse, read, update};

use super::Key;

/// The format and its version.
const FORMAT: [u8; 8] = *b"flight\0\x01";

/// Number of slots.
const SLOTS: u64 = 1024;

/// For how long requests do not wait for each other after a response that was not stored.
const UNSTORED: Duration = Duration::from_secs(10);

/// For how long requests do not wait for each other after a response that was stored: those that cannot use it go at once.
const STORED: Duration = Duration::from_secs(2);

/// A request's claim to be the one that goes to the provider. The owner must [`end`](Claim::end) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    key: u64,
    owner: u64,
}

/// The answer to a request that asks for its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boarding {
    /// The request goes to the provider, and owns the flight.
    Leads(Claim),
    /// Another request is on its way: wait for its response.
    Waits,
    /// The request goes to the provider by itself.
    Alone,
}

/// How an owner's request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// Its response is in the cache.
    Stored,
    /// It has no response: the provider failed, or the client left.
    Failed,
    /// It has a response that the cache does not store, or one that will be the same for all: an error of the request's.
    Unstored,
}

impl Landing {
    /// The end of a request with this status whose response is not stored. Another attempt may avoid some errors.
    pub fn without_entry(status: u16) -> Self {
        match status {
            0 | 408 | 409 | 429 | 500.. => Self::Failed,
            _ => Self::Unstored,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flight {
    key: u64,
    /// The owner's number; 0 after its end.
    owner: u64,
    /// Until when the flight lasts; after its end, until when requests do not wait.
    until: Time,
}

impl Value for Flight {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [key, owner, until] = parse(&FORMAT, bytes)?;
        Some(Self { key, owner, until: Time(until) })
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&FORMAT, &[self.key, self.owner, self.until.0])
    }
}

/// Claims the flight of `key` for `lease`, unless another request has it. `owner` is a random number, not 0.
pub fn board(shared: &dyn SharedData, key: &Key, owner: u64, now: Time, lease: Duration) -> Boarding {
    let key = number(key);
    let seen = |flight: Flight| match flight {
        Flight { until, .. } if until <= now => None,
        // Another key's flight that has ended needs its slot no longer.
        Flight { key: its, owner: 0, .. } if its != key => None,
        Flight { key: its, .. } if its != key => Some(Boarding::Alone),
        Flight { owner: 0, .. } => Some(Boarding::Alone),
        _ => Some(Boarding::Waits),
    };
    let claimed = update(shared, &name(key), |flight: Flight| {
        seen(flight).is_none().then(|| Flight { key, owner, until: now.after(lease) })
    });
    match claimed {
        true => Boarding::Leads(Claim { key, owner }),
        // Lost to another request, or to many.
        false => seen(read(shared, &name(key))).unwrap_or(Boarding::Alone),
    }
}

impl Claim {
    /// Ends the flight.
    pub fn end(self, landing: Landing, now: Time, shared: &dyn SharedData) {
        let Self { key, owner } = self;
        let until = match landing {
            Landing::Stored => now.after(STORED),
            Landing::Failed => Time(0),
            Landing::Unstored => now.after(UNSTORED),
        };
        update(shared, &name(key), |flight: Flight| {
            (flight.key == key && flight.owner == owner).then_some(Flight { key, owner: 0, until })
        });
    }
}

fn number(key: &Key) -> u64 {
    key.0.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
}

fn name(key: u64) -> String {
    format!("sluice.flight.1.{:03x}", key % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::KeyBuilder;
    use crate::store::fake::Shared;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LEASE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Time {
        Time((1_800_000_000 + seconds) * 1_000_000_000)
    }

    fn key(text: &str) -> Key {
        KeyBuilder::default().part(text).key()
    }

    fn leads(boarding: Boarding) -> Claim {
        match boarding {
            Boarding::Leads(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_of_many_leads_and_after_its_failure_the_next() {
        let shared = Shared::default();
        let board = |owner, now| board(&shared, &key("a"), owner, at(now), LEASE);
        let first = leads(board(1, 0));
        assert_eq!([board(2, 0), board(3, 1)], [Boarding::Waits; 2]);
        first.end(Landing::Failed, at(2), &shared);
        let second = leads(board(2, 2));
        assert_eq!(board(3, 2), Boarding::Waits);
        first.end(Landing::Failed, at(3), &shared);
        assert_eq!(board(3, 3), Boarding::Waits, "the flight is another's now");
        second.end(Landing::Stored, at(4), &shared);
        assert_eq!(board(3, 4), Boarding::Alone, "the response is stored: a request that still goes cannot use it");
        leads(board(3, 6));
    }

    #[test]
    fn after_a_response_that_is_not_stored_requests_do_not_wait_for_a_while() {
        let shared = Shared::default();
        let board = |owner, now| board(&shared, &key("a"), owner, at(now), LEASE);
        leads(board(1, 0)).end(Landing::Unstored, at(1), &shared);
        assert_eq!([board(2, 1), board(3, 10)], [Boarding::Alone; 2]);
        leads(board(2, 11));
    }

    #[test]
    fn a_flight_whose_owner_is_lost_ends_with_its_lease() {
        let shared = Shared::default();
        let lost = leads(board(&shared, &key("a"), 1, at(0), LEASE));
        assert_eq!(board(&shared, &key("a"), 2, at(59), LEASE), Boarding::Waits);
        leads(board(&shared, &key("a"), 2, at(60), LEASE));
        lost.end(Landing::Stored, at(61), &shared);
        assert_eq!(board(&shared, &key("a"), 3, at(61), LEASE), Boarding::Waits);
    }

    #[test]
    fn keys_that_share_a_slot_do_not_wait_for_each_other_and_memory_is_bounded() {
        let shared = Shared::default();
        let boardings: Vec<_> =
            (0..20_000).map(|n| board(&shared, &key(&n.to_string()), 1 + n, at(0), LEASE)).collect();
        let leading = boardings.iter().filter(|boarding| matches!(boarding, Boarding::Leads(_))).count();
        assert_eq!((leading, shared.names().len()), (1024, 1024));
        assert!(!boardings.contains(&Boarding::Waits));
    }

    #[test]
    fn the_ended_flight_of_another_key_does_not_keep_requests_apart() {
        let shared = Shared::default();
        let one = key("a");
        let same_slot = |other: &Key| name(number(other)) == name(number(&one)) && *other != one;
        let other = (0..).map(|n: u32| key(&n.to_string())).find(same_slot).unwrap();
        leads(board(&shared, &one, 1, at(0), LEASE)).end(Landing::Unstored, at(1), &shared);
        leads(board(&shared, &other, 2, at(1), LEASE));
        assert_eq!(board(&shared, &other, 3, at(1), LEASE), Boarding::Waits);
    }

    #[test]
    fn malformed_bytes_are_no_flight() {
        let shared = Shared::default();
        shared.write(&name(number(&key("a"))), b"flight\0\x01short", 0).unwrap();
        leads(board(&shared, &key("a"), 1, at(0), LEASE));
    }
}
