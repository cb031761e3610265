//! A stream that passes as it is, for client and provider speak the same dialect: its events are looked at, and those that the
//! client must not see are left out.
//!
//! Nothing of it is copied while all of it leaves: of what Envoy holds only the places are noted that are to be left out, and bytes
//! are written back only where something was. The one thing that has to be kept is an event whose end has not come.

use std::mem::size_of;
use std::ops::Range;

use sluice_wire::dialect::{EventClass, ResponseSummary, StreamPeeker};
use sluice_wire::framing::sse::{Decoder, Event, TooLong};

use super::super::Unreadable;
use super::super::failure::Failure;
use super::is_text;
use super::stream::Progress;

/// Such a stream.
#[derive(Debug)]
pub(super) struct Verbatim {
    decoder: Decoder,
    peeker: Box<dyn StreamPeeker>,
    /// Whether the client did not ask for usage that stands alone.
    hides_usage: bool,
    edits: Edits,
    /// Whether it has ended with half of a line end, whose other half may still come.
    late: bool,
}

/// What becomes of Envoy's buffer.
#[derive(Debug, Default)]
struct Edits {
    /// Bytes at its front that are whole events.
    whole: usize,
    /// Which of these are left out.
    cuts: Vec<Range<usize>>,
    /// Bytes of the event that comes next which left an earlier buffer, and wait in the decoder.
    lag: usize,
    /// That event, once it is whole: it leaves before the buffer.
    carried: Vec<u8>,
}

/// Why the reading of a portion ends before its end.
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

    /// The next `bytes` of the buffer are whole events, and do not leave.
    fn cut(&mut self, bytes: usize) {
        let (start, end) = (self.whole, self.whole.saturating_add(bytes));
        self.whole = end;
        match self.cuts.last_mut().filter(|last| last.end == start) {
            Some(last) => last.end = end,
            None => self.cuts.push(start..end),
        }
    }
}

/// `bytes` without what is left out of them.
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

    /// What was learned of it so far.
    pub(super) fn summary(&self) -> &ResponseSummary {
        self.peeker.summary()
    }

    /// Reads the next portion of Envoy's buffer. `shows` is told when there is something of an answer.
    pub(super) fn read(&mut self, portion: &[u8], shows: &mut bool) -> Result<Progress, Failure> {
        let Self { decoder, peeker, hides_usage, edits, late } = self;
        feed(decoder, &mut **peeker, *hides_usage, portion, shows, |raw, stays| {
            *late = raw.ends_with(b"\r");
            if stays { edits.keep(raw) } else { edits.leave_out(raw) }
        })
    }

    /// Whether the second half of its last line end may come, now that it is over.
    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Whether an event in it has no end so far.
    pub(super) fn is_pending(&self) -> bool {
        !self.decoder.pending().is_empty()
    }

    /// The provider has ended the stream, and left out the blank line after the last event: it leaves with one, as a part of `out`.
    pub(super) fn end(&mut self, shows: &mut bool, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        self.relay(b"\n\n", shows, out)
    }

    /// Reads events that stand in no buffer of Envoy's: those that stay are a part of `out`.
    pub(super) fn relay(&mut self, events: &[u8], shows: &mut bool, out: &mut Vec<u8>) -> Result<Progress, Failure> {
        feed(&mut self.decoder, &mut *self.peeker, self.hides_usage, events, shows, |raw, stays| {
            if stays {
                out.extend_from_slice(raw);
            }
        })
    }

    /// What is to leave in place of the buffer's `size` bytes, and `out` behind it; `None` where they leave as they are. `buffer`
    /// gives the buffer.
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

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> usize {
        let cuts = self.edits.cuts.capacity().saturating_mul(size_of::<Range<usize>>());
        self.decoder.held().saturating_add(cuts).saturating_add(self.edits.carried.capacity())
    }
}

/// Looks at the events of a portion, and tells `each` of them whether it stays.
fn feed(
    decoder: &mut Decoder,
    peeker: &mut dyn StreamPeeker,
    hides_usage: bool,
    portion: &[u8],
    shows: &mut bool,
    mut each: impl FnMut(&[u8], bool),
) -> Result<Progress, Failure> {
    let look = |event: Event<'_>| {
        is_text(event.raw).map_err(Stop::Failed)?;
        let seen = if event.is_silent() { EventClass::Other } else { peeker.peek(&event) };
        match seen {
            EventClass::Failed(error) => return Err(Stop::Failed(Failure::in_answer(error))),
            EventClass::UsageAlone if hides_usage => {
                each(event.raw, false);
                return Ok(());
            }
            EventClass::Content => *shows = true,
            // Some proxies end whatever breaks off with a terminator: it does not leave, and an error stands in its place.
            EventClass::End if *shows && !peeker.summary().is_whole() => {
                return Err(Stop::Failed(Failure::truncated()));
            }
            EventClass::End => {
                each(event.raw, true);
                return Err(Stop::Over);
            }
            EventClass::Other | EventClass::UsageAlone => {}
        }
        each(event.raw, true);
        Ok(())
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
            // Nothing of this can be, and it is no reason to panic.
            (&[8..20, 3..4], "01234567"),
        ] {
            assert_eq!(without(b"0123456789".to_vec(), cuts), expected.as_bytes(), "{cuts:?}");
        }
    }
}
