//! The model's name in a `multipart/form-data` body (RFC 7578): where it stands, so that another can be put in its place.
//!
//! It is not a parse: parts are found by their boundary, and only the heads of parts are read.

use std::ops::Range;

use memchr::memmem;

use crate::error::ApiError;

/// A form with more parts is refused: no endpoint has nearly as many.
const MOST_PARTS: usize = 256;

/// The most of a part's head that is read.
const LONGEST_HEAD: usize = 4096;

/// What was found in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    /// Where the model's name stands.
    pub model: Range<usize>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
}

/// The boundary in a `content-type`, if it is a form's.
pub fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

/// Looks for the model in a form.
pub(super) fn read(body: &[u8], boundary: &str) -> Result<Form, ApiError> {
    let delimiter = format!("--{boundary}");
    let starts: Vec<usize> = memmem::find_iter(body, delimiter.as_bytes())
        .filter(|at| *at == 0 || body.get(at.saturating_sub(2)..*at) == Some(b"\r\n"))
        .take(MOST_PARTS + 1)
        .collect();
    if starts.len() > MOST_PARTS {
        return Err(ApiError::invalid("", format!("The form has more than {MOST_PARTS} parts.")));
    }
    let (mut model, mut twice, mut stream) = (None, false, false);
    for (start, end) in starts.iter().zip(starts.iter().skip(1)) {
        let part = start + delimiter.len()..end.saturating_sub(2);
        match field(body, part) {
            Some(("model", value)) => twice |= model.replace(value).is_some(),
            Some(("stream", value)) => stream = body.get(value) == Some(b"true"),
            _ => {}
        }
    }
    match model {
        Some(_) if twice => Err(ApiError::invalid("model", "The field 'model' stands in the form twice.")),
        Some(model) => Ok(Form { model, stream }),
        None => Err(ApiError::invalid("model", "Missing required parameter: 'model'.")),
    }
}

/// The name of the part in this range, behind its delimiter, and where its value stands.
fn field(body: &[u8], part: Range<usize>) -> Option<(&str, Range<usize>)> {
    let head_end = part.end.min(part.start.saturating_add(LONGEST_HEAD));
    let break_at = memmem::find(body.get(part.start..head_end)?, b"\r\n\r\n")?;
    let head = std::str::from_utf8(body.get(part.start..part.start + break_at)?).ok()?;
    let value = part.start + break_at + 4..part.end;
    (value.start <= value.end).then_some(())?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let name = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some((name.trim().trim_matches('"'), value))
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
            ("application/json; boundary=x", None),
        ] {
            assert_eq!(boundary(kind), expected, "{kind}");
        }
    }

    #[test]
    fn the_model_is_found_among_files_that_hold_anything() {
        let audio = "ID3\r\n--xY\r\nname=\"model\"\r\n\r\n--xYzno";
        let stream = "content-disposition: form-data; name=stream";
        let body = form(&[(FILE, audio), (MODEL, "whisper"), (stream, "true")]);
        let found = read(&body, "xYz").unwrap();
        assert_eq!(&body[found.model], b"whisper");
        assert!(found.stream);
    }

    #[test]
    fn a_form_without_one_model_is_a_400() {
        for body in [form(&[(FILE, "x")]), form(&[(MODEL, "a"), (MODEL, "b")]), b"".to_vec(), b"--xYz".to_vec()] {
            assert_eq!(read(&body, "xYz").unwrap_err().param.as_deref(), Some("model"));
        }
        let many = form(&vec![(FILE, ""); MOST_PARTS + 1]);
        assert!(read(&many, "xYz").unwrap_err().message.contains("parts"));
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
