//! The provider simulator and the harness of the end-to-end tests.

pub mod client;
pub mod gateway;
pub mod redis;
pub mod simulator;
pub mod upstash;

use std::time::Duration;

/// No test waits longer than this for anything: an Envoy that starts on a machine with more to do needs its time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `ready` gives something.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
