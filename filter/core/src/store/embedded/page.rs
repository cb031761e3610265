//! A page: the meters of one shard, in one value of the shared data, so that one write changes all or none of them.
//!
//! Its bytes are a format number, how many records there are, the records sorted by id, and then the marks of orders that
//! hold something here while they are still deciding on another page. It is changed in the copy that was read, and
//! written if nobody else wrote in between. A page that does not exist is empty. Bytes that are no page are never
//! overwritten: they tell nothing of what was spent, and an empty page would give everybody their budgets back.

use super::bytes::{Reader, Writer};
use super::cell::{Cell, Id, Moment};
use super::record::{self, Record};
use crate::store::{Conflict, Meter, SharedData, Unavailable};

/// The format of a page, and that it is one. Another format needs another name too: see [`name`].
const FORMAT: [u8; 4] = *b"SP\0\x01";

/// Format and count.
const HEADER: usize = 8;

/// An id and a time.
const MARK: usize = 16;

/// The most records of a page; it is copied whole for every request.
const MOST_RECORDS: usize = 4096;

/// The most marks: more than there are workers, each of which has one at a time.
const MOST_MARKS: usize = 128;

/// For how long a mark counts, in microseconds. An order is decided within microseconds; this is for a worker that was
/// interrupted, and bounds what one that was lost does.
const MARK_LIFE: u64 = 100_000;

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

/// A copy of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    name: String,
    version: u32,
    /// The header and the records.
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    changed: bool,
}

/// What a shard's page is called, with its format's number: a filter that is updated in a running Envoy starts anew.
pub(super) fn name(shard: &str) -> String {
    ["sluice.page.1.", shard].concat()
}

impl Page {
    pub(super) fn read(shared: &dyn SharedData, shard: &str) -> Result<Self, Unavailable> {
        let name = name(shard);
        match shared.read(&name) {
            Some((bytes, version)) => Self::parse(name, bytes, version),
            None => {
                let bytes = [FORMAT, 0_u32.to_le_bytes()].concat();
                Ok(Self { name, version: NOT_YET, bytes, marks: Vec::new(), changed: false })
            }
        }
    }

    fn parse(name: String, mut bytes: Vec<u8>, version: u32) -> Result<Self, Unavailable> {
        let mut reader = Reader(&bytes);
        let format: Option<[u8; 4]> = reader.array();
        let count = reader.u32().and_then(|count| usize::try_from(count).ok());
        let records = count.and_then(|count| count.checked_mul(record::SIZE)).filter(|_| format == Some(FORMAT));
        let Some(marks) = records.and_then(|size| bytes.split_at_checked(HEADER.checked_add(size)?)) else {
            return Err(damaged(&name));
        };
        let (marks, rest) = marks.1.as_chunks::<MARK>();
        if !rest.is_empty() {
            return Err(damaged(&name));
        }
        let marks: Vec<Mark> = marks.iter().filter_map(|bytes| Mark::read(Reader(bytes))).collect();
        bytes.truncate(bytes.len() - marks.len() * MARK);
        Ok(Self { name, version, bytes, marks, changed: false })
    }

    /// Writes what was changed; nothing when nothing was.
    pub(super) fn write(&mut self, shared: &dyn SharedData) -> Result<(), Conflict> {
        if !self.changed {
            return Ok(());
        }
        let count = u32::try_from(self.records().len()).unwrap_or(u32::MAX);
        let mut header = Writer(&mut self.bytes);
        header.array(FORMAT);
        header.u32(count);
        for mark in &self.marks {
            self.bytes.extend(mark.order.to_le_bytes());
            self.bytes.extend(mark.at.to_le_bytes());
        }
        shared.write(&self.name, &self.bytes, self.version)
    }

    /// What is kept of a meter.
    pub(super) fn cell(&self, id: Id, meter: &Meter, window: u64, now: &Moment) -> Result<Cell, Unavailable> {
        match self.find(id) {
            Ok(at) => self.records().get(at).and_then(record::cell).ok_or_else(|| damaged(&self.name)),
            Err(_) => Ok(Cell::empty(meter.gauge, window, now)),
        }
    }

    /// Whether something is kept of a meter.
    pub(super) fn has(&self, id: Id) -> bool {
        self.find(id).is_ok()
    }

    /// Keeps this of a meter.
    pub(super) fn put(&mut self, id: Id, cell: &Cell, now: &Moment) -> Result<(), Unavailable> {
        let record = record::record(id, cell);
        if let Ok(at) = self.find(id) {
            if let Some(old) = self.records_mut().get_mut(at).filter(|old| **old != record) {
                *old = record;
                self.changed = true;
            }
            return Ok(());
        }
        self.forget_spent(now);
        if self.records().len() >= MOST_RECORDS {
            return Err(Unavailable(format!("{} is full: it counts {MOST_RECORDS} meters already", self.name)));
        }
        let (Ok(at) | Err(at)) = self.find(id);
        let offset = HEADER + at * record::SIZE;
        self.bytes.splice(offset..offset, record);
        self.changed = true;
        Ok(())
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
        let is_spent = |record: &Record| record::cell(record).is_some_and(|cell| cell.is_spent(now));
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
