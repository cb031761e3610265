//! The books of a gateway that was attacked, when all is over: what it holds, what it counted, and how much memory it took.

use sluice_tests::money::Price;
use sluice_tests::redis::reservations::all_settled;

use super::shapes::Store;
use super::site::{GOOD, LIMITED, MODELS, Scene, TEAMS};
use super::watch::{Rest, Watched};
use crate::after::{logged, of_errors, of_limits, of_statistics, of_usage, quiet};
use crate::tally::Tally;
use crate::{Run, memory, unless};

/// What does not hold.
pub async fn judged(scene: &Scene, rest: &Rest, watched: &Watched, run: Run) -> Vec<String> {
    let site = &scene.site;
    let statistics = quiet(site).await;
    let tally = logged(site, &statistics).await;
    if let Some(redis) = &scene.redis {
        all_settled(redis).await;
    }
    let limits = site.limits(Scene::limited()).await;
    let mut complaints = of_limits(&limits, LIMITED, &tally);
    complaints.extend(of_statistics(&statistics));
    for team in TEAMS {
        complaints.extend(of_usage(team, &site.usage(team).await, &limits, &tally, run.is_same_day()));
    }
    complaints.extend(of_ledger(scene, &tally).await);
    complaints.extend(of_memory(scene, rest, watched));
    complaints.extend(of_errors(&site.gateway.errors()));
    complaints.into_iter().map(|complaint| format!("{:?}: {complaint}", scene.store)).collect()
}

/// What good streams cost is what their providers say that they used, each once.
async fn of_ledger(scene: &Scene, tally: &Tally) -> Vec<String> {
    let mut complaints = Vec::new();
    for ((model, _, _, input, output), provider) in MODELS.into_iter().zip(&scene.site.providers) {
        let used = provider.used().await;
        let (cost, answers) = (Price { input, output }.total(&used), used.iter().map(|(_, count)| count).sum::<u64>());
        let scope = format!("model={model}");
        let logged = (tally.costs.get(&scope).copied(), tally.requests.get(&scope).copied());
        complaints.extend(unless(logged == (Some(cost), Some(answers)), || {
            format!("{model}: its provider counted {cost} for {answers} answers, the log has {logged:?}")
        }));
    }
    let missing = GOOD.iter().find(|key| !tally.requests.contains_key(&format!("key={key}")));
    complaints.extend(missing.map(|key| format!("{key} has asked for nothing")));
    complaints
}

const MIB: u64 = 1 << 20;

/// What one worker holds at most (`memory.worker`), in bytes.
const HELD: u64 = 256 * MIB;
/// So often it may stand in Envoy's buffers: where the filter reads it, where a retry would take it from, and on its way out, also when
/// its request is over and its client has not read it yet.
const COPIES: u64 = 3;
/// What one request or answer takes at most once it is read into types; there is one such at a time.
const READ: u64 = 256 * MIB;
/// The largest text that is read, and the largest that is written (`memory.rewritten_body`).
const WRITTEN: u64 = 48 * MIB;
/// What all answers that are kept take together (`cache.memory`), in memory that the workers share.
const KEPT: u64 = 64 * MIB;

/// The memory that a gateway may take beside what it takes at rest, by the documentation.
pub fn room(store: Store) -> u64 {
    u64::from(store.workers()) * (COPIES * HELD + READ + 2 * WRITTEN) + KEPT
}

/// What it may take is what it took at rest, and for each worker what the documentation says.
fn of_memory(scene: &Scene, rest: &Rest, watched: &Watched) -> Vec<String> {
    let (rest, peak) = (&rest.memory, memory::peak(&scene.site.gateway));
    let workers = u64::from(scene.store.workers());
    let buffers = rest.allocated + workers * COPIES * HELD + KEPT;
    let all = rest.resident + room(scene.store);
    let bounds =
        [("resident", rest.resident, peak, all), ("in Envoy's buffers", rest.allocated, watched.allocated, buffers)];
    let mut complaints = Vec::new();
    for (what, rest, most, bound) in bounds {
        let [rest, most, bound] = [rest, most, bound].map(|bytes| bytes / MIB);
        let rows = &watched.highest;
        let told = format!(
            "{what}: {rest} MiB at rest, {most} MiB at the highest, {bound} MiB allowed; under way were {rows:?}"
        );
        println!("{:?}: {told}", scene.store);
        complaints.extend(unless(most <= bound, || told));
    }
    complaints
}
