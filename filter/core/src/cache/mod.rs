//! The exact cache: repeats a stored response to a byte-for-byte identical request.
//!
//! [`key`] decides when two requests are the same, [`entry`] is the stored form, and [`slots`] stores entries in Envoy's shared data,
//! within a bound ([`ledger`]). The cache knows no clients, providers or limits: [`cache_state`](crate::pipeline::cache_state) decides
//! which requests it may serve.
//!
//! It never causes an error. Damaged, foreign, expired and lost entries read as misses.

use std::time::Duration;

pub use entry::{CachedResponse, Spent};
pub use key::Key;
pub use spec::Scope;

pub mod entry;
pub mod key;
mod ledger;
pub mod slots;
pub mod spec;

/// How responses of one model are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Time to live.
    pub ttl: Duration,
    /// Which keys share responses.
    pub scope: Scope,
}

/// Size limits of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in all slots.
    pub memory: u64,
    /// Bytes of one response's body.
    pub largest: usize,
}

#[cfg(test)]
mod tests;
