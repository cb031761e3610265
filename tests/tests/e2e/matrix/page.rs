//! `docs/matrix.md`, rendered from what the cells are.

use std::fmt::Write as _;
use std::{env, fs};

use super::cells::Outcome;
use super::client::Feature;

/// One row: a provider, and a cell for each feature.
pub type Row = (&'static str, Vec<String>);

const HEAD: &str = "\
# What works with what

Each table is a format that clients speak, each row a provider, each cell a request of that client to that provider through a
gateway: in one piece and streamed, judged in the client's own terms.

This page is written by the test `tests/tests/e2e/matrix.rs`, which asks a simulated provider of each kind all of it and fails when the
page says something else. `UPDATE_DOCS=1` makes it write the page.

| cell | |
|---|---|
| yes | it works |
| counted | it works; the provider tells how many tokens it thought, and no thoughts |
| refused: `FIELD` | a 400 that names the field: the provider, or the client's format, has no such thing |
| passed: `FIELD` | the client's format has no such field; the provider speaks the same format and gets it as it is |
| estimated | it works; the provider counts nothing, so the log has an estimate |
| dropped: `FIELD` | the request goes without the field, and `x-sluice-dropped` says so |

| column | what is asked |
|---|---|
| chat | an answer in one piece |
| stream | the same, streamed, to its right end |
| tools | two calls at once, and an answer to what both tools said |
| image | a PNG in the message |
| structured output | an answer that follows a JSON schema |
| thinking | thoughts, and calls after them; where the provider seals its thoughts, the seal comes back to it in the next turn |
| errors | a 429 with the time to wait, and a 400, in the client's shape |
| usage | tokens, cached ones and thoughts included, are those the provider counted, and those in the access log |
";

/// A cell as it is printed.
pub fn cell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Yes => "yes".to_owned(),
        Outcome::Counted => "counted".to_owned(),
        Outcome::Refused(field) => format!("refused: `{field}`"),
        Outcome::Passed(field) => format!("passed: `{field}`"),
        Outcome::Dropped(field) => format!("dropped: `{field}`"),
    }
}

/// The page: for each client its rows, and those of embeddings.
pub fn render(clients: &[(&str, Vec<Row>)], embeddings: &[Row], columns: &[&str]) -> String {
    let features = Feature::ALL.map(Feature::name);
    let mut page = HEAD.to_owned();
    for (client, rows) in clients {
        table(&mut page, client, &features, rows);
    }
    table(&mut page, "OpenAI embeddings", columns, embeddings);
    page
}

fn table(page: &mut String, title: &str, columns: &[&str], rows: &[Row]) {
    let _ =
        write!(page, "\n## {title}\n\n| provider | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for (provider, cells) in rows {
        let _ = writeln!(page, "| {provider} | {} |", cells.join(" | "));
    }
}

/// Checks that the page is `text`; with `UPDATE_DOCS=1` makes it so.
pub fn holds(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/matrix.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, text).unwrap();
    } else {
        let page = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(page, text, "docs/matrix.md: run this test with UPDATE_DOCS=1");
    }
}
