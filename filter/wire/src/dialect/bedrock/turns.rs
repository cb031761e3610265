//! Converts the conversation's messages to Converse's `system` and alternating turns.
//!
//! System and developer messages are joined in order into `system`; [`turns`] arranges all others. Empty messages are dropped. Thinking is
//! sent to Anthropic's models only, and only with Anthropic's signature.

use crate::conversation::{CacheMark, Message, Part, Source, signature};
use crate::dialect::at::At;
use crate::dialect::functions::Input;
use crate::dialect::hints::Dropped;
use crate::dialect::turns::{self, Kind, Speaker};
use crate::error::ApiError;

use super::block::{Block, Bytes, CachePoint, Content, Marked, Reasoning};
use super::media::{self, Format, Names};
use super::model::Family;

/// The text behind documents that come without one; AWS rejects those ("A text block must be included when using documents").
const A_WORD: &str = "(document)";

fn add_a_word_to_documents(blocks: &mut Vec<Marked<'_>>) {
    let says = |marked: &Marked<'_>| matches!(&marked.block, Block::Text(text) if !text.trim().is_empty());
    if blocks.iter().any(|marked| matches!(marked.block, Block::Document { .. })) && !blocks.iter().any(says) {
        blocks.push(Block::Text(A_WORD).into());
    }
}

/// The conversation in Converse's form.
#[derive(Debug)]
pub(super) struct Turns<'a> {
    pub(super) system: Content<'a>,
    pub(super) turns: turns::Turns<Content<'a>>,
    /// The functions called in it, without duplicates.
    pub(super) called: Vec<&'a str>,
    /// Dropped hints, by OpenAI's names.
    pub(super) dropped: Dropped,
    family: Family,
    names: Names,
}

impl<'a> Turns<'a> {
    /// Arranges `messages` for a model of `family`; `dropped` holds the hints dropped so far.
    pub(super) fn of(messages: &'a [Message], family: Family, dropped: Dropped) -> Result<Self, ApiError> {
        let (system, names) = (Content::default(), Names::default());
        let mut turns = Self { system, turns: turns::Turns::default(), called: Vec::new(), dropped, family, names };
        for (index, message) in messages.iter().enumerate() {
            turns.message(index, message)?;
        }
        turns.turns.arrange()?;
        turns.turns.of_user().for_each(add_a_word_to_documents);
        Ok(turns)
    }

    /// Whether it has calls or results, which Converse takes only beside tools.
    pub(super) fn has_tools(&self) -> bool {
        self.turns.blocks().any(|marked| matches!(marked.block, Block::ToolUse { .. } | Block::ToolResult { .. }))
    }

    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), ApiError> {
        if message.name.is_some() {
            self.dropped.name("messages.name");
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
    fn part(&mut self, speaker: Option<Speaker>, at: &At, part: &'a Part) -> Result<Option<Marked<'a>>, ApiError> {
        let (block, cache) = match (part, speaker) {
            (Part::Text { text, cache }, _) => return Ok(self.text(text, cache.as_ref())),
            (Part::Refusal { text }, Some(Speaker::Assistant)) => return Ok(self.text(text, None)),
            (Part::Image { source, detail, cache }, Some(Speaker::User)) => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.dropped.name("image_url.detail");
                }
                (self.file(source, None, at)?, cache)
            }
            (Part::Document { source, name, cache }, Some(Speaker::User)) => {
                (self.file(source, name.as_deref(), at)?, cache)
            }
            (Part::ToolResult { call, content, is_error, cache }, Some(Speaker::User)) => {
                let status = is_error.then_some("error");
                let content = self.outcome(at, content)?;
                (Block::ToolResult { tool_use_id: call.into(), content, status }, cache)
            }
            (Part::ToolCall { id, name, arguments }, Some(Speaker::Assistant)) => {
                if !self.called.contains(&name.as_str()) {
                    self.called.push(name);
                }
                let input = Input::parse(arguments).ok_or_else(|| at.arguments())?;
                (Block::ToolUse { tool_use_id: id.into(), name, input }, &None)
            }
            (Part::Thinking { .. } | Part::RedactedThinking { .. }, Some(Speaker::Assistant)) => {
                return Ok(self.thinking(part));
            }
            _ => return Err(at.refuse("this kind of content for this role")),
        };
        let mark = self.mark(cache.as_ref());
        Ok(Some(Marked { block, mark }))
    }

    fn file(&mut self, source: &'a Source, name: Option<&str>, at: &At) -> Result<Block<'a>, ApiError> {
        let (format, bytes) = media::open(source, at)?;
        let source = Bytes { bytes };
        Ok(match format {
            Format::Image(format) => Block::Image { format, source },
            Format::Document(format) => Block::Document { format, name: self.names.give(name), source },
        })
    }

    /// Converts the content of a tool result, which takes no cache marks.
    fn outcome(&mut self, at: &At, content: &'a [Part]) -> Result<Content<'a>, ApiError> {
        let mut blocks = Vec::with_capacity(content.len());
        for part in content {
            if matches!(part, Part::ToolResult { .. }) {
                return Err(at.refuse("a tool result inside a tool result"));
            }
            let mut marked = self.part(Some(Speaker::User), at, part)?;
            if marked.as_mut().is_some_and(|marked| marked.mark.take().is_some()) {
                self.dropped.name("cache_control");
            }
            blocks.extend(marked);
        }
        Ok(Content(blocks))
    }

    /// Converts a text. Converse rejects empty and blank texts, so they are dropped with their cache marks.
    fn text(&mut self, text: &'a str, cache: Option<&'a CacheMark>) -> Option<Marked<'a>> {
        if !text.trim().is_empty() {
            let mark = self.mark(cache);
            return Some(Marked { block: Block::Text(text), mark });
        }
        if cache.is_some() {
            self.dropped.name("cache_control");
        }
        None
    }

    fn thinking(&mut self, part: &'a Part) -> Option<Marked<'a>> {
        let reasoning = match part {
            Part::Thinking { text, signature } => signature
                .as_deref()
                .and_then(signature::anthropics)
                .map(|signature| Reasoning::ReasoningText { text, signature: Some(signature) }),
            Part::RedactedThinking { data } => signature::anthropics(data).map(Reasoning::RedactedContent),
            _ => None,
        };
        let reasoning = reasoning.filter(|_| self.family == Family::Claude);
        if reasoning.is_none() {
            self.dropped.name("messages.reasoning_content");
        }
        Some(Block::ReasoningContent(reasoning?).into())
    }

    fn mark(&mut self, cache: Option<&'a CacheMark>) -> Option<CachePoint<'a>> {
        let family = self.family;
        self.dropped.unless("cache_control", cache, |_| family.caches()).map(CachePoint::from)
    }
}

impl turns::Block for Marked<'_> {
    fn kind(&self) -> Kind {
        match self.block {
            Block::ToolUse { .. } => Kind::Call,
            Block::ToolResult { .. } => Kind::Result,
            Block::ReasoningContent(_) => Kind::Thinking,
            _ => Kind::Other,
        }
    }

    fn trim_end(&mut self) {
        if let Block::Text(text) = &mut self.block {
            *text = text.trim_end();
        }
    }
}
