//! `docs/translation.md` says of every field what becomes of it: the same as the dialects' own tables do.

use sluice_core::dialect::anthropic::Anthropic;
use sluice_core::dialect::completions::Completions;
use sluice_core::dialect::openai_chat::OpenAiChat;
use sluice_core::dialect::responses::Responses;
use sluice_core::dialect::{Dialect, Fate};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PAGE: &str = include_str!("../../../docs/translation.md");

/// The rows ``| `field` | fate | …`` of the dialect's section: the one whose title says that its clients are read.
fn documented(dialect: &dyn Dialect) -> Vec<(String, String)> {
    let title = format!("client (`{}`)", dialect.name());
    let section = PAGE.split("\n## ").find(|section| section.lines().next().is_some_and(|line| line.contains(&title)));
    let rows = section.unwrap_or_default().lines().filter_map(|line| {
        let (field, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (fate, _) = rest.split_once(" |")?;
        matches!(fate, "mapped" | "refused" | "dropped").then(|| (field.to_owned(), fate.to_owned()))
    });
    rows.collect()
}

#[test]
fn every_field_of_every_dialect_is_documented_with_its_fate() {
    for dialect in [&OpenAiChat as &dyn Dialect, &Responses, &Completions, &Anthropic] {
        let fields = dialect.fields().iter().map(|(field, fate, _)| {
            let fate = match fate {
                Fate::Mapped => "mapped",
                Fate::Refused => "refused",
                Fate::Dropped => "dropped",
            };
            ((*field).to_owned(), fate.to_owned())
        });
        let (mut expected, mut found): (Vec<_>, Vec<_>) = (fields.collect(), documented(dialect));
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "docs/translation.md, {}", dialect.name());
    }
}
