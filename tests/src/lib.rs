//! The provider simulator and the harness of the end-to-end tests.

pub mod chance;
pub mod client;
pub mod collector;
pub mod gateway;
pub mod money;
pub mod redis;
pub mod shared;
pub mod sigv4;
pub mod simulator;
pub mod standin;
pub mod upstash;
pub mod wrk;

use std::future::Future;
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

/// Waits until what has to be asked for holds.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited too long for {what}"));
}
