//! The content blocks of Anthropic's messages for writing: borrowed from the conversation, serialised once.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::conversation::{CacheMark, Source};
use crate::dialect::data_uri::data_uri;
use crate::dialect::functions::Input;
use crate::dialect::turns;

/// One block of a turn, of `system`, of a tool result or of a response.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Image {
        source: BlockSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Document {
        source: BlockSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Content::is_empty")]
        content: Content<'a>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl<'a>>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
}

/// Anthropic's `cache_control`: the prompt may be cached up to the block that carries it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "ephemeral")]
pub(super) struct CacheControl<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> CacheControl<'a> {
    pub(super) fn of(mark: &'a Option<CacheMark>) -> Option<Self> {
        mark.as_ref().map(|mark| Self { ttl: mark.ttl.as_deref() })
    }
}

/// The source of an image or a document.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum BlockSource<'a> {
    Url { url: &'a str },
    Base64 { media_type: &'a str, data: &'a str },
}

impl<'a> BlockSource<'a> {
    /// Converts a source; splits a `data:` URI that is still whole. `None`: a `data:` URI that is not base64.
    pub(super) fn of(source: &'a Source) -> Option<Self> {
        match source {
            Source::Base64 { media_type, data } => Some(Self::Base64 { media_type: canonical(media_type), data }),
            Source::Url(url) => match url.strip_prefix("data:") {
                None => Some(Self::Url { url }),
                Some(uri) => {
                    let (media_type, data) = data_uri(uri)?;
                    Some(Self::Base64 { media_type: canonical(media_type), data })
                }
            },
        }
    }

    /// Whether it is a PDF, by its media type or by the extension in its URL's path.
    pub(super) fn is_pdf(&self) -> bool {
        match self {
            Self::Base64 { media_type, .. } => *media_type == "application/pdf",
            Self::Url { url } => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                path.get(path.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".pdf"))
            }
        }
    }
}

/// The media type as Anthropic spells it.
fn canonical(media_type: &str) -> &str {
    const KNOWN: [&str; 5] = ["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"];
    if media_type.eq_ignore_ascii_case("image/jpg") {
        return "image/jpeg";
    }
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(media_type)).unwrap_or(media_type)
}

/// Blocks; a single text without a cache mark is written as a plain string.
#[derive(Debug, Default)]
pub(super) struct Content<'a>(pub(super) Vec<Block<'a>>);

impl Content<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> turns::Content for Content<'a> {
    type Block = Block<'a>;

    fn of(blocks: Vec<Block<'a>>) -> Self {
        Self(blocks)
    }

    fn blocks(&self) -> &[Block<'a>] {
        &self.0
    }

    fn blocks_mut(&mut self) -> &mut Vec<Block<'a>> {
        &mut self.0
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Block::Text { text, cache_control: None }] => serializer.serialize_str(text),
            blocks => blocks.serialize(serializer),
        }
    }
}
