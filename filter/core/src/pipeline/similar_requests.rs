//! One worker's part in the semantic cache: its copy of the index, the lists of words, and whether embeddings can be had.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use sluice_lexical::Lexicon;
use sluice_wire::time::Time;

use crate::cache::semantic::{LocalIndex, index};
use crate::store::SharedData;

/// How long no embedding is asked for after a failed call.
const PAUSE: Duration = Duration::from_secs(1);

/// One worker's part in the semantic cache.
#[derive(Debug, Default)]
pub struct SimilarRequests {
    lexicon: OnceCell<Lexicon>,
    index: RefCell<LocalIndex>,
    /// No call is made before this time.
    silent_until: Cell<Time>,
    /// Whether the last call failed.
    fails: Cell<bool>,
}

impl SimilarRequests {
    /// Whether a call has just failed.
    pub(super) fn is_silent(&self, now: Time) -> bool {
        now < self.silent_until.get()
    }

    /// Records whether a call failed. Returns whether the one before did.
    pub(super) fn note(&self, failed: bool, now: Time) -> bool {
        if failed {
            self.silent_until.set(now.after(PAUSE));
        }
        self.fails.replace(failed)
    }

    /// The lists of words, under the key of this Envoy's index: `offered`, unless it has one.
    pub(super) fn lexicon(&self, shared: &dyn SharedData, offered: [u8; 32]) -> &Lexicon {
        self.lexicon.get_or_init(|| Lexicon::new(index::secret(shared, offered)))
    }

    /// Searches the index as it is now.
    pub(super) fn index<T>(&self, shared: &dyn SharedData, search: impl FnOnce(&LocalIndex) -> T) -> T {
        let index = &mut *self.index.borrow_mut();
        index.refresh(shared);
        search(index)
    }
}
