//! A stream that passes unchanged, looked at: nothing is copied out of it but the model's name and the counters.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use crate::dialect::few::Few;
use crate::dialect::{Glance, Said, Seen, StreamPeeker};
use crate::framing::sse;
use crate::json;
use crate::json::scan::Scan;
use crate::lenient::maybe;

use super::answer::BlockKind;
use super::error;
use super::response::MOST_BLOCKS;
use super::stream_in::{EventKind, unless_unknown, untyped};
use super::usage::UsageIn;

/// Looks at a stream.
#[derive(Debug, Default)]
pub(super) struct Peeker {
    usage: UsageIn,
    glance: Glance,
}

/// One event, and of its texts only whether there are any.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    r#type: EventKind,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    content_block: Option<Block>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
    #[serde(default)]
    error: Option<error::Body>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    model: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<UsageIn>,
    #[serde(default)]
    content: Option<Few<Block, MOST_BLOCKS>>,
    #[serde(default)]
    stop_reason: Filled,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    r#type: BlockKind,
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    thinking: Filled,
}

impl Block {
    fn said(&self) -> Said {
        match self.r#type {
            BlockKind::Text | BlockKind::Thinking => Said::of(self.text.0 + self.thinking.0),
            BlockKind::ToolUse | BlockKind::RedactedThinking | BlockKind::Other => Said::of(1),
        }
    }
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    thinking: Filled,
    #[serde(default)]
    partial_json: Filled,
    #[serde(default)]
    stop_reason: Filled,
}

impl Delta {
    fn scan(scan: &mut Scan<'_>) -> Option<Self> {
        let mut delta = Self::default();
        scan.object(&["text", "thinking", "partial_json", "stop_reason"], &mut |scan, name| {
            let filled = Filled::of(scan.raw()?);
            match name {
                "text" => delta.text = filled,
                "thinking" => delta.thinking = filled,
                "partial_json" => delta.partial_json = filled,
                _ => delta.stop_reason = filled,
            }
            Some(())
        })?;
        Some(delta)
    }

    fn said(&self) -> Said {
        Said::of(self.text.0 + self.thinking.0 + self.partial_json.0)
    }
}

/// What an event says that is nothing but a piece of a block, as nearly all are. Serde reads the others.
fn piece(json: &[u8]) -> Option<Said> {
    Scan::all(json, |scan| {
        let (mut is_piece, mut delta) = (false, Delta::default());
        scan.object(&["type", "delta", "message", "content_block", "usage", "error"], &mut |scan, name| {
            match name {
                "type" => is_piece = scan.text()? == "content_block_delta",
                "delta" => delta = Delta::scan(scan)?,
                _ => return None,
            }
            Some(())
        })?;
        is_piece.then(|| delta.said())
    })
}

impl StreamPeeker for Peeker {
    fn peek(&mut self, event: &sse::Event<'_>) -> Seen {
        if event.is_silent() {
            return Seen::Other;
        }
        if let Some(said) = piece(&event.data) {
            return self.says(said);
        }
        match json::from_slice::<Event>(&event.data) {
            Ok(seen) => match untyped(&seen.r#type, seen.error.is_some(), event.name, &event.data) {
                Some(error) => Seen::Failed(error),
                None => self.see(seen),
            },
            Err(error) => match unless_unknown(&event.data, &error) {
                Ok(()) => untyped(&EventKind::Other, false, event.name, &event.data).map_or(Seen::Other, Seen::Failed),
                Err(error) => Seen::Failed(error),
            },
        }
    }

    fn glance(&self) -> &Glance {
        &self.glance
    }
}

impl Peeker {
    fn see(&mut self, event: Event) -> Seen {
        let said = match event.r#type {
            EventKind::MessageStart => event.message.map(|message| self.start(message)).unwrap_or_default(),
            EventKind::ContentBlockStart => event.content_block.map(|block| block.said()).unwrap_or_default(),
            EventKind::ContentBlockDelta => event.delta.map(|delta| delta.said()).unwrap_or_default(),
            EventKind::MessageDelta => {
                self.count(event.usage);
                let stopped = event.delta.is_some_and(|delta| delta.stop_reason.0 > 0);
                self.glance.finished |= stopped;
                return if stopped { Seen::Content } else { Seen::Other };
            }
            EventKind::MessageStop => return Seen::End,
            EventKind::Error => return Seen::Failed(event.error.unwrap_or_default().without_status()),
            EventKind::ContentBlockStop | EventKind::Ping | EventKind::Other => Said::default(),
        };
        self.says(said)
    }

    fn says(&mut self, said: Said) -> Seen {
        self.glance.said += said;
        if said.pieces > 0 { Seen::Content } else { Seen::Other }
    }

    /// Of some answers all stands here: where a program of the model's goes on.
    fn start(&mut self, message: Message) -> Said {
        self.glance.name(message.model.as_deref().unwrap_or_default());
        self.count(message.usage);
        self.glance.finished |= message.stop_reason.0 > 0;
        let mut said = Said::default();
        message.content.iter().flat_map(|blocks| blocks.iter()).for_each(|block| said += block.said());
        said
    }

    fn count(&mut self, usage: Option<UsageIn>) {
        if let Some(usage) = usage {
            self.usage.update(&usage);
            self.glance.usage = Some(self.usage.inclusive());
            self.glance.extras = self.usage.extras();
        }
    }
}

/// About how many bytes stand in a text that may be missing: escapes count as they are written.
#[derive(Debug, Default)]
struct Filled(usize);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self::of(raw.get()))
    }
}

impl Filled {
    fn of(raw: &str) -> Self {
        Self(match raw {
            "\"\"" | "null" => 0,
            text => text.len().saturating_sub(2).max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Whether it is read without serde: then as serde reads it.
    fn is_piece(json: &[u8]) -> bool {
        let Some(said) = piece(json) else { return false };
        let read: Event = json::from_slice(json).unwrap();
        assert_eq!(read.r#type, EventKind::ContentBlockDelta, "{}", json.escape_ascii());
        assert_eq!(read.delta.unwrap_or_default().said(), said, "{}", json.escape_ascii());
        assert!(read.message.is_none() && read.content_block.is_none() && read.error.is_none());
        true
    }

    #[test]
    fn pieces_are_read_without_serde_and_as_serde_reads_them_however_they_are_cut_or_changed() {
        let others = ["null", "0", "1e99", "\"\\n\"", "\"\"", "[1]", "{}", "\"", "}", ",", " ", "\\", "\"type\":1,"];
        for json in [
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\nb"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""} }"#,
            r#"{ "delta" : {"thinking":"x","text":null}, "type" : "content_block_delta"}"#,
        ] {
            assert!(is_piece(json.as_bytes()), "{json}");
            for at in 0..json.len() {
                is_piece(&json.as_bytes()[..at]);
                for other in others {
                    is_piece([&json[..at], other, &json[at..]].concat().as_bytes());
                    is_piece([&json[..at], other, &json[at + 1..]].concat().as_bytes());
                    let end = json[at..].find([',', ':', '}', ']']).map_or(json.len(), |end| at + end);
                    is_piece([&json[..at], other, &json[end..]].concat().as_bytes());
                }
            }
        }
        for json in [r#"{"type":"ping"}"#, r#"{"type":"content_block_delta","usage":null}"#, "{}", "[]"] {
            assert!(!is_piece(json.as_bytes()), "{json}");
        }
    }
}
