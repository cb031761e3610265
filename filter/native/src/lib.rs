//! The Sluice filter as a dynamic module of Envoy.
//!
//! One module in several places, told apart by its configuration: `gateway` among the listener's HTTP filters, `provider` among every
//! provider cluster's upstream filters, `admin` on the administrator's listener. All of a gateway's must have the same filter name, as
//! `sluice render` writes it: the name selects their shared state (see [`domain`]). The crate `sluice-shell` has the roles. This crate has
//! what only a native module needs: Envoy's functions and hooks, its threads, and memory that they share.
//!
//! A panic ends one request (see [`hooks`]). Other failures of a native module end Envoy, for example a failed allocation. Use the wasm
//! module where that is not acceptable.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;
mod beat;
mod calls;
mod config;
mod domain;
mod filters;
mod hooks;
mod logger;
mod main_thread;
mod root;
mod stream;
