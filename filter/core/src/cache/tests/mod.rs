//! Guarantees of the cache: responses come back unchanged until they expire or are purged, and their total size stays bounded.

use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::directory::{self, Directory, SETS, WAYS, slot};
use super::key::KeyBuilder;
use super::ledger::{self, Ledger};
use super::slots::{find, keep, purge};
use super::whose::{Names, Whose};
use super::*;
use crate::store::SharedData;
use crate::store::fake::Shared;
use crate::store::fake::{Contended, Interrupted, damage};
use sluice_wire::conversation::Usage;
use sluice_wire::time::Time;

mod canonical;
mod form;
#[cfg(not(target_arch = "wasm32"))]
mod million;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
#[cfg(not(target_arch = "wasm32"))]
mod threads;

const TTL: Duration = Duration::from_secs(60);
const BOUNDS: Bounds = Bounds { memory: 1 << 20, largest: 64 << 10, shared: None };

fn at(seconds: u64) -> Time {
    Time((1_801_396_800 + seconds) * 1_000_000_000)
}

fn key(name: impl AsRef<[u8]>) -> Key {
    KeyBuilder::default().part(name).key()
}

/// Keys of one set, without end.
fn of_a_set() -> impl Iterator<Item = Key> {
    let set = key("a").set();
    (0_u32..).map(|number| key(number.to_le_bytes())).filter(move |key| key.set() == set)
}

/// A response with a body of this many bytes.
fn entry(body: usize, made: Time) -> CachedResponse {
    CachedResponse {
        made,
        expires: made.after(TTL),
        cost: 56,
        usage: Some(Usage { input: 12, cached: 3, cache_write: 4, output: 34, reasoning: 5 }),
        form: Form::Stream,
        repeats: 7,
        provider: "openai".to_owned(),
        model: "gpt-5".to_owned(),
        content_type: "application/json".to_owned(),
        dropped: "seed, user".to_owned(),
        body: (0..body).map(|index| index as u8).collect(),
    }
}

/// Stores a response of the team `t` to a request of the same moment.
fn put(shared: &dyn SharedData, key: &Key, entry: &CachedResponse) -> bool {
    keep(shared, key, (entry, of_team("t")), entry.made, &BOUNDS)
}

fn of_team(team: &str) -> Whose {
    Names { team: Some(team), ..Names::default() }.whose()
}

/// Actual bytes in all slots.
fn held(shared: &dyn SharedData) -> u64 {
    // No slot is used before its set has a directory.
    let sets = (0..SETS).filter(|set| shared.read(&directory::name(*set)).is_some());
    let slots = sets.flat_map(|set| (0..WAYS).map(move |way| slot(set, way as u8)));
    slots.map(|name| shared.read(&name).map_or(0, |(bytes, _)| bytes.len() as u64)).sum()
}

fn counted(shared: &dyn SharedData) -> u64 {
    Ledger::read(shared).0.held()
}

#[test]
fn what_was_kept_comes_back_as_it_was_for_its_own_key_only() {
    let shared = Shared::default();
    for body in [0, 1, 1_000, 64 << 10] {
        let unknown = CachedResponse { usage: None, form: Form::Whole, ..entry(body, at(0)) };
        for entry in [entry(body, at(0)), unknown] {
            assert!(put(&shared, &key("a"), &entry));
            assert_eq!(find(&shared, &key("a"), at(59)), Some(entry));
        }
    }
    assert_eq!(find(&shared, &key("b"), at(0)), None);
    assert_eq!(find(&shared, &key("a").of_form(Form::Whole), at(0)), None);
}

#[test]
fn what_has_expired_is_not_given_and_neither_is_what_a_clock_that_was_set_back_made() {
    let shared = Shared::default();
    put(&shared, &key("a"), &entry(10, at(100)));
    for (seconds, found) in [(98, false), (99, true), (100, true), (159, true), (160, false)] {
        assert_eq!(find(&shared, &key("a"), at(seconds)).is_some(), found, "{seconds}");
    }
}

#[test]
fn entries_of_one_time_expire_one_by_one_and_none_late() {
    let rule = |jitter| Rule {
        ttl: Duration::from_secs(100),
        jitter,
        scope: Scope::Team,
        max_temperature: None,
        tools: true,
        images: true,
        single_flight: true,
    };
    let times = |jitter| {
        let ttl = |number: u8| rule(jitter).ttl_of(&key([number])).as_millis();
        (0..=255).map(ttl).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(times(0).into_iter().collect::<Vec<_>>(), [100_000]);
    let spread = times(10);
    assert!(spread.len() > 100, "{}", spread.len());
    assert!(spread.iter().all(|time| (90_000..=100_000).contains(time)), "{spread:?}");
}

#[test]
fn an_answer_that_is_too_large_is_not_kept() {
    let shared = Shared::default();
    assert!(!put(&shared, &key("a"), &entry((64 << 10) + 1, at(0))));
    let tight = Bounds { memory: 1 << 10, largest: 1 << 10, shared: None };
    let too_large = entry(1 << 10, at(0));
    let kept = keep(&shared, &key("a"), (&too_large, of_team("t")), at(0), &tight);
    assert!(!kept, "what stands beside it counts too");
    assert_eq!((held(&shared), counted(&shared)), (0, 0));
}

#[test]
fn in_a_set_without_a_free_slot_the_least_recently_used_goes() {
    let shared = Shared::default();
    let keys: Vec<Key> = of_a_set().take(WAYS + 2).collect();
    for (number, key) in keys[..WAYS].iter().enumerate() {
        assert!(put(&shared, key, &entry(10 + number, at(0))));
    }
    assert!(find(&shared, &keys[0], at(1)).is_some());
    let found = |key: &Key| Directory::read(&shared, key.set()).0.position(key).is_some();
    for (new, gone) in [(WAYS, 1), (WAYS + 1, 2)] {
        assert!(found(&keys[gone]));
        assert!(put(&shared, &keys[new], &entry(10, at(1))));
        assert!(!found(&keys[gone]) && found(&keys[0]) && found(&keys[new]), "{gone}");
        assert_eq!(find(&shared, &keys[gone], at(1)), None);
    }
    assert_eq!(find(&shared, &keys[0], at(1)), Some(entry(10, at(0))));
    assert_eq!(counted(&shared), held(&shared));
}

#[test]
fn when_the_memory_is_full_older_answers_go_and_new_ones_are_kept() {
    let shared = Shared::default();
    for number in 0..200_u32 {
        let key = key(number.to_le_bytes());
        assert!(put(&shared, &key, &entry(32 << 10, at(0))), "{number}");
        assert!(find(&shared, &key, at(0)).is_some(), "{number}");
        assert!(counted(&shared) <= BOUNDS.memory, "{number}");
    }
    assert_eq!(counted(&shared), held(&shared));
    assert!(held(&shared) > BOUNDS.memory / 2);
}

#[test]
fn a_large_answer_takes_the_room_of_many_small_ones() {
    let shared = Shared::default();
    for number in 0..4_000_u32 {
        assert!(put(&shared, &key(number.to_le_bytes()), &entry(100, at(0))), "{number}");
    }
    assert!(put(&shared, &key("large"), &entry(64 << 10, at(1))));
    assert!(find(&shared, &key("large"), at(1)).is_some());
    assert!(counted(&shared) == held(&shared) && held(&shared) <= BOUNDS.memory);
}

/// Counts the calls to a memory.
struct Counted<'a> {
    memory: &'a Shared,
    reads: std::cell::Cell<usize>,
    writes: std::cell::Cell<usize>,
}

impl<'a> Counted<'a> {
    fn new(memory: &'a Shared) -> Self {
        Self { memory, reads: 0.into(), writes: 0.into() }
    }

    /// Reads and writes since the last call.
    fn taken(&self) -> (usize, usize) {
        (self.reads.take(), self.writes.take())
    }
}

impl SharedData for Counted<'_> {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        self.reads.set(self.reads.get() + 1);
        self.memory.read(name)
    }

    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), crate::store::Conflict> {
        self.writes.set(self.writes.get() + 1);
        self.memory.write(name, value, version)
    }
}

#[test]
fn a_look_is_two_reads_and_once_a_second_a_write() {
    let shared = Shared::default();
    put(&shared, &key("a"), &entry(10, at(0)));
    let counted = Counted::new(&shared);
    for (name, seconds, calls) in
        [("a", 0, (2, 0)), ("b", 0, (1, 0)), ("a", 1, (2, 1)), ("a", 1, (2, 0)), ("a", 3, (2, 1)), ("a", 2, (2, 0))]
    {
        assert_eq!(find(&counted, &key(name), at(seconds)).is_some(), name == "a");
        assert_eq!(counted.taken(), calls, "{name} {seconds}");
    }
}

#[test]
fn of_two_workers_with_the_same_answer_the_last_one_keeps_it() {
    // Before each of the calls of a `keep`.
    for call in 0..12 {
        let shared = Shared::default();
        let other = |shared: &Shared| assert!(put(shared, &key("a"), &entry(20, at(0))));
        let interrupted = Interrupted::new(&shared, call, other);
        assert!(put(&interrupted, &key("a"), &entry(10, at(0))), "{call}");
        let found = find(&shared, &key("a"), at(0)).map(|found| found.body.len());
        assert!(matches!(found, Some(10 | 20)), "{call} {found:?}");
        put(&shared, &key("b"), &entry(10, at(0)));
        put(&shared, &key("a"), &entry(10, at(0)));
        assert_eq!(counted(&shared), held(&shared), "{call}");
    }
    let shared = Shared::default();
    assert!(!put(&Contended(&shared), &key("b"), &entry(10, at(0))));
}

#[test]
fn a_sum_that_is_wrong_is_right_again_when_all_sets_were_checked() {
    let shared = Shared::default();
    let fill = |from: u32, count: u32| {
        for number in from..from + count {
            put(&shared, &key(number.to_le_bytes()), &entry(100, at(0)));
        }
    };
    fill(0, 100);
    let right = Ledger::read(&shared).0;
    // A set's size that no update stored, then a ledger that is damaged, and one that is lost.
    let bytes = shared.read(ledger::NAME).unwrap().0;
    let cleared: Vec<u8> = bytes[..24].iter().copied().chain(vec![0; bytes.len() - 24]).collect();
    for (number, wrong) in [(1, cleared.clone()), (2, b"ledger".to_vec()), (3, Vec::new())] {
        damage(&shared, ledger::NAME, &wrong);
        fill(number * 10_000, SETS as u32 * 2);
        assert_eq!(counted(&shared), held(&shared), "{number}");
        assert!(held(&shared) <= BOUNDS.memory && held(&shared) > right.held(), "{number}");
    }
}

#[test]
fn a_purge_takes_what_it_concerns_and_nothing_else() {
    let names = |team, app, namespace| Names { team: Some(team), key: Some("k"), app, model: Some("chat"), namespace };
    let owners = [
        names("red", None, None),
        names("red", Some("bot"), Some("tests")),
        names("blue", Some("bot"), None),
        Names { key: Some("other"), model: Some("embed"), ..names("blue", None, Some("tests")) },
    ];
    let only = Names::default();
    for (selected, left) in [
        (Names { team: Some("red"), ..only }, [false, false, true, true]),
        (Names { key: Some("k"), ..only }, [false, false, false, true]),
        (Names { app: Some("bot"), ..only }, [true, false, false, true]),
        (Names { model: Some("embed"), ..only }, [true, true, true, false]),
        (Names { namespace: Some("tests"), ..only }, [true, false, true, false]),
        (Names { team: Some("blue"), app: Some("bot"), ..only }, [true, true, false, true]),
        (Names { team: Some("green"), ..only }, [true; 4]),
        (only, [false; 4]),
    ] {
        let shared = Shared::default();
        for (number, owner) in owners.iter().enumerate() {
            assert!(keep(&shared, &key([number as u8]), (&entry(10, at(0)), owner.whose()), at(0), &BOUNDS));
        }
        let purged = purge(&shared, selected.selection(), at(1));
        let found = [0, 1, 2, 3].map(|number: u8| find(&shared, &key([number]), at(1)).is_some());
        assert_eq!((found, purged), (left, left.iter().filter(|left| !**left).count()), "{selected:?}");
        assert_eq!(counted(&shared), held(&shared));
    }
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_kept_after_it() {
    let shared = Shared::default();
    let red = Names { team: Some("red"), ..Names::default() };
    purge(&shared, red.selection(), at(10));
    let kept = |team: &str, asked| keep(&shared, &key(team), (&entry(10, at(12)), of_team(team)), at(asked), &BOUNDS);
    assert!(!kept("red", 9) && !kept("red", 10));
    assert_eq!((find(&shared, &key("red"), at(12)), held(&shared)), (None, 0));
    assert!(kept("blue", 9) && kept("red", 11));
    // Purges are remembered for all time: of the oldest, that there was one.
    for number in 0..100 {
        let team = number.to_string();
        purge(&shared, Names { team: Some(&team), ..Names::default() }.selection(), at(20 + number));
    }
    assert!(!kept("green", 20) && !kept("99", 119) && kept("99", 120) && kept("green", 119));
    // One that happens while a response is stored finds it, or is found.
    for call in 0..9 {
        let shared = Shared::default();
        let other = |shared: &Shared| assert!(purge(shared, red.selection(), at(10)) < 2);
        let interrupted = Interrupted::new(&shared, call, other);
        keep(&interrupted, &key("a"), (&entry(10, at(12)), of_team("red")), at(9), &BOUNDS);
        assert!(interrupted.happened(), "{call}");
        assert_eq!(find(&shared, &key("a"), at(12)), None, "{call}");
    }
}

#[test]
fn a_directory_that_is_damaged_is_empty_and_a_slot_belongs_to_one_answer() {
    let shared = Shared::default();
    put(&shared, &key("a"), &entry(10, at(0)));
    let name = directory::name(key("a").set());
    let bytes = shared.read(&name).unwrap().0;
    let twice = [&bytes[..], &bytes[8..]].concat();
    for damaged in [&bytes[..bytes.len() - 1], &twice, b"direct\0\x01\xff", b""] {
        damage(&shared, &name, damaged);
        assert_eq!(find(&shared, &key("a"), at(0)), None);
    }
    assert!(put(&shared, &key("a"), &entry(10, at(0))));
    assert!(find(&shared, &key("a"), at(0)).is_some());
}
