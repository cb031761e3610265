//! Provider credentials that change at runtime.
//!
//! This code writes files that Envoy watches, outside of the request path.

pub mod aws;
pub mod google;
mod watch;

pub use watch::Watch;

/// Writes a message for the operator. A closed standard error is not an error.
pub fn print_message(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "sluice: {text}");
}
