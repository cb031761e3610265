//! Images and documents: `inlineData` for inline bytes, `fileData` for bytes that the provider fetches.

use crate::conversation::Source;

use super::part::{FileData, InlineData, Part};

/// The media types that Google reads, by extension: `fileData` requires a media type, and a URL has none.
const MEDIA_TYPES: [(&str, &str); 34] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("xml", "text/xml"),
    ("rtf", "text/rtf"),
    ("mp4", "video/mp4"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("mov", "video/quicktime"),
    ("avi", "video/avi"),
    ("flv", "video/x-flv"),
    ("webm", "video/webm"),
    ("wmv", "video/wmv"),
    ("3gp", "video/3gpp"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aiff", "audio/aiff"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("m4a", "audio/m4a"),
];

/// Returns the part for `source`, or the reason why there is none.
pub(super) fn part(source: &Source) -> Result<Part<'_>, &'static str> {
    match source {
        Source::Base64 { media_type, data } => {
            let mime_type = if media_type.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { media_type };
            Ok(Part { inline_data: Some(InlineData { mime_type, data }), ..Part::default() })
        }
        Source::Url(uri) if uri.starts_with("data:") => Err("a data URI that is not base64"),
        Source::Url(file_uri) => {
            let mime_type = guess(file_uri)
                .ok_or("a URL without a known file extension ('.png', '.pdf'…): send the bytes in base64 instead")?;
            Ok(Part { file_data: Some(FileData { mime_type, file_uri }), ..Part::default() })
        }
    }
}

/// Guesses the media type from the extension in a URL's path.
fn guess(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let (_, name) = path.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    MEDIA_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, media_type)| *media_type)
}
