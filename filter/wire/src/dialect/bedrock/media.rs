//! Images and documents: Converse has short names for their formats, and a name for every document.

use crate::conversation::Source;
use crate::dialect::at::At;
use crate::dialect::data_uri::{inline, is_elsewhere};
use crate::error::ApiError;

/// Media types and Converse's formats; of several types for one format, the first is used for reading.
pub(super) const IMAGES: [(&str, &str); 5] =
    [("image/png", "png"), ("image/jpeg", "jpeg"), ("image/jpg", "jpeg"), ("image/gif", "gif"), ("image/webp", "webp")];

pub(super) const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// The longest name of a document before a number is added: AWS's older models take 64 characters.
const LONGEST_NAME: usize = 56;

/// A file's format in Converse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Image(&'static str),
    Document(&'static str),
}

/// Returns the format and the base64 of a file; rejects URLs, as AWS fetches none.
pub(super) fn open<'a>(source: &'a Source, at: &At) -> Result<(Format, &'a str), ApiError> {
    if is_elsewhere(source) {
        return Err(at.refuse("an image or a document by URL, only as base64"));
    }
    let (media_type, data) = inline(source).ok_or_else(|| at.refuse("a data URI that is not base64"))?;
    let word = |table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type)).map(|(_, word)| *word)
    };
    let format = word(&IMAGES).map(Format::Image).or_else(|| word(&DOCUMENTS).map(Format::Document));
    let formats = "a file that is not JPEG, PNG, GIF, WebP, PDF, CSV, Word, Excel, HTML, plain text or Markdown";
    Ok((format.ok_or_else(|| at.refuse(formats))?, data))
}

/// The names of a request's documents, unique across all turns.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// Returns the name in the characters that AWS takes, numbered if it is in use; `document` if there is none.
    pub(super) fn give(&mut self, name: Option<&str>) -> String {
        let clean = name.map(clean).filter(|name| !name.is_empty()).unwrap_or_else(|| "document".to_owned());
        let mut given = clean.clone();
        let mut number = 1;
        while self.0.iter().any(|taken| taken.eq_ignore_ascii_case(&given)) {
            number += 1;
            given = format!("{clean} {number}");
        }
        self.0.push(given.clone());
        given
    }
}

/// Keeps letters, digits, single spaces and `-()[]`; replaces others by `-`.
fn clean(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        let letter = match letter {
            _ if letter.is_whitespace() => ' ',
            '-' | '(' | ')' | '[' | ']' => letter,
            _ if letter.is_ascii_alphanumeric() => letter,
            _ => '-',
        };
        let blank = letter == ' ' && (out.is_empty() || out.ends_with(' '));
        if !blank && out.len() < LONGEST_NAME {
            out.push(letter);
        }
    }
    out.truncate(out.trim_end().len());
    out
}
