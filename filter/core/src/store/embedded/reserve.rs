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
    page: usize,
    id: Id,
    cell: CounterState,
    reading: CounterSnapshot,
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
    order: &ReserveRequest,
    reach: CounterScope,
    now: Time,
) -> Result<ReserveResult, Unavailable> {
    let step = Step {
        shared,
        reach,
        order,
        mark: hash(order.id.as_bytes()),
        places: places(order),
        now: CounterTime::of(now),
    };
    let (mut conflicts, mut patience) = (0, PATIENCE);
    while conflicts < ATTEMPTS {
        let pages = step.pages()?;
        match step.decide(&pages, patience == 0)? {
            Plan::Wait => patience -= 1,
            Plan::Refuse(obstacles) => return Ok(ReserveResult::Refused(obstacles)),
            Plan::Take(chosen, changes) => match step.carry_out(chosen, changes, pages)? {
                Some(readings) => return Ok(ReserveResult::Granted { chosen, readings }),
                None => conflicts += 1,
            },
        }
    }
    Err(contended(&step.places.last().map(|place| shard::name(*place)).unwrap_or_default()))
}

/// The places of an order, the common one last: most orders concern it, so holding something there, while deciding
/// elsewhere, would make most others wait.
fn places(order: &ReserveRequest) -> Vec<ShardId> {
    let mut places: Vec<ShardId> = Vec::new();
    // Takes of the same shard stand together.
    let mut last: Option<&str> = None;
    for take in order.alternatives.iter().flatten() {
        if last.replace(&take.meter.shard_key) != Some(&*take.meter.shard_key) {
            places.push(ShardId::of(&take.meter.shard_key));
        }
    }
    order::by(&mut places, |one, other| other.cmp(one));
    places.dedup();
    places
}

/// One order at one moment.
struct Step<'a> {
    shared: &'a dyn SharedData,
    reach: CounterScope,
    order: &'a ReserveRequest,
    mark: u64,
    places: Vec<ShardId>,
    now: CounterTime,
}

impl<'a> Step<'a> {
    fn pages(&self) -> Result<Vec<Shard<'a>>, Unavailable> {
        self.places.iter().map(|place| Shard::read(self.shared, *place, self.reach, &self.now)).collect()
    }

    fn decide(&self, pages: &[Shard<'a>], believe: bool) -> Result<Plan, Unavailable> {
        let mut obstacles = Vec::new();
        for (index, takes) in self.order.alternatives.iter().enumerate() {
            match self.plan(takes, pages)? {
                Ok(changes) => return Ok(Plan::Take(index, changes)),
                Err((obstacle, page)) => {
                    if !believe && page.is_unsettled(&self.now) {
                        return Ok(Plan::Wait);
                    }
                    obstacles.push(obstacle);
                }
            }
        }
        Ok(Plan::Refuse(obstacles))
    }

    /// What all takes come to, or the first that does not fit and its page.
    fn plan<'p>(
        &self,
        takes: &[Debit],
        pages: &'p [Shard<'a>],
    ) -> Result<Result<Vec<Change>, (LimitExceeded, &'p Shard<'a>)>, Unavailable> {
        let mut changes = Vec::with_capacity(takes.len());
        for (index, take) in takes.iter().enumerate() {
            let its = ShardId::of(&take.meter.shard_key);
            let at = self.places.iter().position(|place| *place == its);
            let Some((at, page)) = at.and_then(|at| Some((at, pages.get(at)?))) else { continue };
            let window = Window::number(take.meter.kind, &self.now);
            let id = Id::of(&take.meter, window);
            match page.cell(id, &take.meter, window, &self.now)?.take(take, self.order.lease, &self.now) {
                Ok((cell, reading)) => changes.push(Change { page: at, id, cell, reading }),
                Err(refusal) => {
                    let obstacle =
                        LimitExceeded { take: index, reading: refusal.reading, retry_after: refusal.retry_after };
                    return Ok(Err((obstacle, page)));
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
        mut pages: Vec<Shard<'a>>,
    ) -> Result<Option<Vec<CounterSnapshot>>, Unavailable> {
        let mut concerned: Vec<usize> = changes.iter().map(|change| change.page).collect();
        order::by(&mut concerned, Ord::cmp);
        concerned.dedup();
        let Some((last, before)) = concerned.split_last() else { return Ok(Some(Vec::new())) };
        for (held, at) in before.iter().enumerate() {
            let Some(page) = pages.get_mut(*at) else { continue };
            let written = self.put(page, *at, chosen, &mut changes).map(|()| {
                page.open(self.mark, &self.now);
                page.write().is_ok()
            });
            if written != Ok(true) {
                self.give_back(chosen, &changes, before.get(..held).unwrap_or_default())?;
                return written.map(|_| None);
            }
        }
        let decided = self.write_last(chosen, *last, &mut changes, pages);
        if decided == Ok(true) {
            before.iter().for_each(|at| self.take_mark_away(*at));
            return Ok(Some(changes.iter().map(|change| change.reading).collect()));
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
        mut pages: Vec<Shard<'a>>,
    ) -> Result<bool, Unavailable> {
        let holds = changes.iter().any(|change| change.page != last);
        for _ in 0..ATTEMPTS {
            let (Some(page), Some(place)) = (pages.get_mut(last), self.places.get(last)) else { return Ok(false) };
            self.put(page, last, chosen, changes)?;
            if page.write().is_ok() {
                return Ok(true);
            }
            if !holds {
                return Ok(false);
            }
            *page = Shard::read(self.shared, *place, self.reach, &self.now)?;
            for (change, take) in changes.iter_mut().zip(self.takes(chosen)).filter(|(change, _)| change.page == last) {
                let cell = page.cell(change.id, &take.meter, Window::number(take.meter.kind, &self.now), &self.now)?;
                match cell.take(take, self.order.lease, &self.now) {
                    Ok((cell, reading)) => (change.cell, change.reading) = (cell, reading),
                    Err(_) => return Ok(false),
                }
            }
        }
        Err(contended(&self.places.get(last).map(|place| shard::name(*place)).unwrap_or_default()))
    }

    fn put(&self, page: &mut Shard<'_>, at: usize, chosen: usize, changes: &mut [Change]) -> Result<(), Unavailable> {
        for (change, take) in changes.iter_mut().zip(self.takes(chosen)).filter(|(change, _)| change.page == at) {
            page.put(change.id, &take.meter, &change.cell, &self.now)?;
            if let CounterState::Window(_) = change.cell {
                change.reading.until = page.hold(change.id, take.amount, self.order.lease, &self.now);
                change.reading.reserved = page.held(change.id);
            }
        }
        Ok(())
    }

    /// Takes back what was held on these pages. What a page does not take stays charged until its lease ends.
    fn give_back(&self, chosen: usize, changes: &[Change], pages: &[usize]) -> Result<(), Unavailable> {
        for at in pages {
            let Some(place) = self.places.get(*at) else { continue };
            update(self.shared, *place, self.reach, &self.now, |page| {
                page.close(self.mark);
                for (change, take) in changes.iter().zip(self.takes(chosen)).filter(|(change, _)| change.page == *at) {
                    let CounterSnapshot { period: window, until, .. } = change.reading;
                    let part = Settled { meter: take.meter.clone(), window, until, reserved: take.amount, used: 0 };
                    settle_part(page, &part, &self.now)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A mark that cannot be taken away is not worth failing for: it only makes others look twice for a moment.
    fn take_mark_away(&self, at: usize) {
        if let Some(place) = self.places.get(at) {
            let _ = update(self.shared, *place, self.reach, &self.now, |page| {
                page.close(self.mark);
                Ok(())
            });
        }
    }

    fn takes(&self, chosen: usize) -> &[Debit] {
        self.order.alternatives.get(chosen).map_or(&[], Vec::as_slice)
    }
}
