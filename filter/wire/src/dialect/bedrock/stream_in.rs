//! Reads a provider's stream into events.
//!
//! A frame's header names its event; the payload is the event's object. `metadata` with the tokens comes after `messageStop`: the stream
//! has ended when both have come.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::content_filter;
use crate::conversation::StreamEvent;
use crate::dialect::calls::Calls;
use crate::dialect::sse_reader::filtered;
use crate::dialect::{Buffered, StreamReader, aws};
use crate::error::ApiError;
use crate::framing::eventstream::{Decoder, Frame};
use crate::framing::surrogates;
use crate::json;
use crate::lenient::maybe;

use super::answer::{Tokens, finish_of};

#[derive(Debug, Default)]
pub(super) struct Reader {
    decoder: Decoder,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    calls: Calls,
    /// `messageStop` came.
    stopped: bool,
    /// `metadata` came.
    counted: bool,
    /// The end or a failure came; later events are ignored.
    over: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart {
    #[serde(default)]
    content_block_index: u64,
    #[serde(default)]
    start: Option<Start>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    #[serde(default)]
    tool_use: Option<ToolUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    #[serde(default)]
    tool_use_id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta {
    #[serde(default)]
    content_block_index: u64,
    #[serde(default)]
    delta: Delta,
}

/// A delta of a block; one of an unknown kind has none of these fields.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_use: Option<Arguments>,
    #[serde(default)]
    reasoning_content: Option<Reasoning>,
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    #[serde(default)]
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    #[serde(default)]
    stop_reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "maybe")]
    usage: Option<Tokens>,
}

impl StreamReader for Reader {
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let Self { decoder, state } = self;
        if state.over {
            return Ok(());
        }
        let result = decoder.feed(portion, |frame| state.frame(&frame, events));
        state.over |= result.is_err();
        result
    }

    fn buffered(&self) -> Buffered {
        Buffered { begun: self.decoder.held(), ..self.state.calls.buffered() }
    }
}

fn parse<T: DeserializeOwned>(frame: &Frame<'_>) -> Result<T, ApiError> {
    json::from_slice(&surrogates::whole(frame.payload)).map_err(|error| ApiError::unreadable(&error))
}

impl State {
    fn frame(&mut self, frame: &Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        if self.over {
            return Ok(());
        }
        if let Some(error) = aws::failure_in(frame) {
            self.over = true;
            events.push(StreamEvent::Error(error));
            return Ok(());
        }
        match frame.header(":event-type").unwrap_or_default() {
            "messageStart" => events.push(StreamEvent::Start { id: String::new(), model: String::new() }),
            "contentBlockStart" => {
                let block: BlockStart = parse(frame)?;
                if let Some(ToolUse { tool_use_id, name }) = block.start.and_then(|start| start.tool_use) {
                    self.calls.begin(block.content_block_index, tool_use_id, name, "{}", events);
                }
            }
            "contentBlockDelta" => self.delta(parse(frame)?, events),
            "contentBlockStop" => self.calls.end(parse::<BlockStop>(frame)?.content_block_index, events),
            "messageStop" => {
                let stop: MessageStop = parse(frame)?;
                self.stopped = true;
                self.calls.end_all(events);
                events.push(StreamEvent::Finish { choice: 0, finish: finish_of(&stop.stop_reason) });
            }
            "metadata" => {
                let metadata: Metadata = parse(frame)?;
                self.counted = true;
                filtered(frame.payload, content_filter::BEDROCK, events);
                events.extend(metadata.usage.map(|tokens| StreamEvent::Usage(tokens.into())));
            }
            // Unknown events.
            _ => {}
        }
        if self.stopped && self.counted {
            self.over = true;
            events.push(StreamEvent::End);
        }
        Ok(())
    }

    fn delta(&mut self, block: BlockDelta, events: &mut Vec<StreamEvent>) {
        let full = |text: Option<String>| text.filter(|text| !text.is_empty());
        let BlockDelta { content_block_index, delta } = block;
        events.extend(full(delta.text).map(|text| StreamEvent::Text { choice: 0, text }));
        if let Some(Arguments { input }) = delta.tool_use {
            self.calls.piece(content_block_index, input, events);
        }
        if let Some(Reasoning { text, signature, redacted_content }) = delta.reasoning_content {
            events.extend(full(text).map(|text| StreamEvent::Thinking { choice: 0, text }));
            events.extend(full(signature).map(|signature| StreamEvent::Signature { choice: 0, signature }));
            events.extend(full(redacted_content).map(|data| StreamEvent::RedactedThinking { choice: 0, data }));
        }
    }
}
