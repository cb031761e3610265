//! Exports the metrics to a collector.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sluice_core::callout::{Call, Called, METRICS_CLUSTER};
use sluice_core::metrics::Export;
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::Effect;
use sluice_core::store::SharedData;
use sluice_wire::time::Time;

use super::otlp::{self, Resource};
use super::{BackgroundTask, TIMEOUT};

/// Exports the metrics to a collector.
#[derive(Debug)]
pub(super) struct MetricsExport {
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
    /// `instance` identifies this start of Envoy.
    pub(super) fn new(export: Export, instance: String, key_label: bool) -> Self {
        Self { export, instance, key_label, bodies: RefCell::default(), failed: Cell::default() }
    }

    fn next(&self) -> Option<Call> {
        let body = self.bodies.borrow_mut().pop()?;
        Some(self.export.endpoint.post(METRICS_CLUSTER, body.into_bytes(), TIMEOUT))
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

    fn works_at_shutdown(&self) -> bool {
        true
    }
}
