//! A shard: counters that share one value of the shared data, so that one write changes all or none of them.
//!
//! Its bytes are a format number, the numbers of records and leases, the progress of the exchange with Redis, the records sorted by id, the
//! leases, and the intents of requests that have debits here while they are undecided on another shard. Changes are made to a copy, which
//! is written if no other worker wrote in between. A missing shard is empty. Malformed bytes are never overwritten: they do not reveal what
//! was spent, and an empty shard would reset every budget.
//!
//! Reading a shard releases expired reservations in the copy.

use std::time::Duration;

use super::counter_state::{CounterState, CounterTime, Id};
use super::leases::Leases;
use super::pending_sync::PendingSync;
use super::record::{self, Record};
use super::shard_id::ShardId;
use super::{CounterScope, names};
use crate::bytes::{Reader, Writer};
use crate::store::{Conflict, Counter, SharedData, Unavailable};

/// Magic bytes and format version. Another format also needs another name: see [`name`].
const FORMAT: [u8; 4] = *b"SP\0\x03";

/// Size of the format, the counts and the progress.
const HEADER: usize = 4 + 4 + 4 + 16 + 5 * 8;

/// Size of an intent: an id and a time.
const MARK: usize = 16;

/// The most records in a shard, which is copied whole for every request.
pub(super) const MOST_RECORDS: usize = 4096;

/// The most intents: more than there are workers. A worker has one at a time.
const MOST_MARKS: usize = 128;

/// How long an intent counts, in microseconds. A request is decided within microseconds; the rest is for a preempted worker, and bounds the
/// effect of a lost one.
const MARK_LIFE: u64 = 100_000;

/// How long the slots of other Envoys count, in microseconds: Redis forgets an Envoy after the same time.
const OTHERS_COUNT_FOR: u64 = 10_000_000;

/// Version for writing a shard that does not exist yet. Envoy ignores it in that case. If another worker created the shard first, it does
/// not match: versions count up from one over all values.
const NOT_YET: u32 = u32::MAX;

/// An undecided request with a debit on this shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intent {
    request: u64,
    /// Microseconds since 1970.
    at: u64,
}

/// Progress of the exchange with Redis; all zero without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// This Envoy's name in Redis.
    pub(super) sender: [u8; 16],
    /// Number of the last batch sent.
    pub(super) sending: u64,
    /// Number of the last batch confirmed; less than `sending` while a batch is pending.
    pub(super) pending: u64,
    /// The batch has the records after this id (0 for all from the first),
    pub(super) after: u64,
    /// up to this one.
    pub(super) up_to: u64,
    /// When the last batch was confirmed, in microseconds.
    pub(super) at: u64,
}

/// A copy of a shard.
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

/// A shard's name, with the format version: a filter that is updated in a running Envoy starts with empty counters.
pub(super) fn name(place: ShardId) -> String {
    place.name("sluice.page.4.")
}

impl<'s> Shard<'s> {
    /// Reads the shard and releases expired reservations.
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

    /// Releases reservations whose leases have ended.
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

    /// The pending sync after `before` became `after`; unchanged in local scope.
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

    pub(super) fn scope(&self) -> CounterScope {
        self.scope
    }

    /// Whether the shard does not exist yet.
    pub(super) fn is_new(&self) -> bool {
        self.version == NOT_YET
    }

    /// Writes the copy, if it was changed.
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

    /// The state of a counter, empty if it has no record.
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

    /// The counter state of a record. Outdated slot counts of other Envoys are reset.
    fn kept(&self, record: &Record, now: &CounterTime) -> Option<CounterState> {
        let mut state = record::state(record)?;
        if let CounterState::Slots(slots) = &mut state
            && now.micros.saturating_sub(self.progress.at) > OTHERS_COUNT_FOR
        {
            slots.others = 0;
        }
        Some(state)
    }

    /// Whether a counter has a record.
    pub(super) fn has(&self, id: Id) -> bool {
        self.find(id).is_ok()
    }

    /// Stores a counter's state. In replicated scope, the difference is added to its pending sync.
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

    /// The reserved, unsettled amount of a window.
    pub(super) fn held(&self, id: Id) -> u64 {
        self.leases.held(id)
    }

    /// Adds a window's reservation to the leases; returns its end, or 0 if it has none.
    pub(super) fn hold(&mut self, id: Id, amount: u64, lease: Duration, now: &CounterTime) -> u64 {
        if amount == 0 {
            return 0;
        }
        self.changed = true;
        self.leases.hold(id, amount, lease, now)
    }

    /// Removes a window's reservation that lasts until `until`; returns how much of it was still held.
    pub(super) fn release(&mut self, id: Id, amount: u64, until: u64) -> u64 {
        if until == 0 {
            return amount;
        }
        let held = self.leases.release(id, amount, until);
        self.changed |= held > 0;
        held
    }

    /// Changes an existing record.
    pub(super) fn set(&mut self, id: Id, state: &CounterState, pending: PendingSync) {
        let record = record::record(id, state, pending);
        let Ok(at) = self.find(id) else { return };
        if let Some(old) = self.records_mut().get_mut(at).filter(|old| **old != record) {
            *old = record;
            self.changed = true;
        }
    }

    /// Updates the progress of the exchange.
    pub(super) fn advance(&mut self, progress: Progress) {
        self.changed |= self.progress != progress;
        self.progress = progress;
    }

    /// All counters, by record id.
    pub(super) fn counter_states(&self, now: &CounterTime) -> impl Iterator<Item = (Id, CounterState, PendingSync)> {
        self.records()
            .iter()
            .filter_map(|record| Some((record::id(record), self.kept(record, now)?, record::pending(record))))
    }

    /// Adds the intent of a request with a debit here.
    pub(super) fn open(&mut self, request: u64, now: &CounterTime) {
        self.intents.retain(|intent| intent.is_young(now));
        if self.intents.len() >= MOST_MARKS {
            self.intents.remove(0);
        }
        self.intents.push(Intent { request, at: now.micros });
        self.changed = true;
    }

    /// Removes a request's intent.
    pub(super) fn close(&mut self, request: u64) {
        let before = self.intents.len();
        self.intents.retain(|intent| intent.request != request);
        self.changed |= self.intents.len() != before;
    }

    /// Whether an undecided request has a debit here that it may roll back.
    pub(super) fn is_unsettled(&self, now: &CounterTime) -> bool {
        self.intents.iter().any(|intent| intent.is_young(now))
    }

    /// Drops spent records before one is added, so that a shard does not grow with time.
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

/// The parsed bytes of a shard.
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
        let sender = reader.array()?;
        let mut number = || reader.u64();
        let (sending, pending) = (number()?, number()?);
        Some(Self { sender, sending, pending, after: number()?, up_to: number()?, at: number()? })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let Self { sender, sending, pending, after, up_to, at } = *self;
        writer.array(sender);
        [sending, pending, after, up_to, at].into_iter().for_each(|number| writer.u64(number));
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
    Unavailable(format!(
        "{name} in the shared data is damaged. Only a restart of Envoy clears it, and the counts in it are lost"
    ))
}
