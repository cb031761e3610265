//! `docs/translation.md` holds the dialects' tables of fields as they stand in the source. With `UPDATE_DOCS=1` this test
//! renders them into the page; without, it fails where they differ.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;
use std::{env, fs};

use sluice_core::dialect::{ALL, Dialect, Fate};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/translation.md");
const END: &str = "<!-- end -->";

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
    let mut page = fs::read_to_string(PAGE).unwrap();
    for dialect in ALL.iter().filter(|dialect| !dialect.fields().is_empty()) {
        let begin = format!("<!-- fields: {} -->\n", dialect.name());
        let table = rendered(*dialect);
        let start =
            page.find(&begin).unwrap_or_else(|| panic!("no place for {}: {begin}", dialect.name())) + begin.len();
        let length = page[start..].find(END).expect("an end");
        if env::var_os("UPDATE_DOCS").is_some() {
            page.replace_range(start..start + length, &table);
        } else {
            assert_eq!(page[start..start + length], table, "{}: run with UPDATE_DOCS=1", dialect.name());
        }
    }
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, page).unwrap();
    }
}
