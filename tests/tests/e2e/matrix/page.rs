//! Renders `docs/matrix.md` from the cells.

use std::fmt::Write as _;
use std::{env, fs};

use super::cells::Outcome;
use super::client::Feature;

/// One row: a provider and a cell per feature.
pub type Row = (&'static str, Vec<String>);

const HEAD: &str = "\
# What works with what

Each table is a client format, each row a provider. Each cell is a request of that client to that provider through a gateway, whole and
streamed, checked in the client's format.

The test `tests/tests/e2e/matrix.rs` makes these requests to a simulated provider of each kind. It fails if this page differs from the
results. `UPDATE_DOCS=1` makes it write the page.

| cell | |
|---|---|
| yes | it works |
| counted | it works; the provider returns the count of thinking tokens, but no thoughts |
| refused: `FIELD` | a 400 that names the field: the provider or the client's format has no equivalent |
| passed: `FIELD` | the client's format has no such field; the provider has the same format and gets it unchanged |
| estimated | it works; the provider returns no usage, so the log has an estimate |
| dropped: `FIELD` | the gateway drops the field and reports it in `x-sluice-dropped` |

| column | checked |
|---|---|
| chat | a whole response |
| stream | a streamed response, with the correct end |
| tools | two calls at once, and a response to both results |
| image | a PNG in the message |
| structured output | a response that follows a JSON schema |
| thinking | thoughts, and calls after them; if the provider signs its thoughts, it gets the signature back in the next turn |
| errors | a 429 with `retry-after`, and a 400, in the client's format |
| usage | token counts, including cached and thinking tokens, equal the provider's and those in the access log |
";

/// A cell's text.
pub fn cell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Yes => "yes".to_owned(),
        Outcome::Counted => "counted".to_owned(),
        Outcome::Refused(field) => format!("refused: `{field}`"),
        Outcome::Passed(field) => format!("passed: `{field}`"),
        Outcome::Dropped(field) => format!("dropped: `{field}`"),
    }
}

/// The page: the rows of each client, then those of embeddings.
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

/// Checks that the page is `text`. With `UPDATE_DOCS=1`, writes it.
pub fn holds(text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/matrix.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, text).unwrap();
    } else {
        let page = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(page, text, "docs/matrix.md: run this test with UPDATE_DOCS=1");
    }
}
