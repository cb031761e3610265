//! The exact cache: answers that are given again to a request that is byte for byte the same as one answered before.
//!
//! [`key`] says what makes two requests the same, [`entry`] what is kept of an answer, and [`slots`] where: in the memory that
//! the workers of one Envoy share, within a bound ([`ledger`]). It knows no client, no provider and no limit: who may be
//! answered from it is decided in [`recall`](crate::exchange::cache_state).
//!
//! It never is the reason for an error. What is damaged, foreign, expired or lost reads as if it had never been there.

use std::time::Duration;

pub use entry::CachedResponse;
pub use key::Key;
pub use spec::Scope;

pub mod entry;
pub mod key;
mod ledger;
pub mod slots;
pub mod spec;

/// How the answers of one model are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// For how long.
    pub ttl: Duration,
    /// Who shares them.
    pub scope: Scope,
}

/// How much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes in all.
    pub memory: u64,
    /// Bytes of one answer's body.
    pub largest: usize,
}

#[cfg(test)]
mod tests;
