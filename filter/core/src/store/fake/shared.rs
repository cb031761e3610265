//! Envoy's shared data, for one thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Conflict, SharedData};

#[derive(Debug, Default)]
pub(crate) struct Shared(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl Shared {
    /// Names that have a value.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }
}

impl SharedData for Shared {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(name).cloned()
    }
    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict> {
        let mut map = self.0.borrow_mut();
        // The version is ignored for a name that does not exist yet.
        let known = map.get(name).map(|(_, known)| *known);
        if known.is_some_and(|known| version != 0 && version != known) {
            return Err(Conflict);
        }
        map.insert(name.to_owned(), (value.to_vec(), known.unwrap_or_default() + 1));
        Ok(())
    }
}
