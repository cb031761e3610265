//! The pipeline from a gateway file: a request passes both state machines, with scripted Envoy, providers and Redis.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use sluice_core::store::{Conflict, SharedData};

mod alerts;
mod attempt;
mod counter;
mod counter_sync;
#[cfg(all(debug_assertions, not(target_arch = "wasm32")))]
mod counts;
#[path = "../../src/guard/each_string.rs"]
mod each_string;
mod envoy;
mod gateway;
mod host_call_failure;
mod log;
mod notes;
mod reservation;
mod routing;
mod services;
#[path = "../../src/store/fake/shared.rs"]
mod shared;
mod unreadable;
mod worker;
