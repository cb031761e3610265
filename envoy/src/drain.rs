//! Graceful shutdown: `/ready` fails at once; a while later, when load balancers have noticed, the gateway stops accepting connections;
//! requests may finish until the limit; the rest is cut off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::credentials::print_message;
use crate::envoy_admin as admin;

/// Time between the failing `/ready` and the end of accepting connections.
const LEAD: Duration = Duration::from_secs(5);
/// Polling interval for requests in flight.
const LOOK: Duration = Duration::from_millis(100);
/// The number of requests in flight, on both listeners, and of calls to Redis.
const ACTIVE: &str =
    "/stats?filter=^(http\\.sluice(_admin)?\\.down|cluster\\.sluice-redis\\.up)stream_rq_(pending_)?active$";

/// The signals that control this process.
pub struct Signals {
    terminate: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

/// Which signal ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGTERM from a process manager: load balancers may still be sending requests.
    Terminate,
    /// SIGINT from a terminal.
    Interrupt,
}

impl Signals {
    /// Installs the signal handlers.
    pub fn new() -> std::io::Result<Self> {
        let listen = |signal| {
            let seen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, seen.clone()).map(|_| seen)
        };
        Ok(Self { terminate: listen(SIGTERM)?, interrupt: listen(SIGINT)?, hang_up: listen(SIGHUP)? })
    }

    /// Whether SIGHUP arrived, which requests a reload of the gateway file. Clears the flag.
    pub fn hung_up(&self) -> bool {
        self.hang_up.swap(false, Ordering::Relaxed)
    }

    /// Whether a shutdown signal arrived; [`Self::next`] returns it.
    pub fn is_told_to_end(&self) -> bool {
        [&self.terminate, &self.interrupt].iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    /// Takes the next shutdown signal.
    pub fn next(&self) -> Option<End> {
        let seen = |flag: &AtomicBool| flag.swap(false, Ordering::Relaxed);
        let terminate = seen(&self.terminate).then_some(End::Terminate);
        terminate.or_else(|| seen(&self.interrupt).then_some(End::Interrupt))
    }
}

/// Waits up to `limit` for requests in flight; a second signal ends the wait. `lives` returns whether Envoy is running.
pub fn drain(admin: SocketAddr, end: End, limit: Duration, signals: &Signals, mut lives: impl FnMut() -> bool) {
    let asked = Instant::now();
    let mut wait = |until: Instant, done: &mut dyn FnMut() -> bool| {
        while Instant::now() < until && lives() && !done() {
            if signals.next().is_some() {
                print_message("received a second signal: ending all requests in progress");
                return false;
            }
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        lives()
    };
    if limit.is_zero() {
        return;
    }
    say(admin, "/healthcheck/fail");
    print_message("health checks fail from now on, so that load balancers send no new requests");
    let lead = if end == End::Terminate { LEAD.min(limit) } else { Duration::ZERO };
    if !wait(asked + lead, &mut || false) {
        return;
    }
    say(admin, "/drain_listeners");
    if active(admin) != Some(0) {
        print_message(&format!("waiting up to {} s for requests in progress", limit.as_secs()));
    }
    // The filter sends the usage of the last request soon after its end: only a second look shows that Redis has it.
    let mut idle = 0;
    wait(asked + lead + limit, &mut || {
        idle = if active(admin) == Some(0) { idle + 1 } else { 0 };
        idle > 1
    });
}

/// Sends a command to Envoy. Errors are ignored, since Envoy is stopped in any case.
fn say(admin: SocketAddr, path: &str) {
    if let Err(error) = admin::ask(admin, "POST", path) {
        print_message(&format!("POST {path} to Envoy's admin interface failed: {error}"));
    }
}

/// The number of requests and calls in flight; `None` if Envoy does not respond.
fn active(admin: SocketAddr) -> Option<u64> {
    let text = admin::ask(admin, "GET", ACTIVE).ok()?;
    let numbers = text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
    Some(numbers.sum())
}
