//! Hostile clients and providers, alongside clients that read good streams. No VM and no process ends, every good stream is complete and as
//! its provider sent it, and memory stays within the documented bounds. In the end nothing is reserved, and the log, the accounts and the
//! providers' ledgers agree.
//!
//! `SLUICE_SOAK_SHAPES` selects the rows of the table: all by default; rows with `frame` or `form` in their names by `frame,form`; all
//! others by `-frame,-form`. Each runs at least once, however long that takes.

mod attack;
mod books;
mod good;
mod place;
mod provider;
mod report;
mod schedule;
mod shapes;
mod site;
mod talk;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use sluice_tests::chance::Chance;
use sluice_tests::simulator::Simulator;
use tokio::task::JoinSet;

use self::attack::{Visit, somebody};
use self::good::Reader;
use self::provider::Provider;
use self::report::Report;
use self::schedule::Schedule;
use self::shapes::{Row, Store, plain};
use self::site::{LARGE, Scene};
use self::watch::{Rest, Underway, Watched, watch};
use crate::{CHAT, Run, setting};

/// Concurrent good streams at each gateway.
const READERS: [(Store, u64); 2] = [(Store::Memory, 35), (Store::Redis, 15)];
/// Concurrent hostile visits.
const ATTACKERS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hostile_ends_or_stalls_the_gateway() {
    let rows = chosen(&setting::<String>("SLUICE_SOAK_SHAPES").unwrap_or_default());
    let run = Run::new(&format!("{} hostile shapes", rows.len()));
    let hostile = Provider::start(shapes::reply).await;
    let mut scenes = Vec::new();
    for (store, _) in READERS {
        let scene = Arc::new(Scene::start(store, &hostile).await);
        let rest = Arc::new(Rest::of(&scene).await);
        scenes.push((scene, rest));
    }
    let (report, mut watched) = attack(&scenes, rows, run).await;
    report.print();
    let mut complaints = report.complaints();
    for (scene, rest) in &scenes {
        let watched = watched.remove(&scene.store).unwrap_or_default();
        let ended: Vec<String> = watched.complaints.iter().cloned().chain(rest.still(scene)).collect();
        // A gateway that ended has no meaningful state.
        if ended.is_empty() {
            complaints.extend(books::judged(scene, rest, &watched, run).await);
            complaints.extend(still_serves(scene).await);
        }
        complaints.extend(ended);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// The rows that these words select.
fn chosen(words: &str) -> Vec<Row> {
    let (without, with): (Vec<&str>, Vec<&str>) =
        words.split(',').filter(|word| !word.is_empty()).partition(|word| word.starts_with('-'));
    let is_of = |row: &Row, words: &[&str]| words.iter().any(|word| row.name.contains(word.trim_start_matches('-')));
    let rows = shapes::all().into_iter();
    rows.filter(|row| (with.is_empty() || is_of(row, &with)) && !is_of(row, &without)).collect()
}

/// The shared state of all tasks.
#[derive(Default)]
struct Stage {
    report: Mutex<Report>,
    underway: Underway,
    /// Whether the attackers have finished.
    over: AtomicBool,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

type Scenes = Vec<(Arc<Scene>, Arc<Rest>)>;

/// Runs the good streams, and the hostile visits alongside.
async fn attack(scenes: &Scenes, rows: Vec<Row>, run: Run) -> (Report, BTreeMap<Store, Watched>) {
    let stage = Arc::<Stage>::default();
    let twin = Arc::new(Simulator::start().await);
    let mut readers = JoinSet::new();
    for ((scene, _), (_, count)) in scenes.iter().zip(READERS) {
        for number in 0..count {
            let reader = Reader::new(scene.place.port, Arc::clone(&twin), run.seed, number);
            readers.spawn(read(reader, Arc::clone(&stage)));
        }
    }
    let mut watches = JoinSet::new();
    for (scene, rest) in scenes.iter().cloned() {
        let stage = Arc::clone(&stage);
        watches.spawn(async move {
            let over = || stage.over.load(Ordering::Relaxed);
            (scene.store, watch(&scene, &rest, &stage.underway, over).await)
        });
    }
    let schedule = Arc::new(Schedule::new(rows, run.seed, Instant::now() + run.length));
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        attackers.spawn(visits(scenes.clone(), Arc::clone(&schedule), run.seed, Arc::clone(&stage)));
    }
    ended(&mut attackers, &stage).await;
    stage.over.store(true, Ordering::Relaxed);
    ended(&mut readers, &stage).await;
    let watched = ended(&mut watches, &stage).await.into_iter().collect();
    (std::mem::take(&mut *lock(&stage.report)), watched)
}

/// Waits for all tasks; a failed one is a violation.
async fn ended<T: 'static>(tasks: &mut JoinSet<T>, stage: &Stage) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(result) => results.push(result),
            Err(failed) => lock(&stage.report).wrong(failed.to_string()),
        }
    }
    results
}

/// Reads one good stream after another; a reader with an error stops.
async fn read(mut reader: Reader, stage: Arc<Stage>) {
    while !stage.over.load(Ordering::Relaxed) {
        let read = reader.read().await;
        let is_well = read.is_ok();
        lock(&stage.report).stream(read);
        if !is_well {
            return;
        }
    }
}

/// Makes one hostile visit after another.
async fn visits(scenes: Scenes, schedule: Arc<Schedule>, seed: u64, stage: Arc<Stage>) {
    while let Some((number, row)) = schedule.next() {
        let mut chance = Chance::of(seed, 1_000_000 + number);
        let possible: Vec<_> =
            scenes.iter().filter(|(scene, _)| row.only.is_none_or(|only| only == scene.store)).collect();
        let (scene, _) = possible[chance.below(possible.len() as u64) as usize];
        let key = row.key.unwrap_or_else(|| somebody(&mut chance));
        let visit = Visit { place: scene.place.clone(), chance, key };
        stage.underway.begins(row.name);
        let begun = Instant::now();
        let seen = row.run(visit).await;
        stage.underway.ends(row.name);
        lock(&stage.report).row(row.name, begun.elapsed(), seen);
    }
}

/// The attacking keys have their full share again: no worker still holds memory of their requests.
async fn still_serves(scene: &Scene) -> Vec<String> {
    let mut visits = JoinSet::new();
    for key in LARGE {
        let visit = Visit { place: scene.place.clone(), chance: Chance::new(0), key };
        visits.spawn(async move {
            let body = plain(CHAT, "small").to_string().replace("say hi", &"0123456789abcdef".repeat(30 << 16));
            let ask = visit.ask(CHAT, Bytes::from(body));
            let mut complaints = Vec::new();
            // By chance they reach each of the workers.
            for _ in 0..3 {
                let (one, two) = tokio::join!(visit.send(&ask, &[200]), visit.send(&ask, &[200]));
                let refused = [one, two].into_iter().find(|seen| *seen != Ok("200".to_owned()));
                complaints.extend(refused.map(|seen| format!("{key} may not have what it could: {seen:?}")));
            }
            complaints
        });
    }
    visits.join_all().await.concat()
}
