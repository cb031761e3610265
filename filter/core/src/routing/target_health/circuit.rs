//! The circuit breaker of a target: closed while it serves, open for a while when it keeps failing, half-open for one probe, then closed
//! again step by step. It also stores how long the provider has asked to wait.
//!
//! The circuit breaker only reports; [`decision`](crate::routing::decision) decides which targets come last or not at all. So an open
//! target still receives attempts when no other is left. An outcome counts for the phase in which its attempt began: when a target fails,
//! many attempts hang and fail late, when the circuit may have opened, been probed and closed again. Such a failure says nothing about the
//! target any more.
//!
//! - Closed: a number of consecutive failures opens it. A success or a long pause resets the count.
//! - Open: a success of an attempt that began in this phase ends it. Failures neither prolong it nor count.
//! - Half-open, after the open time: one worker claims the probe. A success ends the phase; a failure reopens it for twice as long.
//! - Recovering: the target's share of requests grows from a tenth to all. Two consecutive failures reopen it. One does not: a healthy
//!   target may well fail one of the many requests in those seconds, and would never close again.
//!
//! A limit that the provider reports holds until its time, even if requests succeed meanwhile: limits count tokens too, and a small request
//! may pass where most do not. It is not a failure, and it counts as a response, so it ends a half-open phase. When the limit ends, the
//! share grows as after a probe; otherwise all requests would return at once.
//!
//! Phases change with time alone, without writes: each reader derives the current state from the stored values.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{TargetHealth, Value, after, age, nanos, update};

/// The format and its version.
const FORMAT: [u8; 8] = *b"circuit\x01";

/// Failures further apart are not consecutive.
const ROW_ENDS_AFTER: Duration = Duration::from_secs(60);

/// The percentage of requests with which recovery starts.
const FIRST_SHARE: u32 = 10;

/// The consecutive failures that reopen a recovering circuit; fewer if fewer open a closed one.
const FAILURES_RECOVERING: u32 = 2;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The consecutive failures that open the circuit; 0 acts as 1.
    pub failures: u32,
    /// The first open time, within 20 %.
    pub open: Duration,
    /// The maximum open time, within 20 %. The open time doubles each time the circuit reopens before it was closed.
    pub longest: Duration,
    /// How long recovery takes.
    pub ramp: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let [open, longest, ramp] = [2, 10, 5].map(Duration::from_secs);
        Self { failures: 5, open, longest, ramp }
    }
}

/// The state of a circuit at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// The target serves.
    Closed {
        /// Whether nothing is stored for it.
        clean: bool,
    },
    /// The target serves again, with a share of requests.
    Recovering {
        /// The percentage of requests that may treat it as closed, from 1 to 99.
        share: u32,
    },
    /// The target keeps failing.
    Open {
        /// When it becomes half-open.
        until: Time,
    },
    /// The provider has asked to wait.
    Limited {
        /// When the limit ends.
        until: Time,
    },
    /// Half-open, and a probe is in flight.
    Probing,
    /// Half-open, and no probe is in flight: see [`claim_probe`].
    ProbeDue,
}

/// An attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitAttempt {
    /// When it was sent.
    pub began: Time,
    /// When it ended: now.
    pub ended: Time,
}

impl CircuitAttempt {
    /// Whether the attempt began at or after `moment`. If the clock was set back, the attempt's end counts as its start.
    fn began_since(self, moment: Time) -> bool {
        self.began.min(self.ended) >= moment
    }
}

/// The stored state of a target's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circuit {
    phase: Phase,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Consecutive failures, and the time of the last one.
    failures: u32,
    failed_at: Time,
    probe: Probe,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Closed,
    /// Open until `length` has passed, then half-open.
    Open {
        since: Time,
        length: Duration,
    },
    Recovering {
        since: Time,
    },
}

/// The claimed probe. Without an outcome, its claim ends with its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Probe {
    claimed_at: Time,
    lease: Duration,
}

/// The limit that the provider reported, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Limit {
    noted_at: Time,
    until: Time,
}

/// Reads a target's circuit; the default if nothing is stored.
pub fn read(shared: &dyn SharedData, target: &TargetHealth) -> Circuit {
    super::read(shared, &target.circuit)
}

/// Claims the probe if it is due; false if it is not, or if another worker claimed it first. The claim holds until the lease ends. If no
/// outcome is recorded by then, the probe is due again, so the lease should be about as long as a response may take to begin.
pub fn claim_probe(
    shared: &dyn SharedData,
    target: &TargetHealth,
    now: Time,
    lease: Duration,
    settings: &Settings,
) -> bool {
    update(shared, &target.circuit, |circuit: Circuit| {
        let circuit = circuit.as_of(now, settings);
        let due = circuit.standing(now, settings) == CircuitState::ProbeDue;
        due.then_some(Circuit { probe: Probe { claimed_at: now, lease }, ..circuit })
    })
}

/// Releases a probe that was claimed at `claimed_at` and had no outcome.
pub fn release_probe(shared: &dyn SharedData, target: &TargetHealth, claimed_at: Time) {
    update(shared, &target.circuit, |circuit: Circuit| {
        let is_it = circuit.probe != Probe::default() && circuit.probe.claimed_at == claimed_at;
        is_it.then_some(Circuit { probe: Probe::default(), ..circuit })
    });
}

/// Records a successful attempt. Writes nothing if that changes nothing.
pub fn succeeded(shared: &dyn SharedData, target: &TargetHealth, attempt: CircuitAttempt, settings: &Settings) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.succeeded(attempt));
}

/// Records an attempt that failed through the target's fault. `jitter` is a random number, so that targets that failed together are not
/// probed together.
pub fn failed(
    shared: &dyn SharedData,
    target: &TargetHealth,
    attempt: CircuitAttempt,
    settings: &Settings,
    jitter: u64,
) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.failed(attempt, settings, jitter));
}

/// Records that the provider asked to wait until a given time. The caller bounds it; nothing shortens it.
pub fn limited(
    shared: &dyn SharedData,
    target: &TargetHealth,
    attempt: CircuitAttempt,
    until: Time,
    settings: &Settings,
) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.limited(attempt, until));
}

fn note(
    shared: &dyn SharedData,
    target: &TargetHealth,
    now: Time,
    settings: &Settings,
    change: impl Fn(Circuit) -> Circuit,
) {
    update(shared, &target.circuit, |circuit: Circuit| {
        let circuit = circuit.as_of(now, settings);
        let changed = change(circuit);
        (changed != circuit).then_some(changed)
    });
}

impl Circuit {
    /// The state at this time.
    pub fn standing(&self, now: Time, settings: &Settings) -> CircuitState {
        let circuit = self.as_of(now, settings);
        let open = match circuit.phase {
            Phase::Open { since, length } => Some(after(since, length)),
            Phase::Closed | Phase::Recovering { .. } => None,
        };
        let limit = circuit.limit.until;
        match open {
            Some(until) if until > now && until > limit => CircuitState::Open { until },
            _ if limit > now => CircuitState::Limited { until: limit },
            Some(_) if circuit.probe == Probe::default() => CircuitState::ProbeDue,
            Some(_) => CircuitState::Probing,
            None => match circuit.recovering_for(now) {
                Some(passed) => CircuitState::Recovering { share: share(passed, settings.ramp) },
                None => CircuitState::Closed { clean: circuit == Self::default() },
            },
        }
    }

    /// Removes expired values. The state and later changes stay the same.
    fn as_of(mut self, now: Time, settings: &Settings) -> Self {
        let holds = |since, length| age(now, since).is_some_and(|age| age < length);
        if !holds(self.failed_at, ROW_ENDS_AFTER) {
            (self.failures, self.failed_at) = (0, Time(0));
        }
        if age(now, self.limit.noted_at).is_none() || after(self.limit.until, settings.ramp) <= now {
            self.limit = Limit::default();
        }
        self.phase = match self.phase {
            // The clock was set back: half-open, and any attempt counts.
            Phase::Open { since, .. } if age(now, since).is_none() => {
                Phase::Open { since: Time(0), length: Duration::ZERO }
            }
            // The settings may have changed since.
            Phase::Open { since, length } => {
                Phase::Open { since, length: length.min(jittered(settings.longest, u64::MAX)) }
            }
            Phase::Recovering { since } if holds(since, settings.ramp) => self.phase,
            Phase::Recovering { .. } | Phase::Closed => Phase::Closed,
        };
        if self.phase == Phase::Closed {
            self.openings = 0;
        }
        if !(matches!(self.phase, Phase::Open { .. }) && holds(self.probe.claimed_at, self.probe.lease)) {
            self.probe = Probe::default();
        }
        self
    }

    /// For how long the share has been growing; `None` if the target has its full share.
    fn recovering_for(&self, now: Time) -> Option<Duration> {
        let recovering = match self.phase {
            Phase::Recovering { since } => Some(since),
            Phase::Open { .. } | Phase::Closed => None,
        };
        let limited = (self.limit != Limit::default()).then_some(self.limit.until);
        recovering.max(limited).map(|since| now.since(since))
    }

    fn succeeded(self, attempt: CircuitAttempt) -> Self {
        Self { failures: 0, failed_at: Time(0), ..self.answered(attempt) }
    }

    fn limited(self, attempt: CircuitAttempt, until: Time) -> Self {
        let later = until > self.limit.until;
        let limit = if later { Limit { noted_at: attempt.ended, until } } else { self.limit };
        Self { limit, ..self.answered(attempt) }
    }

    /// Records a response: ends the open phase if the attempt began after it started.
    fn answered(self, attempt: CircuitAttempt) -> Self {
        match self.phase {
            Phase::Open { since, .. } if attempt.began_since(since) => {
                Self { phase: Phase::Recovering { since: attempt.ended }, probe: Probe::default(), ..self }
            }
            Phase::Open { .. } | Phase::Recovering { .. } | Phase::Closed => self,
        }
    }

    fn failed(self, attempt: CircuitAttempt, settings: &Settings, jitter: u64) -> Self {
        let (counts_since, too_many) = match self.phase {
            Phase::Closed => (Time(0), settings.failures),
            Phase::Recovering { since } => (since, settings.failures.min(FAILURES_RECOVERING)),
            Phase::Open { since, length } => (after(since, length), 1),
        };
        if !attempt.began_since(counts_since) {
            return self;
        }
        let failures = self.failures.saturating_add(1);
        if failures < too_many {
            return Self { failures, failed_at: attempt.ended, ..self };
        }
        let length = settings.open.saturating_mul(2_u32.saturating_pow(self.openings)).min(settings.longest);
        Self {
            phase: Phase::Open { since: attempt.ended, length: jittered(length, jitter) },
            openings: self.openings.saturating_add(1),
            limit: self.limit,
            ..Self::default()
        }
    }
}

/// `length` with a jitter of plus or minus 20 %.
fn jittered(length: Duration, jitter: u64) -> Duration {
    let fifth = nanos(length) / 5;
    let more = u128::from(fifth) * 2 * u128::from(jitter) / u128::from(u64::MAX);
    Duration::from_nanos((fifth * 4).saturating_add(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// The share in per cent, from [`FIRST_SHARE`] to 99.
fn share(passed: Duration, ramp: Duration) -> u32 {
    let grown = u128::from(99 - FIRST_SHARE) * passed.as_nanos() / ramp.as_nanos().max(1);
    FIRST_SHARE + u32::try_from(grown).unwrap_or(u32::MAX).min(99 - FIRST_SHARE)
}

impl Value for Circuit {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [phase, since, length, openings, failures, failed_at, claimed_at, lease, noted_at, until] =
            super::parse(&FORMAT, bytes)?;
        let since = Time(since);
        let phase = match phase {
            0 => Phase::Closed,
            1 => Phase::Open { since, length: Duration::from_nanos(length) },
            2 => Phase::Recovering { since },
            _ => return None,
        };
        Some(Self {
            phase,
            openings: u32::try_from(openings).ok()?,
            failures: u32::try_from(failures).ok()?,
            failed_at: Time(failed_at),
            probe: Probe { claimed_at: Time(claimed_at), lease: Duration::from_nanos(lease) },
            limit: Limit { noted_at: Time(noted_at), until: Time(until) },
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let (phase, since, length) = match self.phase {
            Phase::Closed => (0, Time(0), Duration::ZERO),
            Phase::Open { since, length } => (1, since, length),
            Phase::Recovering { since } => (2, since, Duration::ZERO),
        };
        let numbers = [
            phase,
            since.0,
            nanos(length),
            u64::from(self.openings),
            u64::from(self.failures),
            self.failed_at.0,
            self.probe.claimed_at.0,
            nanos(self.probe.lease),
            self.limit.noted_at.0,
            self.limit.until.0,
        ];
        super::bytes(&FORMAT, &numbers)
    }
}

#[cfg(test)]
mod tests;
