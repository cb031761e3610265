//! Exchanges counts between the embedded store and Redis.
//!
//! A batch contains the usage that a shard counted since it was last sent, for a run of records. The amounts are set aside in the shard
//! under a batch number. Until a reply arrives, the same batch is sent again under the same number, and Redis adds it once. The reply
//! replaces each count with that of all Envoys, plus the usage counted here in between. So a count always equals Redis's last value plus
//! the usage that Redis does not have yet: nothing is lost or added twice, whatever happens between two of these steps.
//!
//! A shard with more records than a batch holds is sent in several batches, each continuing after the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sluice_wire::hex;
use sluice_wire::order;
use sluice_wire::time::Time;

use crate::store::{Batch, Counter, Delta, Global, LimitWindow, SharedData, Unavailable};

use super::counter_state::{CounterState, CounterTime, Id};
use super::names::Names;
use super::pending_sync::{PendingSync, saturated};
use super::rate::UNIT;
use super::shard::{self, Progress, Shard};
use super::shard_id::ShardId;
use super::window::Window;
use super::{ATTEMPTS, CounterScope, contended, update};

/// The most counters in a batch: Redis serves nothing else while the script runs.
pub const LARGEST_BATCH: usize = 256;

/// A millionth of a unit, as part of a rate's level.
const MILLIONTH: u64 = UNIT / 1_000_000;

/// The `up_to` of a batch that reaches the end of the shard.
const END: u64 = u64::MAX;

/// The shard's next batch, or the one that Redis has not confirmed yet; `None` when there is nothing to send or to query. Only shards that
/// the current configuration uses (`named`) are queried. `envoy` is 16 bytes unique to this Envoy; a shard keeps the first value it was
/// given, which outlives a VM.
pub fn collect(
    shared: &dyn SharedData,
    place: ShardId,
    named: bool,
    envoy: [u8; 16],
    now: Time,
) -> Result<Option<Batch>, Unavailable> {
    let now = CounterTime::of(now);
    for _ in 0..ATTEMPTS {
        // Read before the shard: only records that are added just now can have a name that is missing here.
        let names = Names::read(shared, place)?;
        if names.is_new() {
            return Ok(None);
        }
        let mut shard = Shard::read(shared, place, CounterScope::Replicated, &now)?;
        if shard.is_new() {
            return Ok(None);
        }
        let known = by_id(&names, &shard, &now);
        if shard.progress.sending == shard.progress.pending {
            set_aside(&mut shard, &known, named, envoy, &now);
        }
        if shard.write().is_ok() {
            let used: BTreeSet<&str> = order::gathered(known.values().map(|name| &**name));
            names.tidy(shared, |name| used.contains(name), &now);
            return Ok(
                (shard.progress.sending != shard.progress.pending).then(|| batch(&shard, place, &known, named, &now))
            );
        }
    }
    Err(contended(&shard::name(place)))
}

/// Applies Redis's reply to a batch, in the order of its deltas. A reply to any batch but the pending one is ignored.
pub fn apply(shared: &dyn SharedData, batch: &Batch, globals: &[Global], now: Time) -> Result<(), Unavailable> {
    let now = CounterTime::of(now);
    let learned: BTreeMap<Id, u64> =
        order::gathered(batch.deltas.iter().zip(globals).map(|(delta, global)| (id_of(delta), global.used)));
    update(shared, batch.place, CounterScope::Replicated, &now, |shard| {
        let progress = shard.progress;
        if (progress.sending, hex::encoded(&progress.sender)) != (batch.number, batch.envoy.to_string())
            || progress.pending == progress.sending
        {
            return Ok(());
        }
        let counter_states: Vec<_> = shard.counter_states(&now).collect();
        for (id, state, pending) in counter_states {
            if let Some(used) = learned.get(&id) {
                let (state, pending) = with_all(state, pending, *used, &now);
                shard.set(id, &state, pending);
            }
        }
        shard.advance(Progress { pending: progress.sending, at: now.micros, ..progress });
        Ok(())
    })
}

/// The counter names of a shard's records.
fn by_id(names: &Names, shard: &Shard<'_>, now: &CounterTime) -> BTreeMap<Id, Rc<str>> {
    let windows: BTreeSet<u64> = order::gathered(shard.counter_states(now).map(|(_, state, _)| window_of(&state)));
    let mut known = BTreeMap::new();
    for name in names.iter() {
        let ids = windows.iter().map(|window| Id::of_name(name, *window));
        known.extend(ids.filter(|id| shard.has(*id)).map(|id| (id, name.clone())));
    }
    known
}

/// Sets aside a new batch of the records worth sending, starting after the last batch.
fn set_aside(shard: &mut Shard<'_>, known: &BTreeMap<Id, Rc<str>>, named: bool, envoy: [u8; 16], now: &CounterTime) {
    let progress = shard.progress;
    let after = if progress.up_to == END { 0 } else { progress.up_to };
    let worth = |(id, state, pending): &(Id, CounterState, PendingSync)| {
        id.0 > after && known.contains_key(id) && is_worth_telling(state, *pending, named, now)
    };
    let mut chosen: Vec<_> = shard.counter_states(now).filter(worth).take(LARGEST_BATCH + 1).collect();
    let more = chosen.len() > LARGEST_BATCH;
    chosen.truncate(LARGEST_BATCH);
    let Some((last, ..)) = chosen.last() else {
        shard.advance(Progress { up_to: END, ..progress });
        return;
    };
    let up_to = if more { last.0 } else { END };
    for (id, state, pending) in chosen {
        let aside = match &state {
            CounterState::Slots(slots) => {
                PendingSync { unsent: 0, sending: saturated(i128::from(slots.here(now)) + 1) }
            }
            _ => PendingSync {
                unsent: 0,
                sending: pending.sending.saturating_add(pending.aged(&state, progress.at, now)),
            },
        };
        shard.set(id, &state, aside);
    }
    let sender = if progress.sending == 0 { envoy } else { progress.sender };
    shard.advance(Progress { sender, sending: progress.sending + 1, after, up_to, ..progress });
}

/// The batch of the amounts set aside, and of other records in its range worth querying.
fn batch(shard: &Shard<'_>, place: ShardId, known: &BTreeMap<Id, Rc<str>>, named: bool, now: &CounterTime) -> Batch {
    let Progress { sender, sending, after, up_to, .. } = shard.progress;
    let delta = |(id, state, pending): (Id, CounterState, PendingSync)| {
        let among = id.0 > after && id.0 <= up_to && is_worth_telling(&state, pending, named, now);
        let name = known.get(&id).filter(|_| among)?.clone();
        let (kind, window, amount) = match state {
            CounterState::Window(window) => (window.kind, window.number, pending.sending),
            // Rounded up: a remainder below a millionth has not drained either.
            CounterState::Rate(rate) => {
                (LimitWindow::Minute, rate.limit, -pending.sending.saturating_neg().div_euclid(MILLIONTH.cast_signed()))
            }
            CounterState::Slots(_) => (LimitWindow::Concurrent, 0, pending.sending.saturating_sub(1).max(0)),
        };
        Some(Delta { counter: Counter { name, shard_key: Rc::default(), kind }, window, amount })
    };
    let deltas = shard.counter_states(now).filter_map(delta).collect();
    Batch { envoy: hex::encoded(&sender).into(), place, number: sending, deltas, more: up_to != END }
}

/// Whether there is usage to send, or the other Envoys' usage may matter. The latter is never read where the shard is not `named`.
fn is_worth_telling(state: &CounterState, pending: PendingSync, named: bool, now: &CounterTime) -> bool {
    let current = match state {
        CounterState::Window(window) => {
            window.kind == LimitWindow::Total || window.number >= Window::number(window.kind, now)
        }
        CounterState::Rate(_) | CounterState::Slots(_) => true,
    };
    pending != PendingSync::default() || (named && current && !state.is_spent(now))
}

/// The state after Redis reports `used` for all Envoys, which does not include our unsent usage.
fn with_all(state: CounterState, pending: PendingSync, used: u64, now: &CounterTime) -> (CounterState, PendingSync) {
    let with_ours = |all: u128| {
        let all = i128::try_from(all).unwrap_or(i128::MAX).saturating_add(pending.unsent.into());
        u64::try_from(all.max(0)).unwrap_or(u64::MAX)
    };
    let confirmed = PendingSync { sending: 0, ..pending };
    match state {
        CounterState::Window(window) => {
            (CounterState::Window(Window { used: with_ours(used.into()), ..window }), confirmed)
        }
        CounterState::Rate(rate) => {
            let level = with_ours(u128::from(used) * u128::from(MILLIONTH));
            (CounterState::Rate(rate.at_level(level, now)), confirmed)
        }
        CounterState::Slots(mut slots) => {
            slots.others = u32::try_from(used).unwrap_or(u32::MAX);
            // A confirmed zero need not be sent again.
            (CounterState::Slots(slots), if pending.sending > 1 { pending } else { confirmed })
        }
    }
}

fn window_of(state: &CounterState) -> u64 {
    match state {
        CounterState::Window(window) => window.number,
        CounterState::Rate(_) | CounterState::Slots(_) => 0,
    }
}

fn id_of(delta: &Delta) -> Id {
    let calendar = matches!(delta.counter.kind, LimitWindow::Day | LimitWindow::Month);
    Id::of(&delta.counter, if calendar { delta.window } else { 0 })
}
