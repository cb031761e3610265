//! How the worker's tick sees whether the stream of the attempt under way is silent, or goes on behind its end. Made new with every
//! attempt.

use std::time::Duration;

use sluice_wire::time::Time;

use super::super::failure::{Failure, SLACK};
use super::{RequestState, Stage};

/// How long a provider has to end a stream of which the client has all, if silence may not be shorter, and how much it may send
/// until it does. Most end it at once.
const LONGEST_LINGERING: Duration = Duration::from_secs(2);
const MOST_SWALLOWED: usize = 64 << 10;

/// How long the end of a stream waits for its provider to count the tokens: with the time until a tick sees it, no longer than a second.
const LONGEST_UNCOUNTED: Duration = Duration::from_millis(750);

/// How the stream of the attempt under way goes on.
#[derive(Debug)]
pub struct Watch {
    /// How many portions of it came.
    pub portions: u64,
    /// Since when its end waits for its provider to count the tokens.
    pub uncounted: Option<Time>,
    /// The client has all that it will get of it, and its provider has not ended it.
    pub lingering: Option<Lingering>,
    /// Whether the answer's headers are here, and held until all of it is.
    pub holding: bool,
    /// As many portions as had come when last looked at, and since when it is no more.
    recorded: (u64, Time),
}

/// A stream behind its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lingering {
    /// Since when the client has all of it.
    pub since: Time,
    /// How many bytes were swallowed since.
    pub swallowed: usize,
}

/// A stream that has been silent for too long, or that its provider does not end, or does not count.
#[derive(Debug, PartialEq)]
pub enum Silence {
    /// The client has seen a part of it: it is to be cut, and counts as broken off.
    Shown,
    /// The client has all that it will get: it is to be cut, and counts as what it is.
    Over,
    /// Its end has waited for a count long enough: it is to move on.
    Uncounted,
    /// Nothing of it has left: the attempt is to be given up, for this reason.
    Held(Failure),
}

impl Watch {
    /// Of an attempt that begins.
    pub fn since(now: Time) -> Self {
        Self { portions: 0, uncounted: None, lingering: None, holding: false, recorded: (0, now) }
    }

    /// The client has all that it will get of a stream, and this much more came.
    pub fn lingers(&mut self, bytes: usize, now: Time) {
        let lingering = self.lingering.get_or_insert(Lingering { since: now, swallowed: 0 });
        lingering.swallowed = lingering.swallowed.saturating_add(bytes);
    }
}

impl RequestState {
    /// Whether a stream has been silent for longer than it may, or goes on behind its end. To be asked now and then: Envoy's own limit for this ends when the
    /// limit for the first token has passed, and takes a stream that is held for a silent one.
    pub fn falls_silent(&mut self, now: Time) -> Option<Silence> {
        if let Some(Lingering { since, swallowed }) = self.watch.lingering {
            let longest = self.route.timeouts.idle.plain.min(LONGEST_LINGERING);
            let over = swallowed > MOST_SWALLOWED || now.since(since) >= longest;
            self.watch.lingering = self.watch.lingering.filter(|_| !over);
            return over.then_some(Silence::Over);
        }
        if self.watch.uncounted.is_some_and(|since| now.since(since) >= LONGEST_UNCOUNTED) {
            self.watch.uncounted = None;
            return Some(Silence::Uncounted);
        }
        if self.progress.stage != Stage::Answering && !self.watch.holding {
            return None;
        }
        if self.watch.recorded.0 != self.watch.portions {
            self.watch.recorded = (self.watch.portions, now);
        }
        let stalled = now.since(self.watch.recorded.1) >= self.route.idle(&self.request);
        if !self.watch.holding {
            return stalled.then(|| {
                self.break_off(Failure::stalled_before_its_reader());
                Silence::Shown
            });
        }
        let waited = now.since(self.progress.attempts.last()?.started);
        let first_token = self.route.first_token_of(&self.request, &self.progress.attempts.last()?.target);
        if self.answer.said.pieces == 0 && waited >= first_token {
            return Some(Silence::Held(Failure::no_answer(waited, first_token, SLACK)));
        }
        stalled.then(|| Silence::Held(Failure::stalled()))
    }
}
