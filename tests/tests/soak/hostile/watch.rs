//! Watches a gateway during an attack: its memory, the end of a VM or a process, and the rows in flight at that time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use sluice_tests::gateway::children;

use super::lock;
use super::site::Scene;
use crate::memory::{self, Sample};
use crate::{after, unless};

/// The interval.
const EVERY: Duration = Duration::from_millis(250);

/// The rows in flight, with their number.
#[derive(Debug, Default)]
pub struct Underway(Mutex<BTreeMap<&'static str, u64>>);

impl Underway {
    pub fn begins(&self, row: &'static str) {
        *lock(&self.0).entry(row).or_default() += 1;
    }

    pub fn ends(&self, row: &'static str) {
        lock(&self.0).entry(row).and_modify(|count| *count -= 1);
    }

    fn rows(&self) -> Vec<&'static str> {
        lock(&self.0).iter().filter(|(_, count)| **count > 0).map(|(row, _)| *row).collect()
    }
}

/// A gateway before the attack.
#[derive(Debug)]
pub struct Rest {
    pub memory: Sample,
    envoy: Vec<u32>,
}

impl Rest {
    pub async fn of(scene: &Scene) -> Self {
        let gateway = &scene.site.gateway;
        Self { memory: memory::look(gateway).await, envoy: children(gateway.process_id()) }
    }

    /// Checks that the same processes still run.
    pub fn still(&self, scene: &Scene) -> Option<String> {
        let gateway = &scene.site.gateway;
        let same = gateway.alive() && children(gateway.process_id()) == self.envoy;
        unless(same, || format!("{:?}: its processes have ended: {}", scene.store, gateway.errors()))
    }
}

/// The observations of a gateway.
#[derive(Debug, Default)]
pub struct Watched {
    /// The peak of Envoy's own allocator.
    pub allocated: u64,
    /// The rows in flight at the peak.
    pub highest: Vec<&'static str>,
    pub complaints: Vec<String>,
}

/// Watches until the attack is over or the gateway has ended.
pub async fn watch(scene: &Scene, rest: &Rest, underway: &Underway, over: impl Fn() -> bool) -> Watched {
    let mut watched = Watched::default();
    let mut known = BTreeMap::new();
    while !over() {
        if let Some(ended) = rest.still(scene) {
            watched.complaints.push(format!("{ended}\nunder way were {:?}", underway.rows()));
            return watched;
        }
        let allocated = memory::look(&scene.site.gateway).await.allocated;
        if allocated > watched.allocated {
            (watched.allocated, watched.highest) = (allocated, underway.rows());
        }
        let statistics = scene.site.statistics().await;
        for (name, count) in after::trouble(&statistics) {
            if known.insert(name.to_owned(), count) != Some(count) {
                let rows = underway.rows();
                watched.complaints.push(format!("{:?}: {name} became {count}; under way were {rows:?}", scene.store));
            }
        }
        tokio::time::sleep(EVERY).await;
    }
    watched
}
