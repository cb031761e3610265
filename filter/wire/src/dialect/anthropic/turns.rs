//! From the conversation's messages to Anthropic's `system` and alternating turns.
//!
//! Anthropic knows two speakers that take turns, and instructions that stand outside of the conversation. So system and
//! developer messages, wherever they stand, are joined in order into `system`; neighbours that would speak for the same
//! role share one turn; results of tools are the user's, and stand before anything else the user says in that turn.
//!
//! The first turn is left to be the assistant's when the client says so: models differ in whether they take it, and
//! the provider's own 400 says so better than an invented user turn would.

use serde::Serialize;

use crate::conversation::{CacheMark, Message, Part, Role, Source, seal};
use crate::dialect::at::At;
use crate::dialect::functions::Input;
use crate::error::ApiError;
use crate::order;

use super::block::{Block, BlockSource, CacheControl, Content};

/// Who speaks, in Anthropic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Speaker {
    User,
    Assistant,
}

/// One turn.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: Speaker,
    pub(super) content: Content<'a>,
}

/// The conversation in Anthropic's shape.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Content<'a>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Hints left out, by OpenAI's names.
    pub(super) dropped: Vec<&'static str>,
}

impl<'a> Turns<'a> {
    /// Arranges `messages`.
    pub(super) fn of(messages: &'a [Message]) -> Result<Self, ApiError> {
        let mut turns = Self::default();
        for (index, message) in messages.iter().enumerate() {
            turns.message(index, message)?;
        }
        if turns.turns.is_empty() {
            return Err(ApiError::invalid(
                "messages",
                "The provider needs at least one user or assistant message that is not empty.",
            ));
        }
        for turn in turns.turns.iter_mut().filter(|turn| turn.role == Speaker::User) {
            order::put_first(&mut turn.content.0, 0, |block| matches!(block, Block::ToolResult { .. }));
        }
        turns.trim_prefill();
        Ok(turns)
    }

    /// Whether extended thinking can go on from here. It cannot when the last assistant turn is the answer's own
    /// beginning, nor when that turn waits for tools and its thinking was not kept: Anthropic refuses both.
    pub(super) fn can_think(&self) -> bool {
        let Some(position) = self.turns.iter().rposition(|turn| turn.role == Speaker::Assistant) else { return true };
        let Some(turn) = self.turns.get(position) else { return true };
        let blocks = &turn.content.0;
        let last = position + 1 == self.turns.len();
        let calls = blocks.iter().any(|block| matches!(block, Block::ToolUse { .. }));
        !last && (!calls || blocks.first().is_some_and(is_thinking))
    }

    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), ApiError> {
        if message.name.is_some() {
            self.drop_hint("messages.name");
        }
        let speaker = match message.role {
            Role::System | Role::Developer => None,
            Role::User | Role::Tool => Some(Speaker::User),
            Role::Assistant => Some(Speaker::Assistant),
        };
        let mut blocks = Vec::with_capacity(message.parts.len());
        let mut calls = 0;
        for (position, part) in message.parts.iter().enumerate() {
            let at = At { message: index, part: position, call: calls };
            calls += usize::from(matches!(part, Part::ToolCall { .. }));
            blocks.extend(self.part(speaker, &at, part)?);
        }
        thinking_before_calls(&mut blocks);
        match speaker {
            None => self.system.0.append(&mut blocks),
            Some(speaker) => self.say(speaker, blocks),
        }
        Ok(())
    }

    /// Adds to the open turn if it is the same speaker's.
    fn say(&mut self, role: Speaker, mut blocks: Vec<Block<'a>>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.0.append(&mut blocks),
            _ => self.turns.push(Turn { role, content: Content(blocks) }),
        }
    }

    /// What `part` becomes when `speaker` says it (`None`: the application); nothing when it must be left out.
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
                match signature.as_deref().and_then(seal::anthropics) {
                    Some(signature) => Ok(Some(Block::Thinking { thinking: text, signature })),
                    None => {
                        self.drop_hint("messages.reasoning_content");
                        Ok(None)
                    }
                }
            }
            (Part::RedactedThinking { data }, Some(Speaker::Assistant)) => match seal::anthropics(data) {
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

    /// What a tool returned.
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

    /// Anthropic refuses texts that are empty or blank; a mark on one has nothing to mark.
    fn text(&mut self, text: &'a str, cache: &'a Option<CacheMark>) -> Option<Block<'a>> {
        if !text.trim().is_empty() {
            return Some(Block::Text { text, cache_control: CacheControl::of(cache) });
        }
        if cache.is_some() {
            self.drop_hint("cache_control");
        }
        None
    }

    /// An answer's beginning that the client wrote may not end in blanks.
    fn trim_prefill(&mut self) {
        if let Some(Turn { role: Speaker::Assistant, content }) = self.turns.last_mut()
            && let Some(Block::Text { text, .. }) = content.0.last_mut()
        {
            *text = text.trim_end();
        }
    }

    fn drop_hint(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }
}

/// Moves thinking before the calls of its own message; everything else keeps its order.
fn thinking_before_calls(blocks: &mut Vec<Block<'_>>) {
    let first = blocks.iter().position(|block| matches!(block, Block::ToolUse { .. }));
    if let Some(first) = first {
        order::put_first(blocks, first, is_thinking);
    }
}

fn is_thinking(block: &Block<'_>) -> bool {
    matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. })
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
