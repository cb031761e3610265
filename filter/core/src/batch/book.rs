//! What is known of files and batches by their ids, in the memory that Envoy's workers share, and where there is Redis in notes
//! that all Envoys read.
//!
//! There is room for the last ones only. One that was forgotten is one of which nothing is known: no batch is created of such a
//! file, and such a batch stays charged as it was reserved.

use serde::{Deserialize, Serialize};
use sluice_wire::json;

use crate::mix::number;
use crate::reservation::work::Work;
use crate::store::SharedData;
use crate::store::value::{Value, read, update};

use super::Open;

/// In so many values, each with so many pages.
const VALUES: u64 = 64;
const MOST: usize = 16;

/// A longer id is none.
const LONGEST_ID: usize = 128;

/// What is known under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookEntry {
    /// An input file asks for this.
    File(Work),
    /// A batch is charged with what was reserved.
    Open(Open),
    /// A batch is charged with what it has used.
    Settled,
}

impl BookEntry {
    /// As a note has it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a note's text.
    pub fn read(text: &str) -> Option<Self> {
        json::read(text).ok()
    }
}

/// The name of an input file's page.
pub fn file(id: &str) -> String {
    format!("file:{id}")
}

/// The name of a batch's page.
pub fn batch(id: &str) -> String {
    format!("batch:{id}")
}

/// The name of the page of a batch whose results are in this file.
pub fn results(id: &str) -> String {
    format!("results:{id}")
}

/// Whether this may be a provider's id of something: only such ones are remembered.
pub fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// The last pages, the newest last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Pages(Vec<(String, BookEntry)>);

impl Value for Pages {
    fn parse(bytes: &[u8]) -> Option<Self> {
        json::from_slice(bytes).ok()
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn place(name: &str) -> String {
    format!("sluice.batches.1.{}", number(name.as_bytes(), &[]) % VALUES)
}

/// The page of this name, if there is one.
pub fn recall(shared: &dyn SharedData, name: &str) -> Option<BookEntry> {
    let Pages(pages) = read(shared, &place(name));
    pages.into_iter().find(|(known, _)| known == name).map(|(_, page)| page)
}

/// Writes a page, in the place of an older one of this name.
pub fn keep(shared: &dyn SharedData, name: &str, page: &BookEntry) {
    update(shared, &place(name), |Pages(pages)| Some(with(pages, name, page)));
}

/// A batch is settled from now on: whether it was not before. What others write at the same time makes it false.
pub fn settle(shared: &dyn SharedData, name: &str) -> bool {
    update(shared, &place(name), |Pages(pages)| {
        let settled = pages.iter().any(|(known, page)| known == name && *page == BookEntry::Settled);
        (!settled).then(|| with(pages, name, &BookEntry::Settled))
    })
}

fn with(mut pages: Vec<(String, BookEntry)>, name: &str, page: &BookEntry) -> Pages {
    pages.retain(|(known, _)| known != name);
    let surplus = (pages.len() + 1).saturating_sub(MOST);
    pages.drain(..surplus);
    pages.push((name.to_owned(), page.clone()));
    Pages(pages)
}
