//! Compares the tables of `docs/reference.md` and `docs/troubleshooting.md` with the code and with each other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests")]

use sluice_core::pipeline::access_log::Record;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const REFERENCE: &str = include_str!("../../../docs/reference.md");
const TROUBLESHOOTING: &str = include_str!("../../../docs/troubleshooting.md");

/// The section under a heading, with its subsections.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let start = document.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let body = &document[start + heading.len() + 2..];
    let level = heading.split(' ').next().unwrap();
    body.find(&format!("\n{level} ")).map_or(body, |end| &body[..end])
}

/// The texts in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of a table's rows.
fn rows(section: &str) -> impl Iterator<Item = Vec<&str>> {
    section.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').map(str::trim).skip(1).collect())
}

#[test]
fn every_field_of_the_access_log_is_in_the_reference() {
    let listed: Vec<&str> = rows(section(REFERENCE, "## Access log")).flat_map(|row| quoted(row[0])).collect();
    let record = Record { client: Some(None), ..Record::default() };
    let record: serde_json::Value = serde_json::from_str(&format!("{{\"status\":200{}}}", record.fragment())).unwrap();
    let own = record.as_object().unwrap().keys().map(String::as_str);
    for field in own.chain(["time", "status", "duration_ms", "flags", "instance"]) {
        assert!(listed.contains(&field), "{field} is not in docs/reference.md");
    }
    assert!(listed.contains(&"tried[].error"));
}

#[test]
fn every_code_of_the_reference_is_explained() {
    let codes = section(REFERENCE, "## Error codes");
    let mut known: Vec<&str> = rows(codes).skip(1).flat_map(|row| quoted(row[1])).collect();
    let others = codes.find("Other codes are").unwrap();
    known.extend(quoted(&codes[others..]));
    assert!(known.len() > 50, "{known:?}");
    let rows_of_codes = rows(section(TROUBLESHOOTING, "## By code")).skip(1);
    let explained: Vec<&str> = rows_of_codes.flat_map(|row| quoted(row[0])).collect();
    for code in &known {
        assert!(explained.contains(code), "{code} is not in docs/troubleshooting.md");
    }
    // Codes that occur only in the log have their own table.
    for code in explained {
        assert!(known.contains(&code), "{code} is not in docs/reference.md");
    }
}

#[test]
fn every_reason_of_a_failed_attempt_is_explained() {
    let log = section(REFERENCE, "## Access log");
    let reasons = &log[log.find("\nReasons: ").unwrap()..];
    let explained: Vec<&str> =
        rows(section(TROUBLESHOOTING, "## By reason of an attempt")).flat_map(|row| quoted(row[0])).collect();
    let reasons = quoted(reasons);
    assert!(reasons.len() > 10, "{reasons:?}");
    for reason in reasons {
        assert!(explained.contains(&reason), "{reason} is not in docs/troubleshooting.md");
    }
}

/// The error codes in a crate's source, without those of tests.
#[cfg(not(target_arch = "wasm32"))]
fn codes_of_the_source(directory: &std::path::Path, codes: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        // The administration interface has its own contract: openapi.json.
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("admin") {
            codes_of_the_source(&path, codes);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let own = text.split("#[cfg(test)]").next().unwrap();
            codes.extend(own.split("with_code(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn every_code_that_the_source_gives_is_in_the_reference() {
    let mut codes = std::collections::BTreeSet::new();
    for source in ["/src", "/../wire/src"] {
        codes_of_the_source(std::path::Path::new(&format!("{}{source}", env!("CARGO_MANIFEST_DIR"))), &mut codes);
    }
    assert!(codes.len() > 30, "{codes:?}");
    let listed = quoted(section(REFERENCE, "## Error codes"));
    for code in codes {
        assert!(listed.contains(&&*code), "{code} is not in docs/reference.md");
    }
}
