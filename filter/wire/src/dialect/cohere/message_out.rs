//! Converts the conversation's messages to Cohere's: each keeps its position, and tool results are messages of their own.

use std::borrow::Cow;

use crate::conversation::{CacheMark, Message, Part, Role};
use crate::dialect::at::{self, Misplaced};
use crate::dialect::data_uri::Url;
use crate::dialect::fields::drop_hint;
use crate::dialect::openai::body::{CallOut, ContentOut, ImageOut};
use crate::error::ApiError;

use super::body::{MessageOut, PartOut};

/// Writes `messages`; adds hints that Cohere does not have to `dropped`.
pub(super) fn write<'a>(messages: &'a [Message], dropped: &mut Vec<String>) -> Result<Vec<MessageOut<'a>>, ApiError> {
    let mut writer = Writer { dropped, messages: Vec::with_capacity(messages.len()) };
    for (index, message) in messages.iter().enumerate() {
        writer.message(message).map_err(|(what, part)| {
            let at = at::content(index, message, part);
            let message = format!("'{at}': the provider does not support {what}.");
            ApiError::unsupported(at, message)
        })?;
    }
    Ok(writer.messages)
}

/// Converts an assistant's parts to Cohere's message, for a request or a response.
pub(super) fn assistant(parts: &[Part]) -> MessageOut<'_> {
    let tool_calls: Vec<_> = parts.iter().filter_map(CallOut::trimmed).collect();
    let called = !tool_calls.is_empty();
    let mut plan: Option<Cow<'_, str>> = None;
    let mut said = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text { text, .. } | Part::Refusal { text } => said.push(PartOut::Text { text }),
            Part::Thinking { text, signature: None } if called => match &mut plan {
                None => plan = Some(Cow::Borrowed(text)),
                Some(plan) => plan.to_mut().push_str(text),
            },
            Part::Thinking { text, signature: None } => said.push(PartOut::Thinking { thinking: text }),
            _ => {}
        }
    }
    let content = (!said.is_empty()).then_some(ContentOut::Parts(said));
    MessageOut { role: "assistant", tool_plan: plan, content, tool_calls, ..MessageOut::default() }
}

struct Writer<'a, 'd> {
    dropped: &'d mut Vec<String>,
    messages: Vec<MessageOut<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, message: &'a Message) -> Result<(), Misplaced<'a>> {
        if message.name.is_some() {
            drop_hint(self.dropped, "messages[].name");
        }
        if message.role == Role::Assistant {
            message.parts.iter().try_for_each(|part| self.spoken_by_assistant(part))?;
            let mut out = assistant(&message.parts);
            match (out.content.take(), out.tool_calls.is_empty()) {
                (Some(ContentOut::Parts(parts)), _) => out.content = Some(plain(parts)),
                // An empty message keeps its position.
                (_, true) => out.content = Some(ContentOut::Text("")),
                (content, false) => out.content = content,
            }
            self.messages.push(out);
            return Ok(());
        }
        let mut said = Vec::with_capacity(message.parts.len());
        let mut results = false;
        for part in &message.parts {
            match part {
                Part::ToolResult { call, content, is_error, cache }
                    if matches!(message.role, Role::User | Role::Tool) =>
                {
                    results = true;
                    self.mark(cache);
                    if *is_error {
                        drop_hint(self.dropped, "is_error");
                    }
                    self.result(call, content)?;
                }
                _ => said.push(self.said(message.role, part)?),
            }
        }
        if !said.is_empty() || !results {
            let role = if matches!(message.role, Role::System | Role::Developer) { "system" } else { "user" };
            self.messages.push(MessageOut { role, content: Some(plain(said)), ..MessageOut::default() });
        }
        Ok(())
    }

    /// Converts a part of the application, a user or a tool.
    fn said(&mut self, role: Role, part: &'a Part) -> Result<PartOut<'a>, Misplaced<'a>> {
        match part {
            Part::Text { text, cache } => {
                self.mark(cache);
                Ok(PartOut::Text { text })
            }
            Part::Image { source, detail, cache } if role == Role::User => {
                self.mark(cache);
                Ok(PartOut::ImageUrl { image_url: ImageOut { url: Url(source), detail: detail.as_deref() } })
            }
            Part::Image { .. } if role == Role::Tool => Err(("an image in a tool's result", Some(part))),
            Part::Document { .. } => Err(("a document", Some(part))),
            _ => Err(("this kind of content for this role", Some(part))),
        }
    }

    fn result(&mut self, call: &'a str, content: &'a [Part]) -> Result<(), Misplaced<'a>> {
        let said = content.iter().map(|part| self.said(Role::Tool, part)).collect::<Result<Vec<_>, _>>()?;
        let content = Some(plain(said));
        self.messages.push(MessageOut { role: "tool", tool_call_id: Some(call), content, ..MessageOut::default() });
        Ok(())
    }

    /// Checks a part of the assistant, and reports what is dropped of it.
    fn spoken_by_assistant(&mut self, part: &'a Part) -> Result<(), Misplaced<'a>> {
        match part {
            Part::Text { cache, .. } => self.mark(cache),
            Part::Thinking { signature: Some(_), .. } | Part::RedactedThinking { .. } => {
                drop_hint(self.dropped, "messages[].thinking_blocks");
            }
            Part::Thinking { .. } | Part::Refusal { .. } | Part::ToolCall { .. } => {}
            Part::Document { .. } => return Err(("a document", Some(part))),
            Part::Image { .. } | Part::ToolResult { .. } => {
                return Err(("this kind of content for this role", Some(part)));
            }
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Option<CacheMark>) {
        if mark.is_some() {
            drop_hint(self.dropped, "cache_control");
        }
    }
}

/// Writes a single text as a string, which every model takes.
fn plain(parts: Vec<PartOut<'_>>) -> ContentOut<'_, PartOut<'_>> {
    match parts.as_slice() {
        [] => ContentOut::Text(""),
        [PartOut::Text { text }] => ContentOut::Text(text),
        _ => ContentOut::Parts(parts),
    }
}
