//! Keeps files, batches and responses for later requests, by identifier.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;

/// A stored object.
#[derive(Debug, Clone)]
pub struct Thing {
    /// The object's description in the API.
    pub about: Value,
    /// The object's content.
    pub content: Bytes,
}

/// All stored objects.
#[derive(Debug, Default)]
pub struct Memory {
    things: Mutex<BTreeMap<String, Thing>>,
    last: AtomicUsize,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Thing>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new identifier with this prefix.
    pub fn identifier(&self, prefix: &str) -> String {
        format!("{prefix}sim{}", self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Stores an object, replacing an older one.
    pub fn keep(&self, id: &str, about: Value, content: Bytes) {
        self.lock().insert(id.to_owned(), Thing { about, content });
    }

    pub fn get(&self, id: &str) -> Option<Thing> {
        self.lock().get(id).cloned()
    }

    /// Deletes an object; returns whether it existed.
    pub fn forget(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// The descriptions of all objects whose identifiers have this prefix.
    pub fn list(&self, prefix: &str) -> Vec<Value> {
        let things = self.lock();
        things.iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, thing)| thing.about.clone()).collect()
    }
}
