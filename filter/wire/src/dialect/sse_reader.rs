//! Shared by all readers of server-sent events: framing, keep-alives, `[DONE]`, and that nothing is read after the end or an error.

use std::fmt::Debug;

use crate::content_filter::{self, Marks};
use crate::conversation::StreamEvent;
use crate::error::ApiError;
use crate::framing::sse;

use super::recurring::RecurringText;
use super::{Buffered, StreamReader};

/// A format's events, without their frames.
pub trait Events: Debug {
    /// Whether comments, used as keep-alives, become pings. Disabled for formats with their own pings.
    const COMMENTS_ARE_PINGS: bool = true;

    /// Marks of results of content filters.
    const FILTERS: Marks = &[];

    /// Inspects a chunk before it is read; `false` if there is nothing to read yet.
    fn accepts(&mut self, _portion: &[u8]) -> Result<bool, ApiError> {
        Ok(true)
    }

    /// Reads one event; `data` is its trimmed data.
    fn event(&mut self, event: &sse::Event<'_>, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ApiError>;

    /// Reads OpenAI's terminator. Formats with their own end ignore or reject it.
    fn done(&mut self, _events: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        Ok(())
    }

    /// Whether the reader would read the last event the same way again. If so, an event with only another text is not parsed.
    fn repeats(&self) -> bool {
        true
    }

    /// Whether the stream has ended or failed.
    fn is_over(&self) -> bool;

    /// The amount of state held from past events.
    fn buffered(&self) -> Buffered;
}

/// Appends the results of content filters in an event, if there are any.
#[inline(never)]
pub fn filtered(data: &[u8], marks: Marks, out: &mut Vec<StreamEvent>) {
    let results = content_filter::read(data, marks);
    if !results.is_empty() {
        out.push(StreamEvent::Filtered(results));
    }
}

/// A reader of server-sent events.
#[derive(Debug, Default)]
pub struct SseReader<E> {
    frames: sse::Decoder,
    /// Whether a read has failed.
    broken: bool,
    recurring: RecurringText,
    events: E,
}

impl<E: Events> StreamReader for SseReader<E> {
    fn read(&mut self, portion: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), ApiError> {
        let Self { frames, broken, recurring, events } = self;
        if *broken || events.is_over() {
            return Ok(());
        }
        let accepted = events.accepts(portion);
        *broken = accepted.is_err();
        if !accepted? {
            return Ok(());
        }
        let read = frames.feed(portion, |event| {
            if events.is_over() {
                return Ok(());
            }
            if event.is_silent() {
                let is_comment = E::COMMENTS_ARE_PINGS && !event.raw.trim_ascii().is_empty();
                out.extend(is_comment.then_some(StreamEvent::Ping));
                return Ok(());
            }
            match event.data.trim_ascii() {
                b"[DONE]" => events.done(out),
                data => {
                    if let Some(again) = recurring.again(event.name, data) {
                        out.push(again);
                        return Ok(());
                    }
                    filtered(data, E::FILTERS, out);
                    let before = out.len();
                    let read = events.event(&event, data, out);
                    recurring.read(event.name, data, out.get(before..).unwrap_or_default(), events.repeats());
                    read
                }
            }
        });
        *broken = read.is_err();
        read
    }

    fn buffered(&self) -> Buffered {
        let buffered = self.events.buffered();
        Buffered { begun: self.frames.held(), bytes: buffered.bytes.saturating_add(self.recurring.held()), ..buffered }
    }
}
