//! The metrics in Prometheus' text formats.
//!
//! Names follow OpenTelemetry's rules for Prometheus, so a metric has the same name whether Prometheus scrapes it or receives it by OTLP.
//! Sources: <https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://github.com/prometheus/OpenMetrics>, and
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

use std::fmt::Write;

use sluice_core::metrics::instruments::{GROUPS, Instrument, Kind, Slot};
use sluice_core::metrics::pages::Snapshot;
use sluice_core::metrics::{Labels, Scaled};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `accept` header asks for.
    pub fn accepted(accept: &str) -> Self {
        let is_open = |range: &str| {
            range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/openmetrics-text"))
        };
        if accept.split(',').any(is_open) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `content-type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes all metrics.
pub fn write(snapshot: &Snapshot, format: Format) -> String {
    let mut out = String::with_capacity(64 << 10);
    for group in GROUPS.iter().copied() {
        let mut family = "";
        for (instrument, slot) in group.slots() {
            if instrument.name != family {
                family = instrument.name;
                head(instrument, format, &mut out);
            }
            for (labels, values) in snapshot.rows(group) {
                samples(instrument, slot, labels, values, &mut out);
            }
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

/// The name without a suffix: dots become underscores, and the unit is appended.
pub fn name(instrument: &Instrument) -> String {
    let name = instrument.name.replace('.', "_");
    if instrument.unit == "s" { name + "_seconds" } else { name }
}

fn head(instrument: &Instrument, format: Format, out: &mut String) {
    let (kind, total) = match instrument.kind {
        Kind::Counter if format == Format::Prometheus => ("counter", "_total"),
        Kind::Counter => ("counter", ""),
        Kind::Gauge | Kind::Timestamp => ("gauge", ""),
        Kind::Histogram(_) => ("histogram", ""),
    };
    let name = name(instrument);
    let _ = writeln!(out, "# HELP {name}{total} {}", instrument.help);
    let _ = writeln!(out, "# TYPE {name}{total} {kind}");
    if format == Format::OpenMetrics && instrument.unit == "s" {
        let _ = writeln!(out, "# UNIT {name} seconds");
    }
}

fn samples(instrument: &Instrument, slot: Slot, labels: Labels<'_>, values: &[u64], out: &mut String) {
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    let name = name(instrument);
    let mut pairs = String::new();
    for (label, value) in labels.iter().chain(instrument.attribute) {
        let separator = if pairs.is_empty() { "" } else { "," };
        let _ = write!(pairs, "{separator}{}=\"", label.replace('.', "_"));
        escape(value, &mut pairs);
        pairs.push('"');
    }
    let braced = if pairs.is_empty() { String::new() } else { format!("{{{pairs}}}") };
    match instrument.kind {
        Kind::Counter => {
            let _ = writeln!(out, "{name}_total{braced} {}", Scaled(value(slot.at), instrument.scale));
        }
        Kind::Timestamp if value(slot.at) == 0 => {}
        Kind::Gauge | Kind::Timestamp => {
            let _ = writeln!(out, "{name}{braced} {}", Scaled(value(slot.at), instrument.scale));
        }
        Kind::Histogram(bounds) => {
            let separator = if pairs.is_empty() { "" } else { "," };
            let mut count: u64 = 0;
            for (bucket, bound) in bounds.iter().enumerate() {
                count = count.saturating_add(value(slot.at.saturating_add(bucket)));
                let bound = Bound(*bound, instrument.scale);
                let _ = writeln!(out, "{name}_bucket{{{pairs}{separator}le=\"{bound}\"}} {count}");
            }
            let beyond = slot.at.saturating_add(bounds.len());
            count = count.saturating_add(value(beyond));
            let sum = Scaled(value(beyond.saturating_add(1)), instrument.scale);
            let _ = writeln!(out, "{name}_bucket{{{pairs}{separator}le=\"+Inf\"}} {count}");
            let _ = writeln!(out, "{name}_sum{braced} {sum}");
            let _ = writeln!(out, "{name}_count{braced} {count}");
        }
    }
}

/// A bucket's bound: always with a fraction for seconds, as both formats recommend.
struct Bound(u64, u64);

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = Scaled(self.0, self.1).to_string();
        let fraction = if text.contains('.') { "" } else { ".0" };
        write!(f, "{text}{fraction}")
    }
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
