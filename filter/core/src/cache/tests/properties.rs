//! Random histories against a simple model, and malformed entries.

use proptest::prelude::*;

use super::*;

/// A step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Stores a response of this many bytes for this request.
    Keep(u8, usize),
    /// Looks for a response.
    Find(u8),
    /// Purges the responses of a team; there are four.
    Purge(u8),
    /// Advances time by seconds.
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<u8>(), 0..70_000_usize).prop_map(|(request, size)| Step::Keep(request, size)),
        3 => any::<u8>().prop_map(Step::Find),
        1 => (0..4_u8).prop_map(Step::Purge),
        1 => (1..90_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..120)
}

fn team(request: u8) -> String {
    (request % 4).to_string()
}

proptest! {
    // Histories are long.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_found_is_the_last_that_was_kept_and_all_stays_within_the_bound(steps in steps()) {
        let shared = Shared::default();
        let (mut now, mut last) = (at(0), std::collections::BTreeMap::new());
        for step in steps {
            match step {
                Step::Keep(request, size) => {
                    let (answer, key) = (entry(size, now), key([request]));
                    if keep(&shared, &key, (&answer, of_team(&team(request))), now, &BOUNDS) {
                        prop_assert_eq!(find(&shared, &key, now), Some(answer.clone()));
                        last.insert(request, answer);
                    }
                }
                Step::Find(request) => {
                    if let Some(found) = find(&shared, &key([request]), now) {
                        prop_assert_eq!(Some(&found), last.get(&request));
                    }
                }
                Step::Purge(number) => {
                    let team = team(number);
                    purge(&shared, Names { team: Some(&team), ..Names::default() }.selection(), now);
                    last.retain(|request, _| request % 4 != number);
                    now = now.after(Duration::from_secs(1));
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
        prop_assert_eq!(counted(&shared), held(&shared));
    }
}

proptest! {
    #[test]
    fn an_entry_that_was_damaged_anywhere_is_a_miss_and_gives_way(place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let shared = Shared::default();
        put(&shared, &key("a"), &entry(100, at(0)));
        let name = slot(key("a").set(), 0);
        let mut bytes = shared.read(&name).unwrap().0;
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        damage(&shared, &name, &bytes);
        prop_assert_eq!(find(&shared, &key("a"), at(0)), None);
        prop_assert!(put(&shared, &key("a"), &entry(10, at(0))));
        prop_assert_eq!(find(&shared, &key("a"), at(0)), Some(entry(10, at(0))));
    }

    #[test]
    fn bytes_that_are_no_entry_are_a_miss(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(CachedResponse::parse(bytes, &key("a")), None);
    }

    #[test]
    fn an_entry_that_was_cut_or_grew_is_a_miss(cut in 0..300_usize, more in prop::collection::vec(any::<u8>(), 1..20)) {
        let whole = entry(50, at(0)).bytes(&key("a")).unwrap();
        let grown = [&whole[..], &more].concat();
        for bytes in [&whole[..cut.min(whole.len() - 1)], &grown] {
            prop_assert_eq!(CachedResponse::parse(bytes.to_vec(), &key("a")), None);
        }
    }
}
