//! The parts of a gateway file that are read at Envoy's start only.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_config::file::{File, Provider};

/// For people: what a running gateway does not take over from a changed file.
pub const RESTARTED: &str = "redis, tracing and memory, which need a restart";

/// What of a gateway file cannot change while Envoy runs. No secret is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statics {
    redis: Value,
    tracing: Value,
    memory: Value,
    aws: bool,
    /// The VM that all roles share: one of another name knows nothing of the Redis that the one before had.
    #[serde(default)]
    vm: String,
}

impl Statics {
    /// Of a file whose roles share the VM of this name.
    pub fn of(file: &File, vm: String) -> Self {
        Self {
            vm,
            redis: written(&file.redis),
            tracing: written(&file.tracing),
            memory: written(&file.memory),
            aws: file.providers.values().any(searches_for_aws),
        }
    }

    /// The parts that differ.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let each = [
            // Where Envoy finds it is in the bootstrap configuration, which has to be the same besides. Only a command made for tests
            // gives the VM another name.
            ("redis", self.redis == other.redis || (cfg!(debug_assertions) && self.vm != other.vm)),
            ("tracing", self.tracing == other.tracing),
            ("memory", self.memory == other.memory),
            // Envoy has the variables, or has them not.
            ("the AWS credentials that Envoy finds in its environment", self.aws || !other.aws),
        ];
        each.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// Whether Envoy looks for a provider's credentials by itself, in the variables that it was started with among other places.
pub fn searches_for_aws(provider: &Provider) -> bool {
    provider.aws.as_ref().is_some_and(|aws| aws.access_key_id.is_none())
}

fn written(part: impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
