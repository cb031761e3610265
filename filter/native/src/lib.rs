//! The Sluice filter as a dynamic module of Envoy.
//!
//! The same module has several roles, selected by its configuration: `gateway` among the listener's HTTP filters, `provider` among every
//! provider cluster's upstream filters, `admin` on the administrator's listener. All filters of a gateway must have the same name, as
//! `sluice render` writes it: the name selects their shared state (see [`domain`]). The crate `sluice-shell` contains the roles. This crate
//! contains only the native parts: Envoy's functions and hooks, threads, and their shared memory.
//!
//! A panic ends one request (see [`hooks`]). Other failures of a native module end Envoy, for example a failed allocation. Use the wasm
//! module where that is not acceptable.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;
mod calls;
mod config;
mod domain;
mod filters;
mod hooks;
mod logger;
mod main_thread;
mod root;
mod stream;
mod ticks;
