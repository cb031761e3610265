//! Keeps the table of kinds in `docs/providers.md` equal to the source. With `UPDATE_DOCS=1` this test writes the table into the page;
//! without, it fails if they differ.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use sluice_core::provider::format::Format;
use sluice_core::provider::kind::{Kind, Row};
use sluice_wire::dialect::Provider;

#[path = "../../wire/tests/page/mod.rs"]
mod page;

/// The table as it is in the page.
fn rendered() -> String {
    let mut table =
        "| `kind` | address, unless `url` says otherwise | formats | key in | prices |\n|---|---|---|---|---|\n"
            .to_owned();
    for kind in Kind::all() {
        let Row { name, url, formats, credential, prices, .. } = kind.row();
        let named = |format: &&'static Provider| {
            let found = Format::all().find(|named| named.among(formats).id == format.id).unwrap();
            format!("`{}`", found.name())
        };
        let formats: Vec<String> = formats.iter().map(named).collect();
        let address = url.map_or("none: `url` is required".to_owned(), |url| format!("`{url}`"));
        let key = format!("`{}`", format!("{}: {}", credential.header, credential.prefix).trim_end_matches([' ', ':']));
        let prices = prices.map_or("none".to_owned(), |prices| format!("`{prices}`"));
        let _ = writeln!(table, "| `{name}` | {address} | {} | {key} | {prices} |", formats.join(", "));
    }
    table
}

#[test]
fn the_page_holds_the_table_of_kinds() {
    page::holds("providers.md", "kinds", &rendered());
}
