//! The store in the memory that Envoy's workers share.
//!
//! The meters of a shard are together on one [`page`]: a request reads its team's page (see [`place`]), and the common one when something
//! on it concerns the request, and writes them if nobody wrote in between; so it is exact over all workers of an Envoy.
//! What a VM had reserved when it ended comes back when its [`leases`] end. Whoever reads a page gives it back.
//! It is not durable: a restart of Envoy forgets it. Pages come to be when something is first counted on them, and
//! records when their meter first is; they go when nothing is left in them.
//!
//! [`reserve`] and [`settle`] keep the promises of [`super`], but for one: that a settlement counts once is the caller's
//! to see to. Only Redis remembers which were made; here nothing is retried over a network, and who owns the
//! reservation calls [`settle`] once.
//!
//! By itself it knows one Envoy. With [`CounterScope::Replicated`] it also notes what it counted since it last told Redis:
//! [`exchange::collect`] gives that out as a batch, and [`exchange::apply`] takes in what all Envoys have.

mod accounts;
mod concurrency_slots;
mod counter_state;
pub mod exchange;
mod leases;
mod names;
mod pending_sync;
mod rate;
mod record;
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

pub use accounts::{Account, accounts};
pub use reserve::reserve;
pub use shard_id::{Announced, ShardId, announce};

/// Whose counts these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterScope {
    /// This Envoy's alone.
    Local,
    /// All Envoys': what is counted here is told to Redis, and what the others counted is learned from there.
    Replicated,
}

/// How often a page is read and written anew because somebody else wrote it in between. Each time, one of the other
/// workers got on; that one of so many threads loses this often in a row, when each is in here for a few microseconds of
/// a request, does not happen. It only keeps a fault elsewhere from holding a worker for ever.
const ATTEMPTS: usize = 1_000;

/// Closes a reservation: what was used takes the place of what was reserved, and the entry goes into the accounts.
///
/// To be called once for an order; also long after it. A window that has passed is corrected for as long as it is
/// kept, and never the one after it; a total is always. What one page does not take (the error says why) stays charged as
/// reserved there until its lease ends, and the other pages are settled all the same: calling again would settle those
/// twice.
pub fn settle(shared: &dyn SharedData, settlement: &Settlement, scope: CounterScope) -> Result<(), Unavailable> {
    let now = CounterTime::of(settlement.at);
    let mut result = Ok(());
    let placed: Vec<ShardId> = settlement.parts.iter().map(|part| ShardId::of(&part.counter.shard_key)).collect();
    let mut places = placed.clone();
    order::by(&mut places, Ord::cmp);
    places.dedup();
    for place in places {
        let parts = placed.iter().zip(&settlement.parts).filter(|(its, _)| **its == place).map(|(_, part)| part);
        let settled = update(shared, place, scope, &now, |shard| {
            parts.clone().try_for_each(|part| settle_part(shard, part, &now))
        });
        result = result.and(settled);
    }
    match &settlement.entry {
        Some(entry) => result.and(accounts::add(shared, entry, &now)),
        None => result,
    }
}

/// How meters stand, in their order; for what was never counted, that nothing was used.
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

/// Whether what was taken is only given back by a settlement: its page had no room for another lease.
pub fn is_held_for_ever(take: &Debit, snapshot: &CounterSnapshot) -> bool {
    take.amount > 0 && snapshot.until == 0 && take.counter.kind != LimitWindow::Minute
}

/// Changes a page, again and again until nobody else wrote in between.
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

/// Settles one part in the window it was reserved in.
fn settle_part(shard: &mut Shard<'_>, part: &Settled, now: &CounterTime) -> Result<(), Unavailable> {
    let calendar = matches!(part.counter.kind, LimitWindow::Day | LimitWindow::Month);
    let window = if calendar { part.window } else { 0 };
    let id = Id::of(&part.counter, window);
    let held = match part.counter.kind {
        LimitWindow::Day | LimitWindow::Month | LimitWindow::Total => shard.release(id, part.reserved, part.until),
        LimitWindow::Minute | LimitWindow::Concurrent => part.reserved,
    };
    // A meter that nothing is kept of has nothing to give back: its lease has ended. A rate has drained by then too, and
    // only the use that exceeds the reservation counts.
    let state = shard.state(id, &part.counter, window, now)?.settle(part, held, now);
    // Redis keeps its windows longer than a page does.
    let counts = part.used > 0 && shard.scope() == CounterScope::Replicated;
    if shard.has(id) || counts || !state.is_spent(now) { shard.put(id, &part.counter, &state, now) } else { Ok(()) }
}

fn contended(name: &str) -> Unavailable {
    Unavailable(format!("{name} in the shared data changed during each of {ATTEMPTS} attempts to update it"))
}

#[cfg(test)]
mod tests;
