//! Records of files and batches by id, in Envoy's shared data and, with Redis, in notes that all Envoys read.
//!
//! Only the latest records are kept. Without a file's record, no batch can be created from it; without a batch's record, the batch stays
//! billed as reserved.

use serde::{Deserialize, Serialize};
use sluice_wire::json;

use crate::mix::number;
use crate::reservation::work::Work;
use crate::store::SharedData;
use crate::store::value::{Value, read, update};

use super::Open;

/// Number of values, and the most entries in each.
const VALUES: u64 = 64;
const MOST: usize = 16;

/// Longer ids are ignored.
const LONGEST_ID: usize = 128;

/// The record stored under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchRecord {
    /// The estimated usage of an input file.
    File(Work),
    /// A batch that is billed as reserved.
    Open(Open),
    /// A batch that is billed by its usage.
    Settled,
}

impl BatchRecord {
    /// The text of a note.
    pub fn text(&self) -> String {
        String::from_utf8(sluice_wire::json::written(self)).unwrap_or_default()
    }

    /// Parses a note's text.
    pub fn read(text: &str) -> Option<Self> {
        json::read(text).ok()
    }
}

/// Entry name of an input file.
pub fn file(id: &str) -> String {
    format!("file:{id}")
}

/// Entry name of a batch.
pub fn batch(id: &str) -> String {
    format!("batch:{id}")
}

/// Entry name of the batch whose results are in this file.
pub fn results(id: &str) -> String {
    format!("results:{id}")
}

/// Whether this can be a provider's id; others are not recorded.
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// The latest entries of one value, the newest last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RecentRecords(Vec<(String, BatchRecord)>);

impl Value for RecentRecords {
    fn parse(bytes: &[u8]) -> Option<Self> {
        json::from_slice(bytes).ok()
    }

    fn bytes(&self) -> Vec<u8> {
        sluice_wire::json::written(self)
    }
}

fn shared_data_key(name: &str) -> String {
    format!("sluice.batches.1.{}", number(name.as_bytes(), &[]) % VALUES)
}

/// Looks up the entry under this name.
pub fn cache_state(shared: &dyn SharedData, name: &str) -> Option<BatchRecord> {
    let RecentRecords(records) = read(shared, &shared_data_key(name));
    records.into_iter().find(|(known, _)| known == name).map(|(_, record)| record)
}

/// Writes an entry, replacing an older one under this name, unless that is settled. Returns whether it was written; false also if other
/// workers keep writing in between.
pub fn keep(shared: &dyn SharedData, name: &str, record: &BatchRecord) -> bool {
    update(shared, &shared_data_key(name), |RecentRecords(records)| {
        let settled = records.iter().any(|(known, record)| known == name && *record == BatchRecord::Settled);
        (!settled).then(|| with(records, name, record))
    })
}

fn with(mut records: Vec<(String, BatchRecord)>, name: &str, record: &BatchRecord) -> RecentRecords {
    records.retain(|(known, _)| known != name);
    let surplus = (records.len() + 1).saturating_sub(MOST);
    records.drain(..surplus);
    records.push((name.to_owned(), record.clone()));
    RecentRecords(records)
}
