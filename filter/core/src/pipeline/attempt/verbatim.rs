//! A stream that passes unchanged, because client and provider share a dialect: its events are inspected, and hidden ones are dropped.
//!
//! Nothing is copied while everything leaves: only the positions of dropped events in Envoy's buffer are noted, and bytes are written back
//! only if some were dropped. Only an incomplete event is retained.

use std::mem::size_of;
use std::ops::Range;

use sluice_wire::dialect::{EventClass, ResponseSummary, StreamPeeker};
use sluice_wire::framing::sse::{Decoder, Event, TooLong};

use super::super::Unreadable;
use super::super::failure::Failure;
use super::is_text;
use super::stream::Progress;
use super::stream_guard::PassingEvent;

/// A stream that passes unchanged.
#[derive(Debug)]
pub(super) struct Verbatim {
    decoder: Decoder,
    peeker: Box<dyn StreamPeeker>,
    /// Whether to drop separate usage events, which the client did not request.
    hides_usage: bool,
    edits: Edits,
    /// Whether it ended with a CR whose LF may still arrive.
    late: bool,
}

/// The changes to Envoy's buffer.
#[derive(Debug, Default)]
struct Edits {
    /// Bytes at its front that are whole events.
    whole: usize,
    /// The ranges of these that are dropped.
    cuts: Vec<Range<usize>>,
    /// Bytes of the next event that left an earlier buffer, and wait in the decoder.
    lag: usize,
    /// That event, once it is whole: it leaves before the buffer.
    carried: Vec<u8>,
}

/// Why reading stops before a portion's end.
enum Stop {
    Over,
    Failed(Failure),
}

impl From<TooLong> for Stop {
    fn from(error: TooLong) -> Self {
        Self::Failed(Failure::in_answer(error.into()))
    }
}

impl Edits {
    fn keep(&mut self, raw: &[u8]) {
        let fresh = raw.len().saturating_sub(self.lag);
        if std::mem::take(&mut self.lag) > 0 {
            self.carried.extend_from_slice(raw);
            self.cut(fresh);
        } else {
            self.whole = self.whole.saturating_add(fresh);
        }
    }

    fn leave_out(&mut self, raw: &[u8]) {
        let fresh = raw.len().saturating_sub(std::mem::take(&mut self.lag));
        self.cut(fresh);
    }

    /// Drops the next `bytes` of the buffer, which are whole events.
    fn cut(&mut self, bytes: usize) {
        let (start, end) = (self.whole, self.whole.saturating_add(bytes));
        self.whole = end;
        match self.cuts.last_mut().filter(|last| last.end == start) {
            Some(last) => last.end = end,
            None => self.cuts.push(start..end),
        }
    }
}

/// `bytes` without the ranges in `cuts`.
fn without(mut bytes: Vec<u8>, cuts: &[Range<usize>]) -> Vec<u8> {
    let length = bytes.len();
    let (mut to, mut from) = (0, 0);
    for cut in cuts.iter().chain([&(length..length)]) {
        let start = cut.start.clamp(from, length);
        bytes.copy_within(from..start, to);
        to += start - from;
        from = cut.end.clamp(start, length);
    }
    bytes.truncate(to);
    bytes
}

impl Verbatim {
    pub(super) fn new(peeker: Box<dyn StreamPeeker>, hides_usage: bool) -> Self {
        Self { decoder: Decoder::default(), peeker, hides_usage, edits: Edits::default(), late: false }
    }

    /// The usage and other facts so far.
    pub(super) fn summary(&self) -> &ResponseSummary {
        self.peeker.summary()
    }

    /// Reads the next portion of Envoy's buffer. Sets `shows` once there is content.
    pub(super) fn read(&mut self, portion: &[u8], shows: &mut bool) -> Result<Progress, Failure> {
        let Self { decoder, peeker, hides_usage, edits, late } = self;
        feed(decoder, &mut **peeker, *hides_usage, portion, shows, |passing| {
            let raw = passing.event.raw;
            *late = raw.ends_with(b"\r");
            if passing.stays {
                edits.keep(raw)
            } else {
                edits.leave_out(raw)
            }
            Ok(())
        })
    }

    /// Whether the LF of its last line end may arrive after the end.
    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Whether it ends in an incomplete event.
    pub(super) fn is_pending(&self) -> bool {
        !self.decoder.pending().is_empty()
    }

    /// The provider ended the stream without the blank line after the last event: adds it, and appends the event to `out`.
    pub(super) fn end(&mut self, shows: &mut bool, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        self.relay(b"\n\n", shows, out)
    }

    /// Reads events that are in none of Envoy's buffers: those that pass are appended to `out`.
    pub(super) fn relay(&mut self, events: &[u8], shows: &mut bool, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        self.each(events, shows, |passing| {
            if passing.stays {
                out.extend_from_slice(passing.event.raw);
            }
            Ok(())
        })
    }

    /// Passes each event to `each`, with whether it stays.
    pub(super) fn each(
        &mut self,
        events: &[u8],
        shows: &mut bool,
        each: impl FnMut(&PassingEvent<'_>) -> Result<(), Failure>,
    ) -> Result<Progress, Failure> {
        feed(&mut self.decoder, &mut *self.peeker, self.hides_usage, events, shows, each)
    }

    /// The output in place of the buffer's `size` bytes, followed by `out`; `None` if the buffer leaves unchanged. `buffer` returns the
    /// buffer.
    pub(super) fn leave(
        &mut self,
        size: usize,
        mut out: Vec<u8>,
        buffer: impl FnOnce() -> Result<Vec<u8>, Unreadable>,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let lag = self.decoder.pending().len();
        let Edits { whole, cuts, mut carried, .. } =
            std::mem::replace(&mut self.edits, Edits { lag, ..Edits::default() });
        self.late &= whole == size;
        if whole == size && cuts.is_empty() && out.is_empty() {
            return Ok(None);
        }
        let mut bytes = if whole > 0 { buffer()? } else { Vec::new() };
        bytes.truncate(whole);
        let mut bytes = without(bytes, &cuts);
        if !carried.is_empty() {
            carried.append(&mut bytes);
            bytes = carried;
        }
        bytes.append(&mut out);
        Ok(Some(bytes))
    }

    /// Memory in bytes.
    pub(super) fn held(&self) -> usize {
        let cuts = self.edits.cuts.capacity().saturating_mul(size_of::<Range<usize>>());
        self.decoder.held().saturating_add(cuts).saturating_add(self.edits.carried.capacity())
    }
}

/// Classifies the events of a portion and passes them to `each`.
fn feed(
    decoder: &mut Decoder,
    peeker: &mut dyn StreamPeeker,
    hides_usage: bool,
    portion: &[u8],
    shows: &mut bool,
    mut each: impl FnMut(&PassingEvent<'_>) -> Result<(), Failure>,
) -> Result<Progress, Failure> {
    let look = |event: Event<'_>| {
        is_text(event.raw).map_err(Stop::Failed)?;
        let seen = if event.is_silent() { EventClass::Other } else { peeker.peek(&event) };
        let mut pass =
            |stays, is_content| each(&PassingEvent { event: &event, stays, is_content }).map_err(Stop::Failed);
        match seen {
            EventClass::Failed(error) => Err(Stop::Failed(Failure::in_answer(error))),
            EventClass::UsageAlone => pass(!hides_usage, false),
            EventClass::Content => {
                *shows = true;
                pass(true, true)
            }
            // Some proxies end a broken stream with a terminator: it is replaced with an error.
            EventClass::End if *shows && !peeker.summary().is_whole() => Err(Stop::Failed(Failure::truncated())),
            EventClass::End => {
                pass(true, false)?;
                Err(Stop::Over)
            }
            EventClass::Other => pass(true, false),
        }
    };
    match decoder.feed(portion, look) {
        Ok(()) => Ok(Progress::More),
        Err(Stop::Over) => Ok(Progress::Over),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn what_is_cut_is_gone_and_the_rest_keeps_its_order() {
        for (cuts, expected) in [
            (&[][..], "0123456789"),
            (&[0..3], "3456789"),
            (&[2..3, 5..9], "01349"),
            (&[0..1, 9..10], "12345678"),
            (&[0..10], ""),
            // Such ranges cannot occur, but must not panic.
            (&[8..20, 3..4], "01234567"),
        ] {
            assert_eq!(without(b"0123456789".to_vec(), cuts), expected.as_bytes(), "{cuts:?}");
        }
    }
}
