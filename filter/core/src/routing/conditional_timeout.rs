//! A timeout that depends on the situation.

use std::time::Duration;

/// A timeout. A configured one is always the same; a default one depends on the target and on whether another target is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionalTimeout {
    /// The usual limit.
    pub plain: Duration,
    /// The limit if the wait is known to be long.
    pub slow: Duration,
    /// Whether it is configured.
    pub configured: bool,
}

/// The situation that selects the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeoutCondition {
    /// Whether the wait is known to be long.
    pub slow: bool,
    /// Set if no other target is left: nearly the whole request's time.
    pub last: Option<Duration>,
}

impl ConditionalTimeout {
    /// A configured timeout.
    pub const fn configured(time: Duration) -> Self {
        Self { plain: time, slow: time, configured: true }
    }

    /// A default timeout, in seconds.
    pub const fn default_of(plain: u64, slow: u64) -> Self {
        Self { plain: Duration::from_secs(plain), slow: Duration::from_secs(slow), configured: false }
    }

    /// The limit in this situation.
    pub fn of(self, condition: TimeoutCondition) -> Duration {
        match condition.last.filter(|_| !self.configured) {
            Some(total) => total,
            None if condition.slow => self.slow,
            None => self.plain,
        }
    }
}
