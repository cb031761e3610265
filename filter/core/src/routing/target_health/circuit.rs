//! The circuit of a target: closed while it serves, open for a while when it keeps failing, half-open for one probe, and then
//! closed again little by little. And until when its provider said that it takes no more.
//!
//! It only tells; what comes last in a plan, or not at all, is for the planner to decide. So attempts do reach a target that is
//! open, when nothing else is left. What an attempt comes to counts for the phase in which it began: of many that hang when a
//! target fails, each is a failure that comes late, when the circuit may have opened, been probed and closed again, and it
//! says nothing about the target any more.
//!
//! - Closed: so many failures in a row open it. A success between them makes them no row, and so does a long pause.
//! - Open: successes of attempts that began meanwhile end it; failures neither prolong it nor count.
//! - Half-open, after its time: one worker claims the probe. A success ends it, a failure opens it anew, for twice as long.
//! - Recovering: its share of requests grows from a tenth to all. Two failures in a row open it anew. One does not: among the
//!   many requests of those seconds a healthy target may well fail one, and would never be closed again.
//!
//! A provider's word that it takes no more until some time holds until then, whatever succeeds meanwhile: limits are counted
//! in tokens too, and a small request passes where most do not. It is no failure, and it is an answer: it ends a half-open
//! phase. When the time has come, the share grows as after a probe, or all that was held back would come at once.
//!
//! Nothing has to be written for time to pass: each reader draws its own conclusions from what is noted.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::store::SharedData;

use super::{Cells, Value, after, age, nanos, update};

/// The format, and that it is one.
const FORMAT: [u8; 8] = *b"circuit\x01";

/// Failures further apart are no row.
const ROW_ENDS_AFTER: Duration = Duration::from_secs(60);

/// The percentage of requests with which recovering begins.
const FIRST_SHARE: u32 = 10;

/// How many failures in a row are too many while recovering; fewer, if fewer open a closed circuit.
const FAILURES_RECOVERING: u32 = 2;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many failures in a row open it; 0 is as good as 1.
    pub failures: u32,
    /// For how long it opens first, give or take a fifth.
    pub open: Duration,
    /// For how long at most, give or take a fifth: each time that it opens again before it was closed, it is twice as long.
    pub longest: Duration,
    /// How long the share of requests grows before all of them are back.
    pub ramp: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let [open, longest, ramp] = [2, 10, 5].map(Duration::from_secs);
        Self { failures: 5, open, longest, ramp }
    }
}

/// How a target stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// It serves.
    Closed {
        /// Whether nothing at all is noted of it.
        clean: bool,
    },
    /// It serves again: this percentage of requests may be planned as if it were closed. Never 0, never 100.
    Recovering {
        /// Per cent.
        share: u32,
    },
    /// It keeps failing.
    Open {
        /// When it may be probed.
        until: Time,
    },
    /// Its provider said that it takes no more.
    Limited {
        /// When it does again.
        until: Time,
    },
    /// Half-open, and somebody's probe is on its way.
    Probing,
    /// Half-open, and nobody's is: see [`claim_probe`].
    ProbeDue,
}

/// An attempt that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitAttempt {
    /// When it was sent.
    pub began: Time,
    /// Now.
    pub ended: Time,
}

impl CircuitAttempt {
    /// Whether it was sent at that moment or later. One that ended before it began, because the clock was set back, was not.
    fn began_since(self, moment: Time) -> bool {
        self.began.min(self.ended) >= moment
    }
}

/// What is noted of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circuit {
    phase: Phase,
    /// How often it opened since it was closed.
    openings: u32,
    /// Failures in a row, and when the last was.
    failures: u32,
    failed_at: Time,
    probe: Probe,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Closed,
    /// Open until `length` has passed, half-open from then on.
    Open {
        since: Time,
        length: Duration,
    },
    Recovering {
        since: Time,
    },
}

/// The probe that is on its way; without a verdict, until its lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Probe {
    claimed_at: Time,
    lease: Duration,
}

/// What the provider said, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Limit {
    noted_at: Time,
    until: Time,
}

/// What is noted of a target: of one that was never heard of, nothing.
pub fn read(shared: &dyn SharedData, target: &Cells) -> Circuit {
    super::read(shared, &target.circuit)
}

/// Takes the probe that is due; false when none is, or another worker was first. It is the caller's until the lease ends; when
/// nobody was told by then what came of it, it is due again. So the lease is about as long as an answer may take to begin.
pub fn claim_probe(shared: &dyn SharedData, target: &Cells, now: Time, lease: Duration, settings: &Settings) -> bool {
    update(shared, &target.circuit, |circuit: Circuit| {
        let circuit = circuit.as_of(now, settings);
        let due = circuit.standing(now, settings) == CircuitState::ProbeDue;
        due.then_some(Circuit { probe: Probe { claimed_at: now, lease }, ..circuit })
    })
}

/// Gives back a probe that was claimed at that moment and came to nothing: nobody knows more than before.
pub fn release_probe(shared: &dyn SharedData, target: &Cells, claimed_at: Time) {
    update(shared, &target.circuit, |circuit: Circuit| {
        let is_it = circuit.probe != Probe::default() && circuit.probe.claimed_at == claimed_at;
        is_it.then_some(Circuit { probe: Probe::default(), ..circuit })
    });
}

/// Notes that an attempt got a good answer. Where that is nothing new, nothing is written.
pub fn succeeded(shared: &dyn SharedData, target: &Cells, attempt: CircuitAttempt, settings: &Settings) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.succeeded(attempt));
}

/// Notes that an attempt failed, through the fault of the target. `jitter` is any number: by chance, so that targets that
/// failed together are not probed together.
pub fn failed(shared: &dyn SharedData, target: &Cells, attempt: CircuitAttempt, settings: &Settings, jitter: u64) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.failed(attempt, settings, jitter));
}

/// Notes that the provider takes no more until some time, which the caller bounds: nothing shortens it.
pub fn limited(shared: &dyn SharedData, target: &Cells, attempt: CircuitAttempt, until: Time, settings: &Settings) {
    note(shared, target, attempt.ended, settings, |circuit| circuit.limited(attempt, until));
}

fn note(shared: &dyn SharedData, target: &Cells, now: Time, settings: &Settings, change: impl Fn(Circuit) -> Circuit) {
    update(shared, &target.circuit, |circuit: Circuit| {
        let circuit = circuit.as_of(now, settings);
        let changed = change(circuit);
        (changed != circuit).then_some(changed)
    });
}

impl Circuit {
    /// How the target stands.
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

    /// Without what has passed by now: what it says and what follows from it is the same.
    fn as_of(mut self, now: Time, settings: &Settings) -> Self {
        let holds = |since, length| age(now, since).is_some_and(|age| age < length);
        if !holds(self.failed_at, ROW_ENDS_AFTER) {
            (self.failures, self.failed_at) = (0, Time(0));
        }
        if age(now, self.limit.noted_at).is_none() || after(self.limit.until, settings.ramp) <= now {
            self.limit = Limit::default();
        }
        self.phase = match self.phase {
            // By a clock that was set back: half-open, and any attempt counts.
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

    /// For how long its share of requests grows already; `None` when it has all of them.
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

    /// It does answer: not open any more, if the attempt began since it was opened.
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

/// From four fifths of it to six.
fn jittered(length: Duration, jitter: u64) -> Duration {
    let fifth = nanos(length) / 5;
    let more = u128::from(fifth) * 2 * u128::from(jitter) / u128::from(u64::MAX);
    Duration::from_nanos((fifth * 4).saturating_add(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// Per cent: from the first share to all but one.
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
