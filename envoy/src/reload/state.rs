//! The files of one Envoy: the active gateway file, its clusters, and earlier clusters that requests may still need.

use serde::{Deserialize, Serialize};
use sluice_config::file::File;
use sluice_config::plugin::Reload;

use crate::render::discovery::Cluster;

use super::Statics;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub reload: Option<Reload>,
    /// The filter's part of the gateway file.
    pub file: Option<File>,
    /// Envoy's bootstrap configuration.
    pub bootstrap: String,
    pub statics: Statics,
    /// A hash of the filter's module when Envoy started, if it could be read.
    #[serde(default)]
    pub module: Option<String>,
    /// The gateway file's clusters.
    pub clusters: Vec<Cluster>,
    /// Clusters that the gateway file no longer names, or does not name yet; the oldest first.
    pub retired: Vec<Retired>,
}

/// A cluster that receives no new requests.
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

    /// Records clusters that are about to be written.
    pub fn expect(&mut self, clusters: &[Cluster], now: u64) {
        let new = clusters.iter().filter(|cluster| !self.has(&cluster.name));
        let new: Vec<Retired> = new.map(|cluster| Retired { cluster: cluster.clone(), since: now }).collect();
        self.retired.extend(new);
    }

    /// Replaces the current clusters. Previous ones that are not among them retire.
    pub fn retire(&mut self, clusters: &[Cluster], now: u64) {
        let gone = std::mem::replace(&mut self.clusters, clusters.to_vec());
        self.retired.extend(gone.into_iter().map(|cluster| Retired { cluster, since: now }));
        self.retired.retain(|retired| !clusters.iter().any(|cluster| cluster.name == retired.cluster.name));
    }

    /// Whether [`Self::over`] would return any.
    pub fn has_over(&self, now: u64, seconds: u64, most: usize) -> bool {
        self.retired.len() > most || self.retired.iter().any(|retired| now.abs_diff(retired.since) >= seconds)
    }

    /// Removes clusters that retired at least `seconds` ago, and the oldest beyond `most`. Returns their names.
    pub fn over(&mut self, now: u64, seconds: u64, most: usize) -> Vec<String> {
        let many = self.retired.len().saturating_sub(most);
        let mut index = 0;
        let mut over = Vec::new();
        self.retired.retain(|retired| {
            // If the clock was set back, a cluster must not stay forever.
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
