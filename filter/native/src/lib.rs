//! The Sluice filter as a dynamic module of Envoy.
//!
//! One module in several places, told apart by its configuration: `gateway` among the listener's HTTP filters, `provider` among every
//! provider cluster's upstream filters, `admin` on the administrator's listener. All of a gateway's must have the same filter name, as
//! they do in what `sluice render` writes: what they count and keep together goes by it (see [`domain`]). What the roles do is in
//! `sluice-shell`; what stands here is what only a native module has: Envoy's functions and hooks, its threads, and memory that all of
//! them share.
//!
//! A panic ends a request and no more (see [`hooks`]). Whatever else goes wrong in a native module ends Envoy: a failed allocation
//! does, for one. Where that must not be, the wasm module is the one to use.
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
