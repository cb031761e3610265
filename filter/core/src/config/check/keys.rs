//! The virtual keys.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::mistake::{Path, quoted};
use super::super::{Caller, KeyHash, time};
use super::Check;

impl Check<'_> {
    pub(super) fn keys(&mut self) -> BTreeMap<KeyHash, Rc<Caller>> {
        let section = Path::root().key("keys");
        let mut compiled = BTreeMap::new();
        let mut ids = BTreeMap::new();
        let mut hashes = BTreeMap::new();
        for (index, key) in self.file.keys.iter().enumerate() {
            let path = section.index(index);
            self.public_name(&key.id, &path.key("id"));
            if let Some(first) = ids.insert(&key.id, index) {
                self.mistake(&path.key("id"), format!("{} again, as in keys[{first}]", quoted(&key.id)), "another id");
            }
            self.reference(&key.team, self.file.teams.keys(), &path.key("team"));
            self.allowed_models(key.models.as_deref(), &path.key("models"));
            let expires = key.expires.as_deref().map(|text| {
                let expires = time::rfc3339(text);
                if expires.is_none() {
                    let expected = "a date and time such as 2027-01-31T00:00:00Z (RFC 3339)";
                    self.mistake(&path.key("expires"), quoted(text), expected);
                }
                expires.unwrap_or_default()
            });
            let Some(hash) = KeyHash::from_hex(&key.sha256) else {
                // It may be the key itself: it is not repeated.
                let found = format!("{} characters that are not a SHA-256", key.sha256.chars().count());
                self.mistake(&path.key("sha256"), found, "64 hexadecimal digits, as `sluice keys new` prints them");
                continue;
            };
            if let Some(first) = hashes.insert(hash, index) {
                self.mistake(&path.key("sha256"), format!("the same key as in keys[{first}]"), "another key");
            }
            let caller = Caller { key_id: key.id.clone(), team: key.team.clone(), expires, models: key.models.clone() };
            compiled.insert(hash, Rc::new(caller));
        }
        compiled
    }

    fn allowed_models(&mut self, models: Option<&[String]>, path: &Path) {
        let Some(models) = models else { return };
        if models.is_empty() {
            self.mistake(path, "an empty list", "at least one model, or no such field to allow all");
        }
        for (index, model) in models.iter().enumerate() {
            self.reference(model, self.file.models.keys(), &path.index(index));
        }
    }
}
