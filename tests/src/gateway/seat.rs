//! A gateway's processes, which several tests can have in turn: starting an Envoy costs seconds of a processor, giving it another
//! gateway file a tenth of one.
//!
//! Nothing is left of the test before. Counters, budgets, caches and circuits are the VM's, and each turn has a VM of another name.
//! Envoy's own counters begin at zero, and its log at the turn's beginning.

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

/// The file beside the gateway file from which the tests' command takes the VM's name.
const VM: &str = "vm-id";

/// The processes, with what they have to themselves.
#[derive(Debug)]
pub struct Seat {
    // Dropped in this order: the processes end before their directory goes.
    pub process: Process,
    pub directory: TempDir,
    pub port: Port,
    pub admin: Port,
    pub start: Start,
    /// Envoy's counters when it was last looked at as if it were new, in this turn.
    pub before: BTreeMap<String, u64>,
    pub _present: Present,
    /// How many tests had it before.
    pub turns: usize,
}

/// The gateways that there are, at work or idle.
static PRESENT: AtomicUsize = AtomicUsize::new(0);
/// As many as there may be while one of them is idle, in any case.
const MOST: usize = 8;
/// And where there is room for more: each takes so many of the inotify instances that a user may have, most of them to follow the
/// credentials of the turns before.
const INSTANCES: usize = 25;
/// From so many on, a test has the processes of a fixture that nobody uses, and that is easily made again, rather than new ones.
const ENOUGH: usize = 4;
/// So many idle ones of a kind stay while a fixture that nobody uses can end, and leave its own.
const KEPT: usize = 2;
/// So many tests have one in turn.
const TURNS: usize = 100;

/// One of them.
#[derive(Debug)]
pub struct Present(());

impl Present {
    /// One more, for which an idle one ends if there are many.
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

/// Ends the gateway that has been idle for longest, of a kind of which more than so many are idle.
fn give_up_one(kept: usize) -> bool {
    let mut idle = idle();
    let like = |seat: &Seat| idle.iter().filter(|other| other.start == seat.start).count();
    let at = idle.iter().position(|seat| like(seat) > kept);
    let one = at.map(|at| idle.remove(at));
    // Not dropped while others wait for the list: a process takes its time to end.
    drop(idle);
    one.is_some()
}

/// Those that nobody has; who had one last stands last.
static IDLE: Mutex<Vec<Seat>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Seat>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long what an earlier test began may go on.
const TO_END: Duration = Duration::from_secs(5);

/// And how long Redis may take to hear of it: nothing that this thread does can be a part of it.
const TO_SETTLE: Duration = Duration::from_secs(5);
/// After so long the filter has begun to tell Redis of what has ended.
const A_TICK: Duration = Duration::from_millis(150);

impl Seat {
    /// Lets another test have it.
    pub fn leave(self) {
        if self.turns + 1 < TURNS {
            idle().push(self);
        }
    }

    /// One that nobody has and that now does what this test wants, as if it were new.
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
                // Those that end are as good as any, where they are likely to be of this kind.
                None if start.is_usual() && PRESENT.load(Ordering::Relaxed) >= ENOUGH && shared::give_up_one() => {}
                None => return None,
            }
        }
    }

    /// Takes one that was started with this.
    fn started_with(start: &Start) -> Option<Self> {
        let mut idle = idle();
        let at = idle.iter().rposition(|seat| seat.start == *start)?;
        Some(idle.remove(at))
    }

    /// `false` when it cannot be had again.
    async fn renew(&mut self, builder: &Builder) -> bool {
        self.is_quiet().await && self.is_logged().await && self.is_changed(builder).await && self.forget().await
    }

    /// Waits until Redis has all that it is to have of an earlier test: what a VM could not tell, it would tell the next test's. To be
    /// called while that test's Redis is still there; what blocks here is a test that is over.
    pub fn is_settled(&self) -> bool {
        // How many are under way, and how many calls to Redis there were.
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

    /// Whether each worker for which Redis fell silent has found it again.
    fn has_redis(&self) -> bool {
        let said = self.process.errors();
        said.matches("Redis does not answer").count() <= said.matches("Redis answers again").count()
    }

    async fn ask(&self, path: &str) -> Option<String> {
        let answer = Client::new(self.admin.number()).request("GET", path, "").await.ok()?;
        Some(answer.text())
    }

    /// Waits until nothing is under way.
    async fn is_quiet(&self) -> bool {
        within(TO_END, || async {
            let text = self.ask("/stats?filter=^http\\.sluice\\.downstream_rq_active$").await?;
            let (_, active) = statistics(&text).next()?;
            (active == 0).then_some(())
        })
        .await
    }

    /// Gives it another file, and a VM of another name with it, which finds nothing of what the one before counted and kept.
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

    /// Whether the command took notice of the VM's name: one that is made for release has the same VM in all turns.
    async fn has_vm(&self, name: &str) -> bool {
        let filters = self.ask("/config_dump?resource=ecds_filters").await;
        filters.is_some_and(|text| text.contains(&format!("\"vm_id\": \"{name}\"")))
    }

    /// Waits until all lines of the log are written: those of requests before this one are.
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
        // A VM's counters go with the VM, and a difference to their old values would be negative.
        let reset = Client::new(self.admin.number()).request("POST", "/reset_counters", "").await;
        if !reset.is_ok_and(|answer| answer.status == 200) {
            return false;
        }
        self.before.clear();
        self.process.forget();
        self.process.ended().is_none()
    }
}

/// Whether something comes about before patience is over.
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
