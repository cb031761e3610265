//! The cache that Envoys share in Redis: its commands and replies. It sends nothing itself.
//!
//! Redis holds each response as one sealed text ([`sealer`](super::sealer)), which expires by itself, and a list of the latest purges. A
//! lookup reads the entry and the purges at once: an entry whose request arrived before a purge that concerns it reads as a miss.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;
use crate::store::redis::names;
use crate::store::redis::wire::{Command, RedisReply, Script};

use super::purge::Purges;
use super::sealer::{Sealed, Sealer};
use super::whose::Selection;
use super::{Key, slots};

/// Adds a purge.
static PURGE: Script = Script {
    source: &[include_str!("../store/redis/lua/purge.lua")],
    sha1: "77d5b1fae7c6e955bc473905fc77891be4b8dc5b",
};

/// The longest time to live of a response, with a margin. Older purges no longer matter.
const LONGEST: Duration = Duration::from_secs(25 * 3600);

/// The most purges in the list.
const MOST_PURGES: usize = 32;

/// How much the clocks of two Envoys may differ. A response whose request arrived up to this time after a purge counts as purged.
const SKEW: Duration = Duration::from_secs(5);

/// The most entries of the semantic cache's index.
const MOST_POSITIONS: u64 = 4096;

/// The entries that are read at once.
const POSITIONS_AT_ONCE: u64 = 64;

/// The most characters of one.
const LARGEST_POSITION: usize = 16 << 10;

/// The most characters of a stored text.
const LARGEST: usize = 4 << 20;

/// An entry's name: `{prefix}:c:…`.
fn entry(prefix: &str, sealer: &Sealer, key: &Key) -> String {
    names::of(prefix, &format!("c:{}", sealer.name(key)))
}

fn purges(prefix: &str) -> String {
    names::of(prefix, "c:purges")
}

/// Reads the entries of these keys.
pub fn lookup(prefix: &str, sealer: &Sealer, keys: &[Key]) -> Command {
    let entries = keys.iter().map(|key| entry(prefix, sealer, key));
    Command::new(["MGET".to_owned(), purges(prefix)].into_iter().chain(entries))
}

/// The fresh responses in the reply to [`lookup`], with their keys. `None` for a reply that makes no sense.
pub fn found(
    reply: &RedisReply,
    sealer: &Sealer,
    keys: &[Key],
    largest: usize,
    now: Time,
) -> Option<Vec<(Key, Sealed)>> {
    let RedisReply::List(replies) = reply else { return None };
    let (purges, entries) = replies.split_first().filter(|(_, entries)| entries.len() == keys.len())?;
    let purges = listed(purges, now);
    let read = |(key, reply): (&Key, &RedisReply)| {
        let RedisReply::Text(text) = reply else { return None };
        if text.len() > LARGEST {
            return None;
        }
        let mut sealed = sealer.open(key, text, largest)?;
        // Purges concern requests from before them, by clocks that may differ.
        sealed.asked = before(sealed.asked);
        let is_fresh = sealed.entry.made <= now.after(SKEW) && now < sealed.entry.expires;
        sealed.entry.made = sealed.entry.made.min(now);
        (is_fresh && !purges.concern(&sealed.whose, sealed.asked)).then_some((*key, sealed))
    };
    Some(keys.iter().zip(entries).filter_map(read).collect())
}

/// The sealed text of a response; `None` if it is too large.
pub fn sealed(sealer: &Sealer, key: &Key, response: &Sealed) -> Option<String> {
    sealer.seal(key, response).filter(|text| text.len() <= LARGEST)
}

/// Stores a sealed text for this time.
pub fn store(prefix: &str, sealer: &Sealer, key: &Key, text: String, time: Duration) -> Command {
    let time = time.as_millis().max(1).to_string();
    Command::new(["SET".to_owned(), entry(prefix, sealer, key), text, "PX".to_owned(), time])
}

/// The latest time that certainly lies before `at` by all clocks.
fn before(at: Time) -> Time {
    Time(at.0.saturating_sub(u64::try_from(SKEW.as_nanos()).unwrap_or(u64::MAX)))
}

/// The list of purges. A purge from the future is a mistake, or an attack: it would stop all caching.
fn listed(reply: &RedisReply, now: Time) -> Purges {
    match reply {
        RedisReply::Text(text) => Purges::of_text(text, now.after(SKEW)),
        _ => Purges::default(),
    }
}

fn positions(prefix: &str) -> String {
    names::of(prefix, "c:similar")
}

/// Adds a sealed entry of the semantic cache's index. A hash has the latest ones: the last number in `n`, and each in a field with its
/// number modulo [`MOST_POSITIONS`], behind its number. The first number is the time in milliseconds: when Redis has lost the hash, the
/// next numbers are higher than all before, so an Envoy that knows those skips no entry.
pub fn add_position(prefix: &str, text: &str, now: Time) -> Command {
    let script = "local n = redis.call('HINCRBY', KEYS[1], 'n', 1) \
                  if n == 1 then n = redis.call('HINCRBY', KEYS[1], 'n', ARGV[4]) end \
                  redis.call('HSET', KEYS[1], n % ARGV[1], n .. ' ' .. ARGV[2]) \
                  redis.call('PEXPIRE', KEYS[1], ARGV[3]) return n";
    let (most, longest) = (MOST_POSITIONS.to_string(), LONGEST.as_millis().to_string());
    Command::new(["EVAL", script, "1", &positions(prefix), &most, text, &longest, &(now.0 / 1_000_000).to_string()])
}

/// Reads the last number, and the entries after the one with this number.
pub fn read_positions(prefix: &str, after: u64) -> Command {
    let fields = (1..=POSITIONS_AT_ONCE).map(|next| (after.wrapping_add(next) % MOST_POSITIONS).to_string());
    Command::new(["HMGET".to_owned(), positions(prefix), "n".to_owned()].into_iter().chain(fields))
}

/// The new entries in the reply to [`read_positions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// Their sealed texts.
    pub texts: Vec<String>,
    /// The number to continue with.
    pub after: u64,
    /// Whether there are more.
    pub more: bool,
}

impl Positions {
    /// Reads a reply. Redis may have lost all entries since, or overwritten those that are asked for.
    pub fn of(reply: &RedisReply, after: u64) -> Self {
        let none = Self { texts: Vec::new(), after, more: false };
        let RedisReply::List(values) = reply else { return none };
        let text = |value: &RedisReply| match value {
            RedisReply::Text(text) => Some(text.clone()),
            RedisReply::Int(number) => Some(number.to_string()),
            _ => None,
        };
        let Some((count, entries)) = values.split_first() else { return none };
        let count: u64 = text(count).and_then(|count| count.parse().ok()).unwrap_or_default();
        if count < after || count - after > MOST_POSITIONS {
            let oldest = count.saturating_sub(MOST_POSITIONS);
            return Self { after: oldest, more: count > oldest, ..none };
        }
        let read = |(number, value): (u64, &RedisReply)| {
            let value = text(value).filter(|value| value.len() <= LARGEST_POSITION)?;
            let (own, sealed) = value.split_once(' ')?;
            (own.parse() == Ok(number)).then(|| sealed.to_owned())
        };
        let through = count.min(after.saturating_add(POSITIONS_AT_ONCE));
        Self {
            texts: (after.saturating_add(1)..=through).zip(entries).filter_map(read).collect(),
            after: through,
            more: count > through,
        }
    }
}

/// Purges the selected responses for all Envoys.
pub fn purge(prefix: &str, selection: &Selection, now: Time) -> Command {
    let oldest = Time(now.0.saturating_sub(u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX)));
    let arguments = vec![Purges::text_of(selection, now), format!("{:016x}", oldest.0), MOST_PURGES.to_string()];
    Command::script(&PURGE, vec![purges(prefix)], arguments)
}

/// Reads the list of purges.
pub fn purges_of(prefix: &str) -> Command {
    Command::new(["GET".to_owned(), purges(prefix)])
}

/// Applies the purges in the reply to [`purges_of`] that this Envoy does not know yet. Returns how many responses were removed.
pub fn apply(reply: &RedisReply, shared: &dyn SharedData, now: Time) -> usize {
    let unknown = listed(reply, now).unknown(shared);
    unknown.into_iter().map(|(at, selection)| slots::purge(shared, selection, at)).sum()
}
