//! All decisions of the Sluice gateway, without I/O: no host calls, no clock, no globals.
//!
//! The filter crate passes in the events of Envoy's callbacks and carries out the results; tests call this crate directly. See
//! `docs/architecture.md` for the life of a request.

pub mod batch;
mod bytes;
pub mod cache;
pub mod callout;
pub mod compiled;
pub mod guard;
pub mod key_hash;
pub mod keys;
pub mod limits;
pub mod matching;
pub mod memory_limiter;
pub mod metrics;
pub mod mix;
pub mod otlp;
pub mod peek;
pub mod pipeline;
pub mod prompt_cache;
pub mod provider;
pub mod reservation;
pub mod routing;
pub mod store;
pub mod suggest;
pub mod trace;
pub mod usage;
