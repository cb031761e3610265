//! The exact cache: repeats a stored response to an equal request.
//!
//! [`key`] and [`canonical`] decide when two requests are equal, [`entry`] is the stored form, and [`slots`] stores entries in Envoy's
//! shared data, within a bound ([`directory`], [`ledger`]). [`form`] converts a stored stream to a whole response and back. [`purge`] and
//! [`whose`] remove responses before they expire. With [`flight`], identical requests wait for one of them. The cache knows no clients, providers or limits:
//! [`cache_state`](crate::pipeline::cache_state) decides which requests it may serve. Where Envoys share responses, [`redis`] stores them
//! too, [sealed](sealer).
//!
//! It never causes an error. Damaged, foreign, expired and lost entries read as misses.

use std::time::Duration;

pub use entry::{CachedResponse, Spent};
pub use form::Form;
pub use key::Key;
pub use spec::Scope;

pub mod alias;
pub mod canonical;
mod directory;
pub mod entry;
pub mod flight;
pub mod form;
pub mod key;
mod ledger;
mod purge;
pub mod redis;
pub mod sealer;
pub mod semantic;
pub mod slots;
pub mod spec;
pub mod whose;

/// How responses of one model are cached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Time to live.
    pub ttl: Duration,
    /// By how many percent of `ttl` an entry's time to live may be shorter, so that entries of the same time expire one by one.
    pub jitter: u8,
    /// Which keys share responses.
    pub scope: Scope,
    /// The highest temperature of a request; `None` if any will do.
    pub max_temperature: Option<f64>,
    /// Whether requests with tools are cached.
    pub tools: bool,
    /// Whether requests with images are cached.
    pub images: bool,
    /// Whether identical requests wait for one of them.
    pub single_flight: bool,
}

impl Rule {
    /// The time to live of the entry with this key.
    pub fn ttl_of(&self, key: &Key) -> Duration {
        // In steps of a thousandth of a percent.
        let shorter = u32::from(self.jitter.min(100)) * 1_000 * u32::from(key.dice()) / 255;
        self.ttl.saturating_sub(self.ttl / 100_000 * shorter)
    }
}

/// Size limits of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in all slots.
    pub memory: u64,
    /// Bytes of one response's body.
    pub largest: usize,
    /// How long a lookup in Redis may delay a request; `None` if Envoys do not share responses.
    pub shared: Option<Duration>,
}

#[cfg(test)]
mod tests;
