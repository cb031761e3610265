//! Converts the conversation's messages to Anthropic's `system` and alternating turns.
//!
//! System and developer messages, at any position, are joined in order into `system`; [`turns`] arranges all others.

use crate::conversation::{CacheMark, Message, Part, Source, signature};
use crate::dialect::at::At;
use crate::dialect::functions::Input;
use crate::dialect::turns::{self, Kind, Speaker};
use crate::error::ApiError;

use super::block::{Block, BlockSource, CacheControl, Content};

/// The conversation in Anthropic's form.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Content<'a>,
    pub(super) turns: turns::Turns<Content<'a>>,
    /// Dropped hints, by OpenAI's names.
    pub(super) dropped: Vec<&'static str>,
}

impl<'a> Turns<'a> {
    pub(super) fn of(messages: &'a [Message]) -> Result<Self, ApiError> {
        let mut turns = Self::default();
        for (index, message) in messages.iter().enumerate() {
            turns.message(index, message)?;
        }
        turns.turns.arrange()?;
        Ok(turns)
    }

    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), ApiError> {
        if message.name.is_some() {
            self.drop_hint("messages.name");
        }
        let speaker = Speaker::of(message.role);
        let mut blocks = Vec::with_capacity(message.parts.len());
        let mut calls = 0;
        for (position, part) in message.parts.iter().enumerate() {
            let at = At { message: index, part: position, call: calls };
            calls += usize::from(matches!(part, Part::ToolCall { .. }));
            blocks.extend(self.part(speaker, &at, part)?);
        }
        turns::thinking_before_calls(&mut blocks);
        match speaker {
            None => self.system.0.append(&mut blocks),
            Some(speaker) => self.turns.say(speaker, blocks),
        }
        Ok(())
    }

    /// Converts `part` for `speaker` (`None`: the application); `None` if it must be dropped.
    fn part(&mut self, speaker: Option<Speaker>, at: &At, part: &'a Part) -> Result<Option<Block<'a>>, ApiError> {
        match (part, speaker) {
            (Part::Text { text, cache }, _) => Ok(self.text(text, cache)),
            (Part::Image { source, detail, cache }, Some(Speaker::User)) => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.drop_hint("image_url.detail");
                }
                image(source, cache, at).map(Some)
            }
            (Part::Document { source, name, cache }, Some(Speaker::User)) => {
                document(source, name.as_deref(), cache, at).map(Some)
            }
            (Part::ToolResult { call, content, is_error, cache }, Some(Speaker::User)) => Ok(Some(Block::ToolResult {
                tool_use_id: call.into(),
                content: self.outcome(at, content)?,
                is_error: *is_error,
                cache_control: CacheControl::of(cache),
            })),
            (Part::ToolCall { id, name, arguments }, Some(Speaker::Assistant)) => {
                let input = Input::parse(arguments).ok_or_else(|| at.arguments())?;
                Ok(Some(Block::ToolUse { id: id.into(), name, input }))
            }
            (Part::Thinking { text, signature }, Some(Speaker::Assistant)) => {
                match signature.as_deref().and_then(signature::anthropics) {
                    Some(signature) => Ok(Some(Block::Thinking { thinking: text, signature })),
                    None => {
                        self.drop_hint("messages.reasoning_content");
                        Ok(None)
                    }
                }
            }
            (Part::RedactedThinking { data }, Some(Speaker::Assistant)) => match signature::anthropics(data) {
                Some(data) => Ok(Some(Block::RedactedThinking { data })),
                None => {
                    self.drop_hint("messages.reasoning_content");
                    Ok(None)
                }
            },
            (Part::Refusal { text }, Some(Speaker::Assistant)) => Ok(self.text(text, &None)),
            _ => Err(at.refuse("this kind of content for this role")),
        }
    }

    /// Converts the content of a tool result.
    fn outcome(&mut self, at: &At, content: &'a [Part]) -> Result<Content<'a>, ApiError> {
        let mut blocks = Vec::with_capacity(content.len());
        for part in content {
            if matches!(part, Part::ToolResult { .. }) {
                return Err(at.refuse("a tool result inside a tool result"));
            }
            blocks.extend(self.part(Some(Speaker::User), at, part)?);
        }
        Ok(Content(blocks))
    }

    /// Converts a text. Anthropic rejects empty and blank texts, so they are dropped with their cache marks.
    fn text(&mut self, text: &'a str, cache: &'a Option<CacheMark>) -> Option<Block<'a>> {
        if !text.trim().is_empty() {
            return Some(Block::Text { text, cache_control: CacheControl::of(cache) });
        }
        if cache.is_some() {
            self.drop_hint("cache_control");
        }
        None
    }

    fn drop_hint(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }
}

impl turns::Block for Block<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::ToolUse { .. } => Kind::Call,
            Self::ToolResult { .. } => Kind::Result,
            Self::Thinking { .. } | Self::RedactedThinking { .. } => Kind::Thinking,
            _ => Kind::Other,
        }
    }

    fn trim_end(&mut self) {
        if let Self::Text { text, .. } = self {
            *text = text.trim_end();
        }
    }
}

fn image<'a>(source: &'a Source, cache: &'a Option<CacheMark>, at: &At) -> Result<Block<'a>, ApiError> {
    let source = BlockSource::of(source).ok_or_else(|| at.refuse("a data URI that is not base64"))?;
    if source.is_pdf() {
        return Ok(Block::Document { source, title: None, cache_control: CacheControl::of(cache) });
    }
    if let BlockSource::Base64 { media_type, .. } = source
        && !matches!(media_type, "image/jpeg" | "image/png" | "image/gif" | "image/webp")
    {
        return Err(at.refuse("an image that is not JPEG, PNG, GIF or WebP"));
    }
    Ok(Block::Image { source, cache_control: CacheControl::of(cache) })
}

fn document<'a>(
    source: &'a Source,
    title: Option<&'a str>,
    cache: &'a Option<CacheMark>,
    at: &At,
) -> Result<Block<'a>, ApiError> {
    let source = BlockSource::of(source).ok_or_else(|| at.refuse("a data URI that is not base64"))?;
    if matches!(source, BlockSource::Base64 { .. }) && !source.is_pdf() {
        return Err(at.refuse("a document that is not a PDF"));
    }
    Ok(Block::Document { source, title, cache_control: CacheControl::of(cache) })
}
