//! Gateway processes that several tests use in turn: starting an Envoy costs seconds of CPU, loading another gateway
//! file a tenth of a second.
//!
//! No state survives between tests. Counters, budgets, caches and circuit breakers belong to the VM, and each test has
//! a VM of another name. Envoy's own counters are reset, and its log is read from the start of the test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::file::Builder;
use super::process::Process;
use super::start::Start;
use super::{APPLIED, FILE, REFUSED, statistics};
use crate::PATIENCE;
use crate::client::Client;
use crate::port::Port;
use crate::shared;

/// The file beside the gateway file with the VM's name; the test build of the command reads it.
const VM: &str = "vm-id";

/// The processes and their directory and ports.
#[derive(Debug)]
pub struct Seat {
    // The field order matters: the processes end before their directory goes.
    pub process: Process,
    pub directory: TempDir,
    pub port: Port,
    pub admin: Port,
    pub start: Start,
    /// Envoy's counters at the last renewal.
    pub before: BTreeMap<String, u64>,
    pub _present: Present,
    /// How many tests used the processes before.
    pub turns: usize,
}

/// The number of gateways, in use or idle.
static PRESENT: AtomicUsize = AtomicUsize::new(0);
/// The maximum number of gateways while one of them is idle; machines with more inotify instances allow more.
const MOST: usize = 8;
/// The inotify instances that one gateway uses, mostly to watch the credentials of earlier tests. The per-user limit
/// divided by this number is the maximum.
const INSTANCES: usize = 25;
/// From this many gateways on, a test takes over the processes of an unused, cheap fixture instead of starting new
/// ones.
const ENOUGH: usize = 4;
/// This many idle gateways of a kind stay while an unused fixture can end instead.
const KEPT: usize = 2;
/// How many tests use one gateway in turn.
const TURNS: usize = 100;

/// Counts one gateway while it exists.
#[derive(Debug)]
pub struct Present(());

impl Present {
    /// Counts a new gateway; ends an idle one if there are too many.
    pub fn one_more() -> Self {
        let room = || PRESENT.load(Ordering::Relaxed) < most();
        while !room() && (give_up_one(KEPT) || shared::give_up_one() || give_up_one(1) || give_up_one(0)) {}
        PRESENT.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        PRESENT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn most() -> usize {
    static LIMIT: LazyLock<usize> = LazyLock::new(|| {
        let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
        limit.trim().parse().unwrap_or_default()
    });
    (*LIMIT / INSTANCES).clamp(MOST, 3 * MOST)
}

/// Ends the gateway that has been idle longest among the kinds with more than `kept` idle ones.
fn give_up_one(kept: usize) -> bool {
    let mut idle = idle();
    let like = |seat: &Seat| idle.iter().filter(|other| other.start == seat.start).count();
    let at = idle.iter().position(|seat| like(seat) > kept);
    let one = at.map(|at| idle.remove(at));
    // The gateway is dropped after the lock: a process takes time to end.
    drop(idle);
    one.is_some()
}

/// The idle gateways, the most recently used last.
static IDLE: Mutex<Vec<Seat>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Seat>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the requests of an earlier test may take to end.
const TO_END: Duration = Duration::from_secs(5);

/// How long Redis may take to receive the last updates. This thread must not take part in that.
const TO_SETTLE: Duration = Duration::from_secs(5);
/// The filter starts to send updates to Redis within this time.
const A_TICK: Duration = Duration::from_millis(150);

impl Seat {
    /// Returns the processes to the idle list.
    pub fn leave(self) {
        if self.turns + 1 < TURNS {
            idle().push(self);
        }
    }

    /// An idle gateway, renewed for this test.
    pub async fn idle(builder: &Builder) -> Option<Self> {
        if !builder.is_shareable() {
            return None;
        }
        let start = builder.all_at_the_start();
        loop {
            match Self::started_with(&start) {
                Some(mut seat) => {
                    seat.turns += 1;
                    if seat.renew(builder).await {
                        return Some(seat);
                    }
                }
                // An ended fixture returns its gateway, which probably has the same start parameters.
                None if start.is_usual() && PRESENT.load(Ordering::Relaxed) >= ENOUGH && shared::give_up_one() => {}
                None => return None,
            }
        }
    }

    /// Takes an idle gateway with the same start parameters.
    fn started_with(start: &Start) -> Option<Self> {
        let mut idle = idle();
        let at = idle.iter().rposition(|seat| seat.start == *start)?;
        Some(idle.remove(at))
    }

    /// Returns `false` if the processes cannot be reused.
    async fn renew(&mut self, builder: &Builder) -> bool {
        self.is_quiet().await && self.is_logged().await && self.is_changed(builder).await && self.forget().await
    }

    /// Waits until Redis has received all updates of the last test: otherwise the VM would send them to the next test's
    /// Redis. Call this while that test's Redis still runs; it may block, because the test is over.
    pub fn is_settled(&self) -> bool {
        // The active requests and Redis calls, and the total of both.
        const CALLS: &str =
            "/stats?filter=^(http\\.sluice\\.down|cluster\\.sluice-redis\\.up)stream_rq_((pending_)?active|total)$";
        let begun = Instant::now();
        let (mut before, mut since) = (String::new(), begun);
        while begun.elapsed() < TO_SETTLE && self.has_redis() {
            let Some(text) = crate::client::ask_blocking(self.admin.number(), CALLS) else { return false };
            let active = statistics(&text).any(|(name, active)| name.ends_with("active") && active > 0);
            if active || text != before {
                (before, since) = (text, Instant::now());
            } else if since.elapsed() > A_TICK {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Whether each worker that lost Redis has reconnected.
    fn has_redis(&self) -> bool {
        let said = self.process.errors();
        said.matches("Redis does not answer").count() <= said.matches("Redis answers again").count()
    }

    async fn ask(&self, path: &str) -> Option<String> {
        let answer = Client::new(self.admin.number()).request("GET", path, "").await.ok()?;
        Some(answer.text())
    }

    /// Waits until no request is in progress.
    async fn is_quiet(&self) -> bool {
        within(TO_END, || async {
            let text = self.ask("/stats?filter=^http\\.sluice\\.downstream_rq_active$").await?;
            let (_, active) = statistics(&text).next()?;
            (active == 0).then_some(())
        })
        .await
    }

    /// Loads another file with a VM of another name, which has no counters or caches of the previous one.
    async fn is_changed(&self, builder: &Builder) -> bool {
        let said = |text: &str| self.process.errors().matches(text).count();
        let before = (said(APPLIED), said(REFUSED));
        let vm = format!("turn-{}", self.turns);
        let put = |name: &str, text: &str| {
            let new = self.directory.path().join("new");
            std::fs::write(&new, text).expect("a file in the temporary directory");
            std::fs::rename(new, self.directory.path().join(name)).expect("a file in the temporary directory");
        };
        put(VM, &vm);
        put(FILE, &format!("{:#}", builder.render(self.port.number(), self.directory.path())));
        within(PATIENCE, || std::future::ready(((said(APPLIED), said(REFUSED)) != before).then_some(()))).await
            && said(APPLIED) > before.0
            && self.has_vm(&vm).await
    }

    /// Whether the command uses the VM's name: a release build uses the same VM for all tests.
    async fn has_vm(&self, name: &str) -> bool {
        let filters = self.ask("/config_dump?resource=ecds_filters").await;
        filters.is_some_and(|text| text.contains(&format!("\"vm_id\": \"{name}\"")))
    }

    /// Waits until the access log is complete: Envoy has logged all requests before this one.
    async fn is_logged(&self) -> bool {
        const LAST: &str = "/the-last-of-an-earlier-test";
        let asked = Client::new(self.port.number()).request("GET", LAST, "").await;
        asked.is_ok()
            && within(PATIENCE, || {
                std::future::ready(self.process.output().iter().any(|line| line.contains(LAST)).then_some(()))
            })
            .await
    }

    async fn forget(&mut self) -> bool {
        // A VM's counters end with the VM, so a difference to the old values would be negative.
        let reset = Client::new(self.admin.number()).request("POST", "/reset_counters", "").await;
        if !reset.is_ok_and(|answer| answer.status == 200) {
            return false;
        }
        self.before.clear();
        self.process.forget();
        self.process.ended().is_none()
    }
}

/// Whether `look` returns a value within this time.
async fn within<F: Future<Output = Option<()>> + Send>(patience: Duration, mut look: impl FnMut() -> F + Send) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if look().await.is_some() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
