//! The content blocks of Converse for writing: each an object with one member that names its kind. Borrowed from the conversation,
//! serialised once.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::conversation::CacheMark;
use crate::dialect::functions::Input;
use crate::dialect::turns;

/// One block of a turn, of `system`, of a tool result or of a response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Block<'a> {
    Text(&'a str),
    Image {
        format: &'static str,
        source: Bytes<'a>,
    },
    Document {
        format: &'static str,
        name: String,
        source: Bytes<'a>,
    },
    ToolUse {
        tool_use_id: Cow<'a, str>,
        name: &'a str,
        input: Input<'a>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Content<'a>,
        /// Few models know this field, so only `error` is written.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    ReasoningContent(Reasoning<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    RedactedContent(&'a str),
}

/// A file's bytes in base64, without a `data:` prefix.
#[derive(Debug, Serialize)]
pub(super) struct Bytes<'a> {
    pub(super) bytes: &'a str,
}

/// A cache mark: a block of its own, behind the block up to which the prompt may be cached.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "default")]
pub(super) struct CachePoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> From<&'a CacheMark> for CachePoint<'a> {
    fn from(mark: &'a CacheMark) -> Self {
        Self { ttl: mark.ttl.as_deref() }
    }
}

/// A block and the cache mark behind it, which move together.
#[derive(Debug)]
pub(super) struct Marked<'a> {
    pub(super) block: Block<'a>,
    pub(super) mark: Option<CachePoint<'a>>,
}

impl<'a> From<Block<'a>> for Marked<'a> {
    fn from(block: Block<'a>) -> Self {
        Self { block, mark: None }
    }
}

#[derive(Debug, Default)]
pub(super) struct Content<'a>(pub(super) Vec<Marked<'a>>);

impl Content<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> turns::Content for Content<'a> {
    type Block = Marked<'a>;

    fn of(blocks: Vec<Marked<'a>>) -> Self {
        Self(blocks)
    }

    fn blocks(&self) -> &[Marked<'a>] {
        &self.0
    }

    fn blocks_mut(&mut self) -> &mut Vec<Marked<'a>> {
        &mut self.0
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Item<'a> {
            Block(&'a Block<'a>),
            Mark {
                #[serde(rename = "cachePoint")]
                cache_point: &'a CachePoint<'a>,
            },
        }
        serializer.collect_seq(self.0.iter().flat_map(|Marked { block, mark }| {
            let mark = mark.as_ref().map(|cache_point| Item::Mark { cache_point });
            [Some(Item::Block(block)), mark].into_iter().flatten()
        }))
    }
}
