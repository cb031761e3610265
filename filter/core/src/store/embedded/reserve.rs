//! The one atomic step of a reservation, over one page or several.
//!
//! All pages that concern an order are read, and the first alternative that fits is written. One page needs one write.
//! With several, the last write decides: before it, the order holds its part on the pages before, with a mark on them;
//! afterwards it takes the marks away, or, when somebody else took the last of what it wanted, gives all back. Whoever
//! is refused on a marked page looks again before believing it, since what stands in its way may be given back in a
//! moment. So nothing is ever granted twice, and nothing is refused because of an order that was itself refused.

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

/// How often an order that is refused on a marked page looks again. What it waits for takes another worker two writes;
/// should that one have been interrupted in between, this is some milliseconds, and then the refusal stands.
const PATIENCE: usize = 1_000;

/// What is to become of one take.
#[derive(Debug)]
struct Change {
    /// The index of its page.
    shard: usize,
    id: Id,
    state: CounterState,
    snapshot: CounterSnapshot,
}

/// What an order comes to on pages as they were read.
enum Plan {
    /// This alternative, by these changes, one for each take.
    Take(usize, Vec<Change>),
    /// None fits.
    Refuse(Vec<LimitExceeded>),
    /// Something stands in the way that may be gone in a moment.
    Wait,
}

/// Reserves the first alternative of which every hard limit holds, or nothing.
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
        places: places(request),
        now: CounterTime::of(now),
    };
    let (mut conflicts, mut patience) = (0, PATIENCE);
    while conflicts < ATTEMPTS {
        let shards = step.shards()?;
        match step.decide(&shards, patience == 0)? {
            Plan::Wait => patience -= 1,
            Plan::Refuse(all_exceeded) => return Ok(ReserveResult::Refused(all_exceeded)),
            Plan::Take(chosen, changes) => match step.carry_out(chosen, changes, shards)? {
                Some(snapshots) => return Ok(ReserveResult::Granted { chosen, snapshots }),
                None => conflicts += 1,
            },
        }
    }
    Err(contended(&step.places.last().map(|place| shard::name(*place)).unwrap_or_default()))
}

/// The places of an order, the common one last: most orders concern it, so holding something there, while deciding
/// elsewhere, would make most others wait.
fn places(request: &ReserveRequest) -> Vec<ShardId> {
    let mut places: Vec<ShardId> = Vec::new();
    // Takes of the same shard stand together.
    let mut last: Option<&str> = None;
    for take in request.alternatives.iter().flatten() {
        if last.replace(&take.counter.shard_key) != Some(&*take.counter.shard_key) {
            places.push(ShardId::of(&take.counter.shard_key));
        }
    }
    order::by(&mut places, |one, other| other.cmp(one));
    places.dedup();
    places
}

/// One order at one moment.
struct Step<'a> {
    shared: &'a dyn SharedData,
    scope: CounterScope,
    request: &'a ReserveRequest,
    intent: u64,
    places: Vec<ShardId>,
    now: CounterTime,
}

impl<'a> Step<'a> {
    fn shards(&self) -> Result<Vec<Shard<'a>>, Unavailable> {
        self.places.iter().map(|place| Shard::read(self.shared, *place, self.scope, &self.now)).collect()
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

    /// What all takes come to, or the first that does not fit and its page.
    fn plan<'p>(
        &self,
        debits: &[Debit],
        shards: &'p [Shard<'a>],
    ) -> Result<Result<Vec<Change>, (LimitExceeded, &'p Shard<'a>)>, Unavailable> {
        let mut changes = Vec::with_capacity(debits.len());
        for (index, take) in debits.iter().enumerate() {
            let its = ShardId::of(&take.counter.shard_key);
            let at = self.places.iter().position(|place| *place == its);
            let Some((at, shard)) = at.and_then(|at| Some((at, shards.get(at)?))) else { continue };
            let window = Window::number(take.counter.kind, &self.now);
            let id = Id::of(&take.counter, window);
            match shard.state(id, &take.counter, window, &self.now)?.take(take, self.request.lease, &self.now) {
                Ok((state, snapshot)) => changes.push(Change { shard: at, id, state, snapshot }),
                Err(refusal) => {
                    let exceeded =
                        LimitExceeded { take: index, snapshot: refusal.snapshot, retry_after: refusal.retry_after };
                    return Ok(Err((exceeded, shard)));
                }
            }
        }
        Ok(Ok(changes))
    }

    /// Writes the changes to all pages, and gives the readings; or to none, when somebody else wrote in between.
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

    /// The write that decides. With nothing held elsewhere, one try: the next may be for another alternative. Else it is
    /// tried until the chosen one does not fit any more, since giving back costs more.
    fn write_last(
        &self,
        chosen: usize,
        last: usize,
        changes: &mut [Change],
        mut shards: Vec<Shard<'a>>,
    ) -> Result<bool, Unavailable> {
        let holds = changes.iter().any(|change| change.shard != last);
        for _ in 0..ATTEMPTS {
            let (Some(shard), Some(place)) = (shards.get_mut(last), self.places.get(last)) else { return Ok(false) };
            self.put(shard, last, chosen, changes)?;
            if shard.write().is_ok() {
                return Ok(true);
            }
            if !holds {
                return Ok(false);
            }
            *shard = Shard::read(self.shared, *place, self.scope, &self.now)?;
            for (change, take) in changes.iter_mut().zip(self.debits(chosen)).filter(|(change, _)| change.shard == last)
            {
                let state =
                    shard.state(change.id, &take.counter, Window::number(take.counter.kind, &self.now), &self.now)?;
                match state.take(take, self.request.lease, &self.now) {
                    Ok((state, snapshot)) => (change.state, change.snapshot) = (state, snapshot),
                    Err(_) => return Ok(false),
                }
            }
        }
        Err(contended(&self.places.get(last).map(|place| shard::name(*place)).unwrap_or_default()))
    }

    fn put(&self, shard: &mut Shard<'_>, at: usize, chosen: usize, changes: &mut [Change]) -> Result<(), Unavailable> {
        for (change, take) in changes.iter_mut().zip(self.debits(chosen)).filter(|(change, _)| change.shard == at) {
            shard.put(change.id, &take.counter, &change.state, &self.now)?;
            if let CounterState::Window(_) = change.state {
                change.snapshot.until = shard.hold(change.id, take.amount, self.request.lease, &self.now);
                change.snapshot.reserved = shard.held(change.id);
            }
        }
        Ok(())
    }

    /// Takes back what was held on these pages. What a page does not take stays charged until its lease ends.
    fn give_back(&self, chosen: usize, changes: &[Change], shards: &[usize]) -> Result<(), Unavailable> {
        for at in shards {
            let Some(place) = self.places.get(*at) else { continue };
            update(self.shared, *place, self.scope, &self.now, |shard| {
                shard.close(self.intent);
                for (change, take) in changes.iter().zip(self.debits(chosen)).filter(|(change, _)| change.shard == *at)
                {
                    let CounterSnapshot { period: window, until, .. } = change.snapshot;
                    let part = Settled { counter: take.counter.clone(), window, until, reserved: take.amount, used: 0 };
                    settle_part(shard, &part, &self.now)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A mark that cannot be taken away is not worth failing for: it only makes others look twice for a moment.
    fn take_mark_away(&self, at: usize) {
        if let Some(place) = self.places.get(at) {
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
