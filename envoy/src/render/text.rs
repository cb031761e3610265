//! Templates and quoting: every value in a configuration passes through this module.

use std::iter;

/// Replaces `${name}` placeholders in a template. A placeholder alone on its line takes a multi-line text with the same indentation; an
/// empty value removes the line. Values are not searched for placeholders.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    for line in template.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if let Some(name) = line.trim_start().strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            for part in value(values, name).lines() {
                filled.extend(iter::once(indent).filter(|_| !part.is_empty()).chain([part, "\n"]));
            }
            continue;
        }
        let mut parts = line.split("${");
        filled.extend(parts.next());
        for part in parts {
            match part.split_once('}') {
                Some((name, rest)) => filled.extend([value(values, name), rest]),
                None => filled.extend(["${", part]),
            }
        }
        filled.push('\n');
    }
    filled
}

/// A placeholder without a value is a bug in this crate, which every rendering test would reveal.
fn value<'v>(values: &[(&str, &'v str)], name: &str) -> &'v str {
    let found = values.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| unreachable!("the template's mark {name:?} has no value")).1
}

/// A double-quoted YAML scalar: always text, without characters that YAML does not allow.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            c => quoted += &format!("\\U{:08x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}

/// Indented, ASCII-only JSON.
pub fn ascii_json(value: &serde_json::Value) -> String {
    let mut ascii = String::new();
    // Outside strings, JSON consists of ASCII without control characters except line ends.
    for c in format!("{value:#}").chars() {
        match c {
            '\n' | ' '..='~' => ascii.push(c),
            c => ascii.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_take_values_and_blocks() {
        let filled = fill(
            "a: ${a}, ${b}\n  ${block}\n  ${nothing}\nend\n",
            &[("a", "1"), ("b", "${a}"), ("block", "x:\n  y\n"), ("nothing", "")],
        );
        assert_eq!(filled, "a: 1, ${a}\n  x:\n    y\nend\n");
    }

    #[test]
    fn quoted_text_stays_text() {
        assert_eq!(quote("no"), "\"no\"");
        assert_eq!(quote("a\"b\\c\n\u{85}😀"), r#""a\"b\\c\U0000000a\U00000085\U0001f600""#);
    }

    #[test]
    fn json_in_ascii_reads_back() {
        let value = serde_json::json!({ "a": "ü\u{7f}\u{85}😀\n\"" });
        let ascii = ascii_json(&value);
        assert!(ascii.is_ascii() && !ascii.contains('\u{7f}'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ascii).unwrap(), value);
    }
}
