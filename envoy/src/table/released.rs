//! Release dates of models, as far as their names tell: providers put the date into the names of snapshots (`gpt-4o-2024-08-06`,
//! `claude-haiku-4-5-20251001`, `claude-haiku-4-5@20251001`). A name without a date is as old as its first snapshot.

use std::collections::BTreeMap;

use sluice_wire::calendar::day;

use super::Known;

const SECONDS_A_DAY: u64 = 86_400;

/// Sets the release date of every model whose own name, or whose snapshot's name, contains a date.
pub(super) fn date_all<'t, 'n: 't>(providers: impl Iterator<Item = &'t mut BTreeMap<&'n str, Known>>) {
    let mut models: Vec<(&str, &mut Known)> =
        providers.flat_map(|models| models.iter_mut().map(|(name, known)| (*name, known))).collect();
    let mut first = BTreeMap::<String, u64>::new();
    for (name, _) in &models {
        if let (name, Some(date)) = split(name) {
            let earliest = first.entry(name.to_ascii_lowercase()).or_insert(date);
            *earliest = date.min(*earliest);
        }
    }
    for (name, known) in &mut models {
        let (name, date) = split(name);
        known.capabilities.created = date.or_else(|| first.get(&name.to_ascii_lowercase()).copied());
    }
}

/// Splits a model's name into the name without its vendor and date, and the date in seconds since 1970.
fn split(name: &str) -> (&str, Option<u64>) {
    let name = name.rsplit('/').next().unwrap_or(name);
    // Bedrock's names begin with a region and the vendor.
    let maker = |rest: &str| {
        rest.split_once('.')
            .filter(|(maker, _)| maker.bytes().all(|byte| byte.is_ascii_lowercase()))
            .map(|(_, rest)| rest.len())
    };
    let mut own = name;
    while let Some(length) = maker(own) {
        own = &own[own.len() - length..];
    }
    let dates = own.match_indices(['-', '@']).filter_map(|(at, _)| Some((at, date(&own[at + 1..])?)));
    match dates.min() {
        Some((at, days)) => (&own[..at], Some(days * SECONDS_A_DAY)),
        None => (own, None),
    }
}

/// Parses the date at the start of a text, in days since 1970.
fn date(text: &str) -> Option<u64> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = match digits(text) {
        8 => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..8]),
        4 => text.get(..10).filter(|_| digits(text.get(10..).unwrap_or_default()) == 0)?.to_owned(),
        _ => return None,
    };
    day(&text).filter(|_| text.starts_with("20"))
}

#[cfg(test)]
mod tests {
    use super::super::{TABLE, Table};
    use super::*;

    #[test]
    fn a_date_is_found_in_the_names_of_all_who_write_one() {
        let at = |text: &str| day(text).map(|days| days * SECONDS_A_DAY);
        for (name, without, date) in [
            ("gpt-4o-2024-08-06", "gpt-4o", at("2024-08-06")),
            ("claude-haiku-4-5-20251001", "claude-haiku-4-5", at("2025-10-01")),
            ("claude-haiku-4-5@20251001", "claude-haiku-4-5", at("2025-10-01")),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5", at("2025-10-01")),
            ("openai/gpt-4.1-2025-04-14", "gpt-4.1", at("2025-04-14")),
            ("gpt-4.1", "gpt-4.1", None),
            ("gpt-4-0613", "gpt-4-0613", None),
            ("x-20259901", "x-20259901", None),
            ("x-2025-08-071", "x-2025-08-071", None),
        ] {
            assert_eq!(split(name), (without, date), "{name}");
        }
    }

    #[test]
    fn a_model_is_as_old_as_its_first_snapshot() {
        let table = Table::read(TABLE);
        let created =
            |provider: &str, model: &str| table.model(provider, model).and_then(|known| known.capabilities.created);
        assert_eq!(created("anthropic", "claude-haiku-4-5"), Some(1_759_276_800));
        assert_eq!(created("anthropic", "claude-haiku-4-5-20251001"), Some(1_759_276_800));
        assert_eq!(created("openai", "gpt-4o"), Some(1_715_558_400));
        let dated = table.0.values().flatten().filter(|(_, known)| known.capabilities.created.is_some()).count();
        assert!(dated > 200, "{dated}");
    }
}
