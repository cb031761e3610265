//! From the conversation's messages to Converse's `system` and alternating turns.
//!
//! As with Anthropic, system and developer messages are joined in order into `system`, neighbours that would speak for the same
//! role share one turn, and results of tools are the user's and stand before anything else the user says in that turn. Turns
//! that would be empty are left out. Thinking goes back to Anthropic's models only, and only with Anthropic's seal.

use serde::Serialize;

use crate::conversation::{CacheMark, Message, Part, Role, Source, seal};
use crate::dialect::at::At;
use crate::dialect::functions::Input;
use crate::dialect::hints::Dropped;
use crate::error::ApiError;
use crate::order;

use super::block::{Block, Bytes, CachePoint, Content, Marked, Reasoning};
use super::media::{self, Format, Names};
use super::model::Family;

/// Who speaks, in Converse's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Speaker {
    User,
    Assistant,
}

/// What stands behind documents that come without a word: AWS refuses them then ("A text block must be included when using
/// documents").
const A_WORD: &str = "(document)";

fn add_a_word_to_documents(blocks: &mut Vec<Marked<'_>>) {
    let says = |marked: &Marked<'_>| matches!(&marked.block, Block::Text(text) if !text.trim().is_empty());
    if blocks.iter().any(|marked| matches!(marked.block, Block::Document { .. })) && !blocks.iter().any(says) {
        blocks.push(Block::Text(A_WORD).into());
    }
}

/// One turn.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    role: Speaker,
    content: Content<'a>,
}

/// The conversation in Converse's shape.
#[derive(Debug)]
pub(super) struct Turns<'a> {
    pub(super) system: Content<'a>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Functions that are called in it, each once.
    pub(super) called: Vec<&'a str>,
    /// Hints left out, by OpenAI's names.
    pub(super) dropped: Dropped,
    family: Family,
    names: Names,
}

impl<'a> Turns<'a> {
    /// Arranges `messages` for a model of `family`; `dropped` is what was left out already.
    pub(super) fn of(messages: &'a [Message], family: Family, dropped: Dropped) -> Result<Self, ApiError> {
        let (system, names) = (Content::default(), Names::default());
        let mut turns = Self { system, turns: Vec::new(), called: Vec::new(), dropped, family, names };
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
            order::put_first(&mut turn.content.0, 0, |marked| matches!(marked.block, Block::ToolResult { .. }));
            add_a_word_to_documents(&mut turn.content.0);
        }
        turns.trim_prefill();
        Ok(turns)
    }

    /// Whether there are calls or results in it, which Converse takes only beside tools.
    pub(super) fn has_tools(&self) -> bool {
        let of_tools = |marked: &Marked<'_>| matches!(marked.block, Block::ToolUse { .. } | Block::ToolResult { .. });
        self.turns.iter().any(|turn| turn.content.0.iter().any(of_tools))
    }

    /// Whether the last word is the assistant's: the beginning of the answer.
    pub(super) fn ends_with_answer(&self) -> bool {
        self.turns.last().is_some_and(|turn| turn.role == Speaker::Assistant)
    }

    /// Whether thinking can go on from here. It cannot when the last assistant turn is the answer's own beginning, nor when
    /// that turn waits for tools and its thinking was not kept: Anthropic's models refuse both.
    pub(super) fn can_think(&self) -> bool {
        let Some(position) = self.turns.iter().rposition(|turn| turn.role == Speaker::Assistant) else { return true };
        let Some(turn) = self.turns.get(position) else { return true };
        let blocks = &turn.content.0;
        let last = position + 1 == self.turns.len();
        let calls = blocks.iter().any(|marked| matches!(marked.block, Block::ToolUse { .. }));
        !last && (!calls || blocks.first().is_some_and(is_thinking))
    }

    fn message(&mut self, index: usize, message: &'a Message) -> Result<(), ApiError> {
        if message.name.is_some() {
            self.dropped.name("messages.name");
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
    fn say(&mut self, role: Speaker, mut blocks: Vec<Marked<'a>>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.0.append(&mut blocks),
            _ => self.turns.push(Turn { role, content: Content(blocks) }),
        }
    }

    /// What `part` becomes when `speaker` says it (`None`: the application); nothing when it must be left out.
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

    /// What a tool returned. Marks inside of it have no place there.
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

    /// Converse refuses texts that are empty or blank; a mark on one has nothing to mark.
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
                .and_then(seal::anthropics)
                .map(|signature| Reasoning::ReasoningText { text, signature: Some(signature) }),
            Part::RedactedThinking { data } => seal::anthropics(data).map(Reasoning::RedactedContent),
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

    /// An answer's beginning that the client wrote may not end in blanks.
    fn trim_prefill(&mut self) {
        if let Some(Turn { role: Speaker::Assistant, content }) = self.turns.last_mut()
            && let Some(Marked { block: Block::Text(text), .. }) = content.0.last_mut()
        {
            *text = text.trim_end();
        }
    }
}

/// Moves thinking before the calls of its own message; everything else keeps its order.
fn thinking_before_calls(blocks: &mut Vec<Marked<'_>>) {
    let first = blocks.iter().position(|marked| matches!(marked.block, Block::ToolUse { .. }));
    if let Some(first) = first {
        order::put_first(blocks, first, is_thinking);
    }
}

fn is_thinking(marked: &Marked<'_>) -> bool {
    matches!(marked.block, Block::ReasoningContent(_))
}
