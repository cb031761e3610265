//! The bootstrap extension. On Envoy's main thread it sends ticks to the workers, settlements to Redis and spans to the trace collector, and
//! does the background role's tasks.
//!
//! Workers put their settlements into the gateway's outbox, their spans into a queue and, in relaxed mode, their counts into its shared
//! memory. The main thread sends all of them, so a worker without streams loses nothing. At shutdown, the workers end all requests, and Envoy
//! waits up to two seconds for Redis to confirm the settlements, and for the collector to receive the metrics once more.

use std::cell::RefCell;
use std::ffi::{OsStr, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluice_background::{Alerted, BackgroundTask, tasks};
use sluice_core::callout::{Call, Called};
use sluice_core::metrics::Background;
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::redis_cache::SECRET;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::pipeline::{Effect, metric};
use sluice_shell::idle_timeout::SETTLING;
use sluice_wire::time::Time;

use crate::abi;
use crate::calls::{Bootstrap, Timer};
use crate::config::random;
use crate::domain::Domain;
use crate::logger;
use crate::stream::now;
use crate::ticks;

/// The period of the main thread's ticks, if nothing is due earlier.
const IDLE: Duration = Duration::from_millis(250);
/// The longest time that a shutdown waits for the requests to end, and for Redis.
const LONGEST_ENDING: Duration = Duration::from_secs(2);

struct Main {
    bootstrap: Bootstrap,
    timer: Timer,
    works: Vec<Work>,
    /// The calls of workers' [`Outgoing`] that are in flight.
    outgoing: Vec<(u64, &'static Domain, Arc<dyn Outgoing>)>,
    ending: Option<Ending>,
}

/// A pending shutdown.
struct Ending {
    since: Instant,
    /// Whether the requests are over, and the last tasks have begun.
    is_last: bool,
    go_on: unsafe extern "C" fn(*mut c_void),
    context: *mut c_void,
}

/// One gateway's work.
struct Work {
    domain: &'static Domain,
    /// Identifies this Envoy at Redis and at the collector, whatever the configuration.
    seed: [u8; 16],
    background: Background,
    settlements: Option<RedisClient>,
    /// Each with the time of its next tick.
    tasks: Vec<(Box<dyn BackgroundTask>, Instant)>,
    /// The alerts under all configurations.
    alerted: Rc<Alerted>,
    /// The calls in flight.
    calls: Vec<(u64, Subject)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Settlements,
    /// The task at this index.
    Task(usize),
}

thread_local! {
    static MAIN: RefCell<Option<Main>> = const { RefCell::new(None) };
}

/// Whether the next tick panics.
#[cfg(feature = "trap")]
pub static TRAP: AtomicBool = AtomicBool::new(false);

/// Whether Envoy has the bootstrap extension. The filter rejects its configuration without it.
static SERVED: AtomicBool = AtomicBool::new(false);

pub fn is_served() -> bool {
    SERVED.load(Ordering::Relaxed)
}

/// Whether the workers end all requests.
static SHUT_DOWN: AtomicBool = AtomicBool::new(false);

pub fn shut_down() -> bool {
    SHUT_DOWN.load(Ordering::Relaxed)
}

/// Makes the workers end all requests from their next tick on.
pub fn end_requests() {
    SHUT_DOWN.store(true, Ordering::Relaxed);
}

/// Handles the creation of the bootstrap extension. Returns whether it succeeded.
pub fn begins(config: *mut abi::Bootstrap) -> bool {
    logger::follow();
    let Ok(bootstrap) = Bootstrap::new(config) else {
        log::error!("Envoy rejected the bootstrap extension's metrics");
        return false;
    };
    let Some(timer) = bootstrap.timer() else {
        log::error!("Envoy rejected a timer");
        return false;
    };
    timer.fires_in(SETTLING);
    MAIN.set(Some(Main { bootstrap, timer, works: Vec::new(), outgoing: Vec::new(), ending: None }));
    SERVED.store(true, Ordering::Relaxed);
    true
}

/// Handles the destruction of the bootstrap extension.
pub fn ends() {
    SERVED.store(false, Ordering::Relaxed);
    MAIN.take();
}

/// Handles Envoy's shutdown, which waits until this module calls `go_on`.
pub fn shuts_down(go_on: unsafe extern "C" fn(*mut c_void), context: *mut c_void) {
    end_requests();
    let ending = Ending { since: Instant::now(), is_last: false, go_on, context };
    let rest = MAIN.with_borrow_mut(|main| match main {
        Some(main) => {
            main.ending = Some(ending);
            main.timer.fires_in(SETTLING);
            main.may_end()
        }
        None => Some(ending),
    });
    end(rest);
}

#[allow(unsafe_code)]
fn end(ending: Option<Ending>) {
    if let Some(ending) = ending {
        // SAFETY: both come from Envoy, and each shutdown is taken once.
        unsafe { (ending.go_on)(ending.context) }
    }
}

/// Handles the timer. The caller calls [`ticked`] afterwards, even after a panic.
pub fn tick() {
    logger::follow();
    MAIN.with_borrow_mut(|main| {
        let Some(main) = main else { return };
        // After a panic, this is the next tick.
        main.timer.fires_in(SETTLING);
        #[cfg(feature = "trap")]
        assert!(!TRAP.swap(false, Ordering::Relaxed), "a trap");
        let next = ticks::send_all(Instant::now()).unwrap_or(IDLE);
        Domain::tick(now());
        for (domain, queue) in Domain::outgoing() {
            main.send(domain, &queue, queue.flush(now()), Vec::new());
        }
        main.begin_last();
        let next = if main.tick_all() { next.min(SETTLING) } else { next };
        main.timer.fires_in(next.max(Duration::from_millis(1)));
    });
}

/// Lets a pending shutdown go on, if it need not wait any longer.
pub fn ticked() {
    end(MAIN.with_borrow_mut(|main| main.as_mut()?.may_end()));
}

/// Handles the reply to a call.
pub fn called(id: u64, called: &Called) {
    let ending = MAIN.with(|main| {
        // Envoy ends a call within the call that begins it if it cannot send it. That call then fails, so this reply concerns nothing.
        let mut main = main.try_borrow_mut().ok()?;
        let main = main.as_mut()?;
        let bootstrap = main.bootstrap;
        if let Some(place) = main.outgoing.iter().position(|(own, ..)| *own == id) {
            let (_, domain, queue) = main.outgoing.swap_remove(place);
            let mut effects = Vec::new();
            let next = queue.on_reply(called, now(), &mut effects);
            main.send(domain, &queue, next, effects);
        }
        for work in &mut main.works {
            let Some(place) = work.calls.iter().position(|(own, _)| *own == id) else { continue };
            let (_, of) = work.calls.swap_remove(place);
            if let Some(next) = work.on_reply(bootstrap, of, called) {
                work.send(bootstrap, of, next);
            }
        }
        main.may_end()
    });
    end(ending);
}

impl Main {
    /// Sends settlements, and starts the tasks that are due. Returns whether any gateway has a Redis.
    fn tick_all(&mut self) -> bool {
        let all = Domain::with_background();
        for (domain, background) in &all {
            let known = self.works.iter().position(|work| ptr::eq(work.domain, *domain));
            let place = known.unwrap_or(self.works.len());
            if known.is_none() {
                self.works.extend(Work::new(domain, background));
            }
            if let Some(work) = self.works.get_mut(place) {
                work.tick(self.bootstrap, background);
            }
        }
        all.iter().any(|(_, background)| background.redis.is_some())
    }

    /// Sends a call that no request waits for, and applies effects. If Envoy rejects the call, that counts as no reply.
    fn send(
        &mut self,
        domain: &'static Domain,
        queue: &Arc<dyn Outgoing>,
        mut call: Option<Call>,
        mut effects: Vec<Effect>,
    ) {
        while let Some(next) = call.take() {
            match self.bootstrap.call(&next) {
                Ok(id) => self.outgoing.push((id, domain, queue.clone())),
                Err(_) => {
                    let silent = Called { status: None, body: Vec::new() };
                    call = queue.on_reply(&silent, now(), &mut effects);
                }
            }
        }
        note(self.bootstrap, domain, effects);
    }

    /// At shutdown, makes the tasks due that work once more after the last request.
    fn begin_last(&mut self) {
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.is_last && !Domain::has_requests()) else {
            return;
        };
        ending.is_last = true;
        Domain::flush(now());
        let tasks = self.works.iter_mut().flat_map(|work| &mut work.tasks);
        tasks.filter(|(task, _)| task.works_at_shutdown()).for_each(|(_, due)| *due = Instant::now());
    }

    /// Takes the pending shutdown, if it need not wait any longer.
    fn may_end(&mut self) -> Option<Ending> {
        let ending = self.ending.as_ref()?;
        let is_over = ending.is_last || !self.works.iter().any(Work::has_last_tasks);
        let is_settled = |work: &Work| !work.settlements.as_ref().is_some_and(RedisClient::has_unsettled);
        let is_done = |work: &Work| is_settled(work) && !work.is_at_last_tasks();
        let may_end = is_over && !Domain::has_requests() && self.works.iter().all(is_done);
        if may_end || ending.since.elapsed() >= LONGEST_ENDING { self.ending.take() } else { None }
    }
}

impl Work {
    fn new(domain: &'static Domain, background: &Background) -> Option<Self> {
        let settlements = background.redis.clone().map(|redis| RedisClient::new(redis).sharing(domain.outbox.clone()));
        let (seed, alerted) = (random().ok()?, Rc::default());
        let tasks = scheduled(background, seed, &alerted);
        Some(Self { domain, seed, tasks, alerted, background: background.clone(), settlements, calls: Vec::new() })
    }

    fn tick(&mut self, bootstrap: Bootstrap, background: &Background) {
        if self.background != *background {
            self.follow(background);
        }
        // After a panic during a call, no reply will arrive.
        let is_under_way = |of| self.calls.iter().any(|(_, other)| *other == of);
        if let Some(settlements) = self.settlements.as_ref().filter(|_| !is_under_way(Subject::Settlements)) {
            settlements.forget_call();
            if let Some(call) = settlements.flush(now()) {
                self.send(bootstrap, Subject::Settlements, call);
            }
        }
        for index in 0..self.tasks.len() {
            let is_under_way = self.calls.iter().any(|(_, of)| *of == Subject::Task(index));
            let Some((task, due)) =
                self.tasks.get_mut(index).filter(|(_, due)| *due <= Instant::now() && !is_under_way)
            else {
                continue;
            };
            *due = Instant::now() + task.period();
            task.forget_call();
            let mut effects = Vec::new();
            let call = task.tick(now(), self.domain.shared(), &mut effects);
            note(bootstrap, self.domain, effects);
            if let Some(call) = call {
                self.send(bootstrap, Subject::Task(index), call);
            }
        }
    }

    /// Whether a task works once more at shutdown.
    fn has_last_tasks(&self) -> bool {
        self.tasks.iter().any(|(task, _)| task.works_at_shutdown())
    }

    /// Whether such a task is due or under way.
    fn is_at_last_tasks(&self) -> bool {
        let now = Instant::now();
        self.tasks.iter().enumerate().any(|(index, (task, due))| {
            task.works_at_shutdown() && (*due <= now || self.calls.iter().any(|(_, of)| *of == Subject::Task(index)))
        })
    }

    /// Applies a changed configuration. Calls of earlier tasks are forgotten.
    fn follow(&mut self, background: &Background) {
        let outbox = &self.domain.outbox;
        self.settlements = match (self.settlements.take(), background.redis.clone()) {
            (Some(before), Some(redis)) => Some(before.with(redis).sharing(outbox.clone())),
            (None, Some(redis)) => Some(RedisClient::new(redis).sharing(outbox.clone())),
            (before, None) => before,
        };
        self.calls.retain(|(_, of)| *of == Subject::Settlements);
        self.tasks = scheduled(background, self.seed, &self.alerted);
        self.background = background.clone();
    }

    /// Sends a call. If Envoy rejects it, that counts as no reply.
    fn send(&mut self, bootstrap: Bootstrap, of: Subject, call: Call) {
        let mut next = Some(call);
        while let Some(call) = next.take() {
            match bootstrap.call(&call) {
                Ok(id) => self.calls.push((id, of)),
                Err(_) => next = self.on_reply(bootstrap, of, &Called { status: None, body: Vec::new() }),
            }
        }
    }

    fn on_reply(&self, bootstrap: Bootstrap, of: Subject, called: &Called) -> Option<Call> {
        let (now, mut effects): (Time, _) = (now(), Vec::new());
        let next = match of {
            Subject::Settlements => self.settlements.as_ref()?.on_reply(called, now, &mut effects),
            Subject::Task(index) => {
                let (task, _) = self.tasks.get(index)?;
                task.on_reply(called, now, self.domain.shared(), &mut effects)
            }
        };
        note(bootstrap, self.domain, effects);
        next
    }
}

/// The tasks of a configuration, all of them due.
fn scheduled(
    background: &Background,
    seed: [u8; 16],
    alerted: &Rc<Alerted>,
) -> Vec<(Box<dyn BackgroundTask>, Instant)> {
    let secret = std::env::var_os(SECRET);
    tasks(background, seed, secret.as_deref().map(OsStr::as_encoded_bytes), alerted.clone())
        .into_iter()
        .map(|task| (task, Instant::now()))
        .collect()
}

/// Applies effects that need no message.
fn note(bootstrap: Bootstrap, domain: &Domain, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::Count(name) => {
                metric::count(name, &domain.main);
                if bootstrap.count(name).is_err() {
                    log::error!("Envoy rejected an update of a counter");
                }
            }
            Effect::Warn(text) => log::warn!("{text}"),
            _ => {}
        }
    }
}
