//! Sources of images and documents: a URL, or inline data as a base64 `data:` URI (RFC 2397).

use std::fmt;

use serde::{Serialize, Serializer};

use crate::conversation::Source;
use crate::error::ApiError;

/// A URL, or a data URI formatted as it is written.
pub(super) struct Url<'a>(pub &'a Source);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::Url(url) => f.write_str(url),
            Source::Base64 { media_type, data } => write!(f, "data:{media_type};base64,{data}"),
        }
    }
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Parses a base64 data URI, or a URL for the provider to fetch.
pub(super) fn source(url: String, at: &str) -> Result<Source, ApiError> {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if begins("https://") || begins("http://") {
        return Ok(Source::Url(url));
    }
    if let Some((media_type, data)) = url.get(5..).filter(|_| begins("data:")).and_then(data_uri)
        && media_type.contains('/')
        && data.bytes().all(is_base64)
    {
        return Ok(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() });
    }
    let message = format!("Invalid value for '{at}': expected an http(s) URL, or a base64 data URI with a media type.");
    Err(ApiError::invalid(at, message))
}

/// Splits the rest of a `data:` URI into the media type, without parameters, and the base64. `None` if it is not base64.
pub(super) fn data_uri(uri: &str) -> Option<(&str, &str)> {
    let (media_type, data) = uri.split_once(";base64,")?;
    Some((media_type.split(';').next().unwrap_or(media_type), data))
}

/// The media type and base64 of inline data, `data:` URIs included. `None` for a URL.
pub(super) fn inline(source: &Source) -> Option<(&str, &str)> {
    match source {
        Source::Base64 { media_type, data } => Some((media_type, data)),
        Source::Url(url) => data_uri(url.strip_prefix("data:")?),
    }
}

/// Whether the provider would have to fetch it.
pub(super) fn is_elsewhere(source: &Source) -> bool {
    matches!(source, Source::Url(url) if !url.starts_with("data:"))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The file's name, with a default by media type: OpenAI requires one.
pub(in crate::dialect) fn file_name<'a>(name: Option<&'a str>, source: &Source) -> &'a str {
    let media_type = match source {
        Source::Base64 { media_type, .. } => media_type.as_str(),
        Source::Url(_) => "",
    };
    name.unwrap_or(match media_type {
        "application/pdf" => "document.pdf",
        "text/plain" => "document.txt",
        _ => "document",
    })
}
