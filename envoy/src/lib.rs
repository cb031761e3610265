//! The operator's command: checks and renders gateway files, runs Envoy with them, makes virtual keys.

pub mod check;
pub mod keys;
pub mod render;
pub mod secrets;
