//! Finds the model's name in a `multipart/form-data` body (RFC 7578), so that it can be replaced.
//!
//! This is not a full parser: it finds parts by their boundary and reads only their headers. A form that the provider's parser could read
//! differently is rejected, because the gateway must charge and authorize the model that the provider serves. Real clients do not send such
//! forms.

use std::ops::Range;

use memchr::memmem;
use sluice_wire::error::ApiError;

use super::request_features::same;

/// A form with more parts is rejected. No endpoint needs nearly as many.
const MOST_PARTS: usize = 256;

/// A part with a longer header section is rejected.
const LONGEST_HEAD: usize = 4096;

/// The findings in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// The range of the model's name.
    pub model: Range<usize>,
    /// Whether the response is streamed.
    pub stream: bool,
    /// The number of requested choices.
    pub n: u64,
}

/// Whether a `content-type` is any kind of form.
pub fn is_form(content_type: &str) -> bool {
    let kind = content_type.trim_start().as_bytes();
    let begins = |form: &[u8]| kind.get(..form.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(form));
    begins(b"multipart/") || begins(b"application/x-www-form-urlencoded")
}

/// The boundary in a form's `content-type`. Requires exactly one boundary, and UTF-8 if a charset is given.
pub fn boundary(content_type: &str) -> Result<&str, ApiError> {
    let unclear = || ApiError::invalid("", "Invalid 'content-type': expected multipart/form-data with one boundary.");
    let (kind, parameters) = content_type.split_once(';').ok_or_else(unclear)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(unclear());
    }
    let mut boundary = None;
    for parameter in parameters.split(';').filter(|parameter| !parameter.trim().is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or_else(unclear)?;
        let value = plain(value.trim()).ok_or_else(unclear)?;
        match name.trim() {
            name if name.eq_ignore_ascii_case("boundary") && boundary.is_none() => boundary = Some(value),
            name if name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8") => {}
            _ => return Err(unclear()),
        }
    }
    boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or_else(unclear)
}

/// A parameter's value without quotes; `None` if parsers disagree about it.
fn plain(value: &str) -> Option<&str> {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (!inside.contains(['"', '\\'])).then_some(inside)
}

/// Finds the model in a form.
pub(super) fn read(body: &[u8], boundary: &str) -> Result<Form, ApiError> {
    let (mut model, mut twice, mut stream, mut n) = (None, false, false, 1);
    for part in parts(body, boundary)? {
        let Field { name, value, is_plain } = Field::read(body, part)?;
        if same(name.trim().as_bytes(), "model") {
            if !is_plain || name != "model" {
                return Err(ApiError::invalid("model", "Invalid 'model': expected a plain field of the form."));
            }
            twice |= model.replace(value).is_some();
        } else if name == "stream" {
            stream |= body.get(value) == Some(b"true");
        } else if name == "n" {
            let count = body.get(value).and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
            n = n.max(count.ok_or_else(|| ApiError::invalid("n", "Invalid type for 'n': expected an integer."))?);
        } else if name == "_charset_" {
            return Err(ApiError::invalid("_charset_", "The form's text fields must be UTF-8."));
        }
    }
    match model {
        Some(_) if twice => Err(ApiError::invalid("model", "The form contains the field 'model' twice. Send it once.")),
        Some(model) => Ok(Form { model, stream, n }),
        None => Err(ApiError::invalid("model", "Missing required parameter: 'model'.")),
    }
}

/// A file upload.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Upload<'a> {
    /// The field `purpose`, unparsed.
    pub purpose: &'a [u8],
    /// The file's content.
    pub file: &'a [u8],
}

/// Reads a file upload form.
pub fn upload<'a>(body: &'a [u8], boundary: &str) -> Result<Upload<'a>, ApiError> {
    let (mut purpose, mut file) = (None, None);
    for part in parts(body, boundary)? {
        let Field { name, value, is_plain } = Field::read(body, part)?;
        let value = body.get(value).unwrap_or_default();
        for (known, place) in [("purpose", &mut purpose), ("file", &mut file)] {
            if !same(name.trim().as_bytes(), known) {
                continue;
            }
            if name != known || (known == "purpose" && !is_plain) {
                return Err(ApiError::invalid(
                    known,
                    format!("Invalid '{known}': expected a plain field of the form."),
                ));
            }
            if place.replace(value).is_some() {
                return Err(ApiError::invalid(
                    known,
                    format!("The form contains the field '{known}' twice. Send it once."),
                ));
            }
        }
    }
    Ok(Upload { purpose: purpose.unwrap_or_default(), file: file.unwrap_or_default() })
}

/// The names of all fields of a form.
pub fn names<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<&'a str>, ApiError> {
    parts(body, boundary)?.into_iter().map(|part| Ok(Field::read(body, part)?.name)).collect()
}

/// The ranges of the parts, with their headers. The boundary must not occur anywhere else: a parser may take it for one.
fn parts(body: &[u8], boundary: &str) -> Result<Vec<Range<usize>>, ApiError> {
    let delimiter = format!("--{boundary}");
    let (mut parts, mut begun, mut ended) = (Vec::new(), None, false);
    for at in memmem::find_iter(body, delimiter.as_bytes()) {
        let behind = at + delimiter.len();
        let begins_line = at == 0 || body.get(at.saturating_sub(2)..at) == Some(b"\r\n");
        let next = body.get(behind..behind.saturating_add(2));
        ended = match next {
            Some(b"\r\n") => false,
            Some(b"--") => matches!(body.get(behind + 2..), Some(b"" | b"\r\n")),
            _ => return Err(malformed()),
        };
        if !begins_line || (begun.is_none() && !body.get(..at).unwrap_or_default().trim_ascii().is_empty()) {
            return Err(malformed());
        }
        if let Some(begin) = begun.replace(behind + 2) {
            parts.push(begin..at.saturating_sub(2));
        }
        if parts.len() > MOST_PARTS {
            return Err(ApiError::invalid("", format!("The form has more than {MOST_PARTS} parts.")));
        }
    }
    if ended { Ok(parts) } else { Err(malformed()) }
}

fn malformed() -> ApiError {
    ApiError::invalid("", "The request body is a malformed or ambiguous multipart form.")
}

/// A part of a form.
struct Field<'a> {
    name: &'a str,
    /// The range of its value.
    value: Range<usize>,
    /// Whether the value is plain text: not a file, and not encoded.
    is_plain: bool,
}

impl<'a> Field<'a> {
    /// Reads the part in this range. Its headers must be unambiguous.
    fn read(body: &'a [u8], part: Range<usize>) -> Result<Self, ApiError> {
        let end = part.end.min(part.start.saturating_add(LONGEST_HEAD));
        let start = body.get(part.start..end).ok_or_else(malformed)?;
        let length = memmem::find(start, b"\r\n\r\n").ok_or_else(malformed)?;
        let head = start.get(..length).and_then(|head| std::str::from_utf8(head).ok()).ok_or_else(malformed)?;
        let value = part.start + length + 4..part.end;
        let text = body.get(value.clone()).unwrap_or_default();
        let (mut disposition, mut encoded) = (None, false);
        for line in head.split("\r\n") {
            let (header, value) = line.split_once(':').ok_or_else(malformed)?;
            let odd = header.is_empty() || header.contains(|c: char| c.is_whitespace());
            if odd || line.contains(|c: char| c.is_control() && c != '\t') {
                return Err(malformed());
            }
            match header.to_ascii_lowercase().as_str() {
                "content-disposition" if disposition.replace(value).is_some() => return Err(malformed()),
                "content-transfer-encoding" if !is_as_it_is(value) => {
                    let message = "A part of the form has the header `content-transfer-encoding`. Remove the header \
                                   and send the raw bytes.";
                    return Err(ApiError::invalid("", message));
                }
                "content-type" => encoded |= !is_text(value, text),
                _ => {}
            }
        }
        let (name, is_file) = named(disposition.ok_or_else(malformed)?).ok_or_else(malformed)?;
        Ok(Self { name, value, is_plain: !encoded && !is_file })
    }
}

/// Whether this `content-transfer-encoding` leaves the bytes unchanged.
fn is_as_it_is(encoding: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|known| encoding.trim().eq_ignore_ascii_case(known))
}

/// Whether a text of this type can be read as UTF-8: it is UTF-8, or ASCII in an older charset.
fn is_text(content_type: &str, text: &[u8]) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let Some((_, charset)) = lower.split_once("charset") else { return true };
    match charset.trim_matches(['=', ' ', '"']) {
        "utf-8" => true,
        "us-ascii" | "iso-8859-1" => text.is_ascii(),
        _ => false,
    }
}

/// The only name in a `content-disposition`, and whether it also has a file name.
fn named(disposition: &str) -> Option<(&str, bool)> {
    let (kind, mut rest) = disposition.split_once(';')?;
    kind.trim().eq_ignore_ascii_case("form-data").then_some(())?;
    let (mut name, mut is_file) = (None, false);
    loop {
        let (parameter, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let parameter = parameter.trim().to_ascii_lowercase();
        match parameter.as_str() {
            "name" if !value.contains(['"', '\\']) && name.is_none() => name = Some(value.trim_end()),
            "filename" | "filename*" => is_file = true,
            other if other.starts_with("name") => return None,
            _ => {}
        }
        match behind.trim_start().strip_prefix(';') {
            Some(more) if !more.trim().is_empty() => rest = more,
            None if !behind.trim().is_empty() => return None,
            _ => break,
        }
    }
    Some((name?, is_file))
}

/// Splits at the closing quote. Parsers disagree whether a backslash escapes the quote, so a quote after a backslash is ambiguous.
fn quoted_text(quoted: &str) -> Option<(&str, &str)> {
    let end = quoted.find('"')?;
    let (text, behind) = quoted.split_at(end);
    (!text.ends_with('\\')).then_some((text, behind.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let part = |(head, value): &(&str, &str)| format!("--xYz\r\n{head}\r\n\r\n{value}\r\n");
        (parts.iter().map(part).collect::<String>() + "--xYz--\r\n").into_bytes()
    }

    const MODEL: &str = "Content-Disposition: form-data; name=\"model\"";
    const FILE: &str =
        "Content-Disposition: form-data; name=\"file\"; filename=\"name=model\"\r\nContent-Type: audio/mpeg";

    #[test]
    fn the_boundary_is_read_as_clients_write_it() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=xYz", Some("xYz")),
            ("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"x Y\"", Some("x Y")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=x", None),
            ("multipart/form-data; boundary=x; boundary=y", None),
            ("multipart/form-data; boundary=\"x;y\"", None),
            ("multipart/form-data; boundary=\"x\\y\"", None),
            ("multipart/form-data; boundary*=utf-8''x; boundary=y", None),
            ("multipart/form-data; charset=utf-7; boundary=x", None),
            ("application/x-www-form-urlencoded", None),
        ] {
            assert_eq!(boundary(kind).ok(), expected, "{kind}");
            assert!(is_form(kind), "{kind}");
        }
        assert!(!is_form("application/json; boundary=x"));
    }

    #[test]
    fn the_model_is_found_among_files_that_hold_anything() {
        let audio = "ID3\r\n--xY\r\nname=\"model\"\r\n\r\n--xyz";
        let stream = "content-disposition: form-data; name=stream";
        let body = form(&[(FILE, audio), (MODEL, "whisper"), (stream, "true")]);
        let found = read(&body, "xYz").unwrap();
        assert_eq!(&body[found.model], b"whisper");
        assert!(found.stream);
    }

    #[test]
    fn a_form_without_one_model_is_a_400() {
        for body in [form(&[(FILE, "x")]), form(&[(MODEL, "a"), (MODEL, "b")]), b"--xYz--".to_vec()] {
            assert_eq!(read(&body, "xYz").unwrap_err().param.as_deref(), Some("model"));
        }
        for body in ["", "--xYz", "--xYz\r\n"] {
            assert!(read(body.as_bytes(), "xYz").is_err(), "{body}");
        }
        let many = form(&vec![(FILE, ""); MOST_PARTS + 1]);
        assert!(read(&many, "xYz").unwrap_err().message.contains("parts"));
    }

    /// Each of these forms has a second model for some parser: in another part's name, in a skipped header, or after bare line feeds.
    #[test]
    fn a_form_that_may_hold_another_model_for_its_provider_is_a_400() {
        let long = format!("X-Pad: {}\r\n{MODEL}", "x".repeat(LONGEST_HEAD));
        let disposition = |parameters: &str| format!("Content-Disposition: form-data; {parameters}");
        for head in [
            long,
            disposition("name=\"x\"; name*=utf-8''model"),
            disposition("name=\"x\"; name=\"model\""),
            disposition("name=\"x\"; Name = model"),
            disposition("name=\"mod\\el\""),
            disposition("filename=\"a\\\"; name=x; b=\"; name=\"model\""),
            disposition("name=\"Model\""),
            disposition("name=\" model\""),
            disposition("name=\"x\"\r\n name=\"model\""),
            disposition("name=\"x\"\n\nContent-Disposition: form-data; name=\"model\""),
            disposition("name=\"_charset_\""),
            format!("{}\r\n{MODEL}", disposition("name=\"x\"")),
            "X: y".to_owned(),
        ] {
            assert!(read(&form(&[(MODEL, "cheap"), (&head, "dear")]), "xYz").is_err(), "{head}");
        }
        for head in [
            format!("{MODEL}; filename=\"x\""),
            format!("{MODEL}\r\nContent-Transfer-Encoding: base64"),
            format!("{MODEL}\r\nContent-Type: text/plain; charset=utf-16"),
        ] {
            assert!(read(&form(&[(&head, "x")]), "xYz").is_err(), "{head}");
        }
        let fine = String::from_utf8(form(&[(MODEL, "cheap")])).unwrap();
        let bare = "--xYz\nContent-Disposition: form-data; name=\"model\"\n\ndear\n";
        for body in [format!("{bare}\r\n{fine}"), format!("{fine}{fine}"), fine.replace("--xYz--", "--xYz --")] {
            assert!(read(body.as_bytes(), "xYz").is_err(), "{body}");
        }
        // As Apache's HTTP client and .NET write it.
        for head in [
            format!("{MODEL}\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit"),
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model".to_owned(),
        ] {
            assert!(read(&form(&[(&head, "x")]), "xYz").is_ok(), "{head}");
            assert_eq!(read(&form(&[(&head, "é")]), "xYz").is_ok(), head.contains("utf-8"), "{head}");
        }
        let name = disposition("filename=\"x; name=model\"; name=\"file\"");
        assert_eq!(read(&form(&[(&name, "x"), (MODEL, "m")]), "xYz").map(|form| form.model.len()), Ok(1));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn any_bytes_are_read_without_harm(pieces in proptest::collection::vec(
                prop_oneof![Just(b"--xYz".to_vec()), Just(b"\r\n".to_vec()), Just(MODEL.as_bytes().to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..9)], 0..24)) {
                let body = pieces.concat();
                if let Ok(form) = read(&body, "xYz") {
                    prop_assert!(body.get(form.model).is_some());
                }
            }
        }
    }
}
