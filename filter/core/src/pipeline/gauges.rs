//! The metrics of a configuration itself: its version, the circuits of its targets, and the counters that begin at zero with it.

use sluice_wire::time::Time;

use crate::compiled::CompiledConfig;
use crate::memory_limiter::OVERLOADED;
use crate::metrics::instruments::{ATTEMPT, CIRCUIT, CONFIG, REJECTED, RELOAD, circuit as slots, config, reload};
use crate::metrics::{self, ConfigStatus, Recorder};
use crate::routing::target_health::TargetHealth;
use crate::routing::target_health::circuit::{self, CircuitState, Settings};
use crate::store::SharedData;

/// Makes a recorder report the metrics of `config` from now on: that of each worker's VM, or natively that of the main thread, which
/// learns of a configuration before any worker has a request under it.
pub fn report(config: &CompiledConfig, recorder: &Recorder) {
    recorder.configure(config.metrics.series, Some(Box::new(Gauges::of(config, recorder))));
}

/// The gauges of one configuration.
#[derive(Debug)]
struct Gauges {
    status: Option<ConfigStatus>,
    /// Each with its provider and model.
    targets: Vec<(String, String, TargetHealth)>,
    settings: Settings,
}

impl Gauges {
    /// The gauges of `config`. Begins the counters at zero whose labels it fixes, so that Prometheus sees the growth of their first event:
    /// successful chats of each target, and rejections of requests without a valid key. Labels with a caller would multiply teams, models
    /// and errors.
    fn of(config: &CompiledConfig, recorder: &Recorder) -> Self {
        for code in ["invalid_api_key", "key_store_unavailable", OVERLOADED] {
            recorder.begin(&REJECTED, &["", "", "", code]);
        }
        let mut targets: Vec<(String, String, TargetHealth)> = Vec::new();
        // Several models may have the same target.
        for target in config.targets().filter(|target| !target.model.is_empty()) {
            if !targets.iter().any(|(_, _, health)| health.id() == target.health.id()) {
                let (provider, model, (address, port)) =
                    (&target.provider, target.metric_model(), target.provider.server());
                // Half of the time series are left for what clients cause: these have 18 each.
                if targets.len() < config.metrics.series / 36 {
                    let labels = ["chat", provider.telemetry_name, model, address, port, "", &provider.name];
                    recorder.begin(&ATTEMPT, &labels);
                }
                targets.push((provider.name.clone(), model.to_owned(), target.health.clone()));
            }
        }
        Self { status: config.status.clone(), targets, settings: config.circuit }
    }
}

impl metrics::Gauges for Gauges {
    fn record(&self, recorder: &Recorder, shared: &dyn SharedData, now: Time) {
        let version = self.status.as_ref().map_or("", |status| &status.version);
        recorder.record(&CONFIG, &[version], |values| values.set(config::INFO, 1));
        if let Some(status) = &self.status {
            recorder.record(&RELOAD, &[], |values| {
                values.set(reload::SUCCESSFUL, u64::from(status.is_last));
                values.set(reload::TIME, status.loaded);
            });
        }
        for (provider, model, health) in &self.targets {
            let state = circuit::read(shared, health).standing(now, &self.settings);
            let is_open = matches!(state, CircuitState::Open { .. } | CircuitState::ProbeDue | CircuitState::Probing);
            recorder.record(&CIRCUIT, &[provider, model], |values| values.set(slots::OPEN, u64::from(is_open)));
        }
    }
}
