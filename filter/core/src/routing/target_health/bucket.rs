//! The storage of entries: a fixed number of shared-data values (buckets), each with the entries whose names hash to it.
//!
//! Envoy's shared data cannot delete, so one value per target would leak. A bucket has room for a few entries; a new entry replaces the one
//! that was written longest ago. Empty entries are not stored, so removed targets leave almost nothing. Reading an entry takes one read of
//! shared data.
//!
//! The encoding: the format's magic, then for each entry the hash of its name, the length of its bytes, and the bytes. The entry that was
//! written last comes last.

use crate::bytes::Reader;
use crate::mix::number;
use crate::store::SharedData;
use crate::store::value::{NOT_YET, Value, again};

/// The format and its version.
const FORMAT: [u8; 8] = *b"bucket\0\x01";

/// The number of buckets for each kind of entry.
pub(super) const BUCKETS: u64 = 1024;

/// The maximum number of entries in a bucket. Ten thousand targets make ten per bucket.
pub(super) const MOST_ENTRIES: usize = 16;

/// The location of one entry. Built once, with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryKey {
    /// The bucket's name.
    pub(super) bucket: Box<str>,
    /// The hash of the entry's name. 64 bits make a collision among thousands of names unlikely.
    hash: u64,
}

impl EntryKey {
    /// Locates the entry with this name. `kind` starts the bucket's name: the kind of entry and its format version.
    pub(super) fn of(kind: &str, name: &str) -> Self {
        let hash = number(name.as_bytes(), &[]);
        Self { bucket: format!("{kind}{}", hash % BUCKETS).into(), hash }
    }

    /// The bytes of the entry; `None` if it is not stored.
    pub(super) fn find<'a>(&self, bucket: &'a [u8]) -> Option<&'a [u8]> {
        entries(bucket).find(|(hash, _)| *hash == self.hash).map(|(_, bytes)| bytes)
    }

    /// The bucket with this entry in it; without the entry if it is `None`.
    fn put(&self, bucket: &[u8], entry: Option<Vec<u8>>) -> Vec<u8> {
        let others = || entries(bucket).filter(|(hash, _)| *hash != self.hash);
        let room = MOST_ENTRIES - usize::from(entry.is_some());
        let mut bytes = Vec::with_capacity(bucket.len() + 16 + entry.as_ref().map_or(0, Vec::len));
        bytes.extend(FORMAT);
        let own = entry.as_deref().map(|entry| (self.hash, entry));
        for (hash, entry) in others().skip(others().count().saturating_sub(room)).chain(own) {
            bytes.extend(hash.to_le_bytes());
            bytes.extend(u32::try_from(entry.len()).unwrap_or_default().to_le_bytes());
            bytes.extend(entry);
        }
        bytes
    }
}

/// The entries of a bucket, up to the first invalid byte.
fn entries(bucket: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut reader = Reader(bucket.strip_prefix(&FORMAT).unwrap_or_default());
    std::iter::from_fn(move || {
        let hash = reader.u64()?;
        let length = usize::try_from(reader.u32()?).ok()?;
        Some((hash, reader.bytes(length)?))
    })
}

/// The entry's value; the default if it is not stored or invalid.
pub(super) fn read<V: Value>(shared: &dyn SharedData, entry_key: &EntryKey) -> V {
    let parse = |(bytes, _): (Vec<u8>, u32)| V::parse(entry_key.find(&bytes)?);
    shared.read(&entry_key.bucket).and_then(parse).unwrap_or_default()
}

/// Changes an entry with compare-and-swap, and retries when another worker wrote in between. Returns whether the entry was changed. `change`
/// returns `None` if there is nothing to write.
pub(super) fn update<V: Value + PartialEq>(
    shared: &dyn SharedData,
    entry_key: &EntryKey,
    change: impl Fn(V) -> Option<V>,
) -> bool {
    again(|| {
        let (bucket, version) = shared.read(&entry_key.bucket).unwrap_or_else(|| (Vec::new(), NOT_YET));
        let Some(changed) = change(entry_key.find(&bucket).and_then(V::parse).unwrap_or_default()) else {
            return Some(false);
        };
        let entry = (changed != V::default()).then(|| changed.bytes());
        shared.write(&entry_key.bucket, &entry_key.put(&bucket, entry), version).is_ok().then_some(true)
    })
}

#[cfg(test)]
pub(super) mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::tests::at;
    use super::super::{TargetHealth, circuit, load::InFlight, speed};
    use super::*;
    use crate::store::fake::Shared;

    /// The stored bytes of an entry.
    pub(in super::super) fn stored(shared: &dyn SharedData, entry_key: &EntryKey) -> Option<Vec<u8>> {
        shared.read(&entry_key.bucket).and_then(|(bucket, _)| Some(entry_key.find(&bucket)?.to_vec()))
    }

    /// Overwrites the bytes of an entry.
    pub(in super::super) fn damage(shared: &Shared, entry_key: &EntryKey, bytes: &[u8]) {
        let bucket = shared.read(&entry_key.bucket).map(|(bucket, _)| bucket).unwrap_or_default();
        shared.write(&entry_key.bucket, &entry_key.put(&bucket, Some(bytes.to_vec())), 0).unwrap();
    }

    fn entry_keys(count: usize) -> Vec<EntryKey> {
        (0..count).map(|number| EntryKey { bucket: "b".into(), hash: number as u64 }).collect()
    }

    #[test]
    fn a_new_cell_takes_the_place_of_the_one_that_was_written_longest_ago() {
        let (shared, entry_keys) = (Shared::default(), entry_keys(MOST_ENTRIES + 2));
        let put = |entry_key: &EntryKey| damage(&shared, entry_key, &[7; 3]);
        entry_keys[..MOST_ENTRIES].iter().for_each(put);
        put(&entry_keys[0]);
        entry_keys[MOST_ENTRIES..].iter().for_each(put);
        let gone: Vec<bool> = entry_keys.iter().map(|entry_key| stored(&shared, entry_key).is_none()).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 2);
        assert!(gone[1] && gone[2], "the oldest; the first was written again");
    }

    #[test]
    fn a_cell_that_says_nothing_is_not_kept_and_leaves_the_others() {
        let shared = Shared::default();
        let (one, other) = (EntryKey { bucket: "b".into(), hash: 1 }, EntryKey { bucket: "b".into(), hash: 2 });
        damage(&shared, &other, b"other");
        let load = |entry_key: &EntryKey, count: u64| {
            update(&shared, entry_key, |load: super::super::load::Load| {
                Some(load.with(super::super::load::Slot { worker: 1, count, at: at(0) }, at(0)))
            })
        };
        assert!(load(&one, 3));
        assert_eq!((stored(&shared, &one).is_some(), stored(&shared, &other).as_deref()), (true, Some(&b"other"[..])));
        assert!(load(&one, 0));
        assert_eq!((stored(&shared, &one), stored(&shared, &other).as_deref()), (None, Some(&b"other"[..])));
    }

    #[test]
    fn whatever_lies_in_a_bucket_is_no_cell_or_a_whole_one() {
        let (shared, entry_keys) = (Shared::default(), entry_keys(3));
        entry_keys.iter().for_each(|entry_key| damage(&shared, entry_key, b"cell"));
        let (whole, _) = shared.read("b").unwrap();
        for length in 0..whole.len() {
            shared.write("b", &whole[..length], 0).unwrap();
            for entry_key in &entry_keys {
                assert!(stored(&shared, entry_key).is_none_or(|bytes| bytes == b"cell"), "{length}");
            }
            damage(&shared, &entry_keys[0], b"new");
            assert_eq!(stored(&shared, &entry_keys[0]).as_deref(), Some(&b"new"[..]));
        }
    }

    /// Under each of ten thousand configurations, requests are in flight to a new target that is removed afterwards, and to a target that
    /// stays.
    #[test]
    fn names_that_come_and_go_leave_a_bounded_memory_and_those_that_stay_are_exact() {
        let shared = Shared::default();
        let settings = circuit::Settings::default();
        let stays = TargetHealth::of("stays", "m");
        let (worker, other) = (InFlight::new(1), InFlight::new(2));
        let configurations = if cfg!(target_arch = "wasm32") { 1_000 } else { 10_000 };
        for number in 0..configurations {
            let now = at(number);
            let fresh = TargetHealth::of(&format!("p{number}"), "m");
            let requests = InFlight::new(1);
            requests.enter(&shared, &fresh, now);
            worker.enter(&shared, &stays, now);
            if number % 3 == 0 {
                other.enter(&shared, &stays, now);
            }
            let attempt = circuit::CircuitAttempt { began: now, ended: now };
            circuit::failed(&shared, &fresh, attempt, &settings, 7);
            let observed = speed::Observation {
                first_token: Some(std::time::Duration::from_millis(30)),
                tokens: 10,
                generating: std::time::Duration::from_secs(1),
            };
            speed::observe(&shared, &fresh, &observed, now);
            speed::observe(&shared, &stays, &observed, now);
            requests.leave(&shared, &fresh, now);
            let lease = std::time::Duration::from_secs(600);
            let count = u64::try_from(number).unwrap();
            assert_eq!(super::super::load::in_flight(&shared, &stays, now, lease), count + 1 + count / 3 + 1);
            assert_ne!(speed::read(&shared, &stays), speed::Speed::default());
        }
        let names = shared.names();
        let bytes: usize = names.iter().map(|name| shared.read(name).unwrap().0.len()).sum();
        assert!(names.len() <= 3 * 1024, "{} names", names.len());
        assert!(bytes < 4 << 20, "{bytes} bytes");
    }
}
