//! The pipeline as a gateway file leads to it: a request goes through both machines, with an Envoy, providers and a Redis that
//! answer from scripts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use sluice_core::store::{Conflict, SharedData};

mod attempt;
mod counter;
#[cfg(all(debug_assertions, not(target_arch = "wasm32")))]
mod counts;
mod envoy;
mod gateway;
mod keeper;
mod notes;
#[path = "../../src/guard/places.rs"]
mod places;
mod reservation;
mod routing;
#[path = "../../src/store/fake/shared.rs"]
mod shared;
mod undone;
mod unreadable;
mod worker;
