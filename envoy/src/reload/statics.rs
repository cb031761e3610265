//! The parts of a gateway file that are only read when Envoy starts.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_config::file::{File, Judge};

use crate::render;

/// The sections of a changed file that a running gateway does not apply, for messages.
pub const RESTARTED: &str = "redis, cache.shared, tracing, metrics.otlp and metrics.key_label beside it, log.otlp, log.file under a \
                             memory limit, alerts, the addresses and credentials of judges, memory, and the AWS credentials that Envoy \
                             looks up by itself, which need a restart";

/// The part of a gateway file that cannot change at runtime. It contains no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statics {
    redis: Value,
    #[serde(default)]
    shared_cache: bool,
    tracing: Value,
    #[serde(default)]
    metrics_otlp: Value,
    #[serde(default)]
    exported_key_label: bool,
    #[serde(default)]
    alerts: Value,
    #[serde(default)]
    log: Value,
    /// Whether the log fills the page cache of a control group that limits memory.
    #[serde(default)]
    log_file_in_group: bool,
    #[serde(default)]
    judges: Vec<Value>,
    memory: Value,
    aws: bool,
    /// The name of the VM that all roles share. A VM of another name has no state of the previous Redis.
    #[serde(default)]
    vm: String,
}

impl Statics {
    /// The static parts of a file.
    pub fn of(file: &File, options: &render::Options) -> Self {
        // The native module exports metrics with the configuration in force.
        let is_wasm = matches!(options.module, render::Module::Wasm(_));
        Self {
            vm: render::vm_id(options),
            redis: written(&file.redis),
            shared_cache: file.cache.shared,
            tracing: written(&file.tracing),
            metrics_otlp: written(&file.metrics.otlp),
            exported_key_label: is_wasm && file.metrics.key_label && file.metrics.otlp.is_some(),
            alerts: written(&file.alerts),
            log: written(&file.log.otlp),
            log_file_in_group: options.cgroup && file.log.file.is_some(),
            judges: file.judges.iter().map(|(name, judge)| serde_json::json!([name, reached(judge)])).collect(),
            memory: written(&file.memory),
            aws: searches_for_aws(file),
        }
    }

    /// Returns the names of the parts that differ.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let each = [
            // The Redis cluster is in the bootstrap configuration, which must be the same anyway. Only test builds give the VM another
            // name.
            ("redis", self.redis == other.redis || (cfg!(debug_assertions) && self.vm != other.vm)),
            // A task on Envoy's main thread applies the purges of other Envoys.
            ("cache.shared", self.shared_cache == other.shared_cache),
            ("tracing", self.tracing == other.tracing),
            ("metrics.otlp", self.metrics_otlp == other.metrics_otlp),
            ("metrics.key_label", self.exported_key_label == other.exported_key_label),
            ("alerts", self.alerts == other.alerts),
            ("log.otlp", self.log == other.log),
            // Envoy watches the group's memory, unless a log file fills its page cache.
            ("log.file under a memory limit", self.log_file_in_group == other.log_file_in_group),
            ("the addresses and credentials of judges", self.judges == other.judges),
            ("memory", self.memory == other.memory),
            // Envoy's environment is fixed at its start.
            ("the AWS credentials that Envoy looks up by itself", self.aws || !other.aws),
        ];
        each.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// Whether Envoy uses AWS' default credential chain, which includes its environment variables.
pub fn searches_for_aws(file: &File) -> bool {
    let providers = file.providers.values().filter_map(|provider| provider.aws.as_ref());
    let judges = file.judges.values().filter_map(|judge| judge.aws.as_ref());
    providers.chain(judges).any(|aws| aws.access_key_id.is_none())
}

/// The part of a judge that its cluster is made of. Its settings can change at runtime.
fn reached(judge: &Judge) -> Value {
    let Judge { kind, key, aws, google, entra, .. } = judge;
    serde_json::json!([kind, judge.url(), key, aws, google, entra])
}

fn written(part: impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judges_address_needs_a_restart_and_its_settings_do_not() {
        let options = crate::reload::tests::options("/".as_ref());
        let of = |fields: &str| {
            let judge = format!(r#"{{ "j": {{ "type": "openai_moderation", {fields} }} }}"#);
            let file =
                format!(r#"{{ "providers": {{}}, "models": {{}}, "teams": {{}}, "keys": [], "judges": {judge} }}"#);
            Statics::of(&serde_json::from_str(&file).unwrap(), &options)
        };
        let before = of(r#""timeout": "1s""#);
        assert_eq!(before.differing(&of(r#""timeout": "2s", "thresholds": { "violence": 0.5 }"#)), [""; 0]);
        for change in [r#""url": "https://api.example""#, r#""key": { "env": "K" }"#] {
            assert_eq!(before.differing(&of(change)), ["the addresses and credentials of judges"], "{change}");
        }
    }

    #[test]
    fn every_part_that_needs_a_restart_is_in_the_message_about_them() {
        let changed = || Value::from(true);
        let before = Statics { vm: "another".to_owned(), ..Statics::default() };
        let after = Statics {
            redis: changed(),
            shared_cache: true,
            tracing: changed(),
            metrics_otlp: changed(),
            exported_key_label: true,
            alerts: changed(),
            log: changed(),
            log_file_in_group: true,
            judges: vec![changed()],
            memory: changed(),
            aws: true,
            vm: "sluice".to_owned(),
        };
        for name in before.differing(&after) {
            assert!(RESTARTED.contains(name), "{name}");
        }
    }
}
