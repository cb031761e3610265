//! The embeddings of cached responses, and the search for the nearest ones of a partition.
//!
//! Envoy's shared data holds them in a ring of segments. A new entry is appended to the current segment; a full one is followed by the next,
//! whose older entries go. Reading a segment copies it, so each worker has its own copy of all, and reads again only those that a small
//! value, the head, says were changed. Like the cache, the index never causes an error: a damaged segment reads as an empty one.

use std::cell::Cell;

use sluice_lexical::Signature;
use sluice_wire::time::Time;
use sluice_wire::{json, order};

use crate::bytes::Reader;
use crate::cache::Key;
use crate::cache::entry::checksum;
use crate::store::SharedData;
use crate::store::value::{Value, read, update};

use super::vector::Vector;

/// Number of segments.
pub const SEGMENTS: usize = 128;

/// The most bytes of a segment's entries.
pub const SEGMENT: usize = 64 << 10;

/// How often entries may not fit into the current segment, or lose to those of other workers.
const MOST_FAILURES: usize = 8;

/// Magic bytes and format version.
const FORMAT: [u8; 8] = *b"similar\x01";
const HEAD_FORMAT: [u8; 8] = *b"simhead\x01";

/// The name of the head.
const HEAD: &str = "sluice.similar.head";

/// The bytes of an entry besides its embedding and its signature.
const FIXED: usize = 16 + 32 + 8 + 2 + 2;

/// The request of one cached response.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// A hash of all but the user's last text. Only entries with the same one are compared.
    pub partition: [u8; 16],
    /// The key of the cached response.
    pub key: Key,
    /// When the response was stored.
    pub made: Time,
    /// The embedding of the user's last text.
    pub vector: Vector,
    /// The words of that text.
    pub signature: Signature,
}

/// A cached response whose request is similar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// The similarity, from 0 to 1.
    pub similarity: f32,
    /// The response's key.
    pub key: Key,
    /// When it was stored.
    pub made: Time,
}

impl Near {
    /// The similarity with four decimals, rounded down, such as `0.9312`.
    pub fn text(&self) -> String {
        let rounded = (self.similarity.clamp(0.0, 1.0) * 10_000.0) as u64;
        let mut text = String::new();
        json::write_digits(rounded / 10_000, 1, &mut text);
        text.push('.');
        json::write_digits(rounded % 10_000, 4, &mut text);
        text
    }
}

impl Entry {
    /// The stored form.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        self.write(&mut bytes);
        bytes
    }

    /// Reads the output of [`Entry::bytes`]; `None` for anything else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Self::read(&mut reader).filter(|_| reader.0.is_empty())
    }

    fn size(&self) -> usize {
        FIXED + self.vector.dimensions() + self.signature.size()
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let length = |length: usize| u16::try_from(length).unwrap_or_default().to_le_bytes();
        let signature = self.signature.bytes();
        bytes.extend(self.partition);
        bytes.extend(self.key.0);
        bytes.extend(self.made.0.to_le_bytes());
        bytes.extend(length(self.vector.dimensions()));
        bytes.extend(self.vector.bytes());
        bytes.extend(length(signature.len()));
        bytes.extend(signature);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (partition, key, made) = (reader.array()?, Key(reader.array()?), Time(reader.u64()?));
        let dimensions = u16::from_le_bytes(reader.array()?);
        let vector = Vector::parse(reader.bytes(dimensions.into())?)?;
        let length = u16::from_le_bytes(reader.array()?);
        let signature = Signature::parse(reader.bytes(length.into())?)?;
        Some(Self { partition, key, made, vector, signature })
    }
}

/// A part of the ring.
#[derive(Debug, Clone, PartialEq, Default)]
struct Segment {
    /// It grows from segment to segment, also when the ring begins anew.
    number: u64,
    entries: Vec<Entry>,
}

impl Value for Segment {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk()?;
        if *sum != checksum(content) {
            return None;
        }
        let mut reader = Reader(content.strip_prefix(&FORMAT)?);
        let (number, mut entries) = (reader.u64()?, Vec::new());
        while !reader.0.is_empty() {
            entries.push(Entry::read(&mut reader)?);
        }
        Some(Self { number, entries })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        bytes.extend(self.number.to_le_bytes());
        self.entries.iter().for_each(|entry| entry.write(&mut bytes));
        bytes.extend(checksum(&bytes));
        bytes
    }
}

/// The state of the ring.
#[derive(Debug, Clone, PartialEq)]
struct Head {
    /// The key of the entries' signatures; zero before it is chosen.
    secret: [u8; 32],
    /// The number of the current segment.
    current: u64,
    /// How often each segment was changed.
    changes: Vec<u32>,
}

impl Default for Head {
    fn default() -> Self {
        Self { secret: [0; 32], current: 0, changes: vec![0; SEGMENTS] }
    }
}

impl Value for Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(&HEAD_FORMAT)?);
        let (secret, current) = (reader.array()?, reader.u64()?);
        let (changes, []) = reader.0.as_chunks::<4>() else { return None };
        let changes: Vec<u32> = changes.iter().map(|change| u32::from_le_bytes(*change)).collect();
        (changes.len() == SEGMENTS).then_some(Self { secret, current, changes })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&HEAD_FORMAT[..], &self.secret, &self.current.to_le_bytes()].concat();
        self.changes.iter().for_each(|change| bytes.extend(change.to_le_bytes()));
        bytes
    }
}

/// A segment's place in the ring.
fn place(number: u64) -> usize {
    usize::try_from(number % SEGMENTS as u64).unwrap_or_default()
}

fn name(place: usize) -> String {
    format!("sluice.similar.{place}")
}

/// The key of all signatures in this index: the one chosen before, or else the offered one.
pub fn secret(shared: &dyn SharedData, offered: [u8; 32]) -> [u8; 32] {
    let unchosen = [0; 32];
    update(shared, HEAD, |head: Head| (head.secret == unchosen).then_some(Head { secret: offered, ..head }));
    read::<Head>(shared, HEAD).secret
}

/// Adds entries. Returns whether it did: it does not add all if other workers keep adding theirs in between.
pub fn add(shared: &dyn SharedData, mut entries: &[Entry]) -> bool {
    let mut failures = 0;
    while !entries.is_empty() && failures < MOST_FAILURES {
        let number = read::<Head>(shared, HEAD).current;
        let (place, added, is_full) = (place(number), Cell::new(0), Cell::new(false));
        let changed = update(shared, &name(place), |mut segment: Segment| {
            if segment.number > number {
                return None;
            }
            if segment.number < number {
                segment = Segment { number, entries: Vec::new() };
            }
            let mut size: usize = segment.entries.iter().map(Entry::size).sum();
            let fits = |entry: &&Entry| {
                size += entry.size();
                size <= SEGMENT
            };
            let count = entries.iter().take_while(fits).count();
            added.set(count);
            is_full.set(count < entries.len());
            segment.entries.extend(entries.iter().take(count).cloned());
            (added.get() > 0).then_some(segment)
        });
        let added = if changed { added.get() } else { 0 };
        entries = entries.get(added..).unwrap_or_default();
        update(shared, HEAD, |mut head: Head| {
            if let Some(changes) = head.changes.get_mut(place).filter(|_| added > 0) {
                *changes = changes.wrapping_add(1);
            }
            if is_full.get() && head.current == number {
                head.current = number.wrapping_add(1);
            }
            Some(head)
        });
        failures += usize::from(added == 0);
    }
    entries.is_empty()
}

/// A worker's copy of the index.
#[derive(Debug, Default)]
pub struct LocalIndex(Vec<(u32, Vec<Entry>)>);

impl LocalIndex {
    /// Reads the segments that were changed since the last call.
    pub fn refresh(&mut self, shared: &dyn SharedData) {
        let head: Head = read(shared, HEAD);
        self.0.resize_with(SEGMENTS, Default::default);
        for ((place, (seen, entries)), changes) in self.0.iter_mut().enumerate().zip(head.changes) {
            if *seen != changes {
                // If another worker changes the segment now, the count is too low, and the next call reads again.
                *seen = changes;
                *entries = read::<Segment>(shared, &name(place)).entries;
            }
        }
    }

    /// Adds entries of other Envoys. Those that are here already are left out.
    pub fn import(&mut self, entries: impl Iterator<Item = Entry>, shared: &dyn SharedData) {
        self.refresh(shared);
        let is_here = |new: &Entry| {
            let mut all = self.0.iter().flat_map(|(_, entries)| entries);
            all.any(|entry| entry.key == new.key && entry.made == new.made)
        };
        add(shared, &entries.filter(|entry| !is_here(entry)).collect::<Vec<_>>());
    }

    /// The responses that may serve a request, at most `most`: stored since this time, at least this similar, and with equal words. The most
    /// similar first.
    pub fn nearest(
        &self,
        partition: [u8; 16],
        (vector, signature): (&Vector, &Signature),
        (since, least): (Time, f32),
        most: usize,
    ) -> Vec<Near> {
        let near = |entry: &Entry| {
            let similarity = entry.vector.similarity(vector).filter(|similarity| *similarity >= least)?;
            let Entry { key, made, .. } = *entry;
            entry.signature.compare(signature).is_ok().then_some(Near { similarity, key, made })
        };
        let entries = self.0.iter().flat_map(|(_, entries)| entries);
        let entries = entries.filter(|entry| entry.partition == partition && entry.made >= since);
        let mut found: Vec<Near> = entries.filter_map(near).collect();
        order::by(&mut found, |one, other| other.similarity.total_cmp(&one.similarity).then(other.made.cmp(&one.made)));
        let mut nearest: Vec<Near> = Vec::new();
        for near in found {
            if nearest.len() < most && !nearest.iter().any(|other| other.key == near.key) {
                nearest.push(near);
            }
        }
        nearest
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
