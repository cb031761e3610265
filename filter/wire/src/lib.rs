//! The wire formats of LLM providers and of their clients, and the translation between any two of them by way of one
//! [`conversation`].
//!
//! Bytes go in, bytes come out: nothing here knows a policy, a price, a configuration file or Envoy, and nothing reads a clock.
//! The gateway's decisions are made in `sluice-core`, on top of this crate.

// What tests here share with those of other crates calls it by its name.
#[cfg(test)]
extern crate self as sluice_wire;

pub mod calendar;
pub mod coding;
pub mod conversation;
pub mod dialect;
pub mod embedding;
pub mod error;
pub mod extras;
pub mod footprint;
pub mod framing;
pub mod headers;
pub mod hex;
pub mod json;
pub mod lenient;
pub mod order;
pub mod percent;
pub mod time;
