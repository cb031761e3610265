//! A page: the meters of one place, in one value of the shared data, so that one write changes all or none of them.
//!
//! Its bytes are a format number, how many records and leases there are, how far the exchange with Redis is, the records
//! sorted by id, the leases, and then the marks of orders that hold something here while they are still deciding on another
//! page. It is changed in the copy that was read, and written if nobody else wrote in between. A page that does not exist
//! is empty. Bytes that are no page are never overwritten: they tell nothing of what was spent, and an empty page would
//! give everybody their budgets back.
//!
//! Whoever reads a page reads it as it is at that moment: reservations whose leases have ended are given back in the copy.

use std::time::Duration;

use super::counter_state::{CounterState, CounterTime, Id};
use super::leases::Leases;
use super::pending_sync::PendingSync;
use super::record::{self, Record};
use super::shard_id::ShardId;
use super::{CounterScope, names};
use crate::bytes::{Reader, Writer};
use crate::store::{Conflict, Counter, SharedData, Unavailable};

/// The format of a page, and that it is one. Another format needs another name too: see [`name`].
const FORMAT: [u8; 4] = *b"SP\0\x03";

/// Format and counts, and the progress.
const HEADER: usize = 4 + 4 + 4 + 16 + 5 * 8;

/// An id and a time.
const MARK: usize = 16;

/// The most records of a page; it is copied whole for every request.
pub(super) const MOST_RECORDS: usize = 4096;

/// The most marks: more than there are workers, each of which has one at a time.
const MOST_MARKS: usize = 128;

/// For how long a mark counts, in microseconds. An order is decided within microseconds; this is for a worker that was
/// interrupted, and bounds what one that was lost does.
const MARK_LIFE: u64 = 100_000;

/// For how long it counts how many there are at the other Envoys, in microseconds: Redis forgets an Envoy as soon.
const OTHERS_COUNT_FOR: u64 = 10_000_000;

/// The version to write a page that does not exist yet. Envoy ignores it then; if somebody else was first, it is not the
/// version they got, since versions are counted up from one over all values.
const NOT_YET: u32 = u32::MAX;

/// An order that holds something on this page and is not decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intent {
    request: u64,
    /// Microseconds since 1970.
    at: u64,
}

/// How far the exchange with Redis is; all zero where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Who Redis knows this Envoy as.
    pub(super) teller: [u8; 16],
    /// The number of the batch that was told last.
    pub(super) telling: u64,
    /// The number of the one that was confirmed last; less while one is under way.
    pub(super) pending: u64,
    /// The batch has the records after this id, or all from the first for 0,
    pub(super) after: u64,
    /// up to this one.
    pub(super) up_to: u64,
    /// When the last one was confirmed, in microseconds.
    pub(super) at: u64,
}

/// A copy of a page.
pub(super) struct Shard<'s> {
    shared: &'s dyn SharedData,
    place: ShardId,
    scope: CounterScope,
    name: String,
    version: u32,
    pub(super) progress: Progress,
    /// The header, as it was read, and the records.
    bytes: Vec<u8>,
    leases: Leases,
    intents: Vec<Intent>,
    changed: bool,
}

/// What a place's page is called, with its format's number: a filter that is updated in a running Envoy starts anew.
pub(super) fn name(place: ShardId) -> String {
    place.name("sluice.page.4.")
}

impl<'s> Shard<'s> {
    /// The page at this moment.
    pub(super) fn read(
        shared: &'s dyn SharedData,
        place: ShardId,
        scope: CounterScope,
        now: &CounterTime,
    ) -> Result<Self, Unavailable> {
        let name = name(place);
        let (bytes, version) = match shared.read(&name) {
            Some((bytes, version)) => (bytes, version),
            None => {
                let mut bytes = vec![0; HEADER];
                Writer(&mut bytes).array(FORMAT);
                (bytes, NOT_YET)
            }
        };
        let Some(Parts { progress, bytes, leases, intents }) = parse(bytes) else { return Err(damaged(&name)) };
        let mut shard = Self { shared, place, scope, name, version, progress, bytes, leases, intents, changed: false };
        shard.give_back(now);
        Ok(shard)
    }

    /// Gives back what nobody has settled within its lease.
    fn give_back(&mut self, now: &CounterTime) {
        for (id, amount) in self.leases.ended(now) {
            self.changed = true;
            let Some(record) = self.find(id).ok().and_then(|at| self.records().get(at)) else { continue };
            let Some(before @ CounterState::Window(window)) = record::state(record) else { continue };
            let after = CounterState::Window(window.settle(amount, 0));
            let pending = self.pending(record::pending(record), || before, &after, now);
            self.set(id, &after, pending);
        }
    }

    /// What Redis is to be told, where all count together, after `before` became `after`.
    fn pending(
        &self,
        pending: PendingSync,
        before: impl FnOnce() -> CounterState,
        after: &CounterState,
        now: &CounterTime,
    ) -> PendingSync {
        match self.scope {
            CounterScope::Local => pending,
            CounterScope::Replicated => pending.with(&before(), after, self.progress.at, now),
        }
    }

    /// Whose counts these are.
    pub(super) fn scope(&self) -> CounterScope {
        self.scope
    }

    /// Whether nothing was ever counted on it.
    pub(super) fn is_new(&self) -> bool {
        self.version == NOT_YET
    }

    /// Writes what was changed; nothing when nothing was.
    pub(super) fn write(&mut self) -> Result<(), Conflict> {
        if !self.changed {
            return Ok(());
        }
        let counts = [self.records().len(), self.leases.len()];
        let records_end = self.bytes.len();
        let mut header = Writer(&mut self.bytes);
        header.array(FORMAT);
        counts.into_iter().for_each(|count| header.u32(u32::try_from(count).unwrap_or(u32::MAX)));
        self.progress.write(&mut header);
        self.leases.append_to(&mut self.bytes);
        for intent in &self.intents {
            self.bytes.extend(intent.request.to_le_bytes());
            self.bytes.extend(intent.at.to_le_bytes());
        }
        let written = self.shared.write(&self.name, &self.bytes, self.version);
        self.bytes.truncate(records_end);
        written
    }

    /// What is kept of a meter.
    pub(super) fn state(
        &self,
        id: Id,
        counter: &Counter,
        window: u64,
        now: &CounterTime,
    ) -> Result<CounterState, Unavailable> {
        match self.find(id) {
            Ok(at) => {
                self.records().get(at).and_then(|record| self.kept(record, now)).ok_or_else(|| damaged(&self.name))
            }
            Err(_) => Ok(CounterState::empty(counter.kind, window, now)),
        }
    }

    /// The cell of a record: what the other Envoys had is forgotten when it was long ago.
    fn kept(&self, record: &Record, now: &CounterTime) -> Option<CounterState> {
        let mut state = record::state(record)?;
        if let CounterState::Places(places) = &mut state
            && now.micros.saturating_sub(self.progress.at) > OTHERS_COUNT_FOR
        {
            places.others = 0;
        }
        Some(state)
    }

    /// Whether something is kept of a meter.
    pub(super) fn has(&self, id: Id) -> bool {
        self.find(id).is_ok()
    }

    /// Keeps this of a meter. Where all count together, the difference to what was kept is to be told.
    pub(super) fn put(
        &mut self,
        id: Id,
        counter: &Counter,
        state: &CounterState,
        now: &CounterTime,
    ) -> Result<(), Unavailable> {
        let old = self.find(id).ok().and_then(|at| self.records().get(at));
        let pending = old.map(record::pending).unwrap_or_default();
        let empty = || CounterState::empty(counter.kind, 0, now);
        let before = || old.and_then(|old| self.kept(old, now)).unwrap_or_else(empty);
        let pending = self.pending(pending, before, state, now);
        if old.is_some() {
            self.set(id, state, pending);
            return Ok(());
        }
        if self.scope == CounterScope::Replicated {
            names::add(self.shared, self.place, &counter.name)?;
        }
        self.forget_spent(now);
        if self.records().len() >= MOST_RECORDS {
            return Err(Unavailable(format!("{} is full: it already has {MOST_RECORDS} counters", self.name)));
        }
        let (Ok(at) | Err(at)) = self.find(id);
        let offset = HEADER + at * record::SIZE;
        self.bytes.splice(offset..offset, record::record(id, state, pending));
        self.changed = true;
        Ok(())
    }

    /// How much of a window is reserved and not settled.
    pub(super) fn held(&self, id: Id) -> u64 {
        self.leases.held(id)
    }

    /// Notes that so much of a window is reserved and not settled: until when it is held, 0 when that is for ever.
    pub(super) fn hold(&mut self, id: Id, amount: u64, lease: Duration, now: &CounterTime) -> u64 {
        if amount == 0 {
            return 0;
        }
        self.changed = true;
        self.leases.hold(id, amount, lease, now)
    }

    /// How much is still held of what was reserved of a window until then; it is not any more after this.
    pub(super) fn release(&mut self, id: Id, amount: u64, until: u64) -> u64 {
        if until == 0 {
            return amount;
        }
        let held = self.leases.release(id, amount, until);
        self.changed |= held > 0;
        held
    }

    /// Changes a record that is there.
    pub(super) fn set(&mut self, id: Id, state: &CounterState, pending: PendingSync) {
        let record = record::record(id, state, pending);
        let Ok(at) = self.find(id) else { return };
        if let Some(old) = self.records_mut().get_mut(at).filter(|old| **old != record) {
            *old = record;
            self.changed = true;
        }
    }

    /// Changes how far the exchange is.
    pub(super) fn advance(&mut self, progress: Progress) {
        self.changed |= self.progress != progress;
        self.progress = progress;
    }

    /// Everything on it, by id.
    pub(super) fn cells(&self, now: &CounterTime) -> impl Iterator<Item = (Id, CounterState, PendingSync)> {
        self.records()
            .iter()
            .filter_map(|record| Some((record::id(record), self.kept(record, now)?, record::pending(record))))
    }

    /// Marks that an order holds something here.
    pub(super) fn open(&mut self, request: u64, now: &CounterTime) {
        self.intents.retain(|intent| intent.is_young(now));
        if self.intents.len() >= MOST_MARKS {
            self.intents.remove(0);
        }
        self.intents.push(Intent { request, at: now.micros });
        self.changed = true;
    }

    /// Takes the mark of an order away.
    pub(super) fn close(&mut self, request: u64) {
        let before = self.intents.len();
        self.intents.retain(|intent| intent.request != request);
        self.changed |= self.intents.len() != before;
    }

    /// Whether some order holds something here that it may give back in a moment.
    pub(super) fn is_unsettled(&self, now: &CounterTime) -> bool {
        self.intents.iter().any(|intent| intent.is_young(now))
    }

    /// Room for a new record is made by those of which nothing is left, so that a page does not grow with time.
    fn forget_spent(&mut self, now: &CounterTime) {
        let is_spent = |record: &Record| {
            let forgettable =
                |state: CounterState| state.is_spent(now) && record::pending(record) == PendingSync::default();
            self.kept(record, now).is_some_and(forgettable)
        };
        if !self.records().iter().any(is_spent) {
            return;
        }
        let kept: Vec<Record> = self.records().iter().filter(|record| !is_spent(record)).copied().collect();
        self.bytes.truncate(HEADER);
        self.bytes.extend_from_slice(kept.as_flattened());
    }

    fn find(&self, id: Id) -> Result<usize, usize> {
        self.records().binary_search_by_key(&id, record::id)
    }

    fn records(&self) -> &[Record] {
        self.bytes.get(HEADER..).unwrap_or_default().as_chunks().0
    }

    fn records_mut(&mut self) -> &mut [Record] {
        self.bytes.get_mut(HEADER..).unwrap_or_default().as_chunks_mut().0
    }
}

/// What a page's bytes are.
struct Parts {
    progress: Progress,
    /// The header with the records.
    bytes: Vec<u8>,
    leases: Leases,
    intents: Vec<Intent>,
}

fn parse(mut bytes: Vec<u8>) -> Option<Parts> {
    let mut reader = Reader(&bytes);
    let format: [u8; 4] = reader.array()?;
    let (records, sums) = (usize::try_from(reader.u32()?).ok()?, usize::try_from(reader.u32()?).ok()?);
    let progress = Progress::read(&mut reader)?;
    reader.bytes(records.checked_mul(record::SIZE).filter(|_| format == FORMAT)?)?;
    let leases = Leases::read(&mut reader, sums)?;
    let (intents, []) = reader.0.as_chunks::<MARK>() else { return None };
    let intents = intents.iter().filter_map(|bytes| Intent::read(Reader(bytes))).collect();
    bytes.truncate(HEADER + records * record::SIZE);
    Some(Parts { progress, bytes, leases, intents })
}

impl Progress {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let teller = reader.array()?;
        let mut number = || reader.u64();
        let (telling, pending) = (number()?, number()?);
        Some(Self { teller, telling, pending, after: number()?, up_to: number()?, at: number()? })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let Self { teller, telling, pending, after, up_to, at } = *self;
        writer.array(teller);
        [telling, pending, after, up_to, at].into_iter().for_each(|number| writer.u64(number));
    }
}

impl Intent {
    fn read(mut reader: Reader<'_>) -> Option<Self> {
        Some(Self { request: reader.u64()?, at: reader.u64()? })
    }

    fn is_young(&self, now: &CounterTime) -> bool {
        self.at.abs_diff(now.micros) < MARK_LIFE
    }
}

fn damaged(name: &str) -> Unavailable {
    Unavailable(format!("{name} in the shared data is damaged. Restart Envoy to rebuild it"))
}
