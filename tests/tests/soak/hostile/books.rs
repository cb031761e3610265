//! The state of a gateway after an attack: its reservations, its counts, and its peak memory.

use sluice_tests::money::Price;
use sluice_tests::redis::reservations::all_settled;

use super::shapes::Store;
use super::site::{GOOD, LIMITED, MODELS, Scene, TEAMS};
use super::watch::{Rest, Watched};
use crate::after::{logged, of_errors, of_limits, of_statistics, of_usage, quiet};
use crate::tally::Tally;
use crate::{Run, memory, unless};

/// The violations.
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

/// The cost of good streams must equal their providers' usage, each counted once.
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

/// The memory bound of one worker (`memory.worker`), in bytes.
const HELD: u64 = 256 * MIB;
/// The number of copies in Envoy's buffers: for the filter, for a retry, and for sending. The last may outlive its request if the client
/// has not read it.
const COPIES: u64 = 3;
/// The maximum memory of one parsed request or response; only one exists at a time.
const READ: u64 = 256 * MIB;
/// The largest text that is parsed, and the largest that is written (`memory.rewritten_body`).
const WRITTEN: u64 = 48 * MIB;
/// The memory of all cached responses (`cache.memory`), which the workers share.
const KEPT: u64 = 64 * MIB;

/// The memory that a gateway may use beyond its idle memory, by the documentation.
pub fn room(store: Store) -> u64 {
    u64::from(store.workers()) * (COPIES * HELD + READ + 2 * WRITTEN) + KEPT
}

/// The allowed memory is the idle memory plus each worker's bound in the documentation.
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
