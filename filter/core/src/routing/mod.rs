//! Routing: selects the targets that may serve a request and the order in which they are tried.
//!
//! [`decision`] runs once, when the request body has arrived. Its inputs are the configured [`policy`], the request's [`needs`], its
//! routing headers ([`hints`]), and the state that all workers share about each target ([`target_health`]). It produces a [`queue`]; each
//! failed attempt takes the next target from it. This module reads no clock and generates no random numbers: the caller passes both.

pub mod capabilities;
pub mod conditional_timeout;
pub mod decision;
pub mod needs;
pub mod output_rate;
pub mod pattern;
pub mod policy;
pub mod queue;
pub mod retry_budget;
pub mod routing_headers;
pub mod spec;
pub mod sticky;
pub mod strategies;
pub mod target;
pub mod target_health;
pub mod timeouts;
