//! The speed of a target: moving averages of the time to the first token and of the tokens per second after it, and the order of targets by
//! expected duration.
//!
//! An average decays with time (half-life ten seconds) and by at least a tenth with each observation. So it covers about the last ten
//! responses of a busy target, and mostly the newest one after a pause.
//!
//! A target that is never chosen is never measured again. So some requests explore: they go to a target without measurements, or, one
//! request in ten, to a target without recent ones. A worker claims the exploration first, so that all workers together send a target at
//! most one such request in five seconds. That bounds the cost of a target that became slow. A target that became fast again is noticed
//! after three or four such requests, ten seconds apart. [`circuit`](super::circuit) tracks whether the target works at all.

use std::f64::consts::LN_2;
use std::time::Duration;

use sluice_wire::order::{by_numbers, of_float};
use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{TargetHealth, Value, after, age, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"speed\0\0\x01";

/// After this time, half of an average has decayed.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// The minimum weight of a new observation.
const LEAST_WEIGHT: f64 = 0.1;

/// A target without observations for this long may be explored.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// The minimum time between two explorations of a target.
const EXPLORED_FOR: Duration = Duration::from_secs(5);

/// One request in this many may explore a stale target.
const EXPLORES: u64 = 10;

/// Targets within this factor of the fastest one's expected duration count as equally fast.
const EQUAL: f64 = 1.1;

/// The measurements of one successful response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The time to the first token. `None` for a response that came all at once; `generating` is then its whole duration. For a response
    /// without tokens (embeddings), the duration of the response.
    pub first_token: Option<Duration>,
    /// The number of tokens; 0 if unknown.
    pub tokens: u64,
    /// The time to generate them, after the first token.
    pub generating: Duration,
}

/// The speed of a target. The default is a target without observations.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Speed {
    /// The average time to the first token, in seconds.
    first_token: Option<f64>,
    /// The average tokens of a response, and the seconds to generate them.
    tokens: Option<(f64, f64)>,
    /// The last observation.
    at: Time,
    /// The last exploration.
    explored_at: Time,
}

/// The indices of targets in the order of their speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The fastest first; targets without measurements last.
    by_speed: Vec<usize>,
    /// The target that this request may explore.
    explore: Option<usize>,
}

/// Reads the speed of a target.
pub fn read(shared: &dyn SharedData, target: &TargetHealth) -> Speed {
    super::read(shared, &target.speed)
}

/// Adds an observation to the averages.
pub fn observe(shared: &dyn SharedData, target: &TargetHealth, observation: &Observation, now: Time) {
    update(shared, &target.speed, |speed: Speed| speed.with(observation, now));
}

/// Claims the exploration of a target; false if another worker claimed it first.
pub fn claim_exploration(shared: &dyn SharedData, target: &TargetHealth, now: Time) -> bool {
    update(shared, &target.speed, |speed: Speed| {
        speed.may_be_explored(now).then_some(Speed { explored_at: now, ..speed })
    })
}

/// Sorts targets by the expected duration of a response with `output_tokens` tokens. Targets about as fast as the fastest take turns, so
/// that small differences do not move all traffic back and forth. `dice` is a random number.
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

fn rotate(indices: Option<&mut [usize]>, dice: u64) {
    if let Some(indices) = indices.filter(|indices| !indices.is_empty()) {
        let by = (dice & u64::from(u32::MAX)) % indices.len() as u64;
        indices.rotate_left(usize::try_from(by).unwrap_or_default());
    }
}

impl Order {
    /// The indices in the order to try them. Calls `claim` at most once, to ask whether this request may explore that target; see
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
    /// The average time to the first token; `None` without observations.
    pub fn first_token(&self) -> Option<Duration> {
        self.first_token.map(duration)
    }

    /// The average tokens per second; `None` without observations.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.tokens.map(|(tokens, seconds)| tokens / seconds)
    }

    /// The expected duration of a response with `output_tokens` tokens; `None` without observations.
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

    /// Adds an observation; `None` if it contains no measurement.
    fn with(mut self, observation: &Observation, now: Time) -> Option<Self> {
        // If the clock was set back, the age of the averages is unknown.
        let kept = age(now, self.at).map_or(0.0, |age| (-age.as_secs_f64() / HALF_LIFE.as_secs_f64() * LN_2).exp());
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

/// Marks a missing average in the encoding.
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
