//! The wire formats of LLM providers and their clients, and the translation between any two of them through one [`conversation`].
//!
//! Bytes in, bytes out: this crate has no notion of policies, prices, configuration files or Envoy, and reads no clock. `sluice-core` makes
//! the gateway's decisions on top of it.

// Code that these tests share with other crates uses the crate's name.
#[cfg(test)]
extern crate self as sluice_wire;

pub mod calendar;
pub mod coding;
pub mod content_filter;
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
