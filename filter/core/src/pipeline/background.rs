//! The background role: work that belongs to no request, once for each Envoy, on its main thread.
//!
//! Each task has at most one call in flight. A task that fails logs the first failure in a row and tries again in its next period.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::time::Duration;

use sluice_wire::hex;
use sluice_wire::time::Time;

use crate::callout::{Call, Called, METRICS_CLUSTER};
use crate::compiled::CompiledConfig;
use crate::metrics::otlp::{self, Resource};
use crate::metrics::pages::Snapshot;
use crate::metrics::{Endpoint, Export};
use crate::store::SharedData;
use crate::store::redis::settings::Redis;

use super::Effect;
use super::alerts::Alerts;
use super::counter_sync::CounterSync;

/// The timeout of calls to a collector.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One kind of work.
pub trait BackgroundTask: Debug {
    /// The time between two ticks.
    fn period(&self) -> Duration;

    /// Starts the work of one period; returns its first call.
    fn tick(&self, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call>;

    /// Handles the reply to its call; returns the next one.
    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call>;

    /// The call in flight will get no reply.
    fn forget_call(&self);
}

/// The configuration of the background role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Background {
    /// Redis, which counters are synchronized with, and which alerts are deduplicated by.
    pub redis: Option<Redis>,
    /// Where metrics are exported.
    pub export: Option<Export>,
    /// Where alerts are sent.
    pub alerts: Option<Endpoint>,
    /// Whether exported metrics name keys.
    pub key_label: bool,
}

impl Background {
    /// The background work of a gateway.
    pub fn of(config: &CompiledConfig) -> Self {
        let (metrics, alerts) = (&config.metrics, config.alerts.clone());
        Self { redis: config.redis.clone(), export: metrics.export.clone(), alerts, key_label: metrics.key_label }
    }

    /// Its tasks. `seed` must be unique among all Envoys: 16 random bytes.
    pub fn tasks(&self, seed: [u8; 16]) -> Vec<Box<dyn BackgroundTask>> {
        let mut tasks: Vec<Box<dyn BackgroundTask>> = Vec::new();
        if let Some(sync) = self.redis.clone().and_then(|redis| CounterSync::new(redis, seed)) {
            tasks.push(Box::new(sync));
        }
        if let Some(export) = self.export.clone() {
            let (instance, key_label) = (hex::encoded(&seed), self.key_label);
            let (bodies, failed) = (RefCell::default(), Cell::default());
            tasks.push(Box::new(MetricsExport { export, instance, key_label, bodies, failed }));
        }
        if let Some(endpoint) = self.alerts.clone() {
            tasks.push(Box::new(Alerts::new(endpoint, self.redis.clone())));
        }
        tasks
    }
}

/// Exports the metrics to a collector.
#[derive(Debug)]
struct MetricsExport {
    export: Export,
    /// Identifies this start of Envoy.
    instance: String,
    key_label: bool,
    /// The bodies to send, the next one last.
    bodies: RefCell<Vec<String>>,
    /// Whether the last export failed.
    failed: Cell<bool>,
}

impl MetricsExport {
    fn next(&self) -> Option<Call> {
        let body = self.bodies.borrow_mut().pop()?;
        Some(self.export.endpoint.post(METRICS_CLUSTER, body.into_bytes()))
    }
}

impl BackgroundTask for MetricsExport {
    fn period(&self) -> Duration {
        self.export.interval
    }

    fn tick(&self, now: Time, shared: &dyn SharedData, _: &mut Vec<Effect>) -> Option<Call> {
        let mut snapshot = Snapshot::read(shared, now);
        if !self.key_label {
            snapshot.hide_keys();
        }
        let resource = Resource { service: "sluice", instance: &self.instance };
        let mut bodies = otlp::bodies(&snapshot, resource, now);
        bodies.reverse();
        self.bodies.replace(bodies);
        self.next()
    }

    fn on_reply(&self, called: &Called, _: Time, _: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        let accepted = called.status.is_some_and(|status| (200..300).contains(&status));
        if !self.failed.replace(!accepted) && !accepted {
            let how = called.status.map_or_else(|| "does not answer".to_owned(), |status| format!("answers {status}"));
            effects.push(Effect::Warn(format!("metrics are not exported: the collector {how}")));
        }
        if accepted { self.next() } else { None }
    }

    fn forget_call(&self) {
        self.bodies.take();
    }
}

impl Endpoint {
    /// A POST of a JSON body to this endpoint.
    pub(super) fn post(&self, cluster: &'static str, body: Vec<u8>) -> Call {
        let headers = [
            (":method", "POST"),
            (":path", &self.path),
            (":authority", &self.authority),
            (":scheme", if self.tls { "https" } else { "http" }),
            ("content-type", "application/json"),
            ("user-agent", concat!("sluice/", env!("CARGO_PKG_VERSION"))),
        ];
        Call { cluster, headers: headers.into_iter().collect(), body, timeout: TIMEOUT }
    }
}
