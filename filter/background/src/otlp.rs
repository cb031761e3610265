//! The metrics as OTLP/HTTP requests in JSON.
//!
//! Sources: <https://opentelemetry.io/docs/specs/otlp/> and `opentelemetry/proto/metrics/v1/metrics.proto` of
//! <https://github.com/open-telemetry/opentelemetry-proto>: sums are cumulative. The JSON mapping of protobuf lets senders write 64-bit
//! integers as texts or as numbers. Some receivers drop the counts of a metric that are texts, so they are numbers here.

use std::fmt::{Display, Write};

use sluice_wire::json::json_string;
use sluice_wire::time::Time;

use sluice_core::metrics::Labels;
use sluice_core::metrics::Scaled;
use sluice_core::metrics::instruments::{GROUPS, Instrument, Kind, Slot};
use sluice_core::metrics::pages::Snapshot;
use sluice_core::otlp::Attributes;

/// A body is sent when it has this many bytes: receivers accept at least a megabyte.
const ENOUGH: usize = 256 << 10;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

/// The sender of the metrics.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// `service.name`.
    pub service: &'a str,
    /// `service.instance.id`: unique for each start of an Envoy.
    pub instance: &'a str,
}

/// The bodies of the requests that export all metrics.
pub fn bodies(snapshot: &Snapshot, resource: Resource<'_>, now: Time) -> Vec<String> {
    let mut bodies =
        Bodies { resource: resource.open(), started: snapshot.started, now, done: Vec::new(), body: String::new() };
    for group in GROUPS.iter().copied() {
        let slots: Vec<_> = group.slots().collect();
        for family in slots.chunk_by(|(first, _), (second, _)| first.name == second.name) {
            for (instrument, slot) in family {
                let mut rows = snapshot.rows(group).peekable();
                while rows.peek().is_some() {
                    bodies.metric(instrument, *slot, &mut rows);
                }
            }
        }
    }
    bodies.finish()
}

impl Resource<'_> {
    fn open(&self) -> String {
        let mut out = r#"{"resourceMetrics":[{"resource":{"attributes":["#.to_owned();
        let mut attributes = Attributes::new(&mut out);
        attributes.text("service.name", self.service);
        attributes.text("service.instance.id", self.instance);
        attributes.text("service.version", env!("CARGO_PKG_VERSION"));
        out.push_str(r#"]},"scopeMetrics":[{"scope":{"name":"sluice"},"metrics":["#);
        out
    }
}

struct Bodies {
    resource: String,
    started: Time,
    now: Time,
    done: Vec<String>,
    body: String,
}

impl Bodies {
    /// Writes a metric with as many rows as fit the current body.
    fn metric<'a>(
        &mut self,
        instrument: &Instrument,
        slot: Slot,
        rows: &mut impl Iterator<Item = (Labels<'a>, &'a [u64])>,
    ) {
        if self.body.is_empty() {
            self.body.push_str(&self.resource);
        } else {
            self.body.push(',');
        }
        let Instrument { name, unit, help, .. } = *instrument;
        let kind = match instrument.kind {
            Kind::Counter => "sum",
            Kind::Gauge | Kind::Timestamp => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let out = &mut self.body;
        let _ = write!(
            out,
            r#"{{"name":{},"unit":{},"description":{},"{kind}":{{"#,
            json_string(name),
            json_string(unit),
            json_string(help)
        );
        if instrument.kind == Kind::Counter {
            out.push_str(r#""isMonotonic":true,"#);
        }
        if matches!(instrument.kind, Kind::Counter | Kind::Histogram(_)) {
            let _ = write!(out, r#""aggregationTemporality":{CUMULATIVE},"#);
        }
        out.push_str(r#""dataPoints":["#);
        let mut separator = "";
        for (labels, values) in rows {
            out.push_str(separator);
            separator = ",";
            let (start, time) = (self.started.0, self.now.0);
            let _ = write!(out, r#"{{"startTimeUnixNano":"{start}","timeUnixNano":"{time}","attributes":["#);
            let mut attributes = Attributes::new(out);
            labels.iter().chain(instrument.attribute).for_each(|(name, value)| attributes.text(name, value));
            out.push_str("],");
            number(instrument, slot, values, out);
            out.push('}');
            if out.len() >= ENOUGH {
                break;
            }
        }
        out.push_str("]}}");
        if out.len() >= ENOUGH {
            self.close();
        }
    }

    fn close(&mut self) {
        self.body.push_str("]}]}]}");
        self.done.push(std::mem::take(&mut self.body));
    }

    fn finish(mut self) -> Vec<String> {
        if !self.body.is_empty() {
            self.close();
        }
        self.done
    }
}

fn number(instrument: &Instrument, slot: Slot, values: &[u64], out: &mut String) {
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    let scaled = |number: u64| Scaled(number, instrument.scale);
    match instrument.kind {
        Kind::Counter | Kind::Gauge | Kind::Timestamp if instrument.scale == 1 => {
            let _ = write!(out, r#""asInt":{}"#, value(slot.at));
        }
        Kind::Counter | Kind::Gauge | Kind::Timestamp => {
            let _ = write!(out, r#""asDouble":{}"#, scaled(value(slot.at)));
        }
        Kind::Histogram(bounds) => {
            let buckets = || (0..=bounds.len()).map(|bucket| value(slot.at.saturating_add(bucket)));
            let count = buckets().fold(0_u64, u64::saturating_add);
            let sum = value(slot.at.saturating_add(bounds.len()).saturating_add(1));
            let _ = write!(out, r#""count":{count},"sum":{},"bucketCounts":["#, scaled(sum));
            list(buckets(), out);
            out.push_str(r#"],"explicitBounds":["#);
            list(bounds.iter().map(|bound| scaled(*bound)), out);
            out.push(']');
        }
    }
}

fn list(items: impl Iterator<Item = impl Display>, out: &mut String) {
    let mut separator = "";
    for item in items {
        let _ = write!(out, "{separator}{item}");
        separator = ",";
    }
}

#[cfg(test)]
mod tests;
