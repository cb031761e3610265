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
use super::sealer::Sealer;
use super::whose::{Selection, Whose};
use super::{CachedResponse, Key, slots};

/// Adds a purge.
static PURGE: Script = Script {
    source: &[include_str!("../store/redis/lua/purge.lua")],
    sha1: "8ee2fecc67563ac90f7037ce10d07cdf35e17b6d",
};

/// The longest time to live of a response, with a margin. Older purges no longer matter.
const LONGEST: Duration = Duration::from_secs(25 * 3600);

/// The most purges in the list.
const MOST_PURGES: usize = 32;

/// How much the clocks of two Envoys may differ. A response whose request arrived within this time after a purge counts as purged.
const SKEW: Duration = Duration::from_secs(5);

/// The most bytes of a stored text.
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

/// The responses in the reply to [`lookup`], in the order of the keys; `None` for a key without one. `None` for a reply that makes no sense.
pub fn found(
    reply: RedisReply,
    sealer: &Sealer,
    keys: &[Key],
    whose: &Whose,
    largest: usize,
) -> Option<Vec<Option<CachedResponse>>> {
    let RedisReply::List(replies) = reply else { return None };
    let (purges, entries) = replies.split_first().filter(|(_, entries)| entries.len() == keys.len())?;
    let purges = match purges {
        RedisReply::Text(text) => Purges::of_text(text),
        _ => Purges::default(),
    };
    let read = |(key, reply): (&Key, &RedisReply)| {
        let RedisReply::Text(text) = reply else { return None };
        let (asked, entry) = sealer.open(key, text, largest)?;
        let before = Time(asked.0.saturating_sub(u64::try_from(SKEW.as_nanos()).unwrap_or(u64::MAX)));
        (!purges.concern(whose, before)).then_some(entry)
    };
    Some(keys.iter().zip(entries).map(read).collect())
}

/// Stores the response to a request that arrived at `asked`; `None` if it is too large or expires at once.
pub fn store(prefix: &str, sealer: &Sealer, key: &Key, response: &CachedResponse, asked: Time) -> Option<Command> {
    let left = response.expires.since(response.made).as_millis();
    let text = sealer.seal(key, asked, response).filter(|text| text.len() <= LARGEST && left > 0)?;
    Some(Command::new(["SET".to_owned(), entry(prefix, sealer, key), text, "PX".to_owned(), left.to_string()]))
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
pub fn apply(reply: &RedisReply, shared: &dyn SharedData) -> usize {
    let RedisReply::Text(text) = reply else { return 0 };
    let unknown = Purges::of_text(text).unknown(shared);
    unknown.into_iter().map(|(at, selection)| slots::purge(shared, selection, at)).sum()
}
