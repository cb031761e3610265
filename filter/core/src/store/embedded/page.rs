//! A page: the meters of one shard, in one value of the shared data, so that one write changes all or none of them.
//!
//! Its bytes are a format number, how many records there are, how far the exchange with Redis is, the records sorted by
//! id, and then the marks of orders that hold something here while they are still deciding on another page. It is changed
//! in the copy that was read, and written if nobody else wrote in between. A page that does not exist is empty. Bytes that are no page are never
//! overwritten: they tell nothing of what was spent, and an empty page would give everybody their budgets back.

use super::cell::{Cell, Id, Moment};
use super::record::{self, Record};
use super::told::Told;
use super::{Reach, names};
use crate::bytes::{Reader, Writer};
use crate::store::{Conflict, Meter, SharedData, Unavailable};

/// The format of a page, and that it is one. Another format needs another name too: see [`name`].
const FORMAT: [u8; 4] = *b"SP\0\x02";

/// Format and count, and the progress.
const HEADER: usize = 8 + 16 + 5 * 8;

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
struct Mark {
    order: u64,
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
    pub(super) told: u64,
    /// The batch has the records after this id, or all from the first for 0,
    pub(super) after: u64,
    /// up to this one.
    pub(super) up_to: u64,
    /// When the last one was confirmed, in microseconds.
    pub(super) at: u64,
}

/// A copy of a page.
pub(super) struct Page<'s> {
    shared: &'s dyn SharedData,
    shard: &'s str,
    reach: Reach,
    name: String,
    version: u32,
    pub(super) progress: Progress,
    /// The header, as it was read, and the records.
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    changed: bool,
}

/// What a shard's page is called, with its format's number: a filter that is updated in a running Envoy starts anew.
pub(super) fn name(shard: &str) -> String {
    ["sluice.page.2.", shard].concat()
}

impl<'s> Page<'s> {
    pub(super) fn read(shared: &'s dyn SharedData, shard: &'s str, reach: Reach) -> Result<Self, Unavailable> {
        let name = name(shard);
        let (bytes, version) = match shared.read(&name) {
            Some((bytes, version)) => (bytes, version),
            None => {
                let mut bytes = vec![0; HEADER];
                Writer(&mut bytes).array(FORMAT);
                (bytes, NOT_YET)
            }
        };
        match parse(bytes) {
            Some((progress, bytes, marks)) => {
                Ok(Self { shared, shard, reach, name, version, progress, bytes, marks, changed: false })
            }
            None => Err(damaged(&name)),
        }
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
        let count = u32::try_from(self.records().len()).unwrap_or(u32::MAX);
        let mut header = Writer(&mut self.bytes);
        header.array(FORMAT);
        header.u32(count);
        self.progress.write(&mut header);
        for mark in &self.marks {
            self.bytes.extend(mark.order.to_le_bytes());
            self.bytes.extend(mark.at.to_le_bytes());
        }
        self.shared.write(&self.name, &self.bytes, self.version)
    }

    /// What is kept of a meter.
    pub(super) fn cell(&self, id: Id, meter: &Meter, window: u64, now: &Moment) -> Result<Cell, Unavailable> {
        match self.find(id) {
            Ok(at) => {
                self.records().get(at).and_then(|record| self.kept(record, now)).ok_or_else(|| damaged(&self.name))
            }
            Err(_) => Ok(Cell::empty(meter.gauge, window, now)),
        }
    }

    /// The cell of a record: what the other Envoys had is forgotten when it was long ago.
    fn kept(&self, record: &Record, now: &Moment) -> Option<Cell> {
        let mut cell = record::cell(record)?;
        if let Cell::Places(places) = &mut cell
            && now.micros.saturating_sub(self.progress.at) > OTHERS_COUNT_FOR
        {
            places.others = 0;
        }
        Some(cell)
    }

    /// Whether something is kept of a meter.
    pub(super) fn has(&self, id: Id) -> bool {
        self.find(id).is_ok()
    }

    /// Keeps this of a meter. Where all count together, the difference to what was kept is to be told.
    pub(super) fn put(&mut self, id: Id, meter: &Meter, cell: &Cell, now: &Moment) -> Result<(), Unavailable> {
        let old = self.find(id).ok().and_then(|at| self.records().get(at));
        let told = old.map(record::told).unwrap_or_default();
        let told = match self.reach {
            Reach::Here => told,
            Reach::Everywhere => {
                let empty = || Cell::empty(meter.gauge, 0, now);
                let before = old.and_then(|old| self.kept(old, now)).unwrap_or_else(empty);
                told.with(&before, cell, self.progress.at, now)
            }
        };
        if old.is_some() {
            self.set(id, cell, told);
            return Ok(());
        }
        if self.reach == Reach::Everywhere {
            names::add(self.shared, self.shard, &meter.name)?;
        }
        self.forget_spent(now);
        if self.records().len() >= MOST_RECORDS {
            return Err(Unavailable(format!("{} is full: it counts {MOST_RECORDS} meters already", self.name)));
        }
        let (Ok(at) | Err(at)) = self.find(id);
        let offset = HEADER + at * record::SIZE;
        self.bytes.splice(offset..offset, record::record(id, cell, told));
        self.changed = true;
        Ok(())
    }

    /// Changes a record that is there.
    pub(super) fn set(&mut self, id: Id, cell: &Cell, told: Told) {
        let record = record::record(id, cell, told);
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
    pub(super) fn cells(&self, now: &Moment) -> impl Iterator<Item = (Id, Cell, Told)> {
        self.records()
            .iter()
            .filter_map(|record| Some((record::id(record), self.kept(record, now)?, record::told(record))))
    }

    /// Marks that an order holds something here.
    pub(super) fn open(&mut self, order: u64, now: &Moment) {
        self.marks.retain(|mark| mark.is_young(now));
        if self.marks.len() >= MOST_MARKS {
            self.marks.remove(0);
        }
        self.marks.push(Mark { order, at: now.micros });
        self.changed = true;
    }

    /// Takes the mark of an order away.
    pub(super) fn close(&mut self, order: u64) {
        let before = self.marks.len();
        self.marks.retain(|mark| mark.order != order);
        self.changed |= self.marks.len() != before;
    }

    /// Whether some order holds something here that it may give back in a moment.
    pub(super) fn is_unsettled(&self, now: &Moment) -> bool {
        self.marks.iter().any(|mark| mark.is_young(now))
    }

    /// Room for a new record is made by those of which nothing is left, so that a page does not grow with time.
    fn forget_spent(&mut self, now: &Moment) {
        let is_spent = |record: &Record| {
            let forgettable = |cell: Cell| cell.is_spent(now) && record::told(record) == Told::default();
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

/// A page's bytes: the progress, the header with the records, and the marks.
fn parse(mut bytes: Vec<u8>) -> Option<(Progress, Vec<u8>, Vec<Mark>)> {
    let mut reader = Reader(&bytes);
    let format: [u8; 4] = reader.array()?;
    let count = usize::try_from(reader.u32()?).ok()?;
    let progress = Progress::read(&mut reader)?;
    let records = count.checked_mul(record::SIZE).filter(|_| format == FORMAT)?;
    let (_, marks) = bytes.split_at_checked(HEADER.checked_add(records)?)?;
    let (marks, rest) = marks.as_chunks::<MARK>();
    if !rest.is_empty() {
        return None;
    }
    let marks: Vec<Mark> = marks.iter().filter_map(|bytes| Mark::read(Reader(bytes))).collect();
    bytes.truncate(bytes.len() - marks.len() * MARK);
    Some((progress, bytes, marks))
}

impl Progress {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let teller = reader.array()?;
        let mut number = || reader.u64();
        let (telling, told) = (number()?, number()?);
        Some(Self { teller, telling, told, after: number()?, up_to: number()?, at: number()? })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let Self { teller, telling, told, after, up_to, at } = *self;
        writer.array(teller);
        [telling, told, after, up_to, at].into_iter().for_each(|number| writer.u64(number));
    }
}

impl Mark {
    fn read(mut reader: Reader<'_>) -> Option<Self> {
        Some(Self { order: reader.u64()?, at: reader.u64()? })
    }

    fn is_young(&self, now: &Moment) -> bool {
        self.at.abs_diff(now.micros) < MARK_LIFE
    }
}

fn damaged(name: &str) -> Unavailable {
    Unavailable(format!("{name} in the shared data is damaged; only a restart of Envoy makes it anew"))
}
