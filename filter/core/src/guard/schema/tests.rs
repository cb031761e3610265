//! Tests of the validator, also against another implementation.

use super::*;
use serde_json::{Map, Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(schema: &Value, value: &Value) -> Result<(), String> {
    match Schema::parse(&schema.to_string()).unwrap().check(&value.to_string(), &Steps::at_most(MOST_STEPS)) {
        Err(Unmet::Wrong(wrong)) => Err(wrong),
        Ok(()) | Err(Unmet::Unknown) => Ok(()),
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
        (json!({}), Some("at the top level: expected the field `items`")),
        (json!([]), Some("at the top level: expected type `object`")),
        (json!({ "items": [{}, { "price": "1" }] }), Some("at /items/1/price: expected type `number`")),
        (json!({ "items": [{ "price": -1 }] }), Some("at /items/0/price: expected a number that satisfies `minimum`")),
        (json!({ "items": [{}, {}, {}] }), Some("at /items: expected fewer items (`maxItems`)")),
        (json!({ "items": [], "mode": "c" }), Some("at /mode: expected a value of `enum`")),
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
        json!({ "format": "phone", "unknown": true }),
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

#[test]
fn numbers_are_exact() {
    for (schema, value, good) in [
        (r#"{"maximum":9007199254740992}"#, "9007199254740993", false),
        (r#"{"const":9007199254740992.0}"#, "9007199254740993", false),
        (r#"{"minimum":100000000000000000000000000001}"#, "100000000000000000000000000000", false),
        (r#"{"enum":[1e400]}"#, "10e399", true),
        (r#"{"type":"integer"}"#, "1.0e400", true),
        (r#"{"type":"integer"}"#, "9007199254740993.5", false),
        (r#"{"multipleOf":0.01}"#, "4611686018427387904.07", true),
        (r#"{"multipleOf":0.01}"#, "4611686018427387904.071", false),
        (r#"{"uniqueItems":true}"#, "[9007199254740992,9007199254740993]", true),
        (r#"{"uniqueItems":true}"#, "[1.0,10e-1]", false),
        (r#"{"minLength":1.5}"#, r#""a""#, true),
    ] {
        let checked = Schema::parse(schema).unwrap().check(value, &Steps::at_most(MOST_STEPS));
        assert_eq!(!matches!(checked, Err(Unmet::Wrong(_))), good, "{schema} of {value}: {checked:?}");
    }
}

#[test]
fn patterns_are_javascripts() {
    for (pattern, text, good) in [
        (r"^\d+$", "12", true),
        (r"^\d+$", "١٢", false),
        (r"^\w{1,64}$", "a_1", true),
        (r"^\w{1,64}$", "é", false),
        (r"^[\w.-]+$", "a.b-c", true),
        (r"^[^\W\d]+$", "ab", true),
        (r"^[^\W\d]+$", "a1", false),
        (r"\bé", "aé", true),
        (r"\\d", r"\d", true),
        (r"^\/$", "/", true),
        (r"^[^[]+$", "a]", true),
        (r"^[[\]]+$", "[]", true),
        (r"^[a&&b]+$", "a&b", true),
        (r"^\s$", "\u{feff}", true),
        (r"^\S$", "\u{85}", true),
        (r"^[\s,]+$", ", \u{feff}", true),
        (r"^.$", "\u{2028}", false),
    ] {
        assert_eq!(check(&json!({ "pattern": pattern }), &json!(text)).is_ok(), good, "{pattern} of {text}");
    }
}

/// The steps of a check, and its result.
fn work(schema: &Value, value: &Value) -> (u64, Result<(), Unmet>) {
    let steps = Steps::at_most(MOST_STEPS);
    let checked = Schema::parse(&schema.to_string()).unwrap().check(&value.to_string(), &steps);
    (steps.taken(), checked)
}

/// `count` different texts.
fn texts(count: usize) -> Value {
    (0..count).map(|number| format!("a{number}")).collect()
}

#[test]
fn work_grows_no_faster_than_the_value() {
    let several =
        |pattern: &str| (0..3).map(|number| (format!("{pattern}{number}?"), json!({}))).collect::<Map<_, _>>();
    let objects = |count: usize| json!(vec![json!({ "aaa": 1, "b": 2 }); count]);
    type Values = fn(usize) -> Value;
    for (schema, value) in [
        (json!({ "items": { "type": "string", "pattern": r"(?:\w{0,9}){0,9}" } }), texts as Values),
        (json!({ "items": { "pattern": r"\w{40}|a" } }), texts),
        (json!({ "items": { "pattern": r"(?:\w{0,20}){0,10}" } }), texts),
        (json!({ "items": { "patternProperties": several(r"\w{5}|[a-b]") } }), objects),
        (
            json!({ "items": { "enum": (0..500).map(|number| format!("x{number}")).chain(["a".to_owned()]).collect::<Vec<_>>() } }),
            |count| json!(vec!["a"; count]),
        ),
        (json!({ "uniqueItems": true }), texts),
        (json!({ "uniqueItems": true, "items": { "uniqueItems": true } }), |count| {
            json!(
                vec![json!([{ "a": 1 }, { "a": 2 }]); 1]
                    .into_iter()
                    .chain((0..count).map(|n| json!([n])))
                    .collect::<Vec<_>>()
            )
        }),
        (json!({ "items": { "$ref": "#/$defs/any" }, "$defs": { "any": true } }), texts),
        (json!({ "minLength": 1, "pattern": "^a*$" }), |count| json!("a".repeat(count))),
    ] {
        let ((one, first), (two, second)) = (work(&schema, &value(1_000)), work(&schema, &value(2_000)));
        assert_eq!((&first, &second), (&Ok(()), &Ok(())), "{schema}");
        // Sorting grows slightly faster than linearly.
        assert!(two <= 2 * one + one / 5, "{schema}: {one}, {two}");
    }
}

#[test]
fn what_takes_too_long_is_not_found_out() {
    let twice = |level: usize| json!({ "oneOf": vec![json!({ "$ref": format!("#/$defs/{}", level + 1) }); 2] });
    let levels: Map<String, Value> = (0..40).map(|level| (level.to_string(), twice(level))).collect();
    let patterns: Vec<Value> =
        (0..99).map(|number| json!({ "pattern": format!("{}{number}", "x".repeat(500)) })).collect();
    let types = [vec!["string"; 10_000], vec!["integer"]].concat();
    let large: Vec<String> = (0..3_000).map(|number| format!("{}{number:06}", "x".repeat(1_000))).collect();
    for (schema, value) in [
        (json!({ "$ref": "#" }), json!(1)),
        (json!({ "not": { "$ref": "#" } }), json!(1)),
        (json!({ "anyOf": [{ "not": { "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] } }, { "$ref": "#" }] }), json!(1)),
        (json!({ "$defs": levels, "$ref": "#/$defs/0" }), json!(1)),
        (json!({ "anyOf": patterns }), json!("a")),
        (json!({ "items": { "enum": texts(2_000) } }), json!(vec!["a1999"; 10_000])),
        (json!({ "items": { "enum": large } }), json!(vec![large[2_999].clone(); 9])),
        (json!({ "items": { "type": types } }), json!(vec![1; 1_000])),
        (json!({ "items": { "required": vec!["a"; 5_000] } }), json!(vec![json!({ "a": 1 }); 2_000])),
    ] {
        let (taken, checked) = work(&schema, &value);
        let told = schema.to_string().chars().take(80).collect::<String>();
        assert_eq!(checked, Err(Unmet::Unknown), "{told}: {taken}");
        assert!(taken <= MOST_STEPS + (1 << 20), "{told}: {taken}");
    }
}

#[test]
fn what_is_told_is_short() {
    let name = "é".repeat(10_000);
    for schema in [
        json!({ "required": [name] }),
        json!({ "properties": { name.clone(): false } }),
        json!({ "type": vec!["string"; 1_000] }),
    ] {
        let value = if schema.get("required").is_some() { json!({}) } else { json!({ name.clone(): 1 }) };
        let wrong = check(&schema, &value).unwrap_err();
        assert!(wrong.len() < 2_000, "{}", wrong.len());
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
            "[ab1é]{0,3}".prop_map(|value| json!(value)),
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
            prop::sample::select(vec!["^a+$", r"\w", r"\W", r"[^\d]b", "a|é"])
                .prop_map(|pattern| json!({ "pattern": pattern })),
            Just(json!({ "uniqueItems": true })),
            Just(json!({ "required": ["a"] })),
            Just(json!({ "dependentRequired": { "a": ["b"] } })),
            prop::sample::select(vec!["date", "ipv4", "uuid"]).prop_map(|format| json!({ "format": format })),
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
                (one.clone(), two.clone()).prop_map(|(first, rest)| json!({ "prefixItems": [first], "items": rest })),
                (one.clone(), 0u32..3, 0u32..3).prop_map(
                    |(one, least, most)| json!({ "contains": one, "minContains": least, "maxContains": most })
                ),
                one.clone().prop_map(|schema| json!({ "propertyNames": schema })),
                one.clone().prop_map(|schema| json!({ "dependentSchemas": { "b": schema } })),
                (one.clone(), two.clone(), inner.clone()).prop_map(|(one, two, rest)| {
                    json!({ "anyOf": [{ "properties": { "a": one } }, two], "unevaluatedProperties": rest })
                }),
                (one, two, inner).prop_map(|(one, two, rest)| {
                    json!({ "if": { "prefixItems": [one] }, "then": two, "unevaluatedItems": rest })
                }),
            ]
        })
    }

    /// Puts something that the gateway cannot check in the place of each `true`.
    fn obscured(schema: &Value) -> Value {
        match schema {
            Value::Bool(true) => json!({ "$ref": "https://example.com/other.json" }),
            Value::Array(items) => items.iter().map(obscured).collect(),
            Value::Object(fields) => {
                let is_schema = |name: &str| !["const", "enum", "uniqueItems"].contains(&name);
                let part = |name: &str, value: &Value| if is_schema(name) { obscured(value) } else { value.clone() };
                fields.iter().map(|(name, value)| (name.clone(), part(name, value))).collect()
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_cannot_be_checked_decides_nothing(schema in schemas(), value in values()) {
            // Whatever stands behind the reference: all, or nothing.
            let hidden = obscured(&schema);
            let verdict = |schema: &str| Schema::parse(schema).unwrap().check(&value.to_string(), &Steps::at_most(MOST_STEPS));
            let reference = r#"{"$ref":"https://example.com/other.json"}"#;
            let all = verdict(&hidden.to_string().replace(reference, "true"));
            let nothing = verdict(&hidden.to_string().replace(reference, "false"));
            match verdict(&hidden.to_string()) {
                Ok(()) => prop_assert!(all.is_ok() && nothing.is_ok(), "{} of {}", value, hidden),
                Err(Unmet::Wrong(_)) => {
                    prop_assert!(all.is_err() && nothing.is_err(), "{} of {}", value, hidden);
                }
                Err(Unmet::Unknown) => {}
            }
        }

        #[test]
        fn both_say_the_same(schema in schemas(), other in schemas(), value in values()) {
            let schema = json!({ "allOf": [schema], "$defs": { "other": { "anyOf": [{ "type": "null" }, other] } } });
            // A definition that refers to itself without end is not a valid schema.
            prop_assume!(schema["$defs"].to_string().matches("$ref").count() == 0);
            let theirs = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap().is_valid(&value);
            let ours = Schema::parse(&schema.to_string()).unwrap();
            prop_assert_eq!(ours.flaw(), None);
            let checked = ours.check(&value.to_string(), &Steps::at_most(MOST_STEPS));
            prop_assert_ne!(&checked, &Err(Unmet::Unknown));
            prop_assert_eq!(checked.is_ok(), theirs, "{} of {}", value, schema);
        }
    }
}
