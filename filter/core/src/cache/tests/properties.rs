//! Random histories against a simple model, and malformed entries.

use proptest::prelude::*;

use super::*;

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Stores a response of this many bytes for this request.
    Keep(u8, usize),
    /// Advances time by seconds.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<u8>(), 0..70_000_usize).prop_map(|(request, size)| Step::Keep(request, size)),
        1 => (0..90_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn what_is_found_is_the_last_that_was_kept_and_all_stays_within_the_bound(steps in steps()) {
        let shared = Shared::default();
        let (mut now, mut last) = (at(0), std::collections::BTreeMap::new());
        for step in steps {
            match step {
                Step::Keep(request, size) => {
                    let answer = entry(size, now);
                    if keep(&shared, &key([request]), &answer, &BOUNDS) {
                        prop_assert_eq!(find(&shared, &key([request]), now), Some(answer.clone()));
                        last.insert(request, answer);
                    }
                }
                Step::Pass(seconds) => now = now.after(Duration::from_secs(seconds)),
            }
        }
        for request in 0..=255_u8 {
            if let Some(found) = find(&shared, &key([request]), now) {
                prop_assert_eq!(Some(&found), last.get(&request));
                prop_assert!(now < found.expires);
            }
        }
        prop_assert!(held(&shared) <= BOUNDS.memory);
        prop_assert_eq!(read::<SlotSums>(&shared, ledger::NAME).held, held(&shared));
    }

    #[test]
    fn bytes_that_are_no_entry_are_a_miss_and_give_way(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let shared = Shared::default();
        damage(&shared, &name(slot_of(&key("a"))), &bytes);
        prop_assert_eq!(find(&shared, &key("a"), at(0)), None);
        prop_assert!(keep(&shared, &key("a"), &entry(10, at(0)), &BOUNDS));
        prop_assert_eq!(find(&shared, &key("a"), at(0)), Some(entry(10, at(0))));
    }

    #[test]
    fn an_entry_that_was_cut_or_grew_is_a_miss(cut in 0..200_usize, more in prop::collection::vec(any::<u8>(), 1..20)) {
        let whole = entry(50, at(0)).bytes(&key("a")).unwrap();
        let grown = [&whole[..], &more].concat();
        for bytes in [&whole[..cut.min(whole.len() - 1)], &grown] {
            prop_assert_eq!(CachedResponse::parse(bytes.to_vec(), &key("a")), None);
        }
    }
}
