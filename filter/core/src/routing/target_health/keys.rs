//! Key health: which of a provider's keys cannot be used for now, shared by all workers.
//!
//! A key is unusable for one of two reasons. Its rate limit is exhausted: until the time that the provider states, and for one model, since
//! providers count limits per model. Or the provider rejected it, or its account has no funds: for all models, until a configured time. A
//! rejected key that succeeds is usable at once.
//!
//! This module never opens a target's circuit. That happens only when no key is left.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{EntryKey, Value, age, read, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"keyrest\x01";

/// The keys of a target whose provider has several. Built once, with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys(Box<[KeyEntries]>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyEntries {
    limited: EntryKey,
    refused: EntryKey,
}

/// The time span for which a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rest {
    since: Time,
    until: Time,
}

impl Keys {
    /// Locates the entries of a provider's `count` keys, by its first cluster. A single key leaves no choice, so it has no entries.
    pub fn of(cluster: &str, model: &str, count: usize) -> Self {
        let entry_keys = |number: usize| KeyEntries {
            // The name of the first cluster contains neither `/` nor `@`.
            limited: EntryKey::of("sluice.keylimit.2.", &format!("{cluster}@{number}/{model}")),
            refused: EntryKey::of("sluice.keyout.2.", &format!("{cluster}@{number}")),
        };
        Self((1..=if count > 1 { count } else { 0 }).map(entry_keys).collect())
    }

    /// Whether the provider has several keys.
    pub fn several(&self) -> bool {
        !self.0.is_empty()
    }

    /// Selects a key: the first usable one, from `first` on, that is not `barred`; else the one that is usable soonest. Indices start at 0.
    pub fn next(&self, shared: &dyn SharedData, now: Time, first: usize, barred: impl Fn(usize) -> bool) -> usize {
        let count = self.0.len();
        let in_turn = (0..count).map(|step| (first.wrapping_add(step)) % count.max(1));
        let waits = |key: &usize| self.wait(shared, now, *key);
        let well = in_turn.clone().filter(|key| !barred(*key)).find(|key| waits(key).is_zero());
        well.or_else(|| in_turn.min_by_key(waits)).unwrap_or_default()
    }

    /// Whether a key is usable and not `barred`.
    pub fn another(&self, shared: &dyn SharedData, now: Time, barred: impl Fn(usize) -> bool) -> bool {
        (0..self.0.len()).any(|key| !barred(key) && self.wait(shared, now, key).is_zero())
    }

    /// The time until a key is usable.
    pub fn soonest(&self, shared: &dyn SharedData, now: Time) -> Option<Duration> {
        (0..self.0.len()).map(|key| self.wait(shared, now, key)).min()
    }

    /// Records that the provider reported this key's rate limit as exhausted.
    pub fn limited(&self, shared: &dyn SharedData, key: usize, now: Time, wait: Duration) {
        self.rest(shared, self.0.get(key).map(|entry_keys| &entry_keys.limited), now, wait);
    }

    /// Records that the provider rejected this key, or that its account has no funds.
    pub fn refused(&self, shared: &dyn SharedData, key: usize, now: Time, wait: Duration) {
        self.rest(shared, self.0.get(key).map(|entry_keys| &entry_keys.refused), now, wait);
    }

    /// Records that a request with this key succeeded.
    pub fn served(&self, shared: &dyn SharedData, key: usize) {
        let Some(entry_keys) = self.0.get(key) else { return };
        update(shared, &entry_keys.refused, |rest: Rest| (rest != Rest::default()).then(Rest::default));
    }

    fn rest(&self, shared: &dyn SharedData, entry_key: Option<&EntryKey>, now: Time, wait: Duration) {
        let Some(entry_key) = entry_key else { return };
        update(shared, entry_key, |rest: Rest| {
            let known = age(now, rest.since).map_or(Time::default(), |_| rest.until);
            Some(Rest { since: now, until: known.max(now.after(wait)) })
        });
    }

    /// The time until this key is usable.
    fn wait(&self, shared: &dyn SharedData, now: Time, key: usize) -> Duration {
        let left = |entry_key: &EntryKey| {
            let rest: Rest = read(shared, entry_key);
            age(now, rest.since).map_or(Duration::ZERO, |_| rest.until.since(now))
        };
        self.0.get(key).map_or(Duration::ZERO, |entry_keys| left(&entry_keys.limited).max(left(&entry_keys.refused)))
    }
}

impl Value for Rest {
    fn parse(bytes: &[u8]) -> Option<Self> {
        super::parse(&FORMAT, bytes).map(|[since, until]| Self { since: Time(since), until: Time(until) })
    }

    fn bytes(&self) -> Vec<u8> {
        super::bytes(&FORMAT, &[self.since.0, self.until.0])
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::tests::at;
    use super::*;
    use crate::store::fake::Shared;

    const MINUTE: Duration = Duration::from_secs(60);

    fn chosen(keys: &Keys, shared: &Shared, millis: i64) -> Vec<usize> {
        (0..3).map(|first| keys.next(shared, at(millis), first, |_| false)).collect()
    }

    #[test]
    fn of_one_key_nothing_is_kept() {
        let (keys, shared) = (Keys::of("p", "m", 1), Shared::default());
        keys.refused(&shared, 0, at(0), MINUTE);
        assert!(!keys.several() && !keys.another(&shared, at(0), |_| false));
        assert_eq!((keys.next(&shared, at(0), 5, |_| false), keys.soonest(&shared, at(0))), (0, None));
    }

    #[test]
    fn keys_take_turns_and_one_that_rests_is_passed_over_until_its_time() {
        let (keys, shared) = (Keys::of("p", "m", 3), Shared::default());
        assert_eq!(chosen(&keys, &shared, 0), [0, 1, 2]);
        keys.limited(&shared, 1, at(0), MINUTE);
        assert_eq!(chosen(&keys, &shared, 0), [0, 2, 2]);
        assert_eq!(chosen(&keys, &shared, 59_999), [0, 2, 2]);
        assert_eq!(chosen(&keys, &shared, 60_000), [0, 1, 2]);
        assert_eq!(keys.next(&shared, at(0), 0, |key| key == 0), 2, "what is barred is passed over too");
    }

    #[test]
    fn a_limit_is_one_models_and_a_refusal_is_all_models() {
        let (keys, other, shared) = (Keys::of("p", "m", 2), Keys::of("p", "n", 2), Shared::default());
        keys.limited(&shared, 0, at(0), MINUTE);
        assert_eq!(other.next(&shared, at(0), 0, |_| false), 0);
        keys.refused(&shared, 0, at(0), MINUTE);
        assert_eq!(other.next(&shared, at(0), 0, |_| false), 1);
    }

    #[test]
    fn when_all_rest_the_one_that_is_back_soonest_is_asked() {
        let (keys, shared) = (Keys::of("p", "m", 2), Shared::default());
        keys.limited(&shared, 0, at(0), MINUTE);
        keys.refused(&shared, 1, at(0), MINUTE / 2);
        assert!(!keys.another(&shared, at(0), |_| false));
        assert_eq!(keys.next(&shared, at(0), 0, |_| false), 1);
        assert_eq!(keys.soonest(&shared, at(10_000)), Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_refused_key_that_serves_is_back_and_a_limited_one_keeps_its_time() {
        let (keys, shared) = (Keys::of("p", "m", 2), Shared::default());
        keys.refused(&shared, 0, at(0), MINUTE);
        keys.served(&shared, 0);
        assert_eq!(keys.next(&shared, at(1), 0, |_| false), 0);
        keys.limited(&shared, 0, at(0), MINUTE);
        keys.limited(&shared, 0, at(1), Duration::from_secs(1));
        keys.served(&shared, 0);
        assert_eq!(keys.next(&shared, at(30_000), 0, |_| false), 1, "and the longer time");
    }

    #[test]
    fn what_was_noted_by_a_clock_that_was_set_back_since_is_forgotten() {
        let (keys, shared) = (Keys::of("p", "m", 2), Shared::default());
        keys.refused(&shared, 0, at(100_000), MINUTE);
        assert_eq!(keys.next(&shared, at(0), 0, |_| false), 0);
        keys.refused(&shared, 0, at(0), MINUTE);
        assert_eq!(keys.next(&shared, at(60_000), 0, |_| false), 0);
    }
}
