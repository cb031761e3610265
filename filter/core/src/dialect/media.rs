//! Bytes of images and documents inside of requests.

use crate::conversation::Source;

/// Takes apart what follows `data:` in a URI: the media type without its parameters, and the base64. `None`: not base64.
pub fn data_uri(uri: &str) -> Option<(&str, &str)> {
    let (media_type, data) = uri.split_once(";base64,")?;
    Some((media_type.split(';').next().unwrap_or(media_type), data))
}

/// The media type and the base64 of a source that is here, a `data:` URI included. `None`: it is somewhere else.
pub fn inline(source: &Source) -> Option<(&str, &str)> {
    match source {
        Source::Base64 { media_type, data } => Some((media_type, data)),
        Source::Url(url) => data_uri(url.strip_prefix("data:")?),
    }
}

/// Whether the provider would have to fetch it.
pub fn is_elsewhere(source: &Source) -> bool {
    matches!(source, Source::Url(url) if !url.starts_with("data:"))
}
