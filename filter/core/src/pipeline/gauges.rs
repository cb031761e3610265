//! The metrics of a configuration itself: its version, the circuits of its targets, and the counters that begin at zero with it.

use sluice_wire::time::Time;

use crate::compiled::CompiledConfig;
use crate::memory_limiter::OVERLOADED;
use crate::metrics::instruments::{
    ATTEMPT, CIRCUIT, CONFIG, REJECTED, RELOAD, REQUEST, circuit as slots, config, reload,
};
use crate::metrics::{self, ConfigStatus, Recorder, Values};
use crate::routing::target_health::TargetHealth;
use crate::routing::target_health::circuit::{self, CircuitState, Settings};
use crate::store::SharedData;

/// The gauges of one configuration.
#[derive(Debug)]
pub(super) struct Gauges {
    status: Option<ConfigStatus>,
    /// Each with its provider and model.
    targets: Vec<(String, String, TargetHealth)>,
    settings: Settings,
}

impl Gauges {
    pub(super) fn of(config: &CompiledConfig) -> Self {
        let mut targets: Vec<(String, String, TargetHealth)> = Vec::new();
        // Several models may have the same target.
        for target in config.targets().filter(|target| !target.model.is_empty()) {
            if !targets.iter().any(|(_, _, health)| health.id() == target.health.id()) {
                targets.push((target.provider.name.clone(), target.metric_model().to_owned(), target.health.clone()));
            }
        }
        Self { status: config.status.clone(), targets, settings: config.circuit }
    }
}

/// Begins the counters at zero whose labels the configuration fixes, so that Prometheus sees the growth of their first event: successful
/// chats of each target, and rejections of requests without a valid key. Labels with a caller would multiply teams, models and errors.
pub(super) fn begin(config: &CompiledConfig, recorder: &Recorder) {
    let zero = |_: &mut Values<'_>| {};
    for code in ["invalid_api_key", "key_store_unavailable", OVERLOADED] {
        recorder.record(&REJECTED, &["", "", "", code], zero);
        recorder.record(&REQUEST, &["", "", "", "", "", "", "", code], zero);
    }
    // Half of the time series are left for what clients cause.
    let most = (config.metrics.series / 2).checked_div(ATTEMPT.series()).unwrap_or_default();
    for target in config.targets().filter(|target| !target.model.is_empty()).take(most) {
        let (provider, (address, port)) = (&target.provider, target.provider.server());
        let (name, model) = (provider.telemetry_name, target.metric_model());
        recorder.record(&ATTEMPT, &["chat", name, model, address, port, "", &provider.name], zero);
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
