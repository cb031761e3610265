//! An event of an inspected stream that waits until its texts may leave, and the texts of the events in the dialect's model.

use std::collections::BTreeMap;

use sluice_wire::conversation::StreamEvent;

use crate::guard::answer::{Checks, Kind};
use crate::guard::channel::Channel;

/// A text: its choice and its kind.
pub(super) type Key = (u32, Kind);

/// An event that waits.
#[derive(Debug)]
pub(super) struct WaitingEvent {
    pub(super) events: Vec<StreamEvent>,
    /// Its bytes, if it passes unchanged.
    pub(super) raw: Option<Vec<u8>>,
    /// Its pieces of texts, by their ends.
    pub(super) pieces: Vec<(Key, usize)>,
    pub(super) is_content: bool,
}

impl WaitingEvent {
    /// Adds its judged texts to these channels.
    pub(super) fn push(&mut self, channels: &mut BTreeMap<Key, Channel>, checks: &Checks) {
        let texts = self.events.iter().filter_map(text_of);
        let push = |(key, text): (Key, &str)| (key, channel(channels, key, checks, true).push(text));
        self.pieces = texts.map(push).collect();
    }

    /// Masks and restores the text of a translated event, by its channel.
    pub(super) fn rewrite(&mut self, channels: &mut BTreeMap<Key, Channel>) {
        for (event, (key, end)) in self.events.iter_mut().zip(&self.pieces) {
            let Some((text, channel)) = text_in(event).zip(channels.get_mut(key)) else { continue };
            if let Some(other) = channel.rewrite(end.saturating_sub(text.len())..*end, text) {
                *text = other;
            }
        }
    }

    /// Approximate memory in bytes.
    pub(super) fn size(&self) -> usize {
        let text = |event: &StreamEvent| text_of(event).map_or(0, |(_, text)| text.len());
        let events = self.events.iter().map(|event| text(event).saturating_add(size_of::<StreamEvent>()));
        let raw = self.raw.as_ref().map_or(0, Vec::len);
        events.fold(raw.saturating_add(size_of::<Self>()), usize::saturating_add)
    }
}

/// The channel of a text, new if the text begins; `judged`: judges have judged it.
#[inline(never)]
pub(super) fn channel<'c>(
    channels: &'c mut BTreeMap<Key, Channel>,
    key: Key,
    checks: &Checks,
    judged: bool,
) -> &'c mut Channel {
    channels.entry(key).or_insert_with(|| Channel::of(checks.is_json(key.1), judged))
}

/// The text of an event, if it has one; empty for the start of a tool call.
pub(super) fn text_of(event: &StreamEvent) -> Option<(Key, &str)> {
    let (choice, kind, text) = match event {
        StreamEvent::Text { choice, text } => (choice, Kind::Text, text),
        StreamEvent::Thinking { choice, text } => (choice, Kind::Thinking, text),
        StreamEvent::Refusal { choice, text } => (choice, Kind::Refusal, text),
        StreamEvent::Arguments { choice, call, json } => (choice, Kind::Arguments(*call), json),
        StreamEvent::ToolCall { choice, call, .. } => return Some(((*choice, Kind::Arguments(*call)), "")),
        _ => return None,
    };
    (!text.is_empty()).then_some(((*choice, kind), text))
}

/// The same to change it.
pub(super) fn text_in(event: &mut StreamEvent) -> Option<&mut String> {
    match event {
        StreamEvent::Text { text, .. }
        | StreamEvent::Thinking { text, .. }
        | StreamEvent::Refusal { text, .. }
        | StreamEvent::Arguments { json: text, .. } => Some(text),
        _ => None,
    }
}
