//! Marks a written request for the prompt cache of Anthropic's models: `cache_control` in Anthropic's format, `cachePoint` in Converse.
//!
//! The provider reads a prompt from its cache up to the latest place that an earlier request had marked, and looks some 20 blocks back from
//! each mark. It writes the rest of the prompt up to the last mark, for a higher price than plain input. So the marks of a growing
//! conversation are at the end of the tools, of `system`, of the turn that the request before ended with (which that request has written),
//! and of the newest turn (which the next request will read).
//!
//! A mark changes nothing but the cache. Blocks that take no mark (thinking, blank texts, deferred tools) get none, and so do prompts that
//! are too short for the model's cache.
//!
//! Sources: Anthropic's page "Prompt caching"; AWS's user guide, "Prompt caching for faster model inference". Amazon's own models are not
//! marked: some reject marks in tools or beside tool results, and they cache automatically.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::json;

use super::Id;
use super::fields::Fields;
use super::models::claude::Claude;
use super::quirk::{Edits, edited};

/// The parts of a prompt that earlier requests had in common with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repeated {
    /// The tools and the system prompt.
    pub common: bool,
    /// Everything before the last response.
    pub before: bool,
    /// The conversation grows, so the next request will repeat all of this one.
    pub grows: bool,
}

impl Repeated {
    /// Every part.
    pub const ALL: Self = Self { common: true, before: true, grows: true };

    /// Whether any part repeats.
    pub fn any(self) -> bool {
        self.common || self.before || self.grows
    }
}

/// How a format writes marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As a field of the marked block.
    Field,
    /// As a block of its own, behind the marked one.
    Block,
}

const FIELD: &str = r#","cache_control":{"type":"ephemeral"}"#;
const BLOCK: &str = r#",{"cachePoint":{"type":"default"}}"#;

/// The blocks of Anthropic's format that a user's turn may end with, and that take a mark.
const MARKABLE: [&str; 4] = ["text", "image", "document", "tool_result"];

/// How `format` marks, and the shortest prompt in tokens that it caches for `model`. `None` if the model has no such cache.
fn style(format: Id, model: &str) -> Option<(Style, u64)> {
    let style = match format {
        Id::Anthropic | Id::AnthropicOnBedrock | Id::AnthropicOnVertex => Style::Field,
        Id::Bedrock => Style::Block,
        _ => return None,
    };
    Some((style, Claude::of(model).least_cached?))
}

/// Whether prompts for this model in this format can be marked.
pub fn apply_to(format: Id, model: &str) -> bool {
    style(format, model).is_some()
}

/// The body with marks, and how many. `None` if nothing is marked. `bytes_per_100_tokens` estimates the tokens of a text.
pub fn marked(
    body: &[u8],
    (format, model): (Id, &str),
    repeated: Repeated,
    bytes_per_100_tokens: u64,
) -> Option<(Vec<u8>, usize)> {
    let (style, least) = style(format, model)?;
    let text = json::utf8(body).ok()?;
    let least = usize::try_from(least.saturating_mul(bytes_per_100_tokens) / 100).ok()?;
    let mut marker = Marker { text, style, least, passed: 0, marks: 0, edits: Edits::new() };
    marker.prompt(repeated)?;
    let Marker { marks, edits, .. } = marker;
    (marks > 0).then(|| (edited_in_order(body, edits), marks))
}

fn edited_in_order(body: &[u8], mut edits: Edits) -> Vec<u8> {
    crate::order::by_numbers(&mut edits, |(range, _)| (range.start as u64, range.end as u64));
    edited(body, &edits)
}

struct Marker<'a> {
    text: &'a str,
    style: Style,
    /// The shortest prompt that is cached, in bytes.
    least: usize,
    /// Bytes of the prompt so far.
    passed: usize,
    marks: usize,
    edits: Edits,
}

impl<'a> Marker<'a> {
    /// Marks the parts in the order in which providers cache them. `None` for what the provider will reject itself.
    fn prompt(&mut self, repeated: Repeated) -> Option<()> {
        let mut top = Fields::parse(self.text, "").ok()?;
        let tools = match self.style {
            Style::Field => top.take_raw("tools"),
            Style::Block => {
                Fields::parse(top.take_raw("toolConfig").map_or("{}", RawValue::get), "").ok()?.take_raw("tools")
            }
        };
        for part in [tools, top.take_raw("system")].into_iter().flatten() {
            self.part(part, repeated.common);
        }
        let messages: Vec<&RawValue> = json::read(top.take_raw("messages")?.get()).ok()?;
        let is_users = |index: usize| {
            let role = messages.get(index).and_then(|message| field(message, "role"));
            role.is_some_and(|role| role.get() == r#""user""#)
        };
        // The request before ended with the message before the last response.
        let answer = (0..messages.len()).rev().find(|index| !is_users(*index));
        let before = answer.and_then(|answer| (0..answer).rev().find(|index| is_users(*index)));
        let newest = messages.len().checked_sub(1).filter(|newest| is_users(*newest));
        for (index, message) in messages.iter().enumerate() {
            let marks = (repeated.before && before == Some(index)) || (repeated.grows && newest == Some(index));
            match marks.then(|| field(message, "content")).flatten() {
                Some(content) => self.part(content, true),
                None => self.passed = self.passed.saturating_add(message.get().len()),
            }
        }
        Some(())
    }

    /// Passes a part of the prompt, and marks its end if it is long enough to be cached.
    fn part(&mut self, part: &'a RawValue, marks: bool) {
        self.passed = self.passed.saturating_add(part.get().len());
        if marks && self.passed >= self.least {
            let before = self.edits.len();
            self.mark(part);
            self.marks = self.marks.saturating_add(usize::from(self.edits.len() > before));
        }
    }

    /// Marks the last block of a list, or a text.
    fn mark(&mut self, part: &'a RawValue) {
        let Range { start, end } = self.place(part);
        if part.get().starts_with('"') {
            if self.style == Style::Field && !is_blank(part) {
                self.insert(start, r#"[{"type":"text","text":"#.to_owned());
                self.insert(end, format!("{FIELD}}}]"));
            }
            return;
        }
        let Ok(blocks) = json::read::<Vec<&RawValue>>(part.get()) else { return };
        let Some(last) = blocks.last() else { return };
        let end = self.place(last).end;
        match self.style {
            Style::Block if field(last, "reasoningContent").is_none() => self.insert(end, BLOCK.to_owned()),
            Style::Field if takes_mark(last) => self.insert(end.saturating_sub(1), FIELD.to_owned()),
            Style::Block | Style::Field => {}
        }
    }

    fn insert(&mut self, at: usize, text: String) {
        self.edits.push((at..at, text));
    }

    fn place(&self, raw: &RawValue) -> Range<usize> {
        let start = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start.saturating_add(raw.get().len())
    }
}

/// A field of an object.
fn field<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    Fields::parse(object.get(), "").ok()?.take_raw(name)
}

/// Whether a tool or block of Anthropic's format takes a mark.
fn takes_mark(block: &RawValue) -> bool {
    let Ok(mut fields) = Fields::parse(block.get(), "") else { return false };
    let kind = fields.take_raw("type").map(|kind| kind.get().trim_matches('"'));
    let is_tool = kind.is_none() || fields.take_raw("name").is_some();
    if is_tool {
        return fields.take_raw("defer_loading").is_none() && fields.rest().next().is_some();
    }
    kind.is_some_and(|kind| MARKABLE.contains(&kind)) && !fields.take_raw("text").is_some_and(is_blank)
}

/// Whether a string has no text but whitespace.
fn is_blank(text: &RawValue) -> bool {
    json::read::<std::borrow::Cow<'_, str>>(text.get()).map_or(true, |text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
