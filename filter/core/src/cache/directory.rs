//! The directory of one set: which responses its slots hold, the most recently used first.
//!
//! A lookup reads the directory and one slot. The directory decides what a slot holds: a slot's bytes count only together with a record
//! whose key they contain.

use crate::bytes::Reader;
use crate::store::SharedData;
use crate::store::value::{NOT_YET, Value};

use super::Key;
use super::whose::{FACTS, Whose};

/// The number of sets. A key selects its set.
pub(super) const SETS: usize = 1024;

/// The number of slots in a set.
pub(super) const WAYS: usize = 32;

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"direct\0\x01";

/// The size of a record.
const RECORD: usize = 1 + 8 + 4 + 4 + 2 * FACTS;

/// One stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// The slot in the set.
    pub slot: u8,
    /// A part of the key.
    pub tag: [u8; 8],
    /// Its size in bytes.
    pub size: u32,
    /// When it was last used, in seconds since 1970.
    pub used: u32,
    /// Its owners.
    pub whose: Whose,
}

/// The records of one set, the most recently used first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Directory(pub Vec<Record>);

impl Directory {
    /// Reads a set's directory, with the version to write it with.
    pub fn read(shared: &dyn SharedData, set: usize) -> (Self, u32) {
        match shared.read(&name(set)) {
            Some((bytes, version)) => (Self::parse(&bytes).unwrap_or_default(), version),
            None => (Self::default(), NOT_YET),
        }
    }

    /// Writes the directory unless another worker did meanwhile. Returns whether it was written.
    pub fn write(&self, shared: &dyn SharedData, set: usize, version: u32) -> bool {
        shared.write(&name(set), &self.bytes(), version).is_ok()
    }

    /// The position of a key's record.
    pub fn position(&self, key: &Key) -> Option<usize> {
        let tag = key.tag();
        self.0.iter().position(|record| record.tag == tag)
    }

    /// Bytes in a set's slots.
    pub fn size(shared: &dyn SharedData, set: usize) -> u32 {
        let Some((bytes, _)) = shared.read(&name(set)) else { return 0 };
        let records = bytes.strip_prefix(&FORMAT).unwrap_or_default().chunks_exact(RECORD);
        records.fold(0, |sum, record| {
            let size = record.get(9..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes);
            sum.saturating_add(size)
        })
    }

    /// Puts a record to the front.
    pub fn used(&mut self, position: usize, now: u32) {
        if position < self.0.len() {
            let record = self.0.remove(position);
            self.0.insert(0, Record { used: now, ..record });
        }
    }

    /// The slot for a key's response: that of its older response, else a free one, else that of the least recently used response, whose
    /// record is removed.
    pub fn claim(&mut self, key: &Key) -> u8 {
        let full = self.0.len() >= WAYS;
        if let Some(position) = self.position(key).or_else(|| full.then(|| self.0.len().saturating_sub(1))) {
            return self.0.remove(position).slot;
        }
        let free = (0..).find(|slot| self.0.iter().all(|record| record.slot != *slot));
        free.unwrap_or_default()
    }
}

impl Value for Directory {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(&FORMAT)?);
        let count = reader.0.len() / RECORD;
        if count > WAYS || reader.0.len() % RECORD != 0 {
            return None;
        }
        let mut records = Vec::with_capacity(count);
        for _ in 0..count {
            let (slot, tag) = (reader.u8()?, reader.array()?);
            let (size, used) = (reader.u32()?, reader.u32()?);
            let mut whose = Whose::default();
            for fact in &mut whose.0 {
                *fact = u16::from_le_bytes(reader.array()?);
            }
            records.push(Record { slot, tag, size, used, whose });
        }
        // A slot belongs to one response.
        let slots =
            records.iter().fold(0_u64, |slots, record| slots | 1_u64.checked_shl(record.slot.into()).unwrap_or(0));
        let valid = slots < 1 << WAYS && usize::try_from(slots.count_ones()) == Ok(count);
        valid.then_some(Self(records))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FORMAT.len() + RECORD * self.0.len());
        bytes.extend(FORMAT);
        for Record { slot, tag, size, used, whose } in &self.0 {
            bytes.push(*slot);
            bytes.extend(tag);
            bytes.extend(size.to_le_bytes());
            bytes.extend(used.to_le_bytes());
            whose.0.iter().for_each(|fact| bytes.extend(fact.to_le_bytes()));
        }
        bytes
    }
}

/// The name of a set's directory. Like all names in the shared data, it begins with its kind and format version.
pub(super) fn name(set: usize) -> String {
    format!("sluice.cache.2.{set}")
}

/// The name of a slot.
pub(super) fn slot(set: usize, slot: u8) -> String {
    format!("sluice.cache.2.{set}.{slot}")
}
