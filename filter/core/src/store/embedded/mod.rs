//! The store in Envoy's shared data.
//!
//! All counters of a [`shard`] are in one value. A request reads its team's shard, and the common one if a counter there concerns it (see
//! [`shard_id`]), and writes them if no other worker wrote in between. So counts are exact across the workers of an Envoy. Reservations of
//! a lost VM expire with their [`leases`]; the next reader of the shard releases them. The store is not durable: a restart of Envoy clears
//! it. Shards and records are created on first use, and spent records are dropped.
//!
//! [`reserve`] and [`settle`] give the guarantees of [`super`] except one: the caller must settle only once. Only Redis remembers
//! settlements; here nothing is retried over a network, and the owner of a reservation calls [`settle`] once.
//!
//! By default it counts for one Envoy. With [`CounterScope::Replicated`] it also tracks the usage that Redis does not have yet:
//! [`replication::collect`] returns it as a batch, and [`replication::apply`] takes in the counts of all Envoys.

mod accounts;
mod concurrency_slots;
mod counter_state;
mod leases;
mod names;
mod pending_sync;
mod rate;
mod record;
pub mod replication;
mod reserve;
mod shard;
mod shard_id;
mod window;

use counter_state::{CounterTime, Id};
use shard::Shard;
use sluice_wire::order;
use sluice_wire::time::Time;
use window::Window;

use super::{Counter, CounterSnapshot, Debit, LimitWindow, Settled, Settlement, SharedData, Unavailable};

pub use accounts::{Account, accounts, first_day};
pub use reserve::reserve;
pub use shard_id::{Announced, ShardId, announce};

/// Whether counts belong to this Envoy or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterScope {
    /// Counts of this Envoy alone.
    Local,
    /// Counts of all Envoys, exchanged through Redis.
    Replicated,
}

/// How often a shard is read again because another worker wrote it in between. Each conflict means that another worker made progress. Since
/// each spends a few microseconds of a request here, losing this often in a row does not happen. The bound only keeps a bug elsewhere from
/// blocking a worker forever.
const ATTEMPTS: usize = 1_000;

/// Closes a reservation: replaces the reserved amounts with the used ones, and adds the entry to the accounts.
///
/// Call it once per reserve request, however late. A past window is corrected as long as it is stored, never the window after it; a total
/// always is. If a shard fails (the error says why), its reservation stays charged until its lease ends. The other shards are settled all
/// the same: calling again would settle those twice.
pub fn settle(shared: &dyn SharedData, settlement: &Settlement, scope: CounterScope) -> Result<(), Unavailable> {
    let now = CounterTime::of(settlement.at);
    let mut result = Ok(());
    let placed: Vec<ShardId> = settlement.parts.iter().map(|part| ShardId::of(&part.counter.shard_key)).collect();
    let mut shard_ids = placed.clone();
    order::by(&mut shard_ids, Ord::cmp);
    shard_ids.dedup();
    for place in shard_ids {
        let parts = placed.iter().zip(&settlement.parts).filter(|(its, _)| **its == place).map(|(_, part)| part);
        let settled = update(shared, place, scope, &now, |shard| {
            parts.clone().try_for_each(|part| settle_part(shard, part, &now))
        });
        result = result.and(settled);
    }
    match &settlement.entry {
        Some(entry) => result.and(accounts::add(shared, entry, now.day)),
        None => result,
    }
}

/// Snapshots of the counters, in order. A counter without a record is unused.
pub fn read(shared: &dyn SharedData, counters: &[Counter], now: Time) -> Result<Vec<CounterSnapshot>, Unavailable> {
    let now = CounterTime::of(now);
    let mut shards: Vec<(ShardId, Shard<'_>)> = Vec::new();
    let mut snapshots = Vec::with_capacity(counters.len());
    for counter in counters {
        let its = ShardId::of(&counter.shard_key);
        let known = shards.iter().position(|(place, _)| *place == its);
        if known.is_none() {
            shards.push((its, Shard::read(shared, its, CounterScope::Local, &now)?));
        }
        let window = Window::number(counter.kind, &now);
        if let Some((_, shard)) = known.map_or_else(|| shards.last(), |known| shards.get(known)) {
            snapshots.push(shard.state(Id::of(counter, window), counter, window, &now)?.snapshot(&now));
        }
    }
    Ok(snapshots)
}

/// Whether only a settlement can release the debit: its shard had no room for another lease.
pub fn is_held_for_ever(debit: &Debit, snapshot: &CounterSnapshot) -> bool {
    debit.amount > 0 && snapshot.until == 0 && debit.counter.kind != LimitWindow::Minute
}

/// Changes a shard, retrying while other workers write in between.
fn update(
    shared: &dyn SharedData,
    place: ShardId,
    scope: CounterScope,
    now: &CounterTime,
    change: impl Fn(&mut Shard<'_>) -> Result<(), Unavailable>,
) -> Result<(), Unavailable> {
    for _ in 0..ATTEMPTS {
        let mut shard = Shard::read(shared, place, scope, now)?;
        change(&mut shard)?;
        if shard.write().is_ok() {
            return Ok(());
        }
    }
    Err(contended(&shard::name(place)))
}

/// Settles one part in the window of its reservation.
fn settle_part(shard: &mut Shard<'_>, part: &Settled, now: &CounterTime) -> Result<(), Unavailable> {
    let calendar = matches!(part.counter.kind, LimitWindow::Day | LimitWindow::Month);
    let window = if calendar { part.window } else { 0 };
    let id = Id::of(&part.counter, window);
    let held = match part.counter.kind {
        LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => shard.release(id, part.reserved, part.until),
        LimitWindow::Minute | LimitWindow::Concurrent => part.reserved,
    };
    // A counter without a record has nothing to release: its lease has ended. A rate has drained by then too, and only usage beyond the
    // reservation counts.
    let state = shard.state(id, &part.counter, window, now)?.settle(part, held, now);
    // Redis stores its windows longer than a shard does.
    let counts = part.used > 0 && shard.scope() == CounterScope::Replicated;
    if shard.has(id) || counts || !state.is_spent(now) { shard.put(id, &part.counter, &state, now) } else { Ok(()) }
}

fn contended(name: &str) -> Unavailable {
    Unavailable(format!("{name} in the shared data changed during each of {ATTEMPTS} attempts to update it"))
}

#[cfg(test)]
mod tests;
