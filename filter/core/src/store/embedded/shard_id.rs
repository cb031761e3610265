//! Maps shard keys to a fixed number of shards, which hold counters and accounts.
//!
//! Envoy's shared data has no delete, so a value for each team that ever existed would be a leak. Counters are identified by name, so shard
//! keys that map to the same shard do not mix; they only share its reads and writes. Counters that span teams have a shard of their own.
//!
//! Where counts are exchanged with Redis, the current configuration announces the shards of its teams. Those are exchanged in every round,
//! the others until they have nothing left to send.

use crate::mix::{hash, spread};
use crate::store::SharedData;

/// Number of shards.
const PLACES: u16 = 1024;

/// The size of a set of shards: a bit for each.
pub(super) const SET: usize = PLACES as usize / 8;

/// Name of the announcement in the shared data: a set of shards.
const NAMED: &str = "sluice.places.1";

/// Identifies a shard by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardId(u16);

impl ShardId {
    /// The shard for a shard key.
    pub fn of(shard: &str) -> Self {
        if shard.is_empty() {
            return Self(0);
        }
        let number = spread(hash(shard.as_bytes())) % u64::from(PLACES - 1);
        Self(1 + u16::try_from(number).unwrap_or_default())
    }

    /// All shards.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PLACES).map(Self)
    }

    /// The shard's number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Adds the shard to a set.
    pub(super) fn enter(self, set: &mut [u8]) {
        if let Some(byte) = set.get_mut(usize::from(self.0 / 8)) {
            *byte |= 1 << (self.0 % 8);
        }
    }

    /// Whether a set has the shard; `None` if the set is too short.
    pub(super) fn is_in(self, set: &[u8]) -> Option<bool> {
        set.get(usize::from(self.0 / 8)).map(|byte| byte & (1 << (self.0 % 8)) != 0)
    }

    /// The name of this shard's value that begins with `kind`.
    pub(super) fn name(self, kind: &str) -> String {
        let mut digits = [0; 5];
        let mut rest = self.0;
        let mut first = digits.len();
        loop {
            first -= 1;
            if let Some(digit) = digits.get_mut(first) {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            }
            rest /= 10;
            if rest == 0 || first == 0 {
                break;
            }
        }
        [kind, std::str::from_utf8(digits.get(first..).unwrap_or_default()).unwrap_or_default()].concat()
    }
}

/// Announces the shards of the current configuration.
pub fn announce<'a>(shared: &dyn SharedData, shards: impl Iterator<Item = &'a str>) {
    let mut bits = [0; SET];
    std::iter::once(ShardId(0)).chain(shards.map(ShardId::of)).for_each(|place| place.enter(&mut bits));
    // Unconditional: the last worker to load a configuration wins.
    let _ = shared.write(NAMED, &bits, 0);
}

/// The announced shards; all shards until the first announcement.
#[derive(Debug)]
pub struct Announced(Option<Vec<u8>>);

impl Announced {
    /// Reads the current announcement.
    pub fn read(shared: &dyn SharedData) -> Self {
        Self(shared.read(NAMED).map(|(bits, _)| bits))
    }

    /// Whether the current configuration uses this shard.
    pub fn has(&self, place: ShardId) -> bool {
        let Some(bits) = &self.0 else { return true };
        place.is_in(bits).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_shard_has_a_place_and_what_concerns_all_has_its_own() {
        let mut teams = vec![0_u32; usize::from(PLACES)];
        for number in 0..50_000 {
            teams[usize::from(ShardId::of(&format!("team-{number}")).0)] += 1;
        }
        assert_eq!((ShardId::of(""), teams[0]), (ShardId(0), 0));
        assert!(teams[1..].iter().all(|count| (20..90).contains(count)), "evenly: {teams:?}");
        let names: Vec<String> = [0, 7, 10, 999, 1023].map(|number| ShardId(number).name("x.")).to_vec();
        assert_eq!(names, ["x.0", "x.7", "x.10", "x.999", "x.1023"]);
    }

    #[test]
    fn what_is_announced_is_what_is_read() {
        let shared = crate::store::fake::Shared::default();
        assert!(ShardId::all().all(|place| Announced::read(&shared).has(place)), "nobody has said anything");
        announce(&shared, ["red", "blue"].into_iter());
        let announced = Announced::read(&shared);
        let named: Vec<ShardId> = ShardId::all().filter(|place| announced.has(*place)).collect();
        let mut expected = vec![ShardId::of(""), ShardId::of("red"), ShardId::of("blue")];
        expected.sort_unstable();
        assert_eq!(named, expected);
    }
}
