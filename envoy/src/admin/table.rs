//! Output for people: tables with aligned columns.

use serde_json::Value;

/// A table with a header row.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(head);
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

/// A value as plain text: no quotes, a dash for nothing, control characters escaped.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.chars().flat_map(visible).collect(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(members) if members.is_empty() => "-".to_owned(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Escapes characters that would move a terminal's cursor.
fn visible(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["alice".to_owned(), "1".to_owned()], ["ü".to_owned(), "22".to_owned()]];
        assert_eq!(table(["ID", "N"], &rows), "ID     N\nalice  1\nü      22\n");
    }

    #[test]
    fn values_are_written_for_people() {
        assert_eq!(cell(&json!({ "a": 1, "b": ["x", "y"] })), "a=1 b=x,y");
        assert_eq!(
            (cell(&Value::Null), cell(&json!("")), cell(&json!("a\u{1b}[2J"))),
            ("-".into(), "-".into(), "a\\u{1b}[2J".into())
        );
    }
}
