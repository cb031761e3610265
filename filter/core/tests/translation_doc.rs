//! `docs/translation.md` holds the dialects' tables of fields as they stand in the source. With `UPDATE_DOCS=1` this test
//! renders them into the page; without, it fails where they differ.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;

use sluice_core::dialect::{ALL, Dialect, Fate};

mod page;

/// A dialect's table, as the page shows it.
fn rendered(dialect: &dyn Dialect) -> String {
    let mut table = "| field | fate | |\n|---|---|---|\n".to_owned();
    for (field, fate, note) in dialect.fields() {
        let fate = match fate {
            Fate::Mapped => "mapped",
            Fate::Refused => "refused",
            Fate::Dropped => "dropped",
        };
        let _ = writeln!(table, "| `{field}` | {fate} | {note} |");
    }
    table
}

#[test]
fn the_page_holds_every_dialects_table() {
    for dialect in ALL.iter().filter(|dialect| !dialect.fields().is_empty()) {
        page::holds("translation.md", &format!("fields: {}", dialect.name()), &rendered(*dialect));
    }
}
