//! How long to wait for one thing, when what is waited for is not always the same.

use std::time::Duration;

/// A time to wait. One that the file states is the same always; one that it leaves out depends on who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For most.
    pub plain: Duration,
    /// Where what is waited for is known to take long.
    pub slow: Duration,
    /// Whether the file states it.
    pub stated: bool,
}

/// For whom it is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// What is waited for is known to take long.
    pub slow: bool,
    /// Nothing follows: as good as the whole request's time.
    pub last: Option<Duration>,
}

impl Patience {
    /// As the file states it.
    pub const fn stated(time: Duration) -> Self {
        Self { plain: time, slow: time, stated: true }
    }

    /// Where the file states nothing: in seconds.
    pub const fn default_of(plain: u64, slow: u64) -> Self {
        Self { plain: Duration::from_secs(plain), slow: Duration::from_secs(slow), stated: false }
    }

    /// How long that is.
    pub fn of(self, waited: Waited) -> Duration {
        match waited.last.filter(|_| !self.stated) {
            Some(total) => total,
            None if waited.slow => self.slow,
            None => self.plain,
        }
    }
}
