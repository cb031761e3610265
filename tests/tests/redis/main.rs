//! The store's commands against a real Redis: over a real Webdis, and over a stand-in for Upstash.

mod accounts;
mod counters;
mod durability;
mod leases;
mod model;
mod relaxed;
mod reservations;
mod responses;
mod store;
