//! Tells the worker's tick whether the current attempt's stream is silent, or continues after its end. Reset for each attempt.

use std::time::Duration;

use sluice_wire::time::Time;

use super::super::failure::{Failure, SLACK};
use super::{RequestState, Stage};

/// How long a provider may take to end a stream after the complete response (less if its idle timeout is shorter), and how many bytes it
/// may send meanwhile. Most end it immediately.
const LONGEST_LINGERING: Duration = Duration::from_secs(2);
const MOST_SWALLOWED: usize = 64 << 10;

/// How long the end of a stream waits for its usage: with the time until the next tick, at most a second.
const LONGEST_UNCOUNTED: Duration = Duration::from_millis(750);

/// The state of the current attempt's stream.
#[derive(Debug)]
pub struct StreamActivity {
    /// Portions received.
    pub portions: u64,
    /// Since when its end waits for usage.
    pub uncounted: Option<Time>,
    /// The client has the complete response, but the provider has not ended the stream.
    pub lingering: Option<Lingering>,
    /// Whether the response's headers have arrived, and are held until it is complete.
    pub holding: bool,
    /// The portions at the last check with progress, and its time.
    recorded: (u64, Time),
}

/// A stream after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lingering {
    /// Since when the client has the complete response.
    pub since: Time,
    /// Bytes dropped since then.
    pub swallowed: usize,
}

/// A stream that is silent for too long, or that its provider does not end or count.
#[derive(Debug, PartialEq)]
pub enum StreamTimeout {
    /// The client has a part of it: reset it, as broken off.
    Shown,
    /// The client has the complete response: reset it, with its result unchanged.
    Over,
    /// Its end has waited for usage long enough: release it.
    Uncounted,
    /// Nothing of it has been sent: give up the attempt, for this reason.
    Held(Failure),
}

impl StreamActivity {
    /// For an attempt that begins.
    pub fn since(now: Time) -> Self {
        Self { portions: 0, uncounted: None, lingering: None, holding: false, recorded: (0, now) }
    }

    /// Records `bytes` that arrived after the complete response.
    pub fn lingers(&mut self, bytes: usize, now: Time) {
        let lingering = self.lingering.get_or_insert(Lingering { since: now, swallowed: 0 });
        lingering.swallowed = lingering.swallowed.saturating_add(bytes);
    }
}

impl RequestState {
    /// Checks whether a stream is silent for too long, or continues after its end. Call it periodically: Envoy's own timeout for
    /// this ends when the first token's timeout has passed, and takes a held stream for a silent one.
    pub fn check_stream_timeout(&mut self, now: Time) -> Option<StreamTimeout> {
        if let Some(Lingering { since, swallowed }) = self.stream_activity.lingering {
            let longest = self.route.timeouts.idle.plain.min(LONGEST_LINGERING);
            let over = swallowed > MOST_SWALLOWED || now.since(since) >= longest;
            self.stream_activity.lingering = self.stream_activity.lingering.filter(|_| !over);
            return over.then_some(StreamTimeout::Over);
        }
        if self.stream_activity.uncounted.is_some_and(|since| now.since(since) >= LONGEST_UNCOUNTED) {
            self.stream_activity.uncounted = None;
            return Some(StreamTimeout::Uncounted);
        }
        if self.progress.stage != Stage::Answering && !self.stream_activity.holding {
            return None;
        }
        if self.judges.hold() {
            // Its portions wait unread.
            self.stream_activity.recorded = (self.stream_activity.portions, now);
            return None;
        }
        if self.stream_activity.recorded.0 != self.stream_activity.portions {
            self.stream_activity.recorded = (self.stream_activity.portions, now);
        }
        let stalled = now.since(self.stream_activity.recorded.1) >= self.route.idle(&self.request);
        if !self.stream_activity.holding {
            return stalled.then(|| {
                self.break_off(Failure::stalled_before_its_reader());
                StreamTimeout::Shown
            });
        }
        let waited = now.since(self.progress.attempts.last()?.started);
        let first_token = self.route.first_token_of(&self.request, &self.progress.attempts.last()?.target);
        if self.answer.said.pieces == 0 && waited >= first_token {
            return Some(StreamTimeout::Held(Failure::no_answer(waited, first_token, SLACK)));
        }
        stalled.then(|| StreamTimeout::Held(Failure::stalled()))
    }
}
