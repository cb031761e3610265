//! The retry budget of a target: limits how much retries multiply the load of an outage. Without it, a target whose attempts mostly fail
//! receives twice the load.
//!
//! A retry is another attempt at the same target, or an attempt at a target whose circuit is not closed. Retries may be a percentage of the
//! target's attempts in the last ten seconds, and a small minimum is always allowed. Each worker counts alone, in its own memory: the
//! percentage holds for all workers together, the minimum for each worker.

use std::cell::Cell;

use sluice_wire::time::Time;

/// The length of the window in seconds, with the current second.
const WINDOW: usize = 10;

/// The limits of a retry budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The maximum percentage of retries among a target's attempts.
    pub percent: u32,
    /// The number of retries in ten seconds that is always allowed.
    pub least: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { percent: 20, least: 10 }
    }
}

/// One worker's retry budget for one target.
#[derive(Debug, Default)]
pub struct RetryBudget(Cell<RetryWindow>);

/// Counts per second, the current second first.
#[derive(Debug, Clone, Copy, Default)]
struct RetryWindow {
    /// The current second.
    second: u64,
    counts: [Counts; WINDOW],
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    attempts: u32,
    retries: u32,
}

impl RetryBudget {
    /// Counts an attempt. Retries count too.
    pub fn note_attempt(&self, now: Time) {
        self.0.set(self.0.get().at(now).with(Counts { attempts: 1, retries: 0 }));
    }

    /// Whether one more retry is allowed now. If so, counts the retry; [`Self::note_attempt`] counts its attempt.
    pub fn try_retry(&self, now: Time, settings: &Settings) -> bool {
        let window = self.0.get().at(now);
        let attempts: u64 = window.counts.iter().map(|counts| u64::from(counts.attempts)).sum();
        let retries: u64 = window.counts.iter().map(|counts| u64::from(counts.retries)).sum();
        // Both sums include this retry.
        let part = (retries + 1) * 100 <= (attempts + 1) * u64::from(settings.percent);
        let allowed = part || retries < u64::from(settings.least);
        let counts = Counts { attempts: 0, retries: u32::from(allowed) };
        self.0.set(window.with(counts));
        allowed
    }
}

impl RetryWindow {
    /// Advances the window to `now`. If the clock was set back by less than a window, the window stays where it is until the clock has
    /// caught up. If it was set back further, the window is cleared.
    fn at(mut self, now: Time) -> Self {
        let second = now.seconds();
        if self.second.saturating_sub(second) >= WINDOW as u64 {
            return Self { second, ..Self::default() };
        }
        let passed = usize::try_from(second.saturating_sub(self.second)).unwrap_or(WINDOW).min(WINDOW);
        self.counts.rotate_right(passed);
        self.counts.iter_mut().take(passed).for_each(|counts| *counts = Counts::default());
        self.second = self.second.max(second);
        self
    }

    fn with(mut self, more: Counts) -> Self {
        let [first, ..] = &mut self.counts;
        first.attempts = first.attempts.saturating_add(more.attempts);
        first.retries = first.retries.saturating_add(more.retries);
        self
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const SETTINGS: Settings = Settings { percent: 20, least: 10 };
    const NOON: u64 = 1_801_396_800;

    fn at(millis: u64) -> Time {
        Time((NOON * 1_000 + millis) * 1_000_000)
    }

    fn attempts(budget: &RetryBudget, count: usize, now: Time) {
        (0..count).for_each(|_| budget.note_attempt(now));
    }

    /// Makes `wanted` retries and sends the allowed ones; returns their number.
    fn retries(budget: &RetryBudget, wanted: usize, now: Time) -> usize {
        let allowed = (0..wanted).filter(|_| {
            let allowed = budget.try_retry(now, &SETTINGS);
            attempts(budget, usize::from(allowed), now);
            allowed
        });
        allowed.count()
    }

    #[test]
    fn a_few_are_always_allowed() {
        let budget = RetryBudget::default();
        assert_eq!(retries(&budget, 100, at(0)), 10);
        assert_eq!(retries(&budget, 100, at(9_999)), 0);
        assert_eq!(retries(&budget, 100, at(10_000)), 10);
    }

    #[test]
    fn of_many_attempts_a_fifth_may_be_retries() {
        let budget = RetryBudget::default();
        attempts(&budget, 800, at(0));
        assert_eq!(retries(&budget, 1_000, at(5_000)), 200, "of a thousand in all");
    }

    #[test]
    fn when_every_attempt_fails_and_is_retried_the_load_grows_by_a_quarter() {
        let budget = RetryBudget::default();
        let mut sent = 0;
        for n in 0..10_000 {
            budget.note_attempt(at(n * 10));
            sent += 1 + retries(&budget, 1, at(n * 10));
        }
        assert!((12_400..=12_510).contains(&sent), "{sent}");
    }

    #[test]
    fn a_refused_retry_costs_nothing() {
        let budget = RetryBudget::default();
        retries(&budget, 10_000, at(0));
        attempts(&budget, 90, at(0));
        assert_eq!(retries(&budget, 100, at(0)), 12, "22 of 112 in all");
    }

    #[test]
    fn attempts_count_for_ten_seconds() {
        let budget = RetryBudget::default();
        for second in 0..10 {
            attempts(&budget, 80, at(second * 1_000));
        }
        assert_eq!(retries(&budget, 150, at(9_999)), 150);
        assert_eq!(retries(&budget, 150, at(9_999)), 50);
        assert_eq!(retries(&budget, 1, at(10_000)), 0, "eighty attempts are forgotten, and no retry");
        assert_eq!(retries(&budget, 1, at(18_999)), 0, "they are the whole load now");
        assert_eq!(retries(&budget, 100, at(19_000)), 10);
    }

    #[test]
    fn without_a_percentage_only_the_few_are_allowed_and_without_those_none() {
        for (least, expected) in [(3, 3), (0, 0)] {
            let budget = RetryBudget::default();
            attempts(&budget, 10_000, at(0));
            let settings = Settings { percent: 0, least };
            assert_eq!((0..100).filter(|_| budget.try_retry(at(0), &settings)).count(), expected);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_wedges_nothing() {
        let budget = RetryBudget::default();
        assert_eq!(retries(&budget, 100, at(3_600_000)), 10);
        assert_eq!(retries(&budget, 100, at(3_595_000)), 0, "a little: they still count");
        assert_eq!(retries(&budget, 100, at(3_609_999)), 0, "as long as if it had not been");
        assert_eq!(retries(&budget, 100, at(3_610_000)), 10);
        assert_eq!(retries(&budget, 100, at(0)), 10);
        assert_eq!(retries(&budget, 100, at(9_000)), 0);
        assert_eq!(retries(&budget, 100, at(10_000)), 10);
    }

    #[test]
    fn a_long_pause_forgets_all() {
        let budget = RetryBudget::default();
        retries(&budget, 100, at(0));
        assert_eq!(retries(&budget, 100, Time(u64::MAX)), 10);
    }
}
