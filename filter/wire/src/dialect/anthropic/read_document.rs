//! Reads images, documents, and the results of the client's own searches. A document becomes text, with its title and context before it.
//! Requested citations are rejected, because other providers do not make them.

use serde::Deserialize;

use crate::conversation::{CacheMark, Part, Source};
use crate::dialect::fields::{Fields, join, needed, refuse_rest};
use crate::error::ApiError;

use super::read_message::{BlockPosition, blocks, cache, hint, take};

pub(super) fn image(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    // Whether a large image is scaled down.
    hint(fields, "image.transformations", dropped);
    let (source, kind, source_at) = source(fields, at)?;
    Ok(Part::Image { source: place(source, &kind, &source_at)?, detail: None, cache: cache(fields, at)? })
}

/// Reads a document: a source, a text, or blocks.
pub(super) fn document(
    fields: &mut Fields<'_>,
    at: &str,
    dropped: &mut Vec<String>,
    parts: &mut Vec<Part>,
) -> Result<(), ApiError> {
    no_citations(fields, at)?;
    let title: Option<String> = fields.take(at, "title")?;
    let context: Option<String> = fields.take(at, "context")?;
    let mark = cache(fields, at)?;
    let (mut source, kind, source_at) = source(fields, at)?;
    match kind.as_str() {
        "text" => {
            let _: Option<String> = source.take(&source_at, "media_type")?;
            let data: String = take(&mut source, &source_at, "data")?;
            refuse_rest(&source, &source_at)?;
            parts.push(Part::Text { text: paragraphs([title, context, Some(data)]), cache: mark });
        }
        "content" => {
            let content_at = join(&source_at, "content");
            let raw = needed(source.take_raw("content"), &content_at)?;
            refuse_rest(&source, &source_at)?;
            let lead = paragraphs([title, context]);
            if !lead.is_empty() {
                parts.push(Part::Text { text: lead, cache: None });
            }
            let mut inner = blocks(raw, BlockPosition::Document, &content_at, dropped)?;
            mark_last(&mut inner, mark);
            parts.append(&mut inner);
        }
        _ => {
            parts.extend(context.map(|text| Part::Text { text, cache: None }));
            parts.push(Part::Document { source: place(source, &kind, &source_at)?, name: title, cache: mark });
        }
    }
    Ok(())
}

/// Reads a result of the client's own search as a text that names its source.
pub(super) fn search_result(fields: &mut Fields<'_>, at: &str, dropped: &mut Vec<String>) -> Result<Part, ApiError> {
    no_citations(fields, at)?;
    let title: String = take(fields, at, "title")?;
    let source: String = take(fields, at, "source")?;
    let content_at = join(at, "content");
    let raw = needed(fields.take_raw("content"), &content_at)?;
    let found = blocks(raw, BlockPosition::Text, &content_at, dropped)?.into_iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(Some(text)),
        _ => None,
    });
    let text = paragraphs([Some(format!("{title}\n{source}"))].into_iter().chain(found));
    Ok(Part::Text { text, cache: cache(fields, at)? })
}

fn no_citations(fields: &mut Fields<'_>, at: &str) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Citations {
        #[serde(default)]
        enabled: bool,
    }
    if !fields.take::<Citations>(at, "citations")?.is_some_and(|citations| citations.enabled) {
        return Ok(());
    }
    let at = join(at, "citations");
    let message = format!("'{at}': the gateway cannot translate citations for the provider that serves this model.");
    Err(ApiError::unsupported(at, message))
}

/// Returns the fields of `source`, its type, and its path.
fn source<'a>(fields: &mut Fields<'a>, at: &str) -> Result<(Fields<'a>, String, String), ApiError> {
    let at = join(at, "source");
    let raw = needed(fields.take_raw("source"), &at)?;
    let mut source = Fields::parse(raw.get(), &at)?;
    let kind = take(&mut source, &at, "type")?;
    Ok((source, kind, at))
}

/// Reads a URL or inline bytes.
fn place(mut fields: Fields<'_>, kind: &str, at: &str) -> Result<Source, ApiError> {
    let source = match kind {
        "url" => Source::Url(take(&mut fields, at, "url")?),
        "base64" => {
            Source::Base64 { media_type: take(&mut fields, at, "media_type")?, data: take(&mut fields, at, "data")? }
        }
        _ => {
            let message = format!(
                "'{at}': the gateway cannot translate sources of type '{kind}' for the provider that serves this model."
            );
            return Err(ApiError::unsupported(at, message));
        }
    };
    refuse_rest(&fields, at)?;
    Ok(source)
}

fn paragraphs(texts: impl IntoIterator<Item = Option<String>>) -> String {
    texts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

/// Puts the mark of all parts on the last one, unless that has one already.
fn mark_last(parts: &mut [Part], mark: Option<CacheMark>) {
    if let Some(Part::Text { cache, .. } | Part::Image { cache, .. }) = parts.last_mut()
        && cache.is_none()
    {
        *cache = mark;
    }
}
