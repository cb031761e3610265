//! How fast a target is: moving averages of the time to its first token and of the tokens per second after it, and the order
//! of targets by what they let expect.
//!
//! An average forgets with time and with every observation: half of what was known is gone after ten seconds, and a tenth
//! with each new answer at least. So it is about the last ten answers of a busy target, and after a pause mostly the newest.
//!
//! Who is never chosen is never known to have become fast again, so now and then a request is sent somewhere to find out: to
//! a target nothing is known of, and, one request in ten, to one that nothing was heard of for a while. A worker
//! claims that before it does, so that to one target all workers together send at most one such request in five seconds: a
//! target that has become slow costs that much at most, and of one that has become fast again, three or four such requests, ten
//! seconds apart, tell. Whether it works at all is the [`circuit`](super::circuit)'s matter.

use std::time::Duration;

use sluice_wire::order::{by_numbers, of_float};
use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{Cells, Value, after, age, update};

/// The format, and that it is one.
const FORMAT: [u8; 8] = *b"speed\0\0\x01";

/// In this time half of what is known is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// As much of what is known gives way to each observation at least.
const LEAST_WEIGHT: f64 = 0.1;

/// Nothing heard for so long: worth finding out.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// For how long nobody else explores a target once somebody does.
const EXPLORED_FOR: Duration = Duration::from_secs(5);

/// One in so many requests may go where nothing was heard from for a while.
const EXPLORES: u64 = 10;

/// As good as the fastest: up to so many times what that lets expect.
const EQUAL: f64 = 1.1;

/// What one good answer showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// How long its first token took; `None` for an answer that came all at once, of which `generating` is then the whole. Of
    /// one without tokens (embeddings) it is how long the answer took.
    pub first_token: Option<Duration>,
    /// How many tokens it has; 0 when nobody knows.
    pub tokens: u64,
    /// How long those took, after the first.
    pub generating: Duration,
}

/// How fast a target is. The default stands for one that was never observed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Speed {
    /// How long its first token takes, in seconds.
    first_token: Option<f64>,
    /// An average answer's tokens, and how many seconds they take.
    tokens: Option<(f64, f64)>,
    /// When it was observed last,
    at: Time,
    /// and when a worker last went to find out.
    explored_at: Time,
}

/// Targets by speed, by their indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The fastest first, those of which nothing is known last.
    by_speed: Vec<usize>,
    /// Which of them to try first, just to know.
    explore: Option<usize>,
}

/// How fast a target is known to be.
pub fn read(shared: &dyn SharedData, target: &Cells) -> Speed {
    super::read(shared, &target.speed)
}

/// Adds an observation to the averages.
pub fn observe(shared: &dyn SharedData, target: &Cells, observation: &Observation, now: Time) {
    update(shared, &target.speed, |speed: Speed| speed.with(observation, now));
}

/// Takes it upon the caller to find out how fast a target is; false when another worker was first.
pub fn claim_exploration(shared: &dyn SharedData, target: &Cells, now: Time) -> bool {
    update(shared, &target.speed, |speed: Speed| {
        speed.may_be_explored(now).then_some(Speed { explored_at: now, ..speed })
    })
}

/// Puts targets in the order of what they let expect of a request with so many tokens in its answer. Those about as fast as the
/// fastest take turns, so that small differences do not send all traffic back and forth. `dice` is any number: by chance.
pub fn order(targets: &[Speed], output_tokens: u64, now: Time, dice: u64) -> Order {
    let mut known: Vec<(usize, f64)> =
        (0..).zip(targets).filter_map(|(index, speed)| Some((index, speed.seconds(output_tokens)?))).collect();
    by_numbers(&mut known, |(_, seconds)| (of_float(*seconds), 0));
    let fastest = known.first().map(|(_, seconds)| seconds * EQUAL).unwrap_or_default();
    let equals = known.partition_point(|(_, seconds)| *seconds <= fastest);
    let mut by_speed: Vec<usize> = known.into_iter().map(|(index, _)| index).collect();
    rotate(by_speed.get_mut(..equals), dice);
    let known = by_speed.len();
    by_speed.extend((0..).zip(targets).filter(|(_, speed)| !speed.is_known()).map(|(index, _)| index));
    rotate(by_speed.get_mut(known..), dice);

    let chance = (dice >> 32).is_multiple_of(EXPLORES);
    let explore = by_speed
        .iter()
        .enumerate()
        .filter_map(|(place, index)| Some((place, *index, targets.get(*index)?)))
        .filter(|(place, _, speed)| !speed.is_known() || (chance && *place > 0 && speed.is_stale(now)))
        .filter(|(_, _, speed)| speed.may_be_explored(now))
        .min_by_key(|(_, _, speed)| (speed.is_known(), speed.at))
        .map(|(_, index, _)| index);
    Order { by_speed, explore }
}

/// A different one first, by chance.
fn rotate(indices: Option<&mut [usize]>, dice: u64) {
    if let Some(indices) = indices.filter(|indices| !indices.is_empty()) {
        let by = (dice & u64::from(u32::MAX)) % indices.len() as u64;
        indices.rotate_left(usize::try_from(by).unwrap_or_default());
    }
}

impl Order {
    /// The indices in the order to try them. `claim` is asked at most once: whether this request may explore that target; see
    /// [`claim_exploration`].
    pub fn into_indices(self, claim: impl FnOnce(usize) -> bool) -> Vec<usize> {
        let Self { mut by_speed, explore } = self;
        let place = explore.and_then(|explored| by_speed.iter().position(|index| *index == explored));
        if let (Some(explored), Some(place)) = (explore, place)
            && claim(explored)
            && let Some(until) = by_speed.get_mut(..=place)
        {
            until.rotate_right(1);
        }
        by_speed
    }
}

impl Speed {
    /// How long its first token takes, as far as answers showed it.
    pub fn first_token(&self) -> Option<Duration> {
        self.first_token.map(duration)
    }

    /// How many tokens a second it generates, as far as answers showed it.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.tokens.map(|(tokens, seconds)| tokens / seconds)
    }

    /// How long an answer of so many tokens is likely to take; `None` when nothing is known.
    pub fn expected(&self, output_tokens: u64) -> Option<Duration> {
        self.seconds(output_tokens).map(duration)
    }

    fn seconds(&self, output_tokens: u64) -> Option<f64> {
        let generating = self.tokens_per_second().map(|rate| output_tokens as f64 / rate);
        self.is_known().then(|| self.first_token.unwrap_or_default() + generating.unwrap_or_default())
    }

    fn is_known(&self) -> bool {
        self.first_token.is_some() || self.tokens.is_some()
    }

    fn is_stale(&self, now: Time) -> bool {
        age(now, self.at).is_none_or(|age| age >= STALE_AFTER)
    }

    fn may_be_explored(&self, now: Time) -> bool {
        age(now, self.explored_at).is_none() || after(self.explored_at, EXPLORED_FOR) <= now
    }

    /// With one more answer; `None` when that shows nothing.
    fn with(mut self, observation: &Observation, now: Time) -> Option<Self> {
        // By a clock that was set back, what was known may be of any age.
        let kept = age(now, self.at).map_or(0.0, |age| (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2());
        let weight = (1.0 - kept).max(LEAST_WEIGHT);
        let blend = |known: f64, new: f64| known + (new - known) * weight;
        let Observation { first_token, tokens, generating } = *observation;
        if let Some(new) = first_token.map(|time| time.as_secs_f64()) {
            self.first_token = Some(self.first_token.map_or(new, |known| blend(known, new)));
        }
        let generated = tokens > 0 && !generating.is_zero();
        if generated {
            let (count, seconds) = (tokens as f64, generating.as_secs_f64());
            self.tokens =
                Some(self.tokens.map_or((count, seconds), |known| (blend(known.0, count), blend(known.1, seconds))));
        }
        self.at = if age(now, self.at).is_some() { self.at.max(now) } else { now };
        (generated || first_token.is_some()).then_some(self)
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// What is not known is kept as a negative number.
const UNKNOWN: f64 = -1.0;

impl Value for Speed {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [first_token, tokens, seconds, at, explored_at] = super::parse(&FORMAT, bytes)?;
        let [first_token, tokens, seconds] = [first_token, tokens, seconds].map(f64::from_bits);
        let sensible = [first_token, tokens, seconds].into_iter().all(f64::is_finite);
        sensible.then(|| Self {
            first_token: (first_token >= 0.0).then_some(first_token),
            tokens: (tokens > 0.0 && seconds > 0.0).then_some((tokens, seconds)),
            at: Time(at),
            explored_at: Time(explored_at),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let (tokens, seconds) = self.tokens.unwrap_or((UNKNOWN, UNKNOWN));
        let [first_token, tokens, seconds] = [self.first_token.unwrap_or(UNKNOWN), tokens, seconds].map(f64::to_bits);
        super::bytes(&FORMAT, &[first_token, tokens, seconds, self.at.0, self.explored_at.0])
    }
}

#[cfg(test)]
mod tests;
