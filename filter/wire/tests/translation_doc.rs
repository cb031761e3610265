//! `docs/translation.md` holds the dialects' tables of fields as they stand in the source. With `UPDATE_DOCS=1` this test
//! renders them into the page; without, it fails where they differ.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;

use sluice_wire::dialect::{FORMATS, FieldPolicy, Format, bounds};

mod page;

/// A dialect's table, as the page shows it.
fn rendered(format: &Format) -> String {
    let mut table = "| field | fate | |\n|---|---|---|\n".to_owned();
    for (field, fate, note) in format.fields {
        let fate = match fate {
            FieldPolicy::Mapped => "mapped",
            FieldPolicy::Refused => "refused",
            FieldPolicy::Dropped => "dropped",
        };
        let _ = writeln!(table, "| `{field}` | {fate} | {note} |");
    }
    table
}

#[test]
fn the_page_holds_every_table() {
    for format in FORMATS.iter().filter(|format| !format.fields.is_empty()) {
        page::holds("translation.md", &format!("fields: {}", format.provider.id.name()), &rendered(format));
    }
    // In the same test, for both may write the page.
    page::holds("translation.md", "numbers", &numbers());
}

/// Each provider's numbers, a column for each field.
fn numbers() -> String {
    const FIELDS: [&str; 8] =
        ["temperature", "top_p", "top_k", "n", "seed", "frequency_penalty", "presence_penalty", "stop"];
    let mut table = format!("| to | `{}` |\n|{}\n", FIELDS.join("` | `"), "---|".repeat(FIELDS.len() + 1));
    for (name, bounds) in bounds::ALL {
        let cell = |field: &&str| {
            let bound = bounds.iter().find(|(known, _)| known == field);
            bound.map_or_else(|| "any".to_owned(), |(_, bound)| bound.to_string())
        };
        let _ = writeln!(table, "| {name} | {} |", FIELDS.iter().map(cell).collect::<Vec<_>>().join(" | "));
    }
    table
}
