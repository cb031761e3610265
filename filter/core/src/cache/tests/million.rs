//! A million responses: the memory stays bounded, a lookup costs the same as in an empty cache, and a response in use stays.

use super::*;

#[test]
fn a_million_answers_fit_and_are_found_as_fast_as_one_and_what_is_used_stays() {
    const BOUNDS: Bounds = Bounds { memory: 4 << 20, largest: 1 << 10, shared: None };
    /// Answers in a second.
    const RATE: u64 = 1_000;
    /// An unoptimised build takes its time.
    const COUNT: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
    let shared = Shared::default();
    let calls = Counted::new(&shared);
    let hot = key("hot");
    let used = CachedResponse { expires: at(10_000), ..entry(64, at(0)) };
    assert!(keep(&shared, &hot, (&used, of_team("t")), at(0), &BOUNDS));
    for number in 0..COUNT {
        let now = Time(at(0).0 + number * (1_000_000_000 / RATE));
        let new =
            CachedResponse { made: now, expires: at(10_000), body: number.to_le_bytes().to_vec(), ..entry(0, now) };
        assert!(keep(&shared, &key(number.to_le_bytes()), (&new, of_team("t")), now, &BOUNDS), "{number}");
        if number % 500 == 0 {
            calls.taken();
            let found = find(&calls, &key(number.to_le_bytes()), now);
            assert_eq!((found.map(|found| found.body), calls.taken()), (Some(new.body), (2, 0)), "{number}");
            assert!(find(&shared, &hot, now).is_some(), "{number}");
        }
        if number % 10_000 == 0 {
            assert!(held(&shared) <= BOUNDS.memory, "{number}");
        }
    }
    assert_eq!(counted(&shared), held(&shared));
    assert!(held(&shared) <= BOUNDS.memory && held(&shared) > BOUNDS.memory / 4 * 3, "{}", held(&shared));
    // Names are few, however many responses there were.
    assert!(shared.names().len() <= SETS * (WAYS + 1) + 2, "{}", shared.names().len());
}
