//! A gateway's processes, which several tests can have in turn: to start an Envoy costs seconds of a processor, to give it another
//! gateway file a moment.
//!
//! Only where nothing is left of the test before: counters, budgets and caches are known by names that tests share, so a file with
//! one of those has processes of its own. Circuits and the like are known by the provider's address too, which no two tests share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::file::Builder;
use super::process::Process;
use super::{APPLIED, FILE, statistics};
use crate::client::Client;
use crate::port::Port;
use crate::shared;

/// The processes, with what they have to themselves.
#[derive(Debug)]
pub struct Seat {
    // Dropped in this order: the processes end before their directory goes.
    pub process: Process,
    pub directory: TempDir,
    pub port: Port,
    pub admin: Port,
    /// Envoy's counters when it was last looked at as if it were new.
    pub before: BTreeMap<String, u64>,
    pub _present: Present,
    /// How many tests had it before.
    pub turns: usize,
}

/// The gateways that there are, at work or idle.
static PRESENT: AtomicUsize = AtomicUsize::new(0);
/// As many as there may be while one of them is idle: each takes a good part of the inotify instances that a user may have.
const MOST: usize = 8;
/// So many tests have one in turn: Envoy watches the credentials of each for a while.
const TURNS: usize = 4;

/// One of them.
#[derive(Debug)]
pub struct Present(());

impl Present {
    /// One more, for which an idle one ends if there are many.
    pub fn one_more() -> Self {
        while PRESENT.load(Ordering::Relaxed) >= MOST && (give_up_one() || shared::give_up_one()) {}
        PRESENT.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        PRESENT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn give_up_one() -> bool {
    let one = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    one.is_some()
}

/// Those that nobody has.
static IDLE: Mutex<Vec<Seat>> = Mutex::new(Vec::new());

/// Sections of a gateway file that leave something behind, or that Envoy reads at its start.
const NOT_PLAIN: [&str; 15] = [
    "admin",
    "apps",
    "budget",
    "budgets",
    "cache",
    "cors",
    "guards",
    "limits",
    "log",
    "memory",
    "redis",
    "ready",
    "tls",
    "tracing",
    "availability",
];
/// How long what an earlier test began may go on.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a gateway file has none of those.
pub fn is_plain(file: &Value) -> bool {
    match file {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| !NOT_PLAIN.contains(&name.as_str()) && is_plain(value))
        }
        Value::Array(list) => list.iter().all(is_plain),
        _ => true,
    }
}

impl Seat {
    /// Lets another test have it.
    pub fn leave(self) {
        if self.turns + 1 == TURNS {
            return;
        }
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// One that nobody has and that now does what this test wants, as if it were new.
    pub async fn idle(builder: &Builder) -> Option<Self> {
        if !builder.is_plain() {
            return None;
        }
        loop {
            let mut seat = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            seat.turns += 1;
            if seat.renew(builder).await {
                return Some(seat);
            }
        }
    }

    /// `false` when it cannot be had again.
    async fn renew(&mut self, builder: &Builder) -> bool {
        self.is_quiet().await && self.is_changed(builder).await && self.is_logged().await && self.forget().await
    }

    async fn ask(&self, path: &str) -> Option<String> {
        let answer = Client::new(self.admin.number()).request("GET", path, "").await.ok()?;
        Some(answer.text())
    }

    /// Waits until nothing is under way.
    async fn is_quiet(&self) -> bool {
        within(|| async {
            let text = self.ask("/stats?filter=^http\\.sluice\\.downstream_rq_active$").await?;
            let (_, active) = statistics(&text).next()?;
            (active == 0).then_some(())
        })
        .await
    }

    /// Gives it another file.
    async fn is_changed(&self, builder: &Builder) -> bool {
        let said = |text: &str| self.process.errors().matches(text).count();
        let before = said(APPLIED);
        let file = builder.render(self.port.number(), self.directory.path());
        let (new, path) = (self.directory.path().join("new"), self.directory.path().join(FILE));
        std::fs::write(&new, format!("{file:#}")).expect("a file in the temporary directory");
        std::fs::rename(new, path).expect("a file in the temporary directory");
        within(|| std::future::ready((said(APPLIED) > before).then_some(()))).await
    }

    /// Waits until all lines of the log are written: those of requests before this one are.
    async fn is_logged(&self) -> bool {
        const LAST: &str = "/the-last-of-an-earlier-test";
        let asked = Client::new(self.port.number()).request("GET", LAST, "").await;
        asked.is_ok()
            && within(|| std::future::ready(self.process.output().iter().any(|line| line.contains(LAST)).then_some(())))
                .await
    }

    async fn forget(&mut self) -> bool {
        let Some(counters) = self.ask("/stats?type=Counters&usedonly").await else { return false };
        self.before = statistics(&counters).map(|(name, value)| (name.to_owned(), value)).collect();
        self.process.forget();
        self.process.ended().is_none()
    }
}

/// Whether something comes about before patience is over.
async fn within<F: Future<Output = Option<()>> + Send>(mut look: impl FnMut() -> F + Send) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if look().await.is_some() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
