//! What the embedded store tells Redis, and what it learns.
//!
//! A batch has what was counted on a page since it was last told, in records one after another. It is set aside in the
//! page under a number, and while its answer is missing the same batch is told again under the same number: Redis adds it
//! once. When the answer comes, what all Envoys have takes the place of each count, and on top comes what was counted here
//! in between. So at any moment a count is what Redis last said and what it was not told yet, and nothing is lost or added
//! twice, whatever happens between any two of these steps.
//!
//! A page with more records than a batch holds is told in several, each going on where the last one ended.

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

/// The most meters of a batch: Redis does nothing else meanwhile.
pub const LARGEST_BATCH: usize = 256;

/// A millionth of one, as a rate counts.
const MILLIONTH: u64 = UNIT / 1_000_000;

/// The end of a page: no record comes after it.
const END: u64 = u64::MAX;

/// The next batch of a place, or the one that has had no answer yet; `None` when there is nothing to tell and nothing to
/// ask. Nothing is asked where no shard is `named` by the present configuration. `envoy` is 16 bytes that no other Envoy has; a page remembers the first it was given, which outlives a VM.
pub fn collect(
    shared: &dyn SharedData,
    place: ShardId,
    named: bool,
    envoy: [u8; 16],
    now: Time,
) -> Result<Option<Batch>, Unavailable> {
    let now = CounterTime::of(now);
    for _ in 0..ATTEMPTS {
        // Before the page, which has no record whose name is not among them, but for those that come just now.
        let names = Names::read(shared, place)?;
        if names.is_new() {
            return Ok(None);
        }
        let mut shard = Shard::read(shared, place, CounterScope::Replicated, &now)?;
        if shard.is_new() {
            return Ok(None);
        }
        let known = by_id(&names, &shard, &now);
        if shard.progress.telling == shard.progress.pending {
            set_aside(&mut shard, &known, named, envoy, &now);
        }
        if shard.write().is_ok() {
            let used: BTreeSet<&str> = order::gathered(known.values().map(|name| &**name));
            names.tidy(shared, |name| used.contains(name), &now);
            return Ok(
                (shard.progress.telling != shard.progress.pending).then(|| batch(&shard, place, &known, named, &now))
            );
        }
    }
    Err(contended(&shard::name(place)))
}

/// Takes in what Redis answered to a batch, in the order of its deltas. An answer to another batch than the one under way
/// changes nothing.
pub fn apply(shared: &dyn SharedData, batch: &Batch, globals: &[Global], now: Time) -> Result<(), Unavailable> {
    let now = CounterTime::of(now);
    let learned: BTreeMap<Id, u64> =
        order::gathered(batch.deltas.iter().zip(globals).map(|(delta, global)| (id_of(delta), global.used)));
    update(shared, batch.place, CounterScope::Replicated, &now, |shard| {
        let progress = shard.progress;
        if (progress.telling, hex::encoded(&progress.teller)) != (batch.number, batch.envoy.to_string())
            || progress.pending == progress.telling
        {
            return Ok(());
        }
        let cells: Vec<_> = shard.cells(&now).collect();
        for (id, state, pending) in cells {
            if let Some(used) = learned.get(&id) {
                let (state, pending) = with_all(state, pending, *used, &now);
                shard.set(id, &state, pending);
            }
        }
        shard.advance(Progress { pending: progress.telling, at: now.micros, ..progress });
        Ok(())
    })
}

/// The names of a page's records.
fn by_id(names: &Names, shard: &Shard<'_>, now: &CounterTime) -> BTreeMap<Id, Rc<str>> {
    let windows: BTreeSet<u64> = order::gathered(shard.cells(now).map(|(_, state, _)| window_of(&state)));
    let mut known = BTreeMap::new();
    for name in names.iter() {
        let ids = windows.iter().map(|window| Id::of_name(name, *window));
        known.extend(ids.filter(|id| shard.has(*id)).map(|id| (id, name.clone())));
    }
    known
}

/// Makes a new batch of what is worth telling, from where the last one ended.
fn set_aside(shard: &mut Shard<'_>, known: &BTreeMap<Id, Rc<str>>, named: bool, envoy: [u8; 16], now: &CounterTime) {
    let progress = shard.progress;
    let after = if progress.up_to == END { 0 } else { progress.up_to };
    let worth = |(id, state, pending): &(Id, CounterState, PendingSync)| {
        id.0 > after && known.contains_key(id) && is_worth_telling(state, *pending, named, now)
    };
    let mut chosen: Vec<_> = shard.cells(now).filter(worth).take(LARGEST_BATCH + 1).collect();
    let more = chosen.len() > LARGEST_BATCH;
    chosen.truncate(LARGEST_BATCH);
    let Some((last, ..)) = chosen.last() else {
        shard.advance(Progress { up_to: END, ..progress });
        return;
    };
    let up_to = if more { last.0 } else { END };
    for (id, state, pending) in chosen {
        let aside = match &state {
            CounterState::Places(places) => {
                PendingSync { untold: 0, telling: saturated(i128::from(places.here(now)) + 1) }
            }
            _ => PendingSync {
                untold: 0,
                telling: pending.telling.saturating_add(pending.aged(&state, progress.at, now)),
            },
        };
        shard.set(id, &state, aside);
    }
    let teller = if progress.telling == 0 { envoy } else { progress.teller };
    shard.advance(Progress { teller, telling: progress.telling + 1, after, up_to, ..progress });
}

/// What was set aside, and whatever else of these records is worth asking for.
fn batch(shard: &Shard<'_>, place: ShardId, known: &BTreeMap<Id, Rc<str>>, named: bool, now: &CounterTime) -> Batch {
    let Progress { teller, telling, after, up_to, .. } = shard.progress;
    let delta = |(id, state, pending): (Id, CounterState, PendingSync)| {
        let among = id.0 > after && id.0 <= up_to && is_worth_telling(&state, pending, named, now);
        let name = known.get(&id).filter(|_| among)?.clone();
        let (kind, window, amount) = match state {
            CounterState::Window(window) => (window.kind, window.number, pending.telling),
            // Rounded up: what is left of a part of a millionth has not drained.
            CounterState::Rate(rate) => {
                (LimitWindow::Minute, rate.limit, -pending.telling.saturating_neg().div_euclid(MILLIONTH.cast_signed()))
            }
            CounterState::Places(_) => (LimitWindow::Concurrent, 0, pending.telling.saturating_sub(1).max(0)),
        };
        Some(Delta { counter: Counter { name, shard_key: Rc::default(), kind }, window, amount })
    };
    let deltas = shard.cells(now).filter_map(delta).collect();
    Batch { envoy: hex::encoded(&teller).into(), place, number: telling, deltas, more: up_to != END }
}

/// Whether there is something to tell of it, or what the others have may matter: nobody reads it where nothing is `named`.
fn is_worth_telling(state: &CounterState, pending: PendingSync, named: bool, now: &CounterTime) -> bool {
    let current = match state {
        CounterState::Window(window) => {
            window.kind == LimitWindow::Total || window.number >= Window::number(window.kind, now)
        }
        CounterState::Rate(_) | CounterState::Places(_) => true,
    };
    pending != PendingSync::default() || (named && current && !state.is_spent(now))
}

/// A cell when all Envoys together have this much, of which ours that is not told yet is not a part.
fn with_all(state: CounterState, pending: PendingSync, used: u64, now: &CounterTime) -> (CounterState, PendingSync) {
    let with_ours = |all: u128| {
        let all = i128::try_from(all).unwrap_or(i128::MAX).saturating_add(pending.untold.into());
        u64::try_from(all.max(0)).unwrap_or(u64::MAX)
    };
    let confirmed = PendingSync { telling: 0, ..pending };
    match state {
        CounterState::Window(window) => {
            (CounterState::Window(Window { used: with_ours(used.into()), ..window }), confirmed)
        }
        CounterState::Rate(rate) => {
            let level = with_ours(u128::from(used) * u128::from(MILLIONTH));
            (CounterState::Rate(rate.at_level(level, now)), confirmed)
        }
        CounterState::Places(mut places) => {
            places.others = u32::try_from(used).unwrap_or(u32::MAX);
            // That none are here need not be told again.
            (CounterState::Places(places), if pending.telling > 1 { pending } else { confirmed })
        }
    }
}

fn window_of(state: &CounterState) -> u64 {
    match state {
        CounterState::Window(window) => window.number,
        CounterState::Rate(_) | CounterState::Places(_) => 0,
    }
}

fn id_of(delta: &Delta) -> Id {
    let calendar = matches!(delta.counter.kind, LimitWindow::Day | LimitWindow::Month);
    Id::of(&delta.counter, if calendar { delta.window } else { 0 })
}
