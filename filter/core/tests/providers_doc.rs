//! `docs/providers.md` lists every kind as the table has it.

use sluice_core::config::format::Format;
use sluice_core::config::kind::{Kind, Row};

const DOCUMENT: &str = include_str!("../../../docs/providers.md");

#[test]
fn every_kind_stands_in_the_document_with_its_address_formats_key_and_prices() {
    for kind in Kind::all() {
        let Row { name, url, formats, credential, prices, .. } = kind.row();
        let named = |format: &&'static dyn sluice_core::dialect::Dialect| {
            let found = Format::all().find(|named| named.among(formats).name() == format.name()).unwrap();
            format!("`{}`", found.name())
        };
        let formats: Vec<String> = formats.iter().map(named).collect();
        let address = url.map_or("none: `url` is required".to_owned(), |url| format!("`{url}`"));
        let key = format!("`{}`", format!("{}: {}", credential.header, credential.prefix).trim_end_matches([' ', ':']));
        let prices = prices.map_or("none".to_owned(), |prices| format!("`{prices}`"));
        let row = format!("| `{name}` | {address} | {} | {key} | {prices} |\n", formats.join(", "));
        assert!(DOCUMENT.contains(&row), "not in the document: {row}");
    }
}
