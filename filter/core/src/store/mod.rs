//! What is counted and where the counts are kept: meters, reservations of them, and their settlement.
//!
//! A request reserves an estimate on every meter that concerns it, all of them or none, before it leaves; when it is over it
//! settles what it really used, once. A reservation that is not settled within its lease, because the VM that would have
//! settled it is no more, is given back: its request cannot be under way any more. Should it be all the same, it is charged for
//! what it used when it is settled. Only what is counted by the minute has no lease: it drains.
//!
//! Two stores do this: [`embedded`] in the memory that Envoy's workers share, and [`redis`] over HTTP. Both keep the same
//! promises; neither knows what a key, a model or a price is.

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_wire::time::Time;

pub mod dimension;
pub mod embedded;
pub mod redis;
pub(crate) mod value;

/// How a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitWindow {
    /// So many in any minute: the generic cell rate algorithm, with a burst of a whole minute's.
    Minute,
    /// So many in a calendar day, UTC.
    Day,
    /// So many in a calendar month, UTC.
    Month,
    /// So many in all.
    Total,
    /// So many at the same time: what is taken is given back.
    Concurrent,
}

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// What is counted and for whom, the same in every Envoy and after every restart: `team=research/usd/month`.
    pub name: Rc<str>,
    /// Meters of the same shard are kept together: the team's name, or empty for what concerns several teams.
    pub shard_key: Rc<str>,
    /// How it counts.
    pub kind: LimitWindow,
}

/// A part of a reservation: so much of one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debit {
    /// Which.
    pub counter: Counter,
    /// How much.
    pub amount: u64,
    /// What the meter may reach.
    pub limit: u64,
    /// Whether to refuse what goes beyond the limit; else it is counted all the same.
    pub hard: bool,
}

/// All that one request wants to reserve: the first alternative of which every hard limit holds is taken, in one atomic
/// step. A meter stands at most once in an alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The request, by a name that no other request of any Envoy ever has. Not the client's to choose.
    pub id: Rc<str>,
    /// For how long what is reserved is held, unless it is settled before: no request should last longer.
    pub lease: Duration,
    /// Never empty; each may be.
    pub alternatives: Vec<Vec<Debit>>,
}

/// A meter, right after the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterSnapshot {
    /// How much is used: with this request's part when it was granted, without it when it was refused.
    pub used: u64,
    /// Of that, what is reserved and not settled yet, this request's part too; known of days, months and totals that were granted.
    pub reserved: u64,
    /// When this request's part was counted: which day (since 1970), which month (since January 1970), 0 for a total; for
    /// `Minute` the moment in microseconds.
    pub period: u64,
    /// Until when this request's part is held, in milliseconds since 1970; 0 where nobody has to know, or can.
    pub until: u64,
    /// Until the meter is as if nothing had been used, when that is a matter of time; for a calendar window its end.
    pub reset: Duration,
}

/// The answer to an [`ReserveRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveResult {
    /// The alternative at `chosen` is reserved; a reading for each of its takes.
    Granted {
        /// Its index.
        chosen: usize,
        /// In the order of its takes.
        snapshots: Vec<CounterSnapshot>,
    },
    /// No alternative fits, and nothing is reserved: what stood against each.
    Refused(Vec<LimitExceeded>),
}

/// The first take of an alternative that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Its index in the alternative.
    pub take: usize,
    /// The meter, without this request.
    pub snapshot: CounterSnapshot,
    /// When it may fit; `None` when waiting does not help.
    pub retry_after: Option<Duration>,
}

/// The store could not decide: it does not answer, or makes no sense. For the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// A reserved part of a meter, and what really was used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub counter: Counter,
    /// The [`CounterSnapshot::period`] it was reserved in; where nothing was reserved, the day or month in which it was used.
    pub window: u64,
    /// The [`CounterSnapshot::until`] of the reservation.
    pub until: u64,
    /// What was reserved; zero when nothing was (a provider that only a fallback led to).
    pub reserved: u64,
    /// What was used. For `Concurrent` always zero.
    pub used: u64,
}

/// What one request came to: it closes its reservation, once. A second settlement under the same id changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The order's.
    pub id: Rc<str>,
    /// Every part that was reserved, and more that were used.
    pub parts: Vec<Settled>,
    /// For the accounts of the day, which limit nothing; `None` where nobody keeps any.
    pub entry: Option<AccountEntry>,
    /// When the request was over.
    pub at: Time,
    /// Whether it changes what an earlier settlement has charged: of each part from `reserved` to `used`.
    pub corrects: bool,
    /// What all Envoys are to know from now on, for [`NOTED`].
    pub notes: Vec<Note>,
}

/// A short text under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name, which has neither spaces nor a prefix.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// For how long a note is kept: a provider keeps the results of a batch for 30 days.
pub const NOTED: Duration = Duration::from_secs(40 * 86_400);

/// A request in the accounts: it is added to the sums of its key, its team, its app and its model, for the day of its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// The key's id.
    pub key: Rc<str>,
    /// Its team.
    pub team: Rc<str>,
    /// Its application.
    pub app: Option<Rc<str>>,
    /// The model served, by the name clients ask for.
    pub model: Rc<str>,
    /// What is added.
    pub sums: Sums,
}

/// Sums of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Tokens of prompts.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Micro-dollars.
    pub cost: u64,
    /// Of the tokens, those of attempts that their providers have not counted, or not wholly.
    pub estimated_tokens: u64,
    /// Of the micro-dollars, what such attempts cost.
    pub estimated_cost: u64,
}

impl Sums {
    /// How many numbers they are.
    pub const NUMBERS: usize = 6;

    /// The numbers, in the order of the fields.
    pub fn numbers(&self) -> [u64; Self::NUMBERS] {
        let Self { requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost } = *self;
        [requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost]
    }

    /// Both together.
    pub fn plus(&self, more: &Self) -> Self {
        let mut sums = self.numbers();
        for (sum, more) in sums.iter_mut().zip(more.numbers()) {
            *sum = sum.saturating_add(more);
        }
        sums.into()
    }
}

impl From<[u64; Sums::NUMBERS]> for Sums {
    fn from(numbers: [u64; Self::NUMBERS]) -> Self {
        let [requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost] = numbers;
        Self { requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost }
    }
}

/// What one Envoy tells Redis of the meters at a place: what it counted by itself since it last did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// A name that no other Envoy has.
    pub envoy: Rc<str>,
    /// Where the meters are in its memory.
    pub place: embedded::ShardId,
    /// Counted up by one for each batch of this Envoy and place. A batch that is told again has the same.
    pub number: u64,
    /// Each meter once for each of its windows.
    pub deltas: Vec<Delta>,
    /// Whether there is more to tell of this place after it.
    pub more: bool,
}

/// What one Envoy has counted by itself since it last exchanged counts. For `Concurrent` how many there are at it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Which.
    pub counter: Counter,
    /// Which day or month it was counted in, as in [`CounterSnapshot::period`]. For `Minute` how much of it drains in a minute, or
    /// 0 when that is not known here.
    pub window: u64,
    /// How much more, or less; for `Minute` in millionths.
    pub amount: i64,
}

/// What all Envoys have counted together. For `Concurrent` how many there are at all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Which.
    pub counter: Counter,
    /// The window it was counted in; for `Minute` the moment in microseconds.
    pub window: u64,
    /// How much; for `Minute` what has not drained, in millionths.
    pub used: u64,
}

/// The day since 1970 and the month since January 1970 of a moment, in UTC.
pub fn day_and_month(now: Time) -> (u64, u64) {
    let days = now.seconds() / 86_400;
    (days, sluice_wire::calendar::months_since_1970(days))
}

/// Bytes that all workers of an Envoy share, by name. Envoy's shared data; a map in tests.
pub trait SharedData {
    /// The value and its version, never zero; `None` when there is none.
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes, if the version is still the one that was read. Version 0 writes whatever there is.
    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict>;
}

/// Somebody else wrote in between, or Envoy refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

#[cfg(test)]
pub(crate) mod fake;
