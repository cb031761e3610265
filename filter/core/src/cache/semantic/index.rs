//! The embeddings of one partition's cached responses, and the search for the nearest ones.
//!
//! All are in one value of the shared data. Reading it copies up to megabytes, so each worker keeps its own copy, and reads again only
//! when a second, small value has changed. Like the cache, it never causes an error: a damaged index reads as an empty one.

use sluice_lexical::Signature;
use sluice_wire::order;
use sluice_wire::time::Time;

use crate::bytes::Reader;
use crate::cache::Key;
use crate::cache::entry::checksum;
use crate::store::SharedData;
use crate::store::value::{self, Value};

use super::vector::Vector;

/// The most entries of an index. A search compares all of them.
pub const MOST_ENTRIES: usize = 1024;

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"nearby\0\x01";

/// The request of one cached response.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key of the cached response.
    pub key: Key,
    /// When the response was stored.
    pub made: Time,
    /// The request's embedding.
    pub vector: Vector,
    /// The request's words.
    pub signature: Signature,
}

/// The entries of one partition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index(Vec<Entry>);

impl Index {
    /// Adds an entry in place of one with the same key, or of the oldest of a full index. An embedding with other dimensions is another
    /// model's: it replaces all entries.
    pub fn insert(&mut self, entry: Entry) {
        let dimensions = entry.vector.dimensions();
        self.0.retain(|other| other.key != entry.key && other.vector.dimensions() == dimensions);
        if self.0.len() >= MOST_ENTRIES {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, entry)| entry.made);
            if let Some((oldest, _)) = oldest {
                self.0.swap_remove(oldest);
            }
        }
        self.0.push(entry);
    }

    /// Removes the entry of a response that is no longer stored.
    pub fn remove(&mut self, key: &Key) {
        self.0.retain(|entry| entry.key != *key);
    }

    /// The entries whose responses may serve a request, at most `most`: at least this similar and with equal words. The most similar first.
    pub fn nearest(&self, vector: &Vector, signature: &Signature, least: f32, most: usize) -> Vec<(f32, &Entry)> {
        let similar = self.0.iter().filter_map(|entry| {
            let similarity = entry.vector.similarity(vector).filter(|similarity| *similarity >= least)?;
            entry.signature.compare(signature).is_ok().then_some((similarity, entry))
        });
        let mut found: Vec<_> = similar.collect();
        order::by(&mut found, |(one, first), (other, second)| other.total_cmp(one).then(second.made.cmp(&first.made)));
        found.truncate(most);
        found
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for Index {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk()?;
        if *sum != checksum(content) {
            return None;
        }
        let mut reader = Reader(content.strip_prefix(&FORMAT)?);
        let dimensions = usize::from(reader.array().map(u16::from_le_bytes)?);
        let mut entries = Vec::new();
        while !reader.0.is_empty() {
            let (key, made) = (Key(reader.array()?), Time(reader.u64()?));
            let vector = Vector::parse(reader.bytes(dimensions)?)?;
            let length = reader.array().map(u16::from_le_bytes)?;
            let signature = Signature::parse(reader.bytes(length.into())?)?;
            entries.push(Entry { key, made, vector, signature });
        }
        (entries.len() <= MOST_ENTRIES).then_some(Self(entries))
    }

    fn bytes(&self) -> Vec<u8> {
        let dimensions = self.0.first().map_or(0, |entry| entry.vector.dimensions());
        let mut bytes = Vec::with_capacity(18 + self.0.len() * (dimensions + 256));
        bytes.extend(FORMAT);
        bytes.extend(u16::try_from(dimensions).unwrap_or_default().to_le_bytes());
        for Entry { key, made, vector, signature } in &self.0 {
            let signature = signature.bytes();
            bytes.extend(key.0);
            bytes.extend(made.0.to_le_bytes());
            bytes.extend(vector.bytes());
            bytes.extend(u16::try_from(signature.len()).unwrap_or_default().to_le_bytes());
            bytes.extend(signature);
        }
        bytes.extend(checksum(&bytes));
        bytes
    }
}

/// How often an index was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Changes(u64);

impl Value for Changes {
    fn parse(bytes: &[u8]) -> Option<Self> {
        value::parse(b"changes\x01", bytes).map(|[count]| Self(count))
    }

    fn bytes(&self) -> Vec<u8> {
        value::bytes(b"changes\x01", &[self.0])
    }
}

/// A worker's copy of one partition's index.
#[derive(Debug)]
pub struct LocalIndex {
    name: String,
    changes: Option<Changes>,
    index: Index,
}

impl LocalIndex {
    /// The copy of the partition with this number; nothing is read yet. Partitions are few: no name in the shared data is ever removed.
    pub fn new(partition: u32) -> Self {
        Self { name: format!("sluice.cache.semantic.{partition}"), changes: None, index: Index::default() }
    }

    /// The index. It reads the shared one only if it was changed since.
    pub fn get(&mut self, shared: &dyn SharedData) -> &Index {
        let changes = value::read(shared, &self.counter());
        if self.changes != Some(changes) {
            // If another worker changes the index now, the count is too low, and the next call reads again.
            self.index = value::read(shared, &self.name);
            self.changes = Some(changes);
        }
        &self.index
    }

    /// Changes the shared index. Returns whether it did: it does not if other workers keep changing it in between.
    pub fn change(&mut self, shared: &dyn SharedData, change: impl Fn(&mut Index)) -> bool {
        let changed = value::update(shared, &self.name, |mut index: Index| {
            change(&mut index);
            Some(index)
        });
        changed && value::update(shared, &self.counter(), |Changes(count)| Some(Changes(count.wrapping_add(1))))
    }

    fn counter(&self) -> String {
        format!("{}.changes", self.name)
    }
}
