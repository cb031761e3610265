//! Providers' credentials beyond what is read once when the gateway starts: those that change while it runs.
//!
//! What is here works beside Envoy, never in the way of a request: it writes the files that Envoy watches.

pub mod aws;
pub mod google;
mod watch;

pub use watch::Watch;

/// Tells the person who runs the gateway. That nobody may be reading it is no reason to stop.
pub fn tell(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "sluice: {text}");
}
