//! Streams of Anthropic's models on AWS Bedrock: Anthropic's events, each as base64 in a frame of AWS's event stream. For Anthropic's
//! clients the events are only unwrapped, so unknown ones arrive too.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::content_filter;
use crate::conversation::StreamEvent;
use crate::dialect::sse_reader::{Events, filtered};
use crate::dialect::{Buffered, StreamOpener, StreamReader, aws};
use crate::error::ApiError;
use crate::framing::eventstream::{self, Frame};
use crate::framing::surrogates;
use crate::json;

use super::stream_in;

/// The payload of a `chunk` frame. AWS adds a padding field without meaning.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) bytes: Cow<'a, str>,
}

/// A buffer up to this size is reused for the next event; a larger one is freed.
pub(super) const SMALL: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Reader {
    decoder: eventstream::Decoder,
    state: stream_in::State,
    /// The event that is being read.
    json: Vec<u8>,
}

impl StreamReader for Reader {
    fn read(&mut self, portion: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let Self { decoder, state, json } = self;
        if state.over {
            return Ok(());
        }
        let result = decoder.feed(portion, |frame| read_frame(&frame, state, json, events));
        state.over |= result.is_err();
        if json.capacity() > SMALL {
            *json = Vec::new();
        }
        result
    }

    fn buffered(&self) -> Buffered {
        let begun = self.decoder.held().saturating_add(self.json.capacity());
        Buffered { begun, ..self.state.buffered() }
    }
}

fn read_frame(
    frame: &Frame<'_>,
    state: &mut stream_in::State,
    json: &mut Vec<u8>,
    events: &mut Vec<StreamEvent>,
) -> Result<(), ApiError> {
    if state.over {
        return Ok(());
    }
    if let Some(error) = aws::failure_in(frame) {
        state.over = true;
        events.push(StreamEvent::Error(error));
        return Ok(());
    }
    if !event_in(frame, json)? {
        return Ok(());
    }
    let data = surrogates::whole(json);
    filtered(&data, content_filter::ANTHROPIC, events);
    state.named(b"", &data, events)
}

/// Decodes the event in a frame; returns whether there is one.
fn event_in(frame: &Frame<'_>, json: &mut Vec<u8>) -> Result<bool, ApiError> {
    if frame.header(":event-type") != Some("chunk") {
        return Ok(false);
    }
    let chunk: Chunk<'_> = json::from_slice(frame.payload).map_err(|error| ApiError::unreadable(&error))?;
    json.clear();
    STANDARD
        .decode_vec(chunk.bytes.as_bytes(), json)
        .map_err(|_| ApiError::bad_answer("The provider's stream contains an event that is not base64."))?;
    Ok(true)
}

/// Unwraps a stream's events from their frames.
#[derive(Debug, Default)]
pub(super) struct Opener {
    decoder: eventstream::Decoder,
    json: Vec<u8>,
    over: bool,
}

impl StreamOpener for Opener {
    fn open(&mut self, portion: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let Self { decoder, json, over } = self;
        if *over {
            return Ok(());
        }
        let result = decoder.feed(portion, |frame| match aws::failure_in(&frame) {
            Some(error) => Err(error),
            None if event_in(&frame, json)? => put(json, out),
            None => Ok(()),
        });
        *over = result.is_err();
        if json.capacity() > SMALL {
            *json = Vec::new();
        }
        result
    }

    fn buffered(&self) -> Buffered {
        Buffered { begun: self.decoder.held().saturating_add(self.json.capacity()), ..Buffered::default() }
    }
}

/// Writes an event as Anthropic sends it: its type, and its JSON on one line.
fn put(json: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, default)]
        r#type: Cow<'a, str>,
    }
    let event: Typed<'_> = json::from_slice(json).map_err(|error| ApiError::unreadable(&error))?;
    let is_name = !event.r#type.is_empty() && event.r#type.chars().all(|letter| letter.is_ascii_graphic());
    if is_name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.r#type.as_bytes());
        out.push(b'\n');
    }
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    Ok(())
}
