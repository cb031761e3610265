//! Writes a value as YAML in block style. Multi-line text stays readable; all other text that YAML could read as something else is quoted.

use std::fmt::Write as _;

use serde_json::Value;

use super::text::quote;

/// A document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Writes a container at its indentation, with each entry on its own line.
fn write(to: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let _ = write!(to, "{indent}{}:", scalar(name));
                // YAML allows the items of a list at the indentation of its key.
                follow(to, value, if value.is_array() { depth } else { depth + 1 });
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut text = String::new();
                write(&mut text, item, depth + 1);
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        let _ = write!(to, "{indent}- {}", text.trim_start());
                    }
                    _ => {
                        let _ = write!(to, "{indent}-");
                        follow(to, item, depth + 1);
                    }
                }
            }
        }
        _ => {}
    }
}

/// Writes a value after its key or the mark of its item.
fn follow(to: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            to.push('\n');
            write(to, value, depth);
        }
        Value::Array(items) if !items.is_empty() => {
            to.push('\n');
            write(to, value, depth);
        }
        Value::String(text) if is_block(text) => {
            to.push_str(" |-\n");
            for line in text.lines() {
                let _ = writeln!(to, "{}{line}", "  ".repeat(depth));
            }
        }
        Value::String(text) => {
            let _ = writeln!(to, " {}", scalar(text));
        }
        other => {
            let _ = writeln!(to, " {other}");
        }
    }
}

/// Whether a literal block scalar keeps the text as it is.
fn is_block(text: &str) -> bool {
    let is_plain =
        |line: &str| !line.is_empty() && !line.ends_with(' ') && line.chars().all(|c| matches!(c, ' '..='~'));
    text.contains('\n') && !text.starts_with(' ') && !text.ends_with('\n') && text.split('\n').all(is_plain)
}

/// Text on one line: quoted, unless every YAML parser reads it as text.
fn scalar(text: &str) -> String {
    const OTHERS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let is_text = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !OTHERS.contains(&&*text.to_ascii_lowercase());
    if is_text { text.to_owned() } else { quote(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::check::yaml_of;

    #[test]
    fn it_reads_like_a_file_that_was_written_by_hand() {
        let value = json!({ "kind": "List", "items": [{ "on": 1, "@type": "a/b.c" }, [], ["x", { "y": {} }]], "text": "a: {\n  b\n}" });
        let text = document(&value);
        assert_eq!(
            text,
            "items:\n- \"@type\": a/b.c\n  \"on\": 1\n- []\n-\n  - x\n  - \"y\": {}\nkind: List\ntext: |-\n  a: {\n    b\n  }\n"
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-z0-9:#&*!|>@%\"' \\-\n{}\\[\\],?]{0,12}", any::<String>(), Just("No".to_owned())];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_value()) {
            let value = json!({ "value": value });
            let text = document(&value);
            prop_assert_eq!(yaml_of(&text).expect(&text), value, "{}", text);
        }
    }
}
