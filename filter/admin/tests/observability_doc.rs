//! Checks that `docs/observability.md` has the table of metrics. With `UPDATE_DOCS=1`, writes it into the page.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;

use sluice_admin::metrics_text as text;
use sluice_core::metrics::Kind;
use sluice_core::metrics::instruments::{GROUPS, Group, Instrument};

#[path = "../../wire/tests/page/mod.rs"]
mod page;

#[test]
fn the_page_holds_the_table_of_metrics() {
    page::holds("observability.md", "metrics", &table());
}

fn table() -> String {
    let mut table = "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n".to_owned();
    for group in GROUPS {
        for family in group.instruments.chunk_by(|one, next| one.name == next.name) {
            let Some(first) = family.first() else { continue };
            let (kind, suffix) = match first.kind {
                Kind::Counter => ("counter", "_total"),
                Kind::Gauge | Kind::Timestamp => ("gauge", ""),
                Kind::Histogram(_) => ("histogram", ""),
            };
            let (name, labels, unit) = (text::name(first), labels(group, family), unit(first));
            let _ = writeln!(table, "| `{name}{suffix}` | {kind} | {labels} | {unit} | {} |", first.help);
        }
    }
    table
}

/// The group's labels, and the metric's own with all of its values.
fn labels(group: &Group, family: &[Instrument]) -> String {
    // Counts of all workers are one sum.
    let groups =
        group.labels.iter().filter(|label| **label != "worker").map(|label| format!("`{}`", label.replace('.', "_")));
    let attribute = family.iter().filter_map(|instrument| instrument.attribute).next().map(|(name, _)| {
        let values: Vec<_> = family.iter().filter_map(|one| one.attribute).map(|(_, value)| value).collect();
        format!("`{}` ({})", name.replace('.', "_"), values.join(", "))
    });
    groups.chain(attribute).collect::<Vec<_>>().join(", ")
}

/// UCUM's unit as a word.
fn unit(instrument: &Instrument) -> &str {
    match instrument.unit {
        "s" => "seconds",
        "1" => "ratio",
        "{USD}" => "US dollars",
        unit => unit.trim_matches(['{', '}']),
    }
}
