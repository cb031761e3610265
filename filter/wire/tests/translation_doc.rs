//! Checks that `docs/translation.md` has the dialects' tables of fields. With `UPDATE_DOCS=1`, writes them into the page.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;

use sluice_wire::dialect::{FORMATS, FieldPolicy, Format, bounds};

mod page;

/// A dialect's table in Markdown.
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
    // One test writes both parts, since two could overwrite each other's page.
    page::holds("translation.md", "numbers", &numbers());
}

/// Each provider's accepted numbers, one column per field.
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
