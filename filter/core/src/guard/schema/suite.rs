//! Runs the JSON Schema Test Suite: each verdict is the suite's or, for the groups listed here, "could not be checked completely".

use std::collections::BTreeSet;

use serde_json::value::RawValue;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const DRAFT_7: &str = include_str!("../../../tests/json_schema_suite/draft7.jsonl");
const DRAFT_2020_12: &str = include_str!("../../../tests/json_schema_suite/draft2020-12.jsonl");

/// The groups that the gateway cannot check. An entry without a group is all groups of its file.
const IN_BOTH: [&str; 11] = [
    // These refer to other documents, or to parts of the schema by a URI that is not the root's.
    "refRemote: ",
    "optional/unknownKeyword: ",
    "ref: $id must be resolved against nearest parent, not just immediate parent",
    "ref: Recursive references between schemas",
    "ref: ref to ",
    "ref: ref with absolute-path-reference",
    "ref: refs with relative uris and defs",
    "ref: relative refs with absolute uris and defs",
    "ref: remote ref, containing refs itself",
    // Control letters are not in our syntax.
    "optional/ecmascript-regex: ECMA 262 regex escapes control codes with \\c and lower letter",
    "optional/ecmascript-regex: ECMA 262 regex escapes control codes with \\c and upper letter",
];
const IN_DRAFT_2020_12: [&str; 11] = [
    "anchor: Location-independent identifier with absolute URI",
    "anchor: Location-independent identifier with base URI change in subschema",
    "anchor: same $anchor with different base uri",
    "defs: ",
    "optional/id: $id inside an enum is not a real identifier",
    "ref: URN ref with nested pointer ref",
    "ref: order of evaluation: ",
    // `$dynamicRef` and vocabularies are not supported.
    "dynamicRef: ",
    "vocabulary: ",
    "unevaluatedItems: unevaluatedItems with $dynamicRef",
    "unevaluatedProperties: unevaluatedProperties with $dynamicRef",
];
const IN_DRAFT_7: [&str; 4] = [
    "definitions: ",
    "optional/id: id inside an enum is not a real identifier",
    "ref: $ref prevents a sibling $id from changing the base uri",
    "ref: Location-independent identifier with base URI change in subschema",
];

#[derive(serde::Deserialize)]
struct Group<'a> {
    file: String,
    group: String,
    #[serde(borrow)]
    schema: &'a RawValue,
    tests: Vec<(String, &'a RawValue, bool)>,
}

/// Runs a draft's groups. Returns the number of certain verdicts.
fn run(suite: &str, unsupported: &[&str], in_draft: impl Fn(&str) -> String) -> usize {
    let (mut certain, mut unsure) = (0, BTreeSet::new());
    for line in suite.lines() {
        let Group { file, group, schema, tests } = serde_json::from_str(line).unwrap();
        // Unicode's categories (`\p{L}`) are known to the regex engine of this test only, not to that of the filter.
        if group.starts_with("patterns always use unicode semantics") {
            continue;
        }
        let schema = Schema::parse(&in_draft(schema.get())).unwrap();
        for (test, data, valid) in tests {
            // The gateway asserts the formats that it knows.
            if file == "format" && test.ends_with("is only an annotation by default") {
                continue;
            }
            let name = format!("{file}: {group}");
            match schema.check(data.get(), &Steps::at_most(MOST_STEPS)) {
                Err(Unmet::Unknown) => {
                    #[cfg(not(target_arch = "wasm32"))]
                    assert!(schema.flaw().is_some(), "{name}");
                    unsure.insert(name);
                }
                checked => {
                    assert_eq!(checked.is_ok(), valid, "{name}: {test}: {checked:?}");
                    certain += 1;
                }
            }
        }
    }
    let listed = || IN_BOTH.iter().chain(unsupported);
    let unlisted: Vec<_> = unsure.iter().filter(|name| !listed().any(|entry| name.starts_with(entry))).collect();
    let stale: Vec<_> = listed().filter(|entry| !unsure.iter().any(|name| name.starts_with(**entry))).collect();
    assert!(unlisted.is_empty() && stale.is_empty(), "{unlisted:#?} {stale:#?}");
    certain
}

#[test]
fn the_suite_of_draft_2020_12() {
    assert_eq!(run(DRAFT_2020_12, &IN_DRAFT_2020_12, str::to_owned), 1_524);
}

#[test]
fn the_suite_of_draft_7() {
    let in_draft = |schema: &str| match schema.strip_prefix('{') {
        Some(rest) if !schema.contains("\"$schema\"") => {
            let comma = if rest.starts_with('}') { "" } else { "," };
            format!(r#"{{"$schema":"http://json-schema.org/draft-07/schema#"{comma}{rest}"#)
        }
        _ => schema.to_owned(),
    };
    assert_eq!(run(DRAFT_7, &IN_DRAFT_7, in_draft), 1_190);
}
