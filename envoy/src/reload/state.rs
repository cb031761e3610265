//! What was written for an Envoy: the gateway file in force, its clusters, and those of earlier ones that requests may still need.

use serde::{Deserialize, Serialize};
use sluice_config::file::File;
use sluice_config::plugin::Reload;

use crate::render::discovery::Cluster;

use super::Statics;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub reload: Option<Reload>,
    /// What the filter is told of it.
    pub file: Option<File>,
    /// What Envoy was started with.
    pub bootstrap: String,
    pub statics: Statics,
    /// A hash of the filter's module that Envoy was started with, where it could be read.
    #[serde(default)]
    pub module: Option<String>,
    /// Those that the gateway file names.
    pub clusters: Vec<Cluster>,
    /// Those that it does not name any more, or not yet; the oldest first.
    pub retired: Vec<Retired>,
}

/// A cluster that no new request goes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Retired {
    pub cluster: Cluster,
    /// In seconds since 1970.
    pub since: u64,
}

impl State {
    /// All clusters that Envoy has.
    pub fn all(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.iter().chain(self.retired.iter().map(|retired| &retired.cluster))
    }

    /// Whether Envoy has a cluster of this name.
    pub fn has(&self, name: &str) -> bool {
        self.all().any(|cluster| cluster.name == name)
    }

    /// Takes note of clusters that are about to be written.
    pub fn expect(&mut self, clusters: &[Cluster], now: u64) {
        let new = clusters.iter().filter(|cluster| !self.has(&cluster.name));
        let new: Vec<Retired> = new.map(|cluster| Retired { cluster: cluster.clone(), since: now }).collect();
        self.retired.extend(new);
    }

    /// From now on these are the clusters. Those that were retire.
    pub fn retire(&mut self, clusters: &[Cluster], now: u64) {
        let gone = std::mem::replace(&mut self.clusters, clusters.to_vec());
        self.retired.extend(gone.into_iter().map(|cluster| Retired { cluster, since: now }));
        self.retired.retain(|retired| !clusters.iter().any(|cluster| cluster.name == retired.cluster.name));
    }

    /// Whether [`Self::over`] would find any.
    pub fn has_over(&self, now: u64, seconds: u64, most: usize) -> bool {
        self.retired.len() > most || self.retired.iter().any(|retired| now.abs_diff(retired.since) >= seconds)
    }

    /// Forgets those that were retired for so many seconds, and the oldest of more than `most`; gives back their names.
    pub fn over(&mut self, now: u64, seconds: u64, most: usize) -> Vec<String> {
        let many = self.retired.len().saturating_sub(most);
        let mut index = 0;
        let mut over = Vec::new();
        self.retired.retain(|retired| {
            // A clock that was set back keeps none for ever.
            let kept = index >= many && now.abs_diff(retired.since) < seconds;
            index += 1;
            if !kept {
                over.push(retired.cluster.name.clone());
            }
            kept
        });
        over
    }
}
