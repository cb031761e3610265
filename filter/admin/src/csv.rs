//! Comma-separated values with a header row, for spreadsheets: [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).
//!
//! A spreadsheet evaluates a cell that begins with one of `= + - @` or a control character as a formula, even if it is quoted. Such a name
//! gets a leading apostrophe ([OWASP](https://owasp.org/www-community/attacks/CSV_Injection)), and so does a name that begins with an
//! apostrophe: without its first apostrophe, each name is exact. A name that may contain a semicolon is the first field of a row: a
//! spreadsheet that expects semicolons would ignore the quotes of a later field, and a part of the name would begin a cell.

/// The media type, with the parameters of RFC 4180.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Whether an `accept` header prefers CSV to JSON: it names CSV, and does not name JSON before it.
pub fn is_accepted(accept: &str) -> bool {
    let is = |range: &str, name: &str| {
        range.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(name))
    };
    let known = accept.split(',').find(|range| is(range, "text/csv") || is(range, "application/json"));
    known.is_some_and(|range| is(range, "text/csv"))
}

/// Appends a name as a quoted field.
pub fn push_name(name: &str, out: &mut String) {
    out.push('"');
    if name.starts_with(|first: char| first.is_ascii_control() || matches!(first, '=' | '+' | '-' | '@' | '\'')) {
        out.push('\'');
    }
    for c in name.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_is_one_field_and_no_formula() {
        for (name, field) in [
            ("research", "\"research\""),
            ("a, \"b\"\r\nc", "\"a, \"\"b\"\"\r\nc\""),
            ("a=1", "\"a=1\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("\0=1", "\"'\0=1\""),
            ("'=1", "\"''=1\""),
            ("", "\"\""),
        ] {
            let mut out = String::new();
            push_name(name, &mut out);
            assert_eq!(out, field);
        }
    }

    #[test]
    fn csv_is_accepted_if_it_is_named_before_json() {
        for accept in ["text/csv", "Text/CSV; header=present", "text/html, text/csv;q=0.9,application/json;q=0.1"] {
            assert!(is_accepted(accept), "{accept}");
        }
        for accept in ["", "*/*", "text/*", "application/json, text/csv;q=0.1", "text/csvs"] {
            assert!(!is_accepted(accept), "{accept}");
        }
    }
}
