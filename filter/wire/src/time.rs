//! Points in time. This module reads no clock: the caller passes the time.

use std::time::Duration;

/// The whole seconds of a duration, rounded up.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(pub u64);

impl Time {
    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Adds a duration.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Whether a pause until this time, which began with at most this length, still lasts. One that would last longer began before the clock
    /// was set back, and is over.
    pub fn is_ahead(self, now: Self, longest: Duration) -> bool {
        now < self && self <= now.after(longest)
    }

    /// The duration since `earlier`; zero if the clock went back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
