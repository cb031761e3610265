//! Schemas before and after the transformation.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn schema(value: &Value) -> Json {
    Json::parse(&value.to_string()).unwrap()
}

/// Fits a schema; returns it and the removed keywords.
fn fit(value: &Value, rules: &Rules) -> (Value, Vec<String>) {
    let (schema, mut dropped) = (schema(value), Vec::new());
    let fitted = fitted(&schema, rules, "s", &mut dropped);
    (serde_json::from_str(fitted.text()).unwrap(), dropped)
}

#[test]
fn words_that_anthropic_refuses_go_into_the_description() {
    let (fitted, mut gone) = fit(
        &json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "score": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How good."},
                "note": {"type": "string", "maxLength": 80, "pattern": "^a"},
                "tags": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "format": "byte"}},
                "kind": {"oneOf": [{"type": "string"}, {"type": "number", "multipleOf": 2}]},
                "minimum": {"type": "string", "format": "date"}
            },
            "required": ["score"]
        }),
        &ANTHROPIC,
    );
    assert_eq!(
        fitted,
        json!({
            "type": "object",
            "properties": {
                "score": {"type": "integer", "description": "How good.\n\n{maximum: 10, minimum: 1}"},
                "note": {"type": "string", "description": "{maxLength: 80, pattern: \"^a\"}"},
                "tags": {
                    "type": "array", "minItems": 1, "description": "{maxItems: 3}",
                    "items": {"type": "string", "description": "{format: \"byte\"}"}
                },
                "kind": {"anyOf": [{"type": "string"}, {"type": "number", "description": "{multipleOf: 2}"}]},
                "minimum": {"type": "string", "format": "date"}
            },
            "required": ["score"],
            "description": "{$schema: \"https://json-schema.org/draft/2020-12/schema\"}",
            "additionalProperties": false
        })
    );
    let words = ["$schema", "format", "maxItems", "maxLength", "maximum", "minimum", "multipleOf", "pattern"];
    gone.sort_unstable();
    assert_eq!(gone, words.map(|word| format!("s.{word}")));
}

#[test]
fn every_object_is_closed_for_anthropic() {
    let (fitted, gone) = fit(
        &json!({
            "type": "object",
            "properties": {"a": {"properties": {"b": {"type": ["object", "null"]}}}},
            "$defs": {"c": {"type": "object", "additionalProperties": {"type": "string"}}}
        }),
        &ANTHROPIC,
    );
    let closed = json!(false);
    assert_eq!(fitted["additionalProperties"], closed);
    assert_eq!(fitted["properties"]["a"]["additionalProperties"], closed);
    assert_eq!(fitted["properties"]["a"]["properties"]["b"]["additionalProperties"], closed);
    assert_eq!(fitted["$defs"]["c"]["additionalProperties"], closed);
    assert_eq!(gone, ["s.additionalProperties"]);
}

#[test]
fn a_schema_that_fits_keeps_its_own_bytes() {
    let fits = r##" { "type" : "object", "properties":{"a":{"type":"string","description":"\u00e4"}, "b":{"$ref":"#/$defs/x"}},
        "$defs":{"x":{"enum":[1e3]}},"required":["b","a"],"additionalProperties":false} "##;
    let json = Json::parse(fits.trim()).unwrap();
    for rules in [ANTHROPIC, GEMINI] {
        let mut dropped = Vec::new();
        assert!(matches!(fitted(&json, &rules, "s", &mut dropped), Cow::Borrowed(_)));
        assert!(dropped.is_empty());
    }
    assert!(matches!(object(Some(&json)), Some(Cow::Borrowed(_))));
}

#[test]
fn a_reference_stands_alone() {
    let person = json!({"type": "object", "properties": {"name": {"type": "string"}}, "description": "A person."});
    let (fitted, gone) = fit(
        &json!({
            "properties": {
                "owner": {"$ref": "#/$defs/Person", "description": "Who owns it"},
                "plain": {"$ref": "#/$defs/Person"},
                "other": {"$ref": "#/$defs/Nobody", "title": "T"}
            },
            "$defs": {"Person": person}
        }),
        &GEMINI,
    );
    let owner = json!({"type": "object", "properties": {"name": {"type": "string"}}, "description": "Who owns it"});
    assert_eq!(fitted["properties"]["owner"], owner);
    assert_eq!(fitted["properties"]["plain"], json!({"$ref": "#/$defs/Person"}));
    assert_eq!(fitted["properties"]["other"], json!({"$ref": "#/$defs/Nobody"}));
    assert_eq!(fitted["$defs"]["Person"], person);
    assert_eq!(gone, ["s.title"]);
}

#[test]
fn a_reference_into_itself_ends() {
    let tree = json!({
        "type": "object",
        "properties": {
            "left": {"$ref": "#/$defs/Tree", "description": "L"},
            "right": {"$ref": "#/$defs/Tree"},
            "all": {"$ref": "#", "description": "A"}
        }
    });
    let (fitted, gone) = fit(&json!({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}, "title": "t"}), &GEMINI);
    assert_eq!(fitted["title"], "t");
    assert_eq!(fitted["properties"]["left"], json!({"$ref": "#/$defs/Tree"}));
    assert_eq!(fitted["$defs"]["Tree"]["properties"]["left"], json!({"$ref": "#/$defs/Tree"}));
    assert_eq!(fitted["$defs"]["Tree"]["properties"]["all"], json!({"$ref": "#"}));
    assert_eq!(gone, ["s.description"]);
}

/// Definitions that double their targets, with siblings everywhere, would grow without bound.
#[test]
fn references_do_not_grow_a_schema_without_bound() {
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1), "description": "x"});
        defs.insert(format!("d{level}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
    }
    let (schema, mut dropped) =
        (schema(&json!({"properties": {"d": {"$ref": "#/$defs/d0", "title": "t"}}, "$defs": defs})), Vec::new());
    let fitted = fitted(&schema, &GEMINI, "s", &mut dropped);
    assert!(fitted.text().len() < 4_000_000, "{}", fitted.text().len());
    assert!(dropped.contains(&"s.description".to_owned()));
}

#[test]
fn what_is_too_deep_or_says_a_word_twice_stays_as_it_is() {
    let deep = format!("{}1{}", r#"{"not":"#.repeat(100), "}".repeat(100));
    for text in [&*deep, r#"{"minimum":1,"minimum":2}"#, "true", "[]", "3"] {
        let (json, mut dropped) = (Json::parse(text).unwrap(), Vec::new());
        assert_eq!(fitted(&json, &ANTHROPIC, "s", &mut dropped).text(), text);
        assert!(dropped.is_empty());
    }
}

#[test]
fn a_functions_schema_is_an_objects() {
    let object = |text: &str| object(Some(&Json::parse(text).unwrap())).map(|schema| schema.text().to_owned());
    for (given, expected) in [
        (r#"{"type":"object"}"#, Some(r#"{"type":"object","properties":{}}"#)),
        (r#"{ "type": "object" , "x": 1 }"#, Some(r#"{ "type": "object" , "x": 1,"properties":{}}"#)),
        (r#"{"properties":{"a":{}}}"#, Some(r#"{"properties":{"a":{}},"type":"object"}"#)),
        (r#"{"description":"d"}"#, Some(r#"{"description":"d","type":"object","properties":{}}"#)),
        (r#"{"type":"object","properties":{}}"#, Some(r#"{"type":"object","properties":{}}"#)),
        (r##"{"$ref":"#/$defs/a"}"##, Some(r##"{"$ref":"#/$defs/a"}"##)),
        (r#"{"anyOf":[{"type":"object"}]}"#, Some(r#"{"anyOf":[{"type":"object"}]}"#)),
        (r#"{"type":"string"}"#, Some(r#"{"type":"string"}"#)),
        ("{ }", None),
    ] {
        assert_eq!(object(given).as_deref(), expected, "{given}");
    }
    assert!(super::object(None).is_none());
}

#[test]
fn openai_keeps_to_closed_objects_that_require_all() {
    let strict = |value: Value| {
        let mut dropped = Vec::new();
        let schema = schema(&value);
        let output = OutputFormat::JsonSchema { name: "n".to_owned(), description: None, schema, strict: Some(true) };
        (strict_answer(&output, &mut dropped) == Some(true), dropped.len())
    };
    let closed = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"],
        "additionalProperties": false});
    assert_eq!(strict(closed.clone()), (true, 0));
    for change in [json!({"required": []}), json!({"additionalProperties": true}), json!({"oneOf": []})] {
        let mut other = closed.clone();
        other.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(strict(other), (false, 1), "{change}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({"type": "string", "maxLength": 3})),
            Just(json!({"type": "integer", "minimum": 1, "description": "d"})),
            Just(json!({"$ref": "#/$defs/a", "description": "d"})),
            Just(json!({"$ref": "#/$defs/b"})),
            Just(json!(true)),
        ];
        let nested = leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::btree_map("[a-c]", inner.clone(), 0..3)
                    .prop_map(|properties| json!({"type": "object", "properties": properties})),
                inner.clone().prop_map(|items| json!({"type": "array", "items": items, "maxItems": 2})),
                prop::collection::vec(inner, 1..3).prop_map(|any| json!({"oneOf": any})),
            ]
        });
        (nested.clone(), nested.clone(), nested)
            .prop_map(|(root, a, b)| json!({"type": "object", "properties": {"r": root}, "$defs": {"a": a, "b": b}}))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_fits_fits_and_is_not_changed_again(value in any_schema()) {
            for rules in [ANTHROPIC, GEMINI] {
                let (once, _) = fit(&value, &rules);
                let (twice, gone) = fit(&once, &rules);
                prop_assert_eq!(&once, &twice);
                prop_assert!(gone.is_empty());
            }
        }
    }
}
