//! Every decision of the Sluice gateway, and no I/O: no host calls, no clock, no globals.
//!
//! The filter crate feeds this one with what Envoy's callbacks saw and carries out what it answers; tests feed it by
//! hand. See `docs/architecture.md` for the life of a request.

pub mod batch;
mod bytes;
pub mod cache;
pub mod callout;
pub mod exchange;
pub mod gate;
pub mod gateway;
pub mod guard;
pub mod key_hash;
pub mod keys;
pub mod limits;
pub mod matching;
pub mod mix;
pub mod peek;
pub mod provider;
pub mod reservation;
pub mod routing;
pub mod store;
pub mod suggest;
pub mod usage;
