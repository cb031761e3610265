//! The operator's command: checks and renders gateway files, runs Envoy with them, creates virtual keys.

mod admin;
mod apply;
pub mod check;
pub mod cli;
pub mod credentials;
mod doctor;
mod drain;
mod edits;
mod embed;
mod envoy_admin;
mod evaluate;
mod explain;
mod init;
pub mod keys;
mod live;
pub mod locate;
pub mod log_level;
mod process;
mod proxy;
mod reach;
pub mod reload;
pub mod render;
pub mod run;
pub mod secrets;
pub mod table;
mod version;
