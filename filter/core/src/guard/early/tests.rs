//! Tests of the early check.

use std::rc::Rc;

use crate::guard::answer::Format;
use crate::guard::schema::Schema;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check(format: Format) -> EarlyCheck {
    EarlyCheck::of(&Checks { formats: vec![format], early: true, ..Checks::default() }).unwrap()
}

fn schema(text: &str) -> Format {
    Format::Schema(Rc::new(Schema::parse(text).unwrap()))
}

fn text(choice: u32, text: &str) -> StreamEvent {
    StreamEvent::Text { choice, text: text.to_owned() }
}

fn is_prefix(text: &str) -> bool {
    Prefix::new().read(text.as_bytes())
}

#[test]
fn a_text_that_begins_no_json_fails_at_once() {
    for begun in [
        "",
        " \n",
        "{",
        "{\"a",
        "{\"a\\",
        "{\"a\\u12",
        "[1,",
        "[[]",
        "-",
        "1.",
        "1e",
        "1e-",
        "tru",
        "{\"a\":null,",
        "[] ",
        "\"é",
    ] {
        assert!(is_prefix(begun), "{begun}");
    }
    for wrong in [
        "Sure",
        "```",
        "{'",
        "{\"a\\x",
        "{\"a\\u1g",
        "[1,]",
        "[,",
        "{,",
        "{\"a\":1,}",
        "[}",
        "01",
        "-a",
        "1.e",
        "1e+e",
        "truf",
        "[] {",
        "{}}",
        "\"\n",
        "{1",
        "{\"a\" 1",
        "]",
        "\u{feff}{",
    ] {
        assert!(!is_prefix(wrong), "{wrong}");
    }
}

#[test]
fn a_type_that_no_format_allows_fails_with_its_first_byte() {
    for (schema_text, begun, good) in [
        (r#"{"type":"object"}"#, " [", false),
        (r#"{"type":"object"}"#, " {", true),
        (r#"{"type":["array","null"]}"#, "n", true),
        (r#"{"type":"integer"}"#, "-", true),
        (r##"{"$ref":"#/$defs/a","$defs":{"a":{"enum":["x",1]}}}"##, "t", false),
        (r##"{"$ref":"#/$defs/a","$defs":{"a":{"enum":["x",1]}}}"##, "2", true),
        (r#"{"anyOf":[{"type":"string"},{"const":null}]}"#, "{", false),
        (r#"{"anyOf":[{"type":"string"},{"const":null}]}"#, "n", true),
        (r#"{"allOf":[{"type":"string"}],"type":"null"}"#, "n", false),
        (r##"{"anyOf":[{"type":"null"},{"$ref":"#"}]}"##, "{", true),
        (r#"{"type":"text"}"#, "{", true),
        (r#"{"$schema":"http://json-schema.org/draft-03/schema#","type":"object"}"#, "[", true),
        (r#"{"not":{"type":"object"}}"#, "{", true),
    ] {
        assert_eq!(check(schema(schema_text)).read(&text(0, begun)).is_ok(), good, "{schema_text} {begun}");
    }
    assert!(check(Format::Object).read(&text(0, "[")).is_err());
    assert!(check(Format::Json).read(&text(0, "[")).is_ok());
}

#[test]
fn choices_are_apart_and_calls_and_refusals_are_free() {
    let mut early = check(Format::Object);
    for event in [text(0, "{\"a"), text(1, " {"), text(0, "\":1"), text(1, "}"), text(0, "}")] {
        assert_eq!(early.read(&event), Ok(()));
    }
    assert!(early.read(&text(1, "{")).is_err());
    let mut early = check(Format::Object);
    let refusal = StreamEvent::Refusal { choice: 0, text: "no".to_owned() };
    for event in [text(0, "{"), refusal, text(0, "no"), text(1, "{")] {
        assert_eq!(early.read(&event), Ok(()));
    }
    let offers_tools = Checks { formats: vec![Format::Object], ..Checks::default() };
    assert!(EarlyCheck::of(&offers_tools).is_none());
}

#[cfg(not(target_arch = "wasm32"))]
mod any {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    /// Texts that are JSON, or nearly.
    fn texts() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", " ", "\n", "\"", "\"a\"", "\"a\":", "\\n", "\\u00e9", "\\", "u", "é", "0",
            "1", "-", ".", "e", "+", "true", "false", "null", "nul", "\"b\":1", "{\"c\":[", "x",
        ]);
        prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
    }

    fn is_json(text: &str) -> bool {
        sluice_wire::json::read::<IgnoredAny>(text).is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn only_a_beginning_of_json_can_be_completed(begun in texts(), rest in texts()) {
            let whole = format!("{begun}{rest}");
            if is_json(&whole) {
                prop_assert!(whole.char_indices().all(|(cut, _)| is_prefix(&whole[..cut])) && is_prefix(&whole), "{whole}");
            }
            if is_prefix(&begun) {
                prop_assert!(is_json(&completed(&begun)), "{begun} {}", completed(&begun));
            }
        }

        #[test]
        fn an_answer_that_passes_at_its_end_never_fails_before(
            answer in texts(),
            format in prop::sample::select(vec![
                r#"{"type":"object"}"#,
                r#"{"type":["number","null"]}"#,
                r#"{"anyOf":[{"type":"string"},{"enum":[true,[]]}]}"#,
                r##"{"$ref":"#/$defs/a","$defs":{"a":{"oneOf":[{"type":"array"},{"const":{}}]}}}"##,
            ]),
        ) {
            let schema_ = Schema::parse(format).unwrap();
            let steps = crate::guard::steps::Steps::at_most(crate::guard::schema::MOST_STEPS);
            if is_json(&answer) && schema_.check(&answer, &steps).is_ok() {
                let mut early = check(schema(format));
                for letter in answer.chars() {
                    prop_assert_eq!(early.read(&text(0, &letter.to_string())), Ok(()), "{} {}", format, answer);
                }
            }
        }
    }

    /// A text that begins with this one and is JSON.
    fn completed(begun: &str) -> String {
        let mut prefix = Prefix::new();
        assert!(prefix.read(begun.as_bytes()));
        let mut whole = begun.to_owned();
        while !(prefix.open.is_empty() && is_json(&whole)) {
            let next = match prefix.expected {
                Expected::Value => '0',
                Expected::Name | Expected::Text { .. } => '"',
                Expected::Colon => ':',
                Expected::FirstItem => ']',
                Expected::FirstName => '}',
                Expected::Escape { .. } => 'n',
                Expected::Hex { .. } => '1',
                Expected::Rest(rest) => char::from(rest[0]),
                Expected::Number(number) if !number.is_complete() => '1',
                Expected::Next | Expected::Number(_) => char::from(*prefix.open.last().unwrap()),
            };
            whole.push(next);
            assert!(prefix.read(next.to_string().as_bytes()), "{whole}");
        }
        whole
    }
}
