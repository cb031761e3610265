//! The names of a shard's counters, which only the exchange with Redis needs.
//!
//! A shard identifies counters by hash, so that requests copy no text. Names are in a value beside it. It is read when a record is new in
//! the shard, and written when the counter is new: before the shard, so that no count is ever without its name.
//!
//! Unused names are kept while there is room. Beyond that, a name is marked, and removed an hour later unless a worker has cleared the
//! mark. A worker that has not written its shard an hour after a name is gone.

use std::rc::Rc;

use super::counter_state::CounterTime;
use super::shard::MOST_RECORDS;
use super::shard_id::ShardId;
use super::{ATTEMPTS, contended};
use crate::bytes::Reader;
use crate::store::{SharedData, Unavailable};

/// Magic bytes and format version.
const FORMAT: [u8; 4] = *b"SN\0\x01";

/// The most names: those of a full shard, and as many unused ones.
const MOST_NAMES: usize = 2 * MOST_RECORDS;

/// How long a name stays marked before it is removed, in microseconds.
const MARKED_FOR: u64 = 3_600_000_000;

/// Version for writing names that do not exist yet. It never matches if another worker created them first.
const NOT_YET: u32 = u32::MAX;

/// A copy of a shard's names.
#[derive(Debug)]
pub(super) struct Names {
    value: String,
    version: u32,
    rows: Vec<Row>,
}

/// A name, and since when it is unused, in microseconds; 0 for a name in use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    unused: u64,
    name: Rc<str>,
}

/// Ensures that a counter's name is stored.
pub(super) fn add(shared: &dyn SharedData, place: ShardId, name: &str) -> Result<(), Unavailable> {
    for _ in 0..ATTEMPTS {
        let mut names = Names::read(shared, place)?;
        if let Some(row) = names.rows.iter_mut().find(|row| &*row.name == name) {
            if row.unused == 0 {
                return Ok(());
            }
            row.unused = 0;
        } else if names.rows.len() >= MOST_NAMES {
            return Err(Unavailable(format!("{} is full: it already has {MOST_NAMES} names", names.value)));
        } else {
            names.rows.push(Row { unused: 0, name: name.into() });
        }
        if names.write(shared) {
            return Ok(());
        }
    }
    Err(contended(&value_of(place)))
}

impl Names {
    pub(super) fn read(shared: &dyn SharedData, place: ShardId) -> Result<Self, Unavailable> {
        let value = value_of(place);
        let Some((bytes, version)) = shared.read(&value) else {
            return Ok(Self { value, version: NOT_YET, rows: Vec::new() });
        };
        match rows(&bytes) {
            Some(rows) => Ok(Self { value, version, rows }),
            None => Err(Unavailable(format!(
                "{value} in the shared data is damaged. Only a restart of Envoy clears it, and the counts in it are \
                 lost"
            ))),
        }
    }

    /// Whether the shard has no stored names.
    pub(super) fn is_new(&self) -> bool {
        self.version == NOT_YET
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<str>> {
        self.rows.iter().map(|row| &row.name)
    }

    /// Removes unused names if there are more names than records fit in a shard. `is_used` must rely on a shard that was read after the
    /// names.
    pub(super) fn tidy(mut self, shared: &dyn SharedData, is_used: impl Fn(&str) -> bool, now: &CounterTime) {
        if self.rows.len() <= MOST_RECORDS {
            return;
        }
        let before = self.rows.clone();
        self.rows.retain_mut(|row| {
            if is_used(&row.name) {
                row.unused = 0;
            } else if row.unused == 0 {
                row.unused = now.micros;
            }
            row.unused == 0 || now.micros.saturating_sub(row.unused) < MARKED_FOR
        });
        if self.rows != before {
            // If another worker wrote in between, the next exchange tries again.
            self.write(shared);
        }
    }

    /// False if another worker wrote in between.
    fn write(&self, shared: &dyn SharedData) -> bool {
        let mut bytes = FORMAT.to_vec();
        for row in &self.rows {
            bytes.extend(row.unused.to_le_bytes());
            bytes.extend(u32::try_from(row.name.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(row.name.as_bytes());
        }
        shared.write(&self.value, &bytes, self.version).is_ok()
    }
}

fn rows(bytes: &[u8]) -> Option<Vec<Row>> {
    let mut reader = Reader(bytes.strip_prefix(&FORMAT)?);
    let mut rows = Vec::new();
    while !reader.0.is_empty() {
        let unused = reader.u64()?;
        let length = usize::try_from(reader.u32()?).ok()?;
        let name = std::str::from_utf8(reader.bytes(length)?).ok()?;
        rows.push(Row { unused, name: name.into() });
    }
    Some(rows)
}

fn value_of(place: ShardId) -> String {
    place.name("sluice.names.2.")
}
