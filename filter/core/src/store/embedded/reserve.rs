//! One atomic reservation, on one shard or on several.
//!
//! All shards that a reserve request concerns are read, and the first alternative that fits is written. One shard needs one write. With
//! several, the last write decides: before it, the request writes its debits to the other shards, each with an intent. Afterwards it
//! removes the intents, or rolls everything back if the last shard no longer has room. A shard with a pending intent can reject a request
//! wrongly: the intent may be rolled back. So the request is checked again before it is rejected. Nothing is granted twice, and no request
//! is rejected because of another that was itself rejected.

use sluice_wire::order;
use sluice_wire::time::Time;

use crate::mix::hash;
use crate::store::{
    CounterSnapshot, Debit, LimitExceeded, ReserveRequest, ReserveResult, Settled, SharedData, Unavailable,
};

use super::counter_state::{CounterState, CounterTime, Id};
use super::shard::{self, Shard};
use super::shard_id::ShardId;
use super::window::Window;
use super::{ATTEMPTS, CounterScope, contended, settle_part, update};

/// How often a request is checked again before it is rejected on a shard with a pending intent. The intent's worker needs two more writes;
/// if it was preempted in between, these checks last some milliseconds, and then the rejection stands.
const MAX_WAITS: usize = 1_000;

/// The result of a debit.
#[derive(Debug)]
struct Change {
    /// Index of its shard.
    shard: usize,
    id: Id,
    state: CounterState,
    snapshot: CounterSnapshot,
}

/// The decision on a reserve request, for the shards as read.
enum Plan {
    /// Reserve this alternative; one change for each debit.
    Take(usize, Vec<Change>),
    /// No alternative fits.
    Refuse(Vec<LimitExceeded>),
    /// An undecided request may be in the way: check again.
    Wait,
}

/// Reserves the first alternative that fits all its hard limits, or nothing.
pub fn reserve(
    shared: &dyn SharedData,
    request: &ReserveRequest,
    scope: CounterScope,
    now: Time,
) -> Result<ReserveResult, Unavailable> {
    let step = Step {
        shared,
        scope,
        request,
        intent: hash(request.id.as_bytes()),
        shard_ids: shard_ids(request),
        now: CounterTime::of(now),
    };
    let (mut conflicts, mut waits_left) = (0, MAX_WAITS);
    while conflicts < ATTEMPTS {
        let shards = step.shards()?;
        match step.decide(&shards, waits_left == 0)? {
            Plan::Wait => waits_left -= 1,
            Plan::Refuse(all_exceeded) => return Ok(ReserveResult::Refused(all_exceeded)),
            Plan::Take(chosen, changes) => match step.carry_out(chosen, changes, shards)? {
                Some(snapshots) => return Ok(ReserveResult::Granted { chosen, snapshots }),
                None => conflicts += 1,
            },
        }
    }
    Err(contended(&step.shard_ids.last().map(|place| shard::name(*place)).unwrap_or_default()))
}

/// The shards that a request concerns, the common one last. Most requests concern it, so an intent on it while deciding elsewhere would
/// delay most others.
fn shard_ids(request: &ReserveRequest) -> Vec<ShardId> {
    let mut shard_ids: Vec<ShardId> = Vec::new();
    // Most debits with the same shard key are adjacent.
    let mut last: Option<&str> = None;
    for debit in request.alternatives.iter().flatten() {
        if last.replace(&debit.counter.shard_key) != Some(&*debit.counter.shard_key) {
            shard_ids.push(ShardId::of(&debit.counter.shard_key));
        }
    }
    order::by(&mut shard_ids, |one, other| other.cmp(one));
    shard_ids.dedup();
    shard_ids
}

/// One reserve request at one point in time.
struct Step<'a> {
    shared: &'a dyn SharedData,
    scope: CounterScope,
    request: &'a ReserveRequest,
    intent: u64,
    shard_ids: Vec<ShardId>,
    now: CounterTime,
}

impl<'a> Step<'a> {
    fn shards(&self) -> Result<Vec<Shard<'a>>, Unavailable> {
        self.shard_ids.iter().map(|place| Shard::read(self.shared, *place, self.scope, &self.now)).collect()
    }

    fn decide(&self, shards: &[Shard<'a>], believe: bool) -> Result<Plan, Unavailable> {
        let mut all_exceeded = Vec::new();
        for (index, debits) in self.request.alternatives.iter().enumerate() {
            match self.plan(debits, shards)? {
                Ok(changes) => return Ok(Plan::Take(index, changes)),
                Err((exceeded, shard)) => {
                    if !believe && shard.is_unsettled(&self.now) {
                        return Ok(Plan::Wait);
                    }
                    all_exceeded.push(exceeded);
                }
            }
        }
        Ok(Plan::Refuse(all_exceeded))
    }

    /// The changes for all debits, or the first debit that does not fit and its shard.
    fn plan<'p>(
        &self,
        debits: &[Debit],
        shards: &'p [Shard<'a>],
    ) -> Result<Result<Vec<Change>, (LimitExceeded, &'p Shard<'a>)>, Unavailable> {
        let mut changes = Vec::with_capacity(debits.len());
        for (index, debit) in debits.iter().enumerate() {
            let its = ShardId::of(&debit.counter.shard_key);
            let at = self.shard_ids.iter().position(|place| *place == its);
            let Some((at, shard)) = at.and_then(|at| Some((at, shards.get(at)?))) else { continue };
            let window = Window::number(debit.counter.kind, &self.now);
            let id = Id::of(&debit.counter, window);
            match shard.state(id, &debit.counter, window, &self.now)?.debit(debit, self.request.lease, &self.now) {
                Ok((state, snapshot)) => changes.push(Change { shard: at, id, state, snapshot }),
                Err(refusal) => {
                    let exceeded =
                        LimitExceeded { debit: index, snapshot: refusal.snapshot, retry_after: refusal.retry_after };
                    return Ok(Err((exceeded, shard)));
                }
            }
        }
        Ok(Ok(changes))
    }

    /// Writes the changes to all shards and returns the snapshots. Rolls back and returns `None` if another worker wrote in between.
    fn carry_out(
        &self,
        chosen: usize,
        mut changes: Vec<Change>,
        mut shards: Vec<Shard<'a>>,
    ) -> Result<Option<Vec<CounterSnapshot>>, Unavailable> {
        let mut concerned: Vec<usize> = changes.iter().map(|change| change.shard).collect();
        order::by(&mut concerned, Ord::cmp);
        concerned.dedup();
        let Some((last, before)) = concerned.split_last() else { return Ok(Some(Vec::new())) };
        for (held, at) in before.iter().enumerate() {
            let Some(shard) = shards.get_mut(*at) else { continue };
            let written = self.put(shard, *at, chosen, &mut changes).map(|()| {
                shard.open(self.intent, &self.now);
                shard.write().is_ok()
            });
            if written != Ok(true) {
                self.give_back(chosen, &changes, before.get(..held).unwrap_or_default())?;
                return written.map(|_| None);
            }
        }
        let decided = self.write_last(chosen, *last, &mut changes, shards);
        if decided == Ok(true) {
            before.iter().for_each(|at| self.take_mark_away(*at));
            return Ok(Some(changes.iter().map(|change| change.snapshot).collect()));
        }
        self.give_back(chosen, &changes, before)?;
        decided.map(|_| None)
    }

    /// The deciding write. If nothing is written elsewhere, it is tried once, since the next attempt may choose another alternative.
    /// Otherwise it is retried until the chosen alternative no longer fits, since a rollback costs more.
    fn write_last(
        &self,
        chosen: usize,
        last: usize,
        changes: &mut [Change],
        mut shards: Vec<Shard<'a>>,
    ) -> Result<bool, Unavailable> {
        let holds = changes.iter().any(|change| change.shard != last);
        for _ in 0..ATTEMPTS {
            let (Some(shard), Some(place)) = (shards.get_mut(last), self.shard_ids.get(last)) else { return Ok(false) };
            self.put(shard, last, chosen, changes)?;
            if shard.write().is_ok() {
                return Ok(true);
            }
            if !holds {
                return Ok(false);
            }
            *shard = Shard::read(self.shared, *place, self.scope, &self.now)?;
            for (change, debit) in
                changes.iter_mut().zip(self.debits(chosen)).filter(|(change, _)| change.shard == last)
            {
                let state =
                    shard.state(change.id, &debit.counter, Window::number(debit.counter.kind, &self.now), &self.now)?;
                match state.debit(debit, self.request.lease, &self.now) {
                    Ok((state, snapshot)) => (change.state, change.snapshot) = (state, snapshot),
                    Err(_) => return Ok(false),
                }
            }
        }
        Err(contended(&self.shard_ids.get(last).map(|place| shard::name(*place)).unwrap_or_default()))
    }

    fn put(&self, shard: &mut Shard<'_>, at: usize, chosen: usize, changes: &mut [Change]) -> Result<(), Unavailable> {
        for (change, debit) in changes.iter_mut().zip(self.debits(chosen)).filter(|(change, _)| change.shard == at) {
            shard.put(change.id, &debit.counter, &change.state, &self.now)?;
            if let CounterState::Window(_) = change.state {
                change.snapshot.until = shard.hold(change.id, debit.amount, self.request.lease, &self.now);
                change.snapshot.reserved = shard.held(change.id);
            }
        }
        Ok(())
    }

    /// Rolls back the debits on these shards. If that fails on a shard, they stay charged until their lease ends.
    fn give_back(&self, chosen: usize, changes: &[Change], shards: &[usize]) -> Result<(), Unavailable> {
        for at in shards {
            let Some(place) = self.shard_ids.get(*at) else { continue };
            update(self.shared, *place, self.scope, &self.now, |shard| {
                shard.close(self.intent);
                for (change, debit) in changes.iter().zip(self.debits(chosen)).filter(|(change, _)| change.shard == *at)
                {
                    let CounterSnapshot { period: window, until, .. } = change.snapshot;
                    let part =
                        Settled { counter: debit.counter.clone(), window, until, reserved: debit.amount, used: 0 };
                    settle_part(shard, &part, &self.now)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Removes the intent. A failure is ignored: it only makes other requests check again for a moment.
    fn take_mark_away(&self, at: usize) {
        if let Some(place) = self.shard_ids.get(at) {
            let _ = update(self.shared, *place, self.scope, &self.now, |shard| {
                shard.close(self.intent);
                Ok(())
            });
        }
    }

    fn debits(&self, chosen: usize) -> &[Debit] {
        self.request.alternatives.get(chosen).map_or(&[], Vec::as_slice)
    }
}
