//! Graceful shutdown: `/ready` fails at once; a while later, when load balancers have noticed, the gateway stops accepting connections;
//! requests may finish until the limit; the rest is cut off and charged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use sluice_core::store::redis::settings::{Mode, Redis};

use crate::credentials::print_message;
use crate::envoy_admin as admin;

/// Time between the failing `/ready` and the end of accepting connections.
const LEAD: Duration = Duration::from_secs(5);
/// How long requests that are cut may take to end.
const CUT: Duration = Duration::from_secs(2);
/// Polling interval for requests in flight.
const LOOK: Duration = Duration::from_millis(100);
/// The statistics of [`Load`].
const LOAD: &str = "/stats?filter=^(http\\.sluice(_admin)?\\.downstream_rq_(total|active)|\
                    cluster\\.sluice-redis\\.upstream_rq_(pending_)?active)$";

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

/// The longest time from the end of a request until the filter sends its usage to Redis. In relaxed mode, that is the next exchange of
/// counts, which may come a tick of the background role later than `sync`.
pub fn until_sent(redis: Option<&Redis>) -> Duration {
    redis.filter(|redis| redis.mode == Mode::Relaxed).map_or(LOOK, |redis| redis.sync * 2)
}

/// The shutdown of an Envoy.
pub struct Drain<'s, L> {
    pub admin: SocketAddr,
    pub signals: &'s Signals,
    /// The longest time from the end of a request until the filter sends its usage to Redis.
    pub sent: Duration,
    /// Returns whether Envoy is running.
    pub lives: L,
}

impl<L: FnMut() -> bool> Drain<'_, L> {
    /// Waits up to `limit` for requests in flight, and until Redis has their usage; a second signal ends the wait. Returns whether all of
    /// that is done.
    pub fn finishes(&mut self, end: End, limit: Duration) -> bool {
        let asked = Instant::now();
        if limit.is_zero() {
            return false;
        }
        say(self.admin, "/healthcheck/fail");
        print_message("health checks fail from now on, so that load balancers send no new requests");
        let lead = if end == End::Terminate { LEAD.min(limit) } else { Duration::ZERO };
        if self.wait(asked + lead, || false) == Wait::Signal || !(self.lives)() {
            return false;
        }
        say(self.admin, "/drain_listeners");
        if Load::of(self.admin).is_none_or(|load| load.requests > 0) {
            print_message(&format!("waiting up to {} s for requests in progress", limit.as_secs()));
        }
        let settled = settled(self.admin, self.sent);
        self.wait(asked + lead + limit, settled) == Wait::Done
    }

    /// Ends the remaining requests by `end_requests`, and waits a little until Redis has their usage. Once Envoy stops, nothing sends it.
    pub fn cut(&mut self, end_requests: impl FnOnce() -> io::Result<()>) {
        if let Err(error) = end_requests() {
            return print_message(&format!("cannot charge the requests in progress: {error}"));
        }
        let settled = settled(self.admin, self.sent);
        self.wait(Instant::now() + CUT + self.sent, settled);
    }

    fn wait(&mut self, until: Instant, mut done: impl FnMut() -> bool) -> Wait {
        while Instant::now() < until && (self.lives)() {
            if done() {
                return Wait::Done;
            }
            if self.signals.next().is_some() {
                print_message("received another signal: ending all requests in progress");
                return Wait::Signal;
            }
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        Wait::Over
    }
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Done,
    Signal,
    /// The time has passed, or Envoy has exited.
    Over,
}

/// Tells whether no request has been in flight for as long as the last one's usage takes to be `sent`. A call may have been under way at
/// their end, without that usage: the time begins when there is neither a request nor a call.
fn settled(admin: SocketAddr, sent: Duration) -> impl FnMut() -> bool {
    // The number of requests so far, and since when none of them has been in flight.
    let mut idle = None;
    move || {
        let load = Load::of(admin).unwrap_or(Load { begun: 0, requests: 1, calls: 0 });
        idle = idle.filter(|(begun, _)| load.requests == 0 && *begun == load.begun);
        let busy = load.requests + load.calls > 0;
        !busy && idle.get_or_insert_with(|| (load.begun, Instant::now())).1.elapsed() >= sent
    }
}

/// Sends a command to Envoy. Errors are ignored, since Envoy is stopped in any case.
fn say(admin: SocketAddr, path: &str) {
    if let Err(error) = admin::ask(admin, "POST", path) {
        print_message(&format!("POST {path} to Envoy's admin interface failed: {error}"));
    }
}

/// What Envoy is doing, on both listeners.
struct Load {
    /// The requests so far.
    begun: u64,
    /// The requests in flight.
    requests: u64,
    /// The calls to Redis in flight.
    calls: u64,
}

impl Load {
    /// `None` if Envoy does not respond.
    fn of(admin: SocketAddr) -> Option<Self> {
        let text = admin::ask(admin, "GET", LOAD).ok()?;
        let sum = |of: &str, end: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(": "));
            let lines = lines.filter(|(name, _)| name.starts_with(of) && name.ends_with(end));
            lines.filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
        };
        Some(Self { begun: sum("http", "total"), requests: sum("http", "active"), calls: sum("cluster", "active") })
    }
}
