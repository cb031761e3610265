//! Where a request goes: which targets may serve it, in which order they are asked, and what is known of each.
//!
//! [`decision`] is made once, when the request's body is here, from what is configured ([`way`]), what the request needs and
//! its headers say ([`needs`], [`hints`]), and what all workers know of the targets ([`cells`]). It gives a [`queue`], in which
//! every failure finds the next target. Nothing here reads a clock or throws dice: both are given.

pub mod capabilities;
pub mod decision;
pub mod hints;
pub mod needs;
pub mod order;
pub mod pace;
pub mod patience;
pub mod pattern;
pub mod policy;
pub mod queue;
pub mod retry_budget;
pub mod spec;
pub mod sticky;
pub mod target;
pub mod target_health;
pub mod timeouts;
