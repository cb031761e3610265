//! Images and documents: Converse has short words for their formats, and a name for every document.

use crate::conversation::Source;
use crate::dialect::at::At;
use crate::dialect::data_uri::{inline, is_elsewhere};
use crate::error::ApiError;

/// Media types, and Converse's words; of several types for a word, the first is read.
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

/// A document's name gets no longer, and leaves room for a number: AWS takes 64 letters in its older models.
const LONGEST_NAME: usize = 56;

/// What a file is to Converse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Image(&'static str),
    Document(&'static str),
}

/// The format and the base64 of a file. AWS fetches none.
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

/// The names of a request's documents, no two of which may be the same, whichever turns they stand in.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// The name in the letters that AWS takes, with a number if it is taken; `document` for one without.
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

/// Letters, digits, single blanks, `-()[]`; others become `-`.
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
