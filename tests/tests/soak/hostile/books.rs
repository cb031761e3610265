//! The books of a gateway that was attacked, when all is over: what it holds, what it counted, and how much memory it took.

use sluice_tests::money::Price;
use sluice_tests::redis::orders::all_settled;

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

/// What it may take beyond what it took at rest.
fn of_memory(scene: &Scene, rest: &Rest, watched: &Watched) -> Option<String> {
    let peak = memory::peak(&scene.site.gateway);
    println!(
        "{:?}: memory in MiB: {} at rest and {} at its highest resident, {} and {} allocated",
        scene.store,
        rest.memory.resident / MIB,
        peak / MIB,
        rest.memory.allocated / MIB,
        watched.allocated / MIB
    );
    None
}
