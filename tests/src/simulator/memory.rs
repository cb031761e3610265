//! What a provider keeps from one request for later ones: files, batches, responses, each under its identifier.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;

/// A thing that is kept.
#[derive(Debug, Clone)]
pub struct Thing {
    /// What the provider tells of it.
    pub about: Value,
    /// What is in it.
    pub content: Bytes,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Memory {
    things: Mutex<BTreeMap<String, Thing>>,
    last: AtomicUsize,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Thing>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new identifier that begins with this.
    pub fn identifier(&self, prefix: &str) -> String {
        format!("{prefix}sim{}", self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Keeps a thing, in the place of an older one.
    pub fn keep(&self, id: &str, about: Value, content: Bytes) {
        self.lock().insert(id.to_owned(), Thing { about, content });
    }

    /// A thing.
    pub fn get(&self, id: &str) -> Option<Thing> {
        self.lock().get(id).cloned()
    }

    /// Forgets a thing; whether there was one.
    pub fn forget(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    /// What is told of all things whose identifiers begin with this.
    pub fn list(&self, prefix: &str) -> Vec<Value> {
        let things = self.lock();
        things.iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, thing)| thing.about.clone()).collect()
    }
}
