//! Which bodies have the same canonical form.

use sluice_wire::dialect::Id;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::cache::canonical::Canonical;

fn form(body: &str) -> Option<Vec<u8>> {
    form_for(Id::OpenAiChat, body)
}

fn form_for(client: Id, body: &str) -> Option<Vec<u8>> {
    Canonical::of(body.as_bytes(), client).map(|canonical| canonical.form)
}

#[track_caller]
fn same(bodies: &[&str]) {
    let first = form(bodies[0]).expect("a form");
    for body in &bodies[1..] {
        assert_eq!(form(body).as_ref(), Some(&first), "{body}");
    }
}

#[track_caller]
fn differ(bodies: &[&str]) {
    let forms: Vec<Vec<u8>> = bodies.iter().map(|body| form(body).expect("a form")).collect();
    for (at, form) in forms.iter().enumerate() {
        let other = forms[..at].iter().position(|other| other == form);
        assert_eq!(other.map(|other| bodies[other]), None, "{}", bodies[at]);
    }
}

#[test]
fn the_order_of_the_apis_keys_and_white_space_make_no_difference() {
    same(&[
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","detail":"low"}}]}]}"#,
        r#"{"messages":[{"content":[{"image_url":{"detail":"low","url":"u"},"type":"image_url"}],"role":"user"}],"model":"m"}"#,
        "\r\n{ \"model\" : \"m\" ,\t\"messages\" : [ {\"role\":\"user\",\n\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"detail\":\"low\"}}] } ] } ",
    ]);
    same(&[
        r#"{"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"a":1,"b":2}}}]}"#,
        r#"{"tools":[{"function":{"parameters":{"a":1,"b":2},"strict":true,"name":"f"},"type":"function"}]}"#,
    ]);
    same(&[
        r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"x":1}}}}"#,
        r#"{"response_format":{"json_schema":{"schema":{"x":1},"strict":true,"name":"n"},"type":"json_schema"}}"#,
    ]);
}

#[test]
fn the_order_of_everything_else_does() {
    for wrap in [
        r#"{"tools":[{"function":{"parameters":@}}]}"#,
        r#"{"tools":[{"input_schema":@}]}"#,
        r#"{"tools":[{"parameters":@}]}"#,
        r#"{"functions":[{"parameters":@}]}"#,
        r#"{"response_format":{"json_schema":{"schema":@}}}"#,
        r#"{"text":{"format":{"schema":@}}}"#,
        r#"{"output_config":{"format":{"schema":@}}}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","input":@}]}]}"#,
        r#"{"input":[{"type":"x","arguments":@}]}"#,
        r#"{"prompt":{"id":"p","variables":@}}"#,
        r#"{"unknown":@}"#,
    ] {
        let of = |value: &str| wrap.replace('@', value);
        let nested = [r#"{"p":{"a":1,"b":2}}"#, r#"{"p":{"b":2,"a":1}}"#].map(of);
        differ(&[&of(r#"{"a":1,"b":2}"#), &of(r#"{"b":2,"a":1}"#), &nested[0], &nested[1]]);
        // Providers may show them to the model as they are spelled.
        differ(&[&of(r#"{"a":1}"#), &of(r#"{"a":1.0}"#)]);
        same(&[&of(r#"{"a":1}"#), &of(" {\n\"\\u0061\" : 1 } ")]);
    }
    differ(&[r#"{"stop":["a","b"]}"#, r#"{"stop":["b","a"]}"#]);
    differ(&[r#"{"messages":[{"a":1},{"b":1}]}"#, r#"{"messages":[{"b":1},{"a":1}]}"#]);
}

#[test]
fn numbers_are_compared_by_value_and_none_is_rounded() {
    let of = |numbers: &[&str]| numbers.iter().map(|number| format!(r#"{{"top_p":{number}}}"#)).collect::<Vec<_>>();
    for equal in [
        &["1", "1.0", "1e0", "10e-1", "1E+0", "0.1e1", "100e-2", "1.000"][..],
        &["0", "-0", "0.0", "0e9", "-0.0e-5"],
        &["0.7", "7e-1", "0.70"],
        &["-120", "-1.2e2", "-12e1"],
        &["1e400", "10e399"],
    ] {
        let bodies = of(equal);
        same(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let bodies = of(&[
        "1",
        "-1",
        "10",
        "0.1",
        "0",
        "1e400",
        "1e401",
        "1e-400",
        "0.1000000000000000055511151231257827",
        "12",
        "1.2",
        "9007199254740993",
        "9007199254740992",
    ]);
    differ(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    differ(&[r#"{"a":1}"#, r#"{"a":"1"}"#, r#"{"a":[1]}"#, r#"{"a":null}"#, r#"{"a":true}"#, r#"{"a":false}"#, "{}"]);
    same(&[r#"{"input":[1,2.0]}"#, r#"{"input":[1e0,2]}"#]);
    same(&[r#"{"thinking":{"budget_tokens":1024}}"#, r#"{"thinking":{"budget_tokens":1.024e3}}"#]);
    assert_eq!(form(r#"{"top_p":1e9999999999999999}"#), None);
}

#[test]
fn strings_are_compared_by_value() {
    same(&[r#"{"a":"A/é\n"}"#, r#"{"\u0061":"\u0041\/\u00e9\u000a"}"#]);
    let long = "x".repeat(1_000);
    same(&[&format!(r#"{{"a":"{long}"}}"#), &format!(r#"{{"a":"\u0078{}"}}"#, &long[1..])]);
    differ(&[&format!(r#"{{"a":"{long}"}}"#), &format!(r#"{{"a":"{long}x"}}"#)]);
    differ(&[r#"{"a":"b"}"#, r#"{"a":"b "}"#, r#"{"a":"B"}"#, r#"{"a":""}"#, r#"{"a":"\\u0062"}"#]);
    // A smile as one character and as a pair of escapes.
    same(&["{\"a\":\"\u{1f600}\"}", r#"{"a":"\ud83d\ude00"}"#]);
}

#[test]
fn the_clients_own_fields_make_no_difference_at_the_top_and_only_there() {
    same(&[
        r#"{"model":"m"}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"user":"u","metadata":{"a":"b"},"model":"m","safety_identifier":"s","prompt_cache_key":"k"}"#,
        r#"{"model":"m","stream":null,"prompt_cache_retention":"24h"}"#,
    ]);
    differ(&[
        r#"{"model":"m"}"#,
        r#"{"model":"m","store":true}"#,
        r#"{"model":"m","service_tier":"flex"}"#,
        r#"{"model":"m","seed":1}"#,
        r#"{"model":"m","User":"u"}"#,
        r#"{"model":"m","messages":[{"user":"u"}]}"#,
        r#"{"model":"m","messages":[{"user":"v"}]}"#,
    ]);
    let message = |more: &str| form_for(Id::Anthropic, &format!(r#"{{"model":"m"{more}}}"#));
    assert_eq!(message(r#","stream":true,"metadata":{"user_id":"u"}"#), message(""));
    assert_ne!(message(r#","user":"u""#), message(""));
    let embeddings = |more: &str| form_for(Id::OpenAiEmbeddings, &format!(r#"{{"model":"m"{more}}}"#));
    assert_eq!(embeddings(r#","user":"u""#), embeddings(""));
    assert_ne!(embeddings(r#","encoding_format":"base64""#), embeddings(""));
}

#[test]
fn a_body_whose_parts_could_be_taken_for_each_other_has_no_form() {
    for body in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"A":1}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"user":"u","user":"v"}"#,
        r#"{"messages":[{"role":"user","role":"system"}]}"#,
        // A letter that Go takes for a K.
        "{\"\u{212a}ey\":1}",
        r#"{"a":"\ud800"}"#,
        r#"{"a":1}{}"#,
        r#"{"a":1"#,
        "",
        "{",
    ] {
        assert_eq!(form(body), None, "{body}");
    }
    // Where the order is kept, each key twice is still the same.
    assert!(form(r#"{"tools":[{"parameters":{"a":1,"a":2}}]}"#).is_some());
    let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(form(&deep(120)).is_some());
    assert_eq!(form(&deep(10_000)), None);
    let wide = |members: usize| {
        let members: Vec<String> = (0..members).map(|number| format!("\"k{number}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(form(&wide(500)).is_some());
    assert_eq!(form(&wide(5_000)), None);
}

#[test]
fn a_large_prompt_has_a_small_form() {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, "a\\n".repeat(1 << 19));
    assert!(form(&body).unwrap().len() < 200);
}

#[test]
fn what_is_ignored_is_told_with_its_value() {
    let body = r#"{"user": "u","temperature":7e-1 ,"metadata":{"a" : 1},"model":"m"}"#;
    let canonical = Canonical::of(body.as_bytes(), Id::Responses).unwrap();
    assert_eq!(canonical.ignored, [("user", "\"u\""), ("metadata", "{\"a\" : 1}")]);
    assert_eq!(canonical.temperature, Some("7e-1"));
    let repeats = |body: &str| Canonical::of(body.as_bytes(), Id::Responses).unwrap().repeats(Id::Responses);
    assert_ne!(repeats(r#"{"user":"u"}"#), repeats(r#"{"user":"v"}"#));
    assert_eq!(repeats(r#"{"stream":true}"#), repeats("{}"));
    assert_eq!(canonical.repeats(Id::OpenAiChat), Canonical::default().repeats(Id::OpenAiChat));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::form;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-100..100_i32).prop_map(|number| json!(f64::from(number) / 8.0 + 0.0625)),
            "[a-c\\\\\"é{}:,]{0,3}".prop_map(Value::from),
            "[xy]{60,70}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]|content|function|parameters|input", inner, 0..4)
                    .prop_map(|members| Value::Object(Map::from_iter(members))),
            ]
        })
    }

    fn request() -> impl Strategy<Value = Value> {
        let names = "[a-c]|messages|tools|input|temperature|seed";
        prop::collection::btree_map(names, value(), 0..4).prop_map(|members| Value::Object(Map::from_iter(members)))
    }

    /// The same JSON with other white space.
    fn spaced(value: &Value) -> String {
        serde_json::to_string_pretty(value).unwrap()
    }

    proptest! {
        #[test]
        fn two_requests_have_the_same_form_only_if_they_are_the_same(one in request(), other in request()) {
            // Both have their keys in the same order, so equal means equal in every respect but the spelling of numbers.
            let (first, second) = (form(&one.to_string()), form(&other.to_string()));
            prop_assert!(first.is_some() && second.is_some());
            prop_assert_eq!(first == second, one == other, "{} {}", one, other);
            prop_assert_eq!(form(&spaced(&one)), first);
        }

        #[test]
        fn a_request_that_differs_in_one_place_has_another_form(request in request(), place in any::<prop::sample::Index>(), by in value()) {
            let mut changed = request.clone();
            let mut places = 0;
            count(&mut changed, &mut places, None);
            prop_assume!(places > 0);
            let mut at = place.index(places);
            count(&mut changed, &mut at, Some(&by));
            prop_assert_eq!(form(&changed.to_string()) == form(&request.to_string()), changed == request, "{} {}", request, changed);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(text in "[\\[\\]{}\",:0-9eE.+-tfn\\\\u é\u{0}]{0,40}") {
            form(&text);
        }
    }

    /// Counts the values below the request, or replaces one of them.
    fn count(value: &mut Value, places: &mut usize, by: Option<&Value>) {
        let inner: Vec<&mut Value> = match value {
            Value::Array(items) => items.iter_mut().collect(),
            Value::Object(members) => members.values_mut().collect(),
            _ => return,
        };
        for value in inner {
            match by {
                None => *places += 1,
                Some(by) => {
                    if *places == 0 {
                        *value = by.clone();
                        *places = usize::MAX;
                        return;
                    }
                    *places -= 1;
                }
            }
            count(value, places, by);
            if by.is_some() && *places > usize::MAX / 2 {
                return;
            }
        }
    }
}
