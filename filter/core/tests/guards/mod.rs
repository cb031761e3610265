//! Texts and expressions that make matchers look far ahead, and schemas and responses that make their check expensive.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The beginnings, middles and ends of matches, and characters between them.
const PIECES: [&str; 28] = [
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY",
    "-----END PRIVATE KEY-----",
    "-----",
    "a@b.cc",
    "a@",
    ".cc-",
    "4111 1111 1111 1111",
    "4111",
    " 4",
    "DE89 3704 0044 0532 0130 00",
    " AB12",
    "123-45-6789",
    "1.2.3.4",
    "::1",
    ":",
    "sk-aaaaaaaaaaaaaaaaaaaaaaaa",
    "eyJaaaa.",
    "+1 2 3 4 5 6 7 8",
    "\\u0040",
    "\\u00e9",
    "\\",
    "\"",
    " ",
    "\n",
    "é",
    "\u{200b}",
    "a",
];

/// A text of a few pieces that repeat.
pub fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&PIECES[..]);
    let unit = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    let run = (unit, prop_oneof![1usize..4, 1usize..200]).prop_map(|(unit, times)| unit.repeat(times));
    prop::collection::vec(run, 0..6).prop_map(|runs| runs.concat())
}

/// An expensive expression, as an operator might write it unknowingly.
pub fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "[ab]", ".", r"\b", r"\w", r"\s", r"\d", "é", "(?s:.)", "(?i:b)", "^", "$", "-", ":", "@", "[^a]",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let times = vec!["*", "+", "?", "*?", "+?", "{2,9}", "{0,50}", "{3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            (inner, prop::sample::select(times)).prop_map(|(part, times)| format!("(?:{part}){times}")),
        ]
    })
}

pub fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        (-3i64..4).prop_map(|number| json!(number)),
        Just(json!(1.0)),
        ("[abé1]{0,3}", 1usize..50).prop_map(|(text, times)| json!(text.repeat(times))),
    ];
    let lists = (leaf.clone(), 1usize..300).prop_map(|(item, times)| json!(vec![item; times]));
    prop_oneof![leaf, lists].prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(|items| json!(items)),
            (inner.clone(), 1usize..6).prop_map(|(item, times)| json!(vec![item; times])),
            prop::collection::btree_map("[ab]{1,3}", inner, 0..6).prop_map(|fields| json!(fields)),
        ]
    })
}

/// A schema whose definitions refer to each other and to themselves.
pub fn schemas() -> impl Strategy<Value = Value> {
    let words = || prop::collection::vec(schema(), 1..5);
    (schema(), words()).prop_map(|(top, defined)| {
        let defined: Map<String, Value> =
            defined.into_iter().zip(0..).map(|(schema, n)| (format!("{n}"), schema)).collect();
        json!({ "allOf": [top], "$defs": defined })
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0usize..6).prop_map(|number| json!({ "$ref": format!("#/$defs/{number}") })),
        Just(json!({ "$ref": "#" })),
        (1usize..2_000).prop_map(|steps| json!({ "$ref": format!("#{}", "/$defs".repeat(steps)) })),
        expressions().prop_map(|pattern| json!({ "pattern": pattern })),
        (values(), 1usize..50).prop_map(|(value, times)| json!({ "enum": vec![value; times] })),
        values().prop_map(|value| json!({ "const": value })),
        Just(json!({ "uniqueItems": true })),
        (1usize..500).prop_map(|times| json!({ "required": vec!["a"; times] })),
        (1usize..500).prop_map(|times| json!({ "type": vec!["null"; times] })),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (several(), prop::sample::select(vec!["anyOf", "oneOf", "allOf"]))
                .prop_map(|(all, word)| json!({ word: all })),
            inner.clone().prop_map(|schema| json!({ "not": schema })),
            inner.clone().prop_map(|schema| json!({ "items": schema })),
            inner.clone().prop_map(|schema| json!({ "items": schema, "uniqueItems": true })),
            (expressions(), inner.clone())
                .prop_map(|(pattern, schema)| json!({ "patternProperties": { pattern: schema } })),
            (inner.clone(), inner.clone())
                .prop_map(|(own, rest)| json!({ "properties": { "a": own }, "additionalProperties": rest })),
        ]
    })
}
