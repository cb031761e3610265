//! What schemas say, and that another implementation says the same.

use super::*;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(schema: &Value, value: &Value) -> Result<(), String> {
    match Schema::parse(&schema.to_string()).unwrap().check(value, &Steps::at_most(MOST_STEPS)) {
        Err(Unmet::Wrong(wrong)) => Err(wrong),
        Ok(()) | Err(Unmet::Spent) => Ok(()),
    }
}

#[test]
fn the_place_is_told_and_what_was_expected_there() {
    let schema = json!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": { "$ref": "#/$defs/item" }, "maxItems": 2 },
            "mode": { "enum": ["a", "b"] },
        },
        "required": ["items"],
        "additionalProperties": false,
        "$defs": { "item": { "type": "object", "properties": { "price": { "type": "number", "minimum": 0 } } } },
    });
    for (value, wrong) in [
        (json!({ "items": [] }), None),
        (json!({}), Some("at its top: expected the field `items`")),
        (json!([]), Some("at its top: expected type `object`")),
        (json!({ "items": [{}, { "price": "1" }] }), Some("at /items/1/price: expected type `number`")),
        (json!({ "items": [{ "price": -1 }] }), Some("at /items/0/price: expected another number (`minimum`)")),
        (json!({ "items": [{}, {}, {}] }), Some("at /items: expected fewer items (`maxItems`)")),
        (json!({ "items": [], "mode": "c" }), Some("at /mode: expected one of `enum`")),
        (json!({ "items": [], "a word of the model's": 1 }), Some("at /*: expected nothing")),
    ] {
        assert_eq!(check(&schema, &value).err().as_deref(), wrong, "{value}");
    }
}

#[test]
fn what_makes_no_sense_objects_to_nothing() {
    for schema in [
        json!({ "type": 3, "minLength": "x", "required": "a", "properties": [] }),
        json!({ "pattern": "(?<=a)b" }),
        json!({ "$ref": "#/nowhere" }),
        json!({ "$ref": "https://example.com/other.json" }),
        json!({ "format": "email", "unknown": true }),
    ] {
        assert_eq!(check(&schema, &json!("text")), Ok(()), "{schema}");
    }
    assert_eq!(Schema::parse("3"), None);
    assert_eq!(Schema::parse("{"), None);
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let list = json!({ "type": "object", "properties": { "next": { "$ref": "#" } }, "required": ["v"] });
    assert!(check(&list, &json!({ "v": 1, "next": { "v": 2 } })).is_ok());
    assert_eq!(check(&list, &json!({ "v": 1, "next": {} })), Err("at /next: expected the field `v`".to_owned()));
    for schema in [json!({ "$ref": "#" }), json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }], "type": "string" })] {
        let _ = check(&schema, &json!(1));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod beside_another {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            (-3i64..4).prop_map(|value| json!(value)),
            prop_oneof![Just(json!(1.0)), Just(json!(0.5)), Just(json!(-2.5))],
            "[ab]{0,3}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(|items| json!(items)),
                prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|fields| json!(fields)),
            ]
        })
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let types = prop::sample::select(vec!["null", "boolean", "integer", "number", "string", "array", "object"]);
        let leaf = prop_oneof![
            any::<bool>().prop_map(|value| json!(value)),
            types.clone().prop_map(|name| json!({ "type": name })),
            prop::collection::btree_set(types, 1..3).prop_map(|names| json!({ "type": names })),
            values().prop_map(|value| json!({ "const": value })),
            prop::collection::vec(values(), 1..3).prop_map(|values| json!({ "enum": values })),
            (0u32..3, 0u32..3).prop_map(|(least, most)| json!({ "minLength": least, "maxLength": most })),
            (0u32..3, 0u32..3).prop_map(|(least, most)| json!({ "minItems": least, "maxItems": most })),
            (0u32..3, 0u32..3).prop_map(|(least, most)| json!({ "minProperties": least, "maxProperties": most })),
            (-2i64..3, -2i64..3).prop_map(|(least, most)| json!({ "minimum": least, "exclusiveMaximum": most })),
            (-2i64..3, -2i64..3).prop_map(|(least, most)| json!({ "exclusiveMinimum": least, "maximum": most })),
            prop_oneof![Just(json!({ "multipleOf": 2 })), Just(json!({ "multipleOf": 0.5 }))],
            Just(json!({ "pattern": "^a+$" })),
            Just(json!({ "uniqueItems": true })),
            Just(json!({ "required": ["a"] })),
            Just(json!({ "$ref": "#/$defs/other" })),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            let several = || prop::collection::vec(inner.clone(), 1..3);
            let (one, two) = (inner.clone(), inner.clone());
            prop_oneof![
                several().prop_map(|schemas| json!({ "anyOf": schemas })),
                several().prop_map(|schemas| json!({ "oneOf": schemas })),
                several().prop_map(|schemas| json!({ "allOf": schemas })),
                one.clone().prop_map(|schema| json!({ "not": schema })),
                (one.clone(), two.clone(), inner.clone())
                    .prop_map(|(test, yes, no)| json!({ "if": test, "then": yes, "else": no })),
                (one.clone(), two.clone())
                    .prop_map(|(a, rest)| json!({ "properties": { "a": a }, "additionalProperties": rest })),
                (one.clone(), two.clone())
                    .prop_map(|(a, rest)| json!({ "patternProperties": { "^b": a }, "additionalProperties": rest })),
                (one, two).prop_map(|(first, rest)| json!({ "prefixItems": [first], "items": rest })),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_say_the_same(schema in schemas(), other in schemas(), value in values()) {
            let schema = json!({ "allOf": [schema], "$defs": { "other": { "anyOf": [{ "type": "null" }, other] } } });
            // A definition that leads back to itself is no schema that anybody could follow.
            prop_assume!(schema["$defs"].to_string().matches("$ref").count() == 0);
            let theirs = jsonschema::draft202012::new(&schema).unwrap().is_valid(&value);
            prop_assert_eq!(check(&schema, &value).is_ok(), theirs, "{} of {}", value, schema);
        }
    }
}
