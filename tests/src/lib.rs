//! The provider simulator and the harness of the end-to-end tests.

pub mod balancer;
pub mod chance;
pub mod client;
pub mod clock;
pub mod collector;
pub mod gateway;
pub mod judge;
pub mod log_schema;
pub mod money;
pub mod port;
pub mod redis;
pub mod shared;
pub mod sigv4;
pub mod simulator;
pub mod standin;
pub mod upstash;
pub mod wrk;

use std::future::Future;
use std::time::Duration;

/// The longest wait in any test: Envoy starts slowly on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The time limit in tests of timeouts: short, but long enough for a healthy request on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(3);

/// Waits for the next day if the UTC day is about to end, so that a test's daily counters stay within one day.
pub async fn within_a_day() {
    const DAY: u64 = 86_400;
    const TAKES: u64 = 45;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    if now % DAY >= DAY - TAKES {
        tokio::time::sleep(Duration::from_secs(DAY - now % DAY)).await;
    }
}

/// Waits until `ready` returns a value.
///
/// # Panics
/// After [`PATIENCE`], with the description `what`.
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

/// Waits until an async condition holds.
///
/// # Panics
/// After [`PATIENCE`], with the description `what`.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited too long for {what}"));
}
