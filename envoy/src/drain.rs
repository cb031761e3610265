//! The end of a running gateway, so that it hurts nobody: `/ready` fails at once; a while later, when whoever balances load has
//! seen it, no connection is accepted any more; requests may end until the limit; what is left then is cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::credentials::tell;
use crate::envoy_admin as admin;

/// From the failing `/ready` to the end of accepting.
const LEAD: Duration = Duration::from_secs(5);
/// Between two looks at what is still under way.
const LOOK: Duration = Duration::from_millis(100);
/// The requests that are under way, on both listeners.
const ACTIVE: &str = "/stats?filter=^http\\.sluice(_admin)?\\.downstream_rq_active$";

/// The signals that tell this process what to do.
pub struct Signals {
    terminate: Arc<AtomicBool>,
    interrupt: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

/// How it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By whoever runs it (SIGTERM): others may still be sending requests here.
    Terminate,
    /// By somebody at a terminal (SIGINT).
    Interrupt,
}

impl Signals {
    /// Listens to them from now on.
    pub fn new() -> std::io::Result<Self> {
        let listen = |signal| {
            let seen = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, seen.clone()).map(|_| seen)
        };
        Ok(Self { terminate: listen(SIGTERM)?, interrupt: listen(SIGINT)?, hang_up: listen(SIGHUP)? })
    }

    /// Whether it was told to read the gateway file again (SIGHUP).
    pub fn hung_up(&self) -> bool {
        self.hang_up.swap(false, Ordering::Relaxed)
    }

    /// Whether one came that tells it to end, which [`Self::next`] will give.
    pub fn is_told_to_end(&self) -> bool {
        [&self.terminate, &self.interrupt].iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    /// The next one that came.
    pub fn next(&self) -> Option<End> {
        let seen = |flag: &AtomicBool| flag.swap(false, Ordering::Relaxed);
        let terminate = seen(&self.terminate).then_some(End::Terminate);
        terminate.or_else(|| seen(&self.interrupt).then_some(End::Interrupt))
    }
}

/// Lets what is under way end, at most for `limit`; a second signal ends the wait at once. `lives` is whether Envoy does.
pub fn drain(admin: SocketAddr, end: End, limit: Duration, signals: &Signals, mut lives: impl FnMut() -> bool) {
    let asked = Instant::now();
    let mut wait = |until: Instant, done: &mut dyn FnMut() -> bool| {
        while Instant::now() < until && lives() && !done() {
            if signals.next().is_some() {
                tell("received a second signal: ending all requests in progress");
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
    tell("health checks fail from now on, so that load balancers send no new requests");
    let lead = if end == End::Terminate { LEAD.min(limit) } else { Duration::ZERO };
    if !wait(asked + lead, &mut || false) {
        return;
    }
    say(admin, "/drain_listeners");
    if active(admin) != Some(0) {
        tell(&format!("waiting up to {} s for requests in progress", limit.as_secs()));
    }
    wait(asked + lead + limit, &mut || active(admin) == Some(0));
}

/// An Envoy that does not do it is ended all the same.
fn say(admin: SocketAddr, path: &str) {
    if let Err(error) = admin::ask(admin, "POST", path) {
        tell(&format!("Envoy's admin interface rejected POST {path}: {error}"));
    }
}

/// How many requests are under way; none where Envoy does not say.
fn active(admin: SocketAddr) -> Option<u64> {
    let text = admin::ask(admin, "GET", ACTIVE).ok()?;
    let numbers = text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
    Some(numbers.sum())
}
