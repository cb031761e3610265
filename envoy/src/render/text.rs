//! Templates and quoting: everything that enters a configuration enters through here.

use std::iter;

/// Puts values into a template's `${name}` marks. A mark alone on its line takes a text of several lines, indented as
/// the mark is; an empty one takes its line with it. Values are not searched for marks.
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

/// A mark without a value is a mistake in this crate, which every rendering in the tests would show.
fn value<'v>(values: &[(&str, &'v str)], name: &str) -> &'v str {
    let found = values.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| unreachable!("the template's mark {name:?} has no value")).1
}

/// A YAML scalar in double quotes: always text, whatever it looks like, and free of characters YAML does not allow.
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

/// JSON of ASCII characters only, on indented lines.
pub fn ascii_json(value: &serde_json::Value) -> String {
    let mut ascii = String::new();
    // Outside its texts, JSON is ASCII without control characters other than line ends.
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
