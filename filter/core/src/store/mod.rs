//! Counters, reservations on them, and their settlement.
//!
//! Before a request is forwarded, it reserves an estimate on every counter it concerns, all or nothing. When it is over, it settles its
//! real usage, once. A reservation that is not settled within its lease is released: the VM that would have settled it is gone, so the
//! request cannot be in flight. Should it be after all, its later settlement is still charged. Only `Minute` counters have no lease: they
//! drain.
//!
//! Two stores do this: [`embedded`] in the memory shared by Envoy's workers, and [`redis`] over HTTP. Both give the same guarantees;
//! neither knows keys, models or prices.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_wire::time::Time;

use dimension::Grouping;

pub mod dimension;
pub mod embedded;
pub mod redis;
pub(crate) mod value;

/// The window of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitWindow {
    /// Any minute: the generic cell rate algorithm, with a burst of a whole minute's limit.
    Minute,
    /// A calendar day, UTC.
    Day,
    /// A calendar month, UTC.
    Month,
    /// All time.
    Total,
    /// Requests in flight: each releases its slot when it ends.
    Concurrent,
}

/// A counter's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Identifies the count and its owner, identical in every Envoy and after every restart: `team=research/usd/month`.
    pub name: Rc<str>,
    /// Counters with the same shard key share a shard: the team's name, or empty for counters that span teams.
    pub shard_key: Rc<str>,
    /// The window it counts in.
    pub kind: LimitWindow,
}

/// An amount to reserve on one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debit {
    /// The counter to debit.
    pub counter: Counter,
    /// The amount to reserve.
    pub amount: u64,
    /// The most that the counter may reach.
    pub limit: u64,
    /// Whether to reject a request that would exceed the limit; otherwise it is only counted.
    pub hard: bool,
}

/// All reservations of one request. The first alternative that fits all its hard limits is reserved, in one atomic step. A counter occurs
/// at most once in an alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The request's id, unique across all Envoys and all time. Never chosen by the client.
    pub id: Rc<str>,
    /// How long the reservation lasts without a settlement; longer than any request.
    pub lease: Duration,
    /// The debits of each alternative. There is at least one alternative, which may be empty.
    pub alternatives: Vec<Vec<Debit>>,
}

/// A counter's state right after the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterSnapshot {
    /// Usage; includes this request's debit if it was granted.
    pub used: u64,
    /// The reserved, unsettled part of `used`, including this request's. Known for days, months and totals of granted requests.
    pub reserved: u64,
    /// The period in which this request was counted: the day since 1970, the month since January 1970, 0 for a total; for `Minute` the time
    /// in microseconds.
    pub period: u64,
    /// When this request's reservation expires, in milliseconds since 1970; 0 where this is unknown or not needed. For `Minute` in Envoy's
    /// memory how much had not drained right after it: 60,000,000 is one.
    pub until: u64,
    /// Time until the counter is back at zero if that depends on time alone; for a calendar window, until its end.
    pub reset: Duration,
}

/// The result of a [`ReserveRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveResult {
    /// The alternative at `chosen` is reserved.
    Granted {
        /// Index of the alternative.
        chosen: usize,
        /// A snapshot for each of its debits, in the same order.
        snapshots: Vec<CounterSnapshot>,
    },
    /// No alternative fits and nothing is reserved. Holds the exceeded limit of each alternative.
    Refused(Vec<LimitExceeded>),
}

/// The first debit of an alternative that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Index of the debit in the alternative.
    pub debit: usize,
    /// The counter, without this request.
    pub snapshot: CounterSnapshot,
    /// When the debit may fit; `None` when waiting does not help.
    pub retry_after: Option<Duration>,
}

/// The store could not decide, because it does not reply or its reply does not parse. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// The reserved and the used amount of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The counter to settle.
    pub counter: Counter,
    /// The [`CounterSnapshot::period`] of the reservation; without a reservation, the day or month of the usage.
    pub window: u64,
    /// The [`CounterSnapshot::until`] of the reservation.
    pub until: u64,
    /// The reserved amount; zero without a reservation (a provider that only a fallback reached).
    pub reserved: u64,
    /// The used amount. Always zero for `Concurrent`.
    pub used: u64,
}

/// The usage of one request: closes its reservation, once. A second settlement under the same id changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The reserve request's id.
    pub id: Rc<str>,
    /// Every reserved debit, and usage without a reservation.
    pub parts: Vec<Settled>,
    /// Entry for the daily accounts, which limit nothing; `None` when no accounts are kept.
    pub entry: Option<AccountEntry>,
    /// When the request was over.
    pub at: Time,
    /// Whether this corrects an earlier settlement: each part changes from `reserved` to `used`.
    pub corrects: bool,
    /// Texts to share with all Envoys, for [`NOTED`].
    pub notes: Vec<Note>,
}

/// A short text under a name, shared by all Envoys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name, without spaces and without the Redis prefix.
    pub name: String,
    /// The text.
    pub text: String,
}

/// How long a note is stored: longer than the 30 days for which a provider stores batch results.
pub const NOTED: Duration = Duration::from_secs(40 * 86_400);

/// A request's entry in the accounts: added to the sums of its key, team, app and model, for the day it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEntry {
    /// The key's id.
    pub key: Rc<str>,
    /// The key's team.
    pub team: Rc<str>,
    /// The key's application.
    pub app: Option<Rc<str>>,
    /// The model served, by the name clients use.
    pub model: Rc<str>,
    /// The amounts to add.
    pub sums: Sums,
}

impl AccountEntry {
    /// The accounts to add it to, with the name in each. A key without an app is in no account of an app.
    pub fn accounts(&self) -> impl Iterator<Item = (Grouping, Cow<'_, str>)> {
        let combination = CombinedName {
            model: (&*self.model).into(),
            team: (&*self.team).into(),
            app: self.app.as_deref().map(Into::into),
            key: (&*self.key).into(),
        };
        [
            (Grouping::Key, Some(Cow::from(&*self.key))),
            (Grouping::Team, Some(Cow::from(&*self.team))),
            (Grouping::App, self.app.as_deref().map(Cow::from)),
            (Grouping::Model, Some(Cow::from(&*self.model))),
            (Grouping::Combination, Some(Cow::from(combination.text()))),
        ]
        .into_iter()
        .filter_map(|(grouping, name)| Some((grouping, name?)))
    }
}

/// The name of an account of a [`Grouping::Combination`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombinedName<'a> {
    /// The model served.
    pub model: Cow<'a, str>,
    /// The key's team.
    pub team: Cow<'a, str>,
    /// The key's application.
    pub app: Option<Cow<'a, str>>,
    /// The key's id.
    pub key: Cow<'a, str>,
}

impl CombinedName<'_> {
    /// The name as one text: a JSON array.
    pub fn text(&self) -> String {
        let Self { model, team, app, key } = self;
        serde_json::to_string(&[Some(model), Some(team), app.as_ref(), Some(key)]).unwrap_or_default()
    }

    /// Parses the output of [`CombinedName::text`].
    pub fn parse(text: &str) -> Option<Self> {
        let [model, team, app, key]: [Option<String>; 4] = serde_json::from_str(text).ok()?;
        Some(Self { model: model?.into(), team: team?.into(), app: app.map(Into::into), key: key?.into() })
    }
}

/// For how many days the accounts are kept, in Envoy's memory and in Redis (`ACCOUNT_TTL` of `settle.lua`).
pub const ACCOUNT_DAYS: u64 = 400;

/// Sums of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Number of requests.
    pub requests: u64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Response tokens.
    pub output_tokens: u64,
    /// Cost in micro-dollars.
    pub cost: u64,
    /// Tokens of attempts whose usage the provider did not report, or only in part; included in the tokens above.
    pub estimated_tokens: u64,
    /// Cost of such attempts in micro-dollars; included in `cost`.
    pub estimated_cost: u64,
}

impl Sums {
    /// The number of fields.
    pub const NUMBERS: usize = 6;

    /// The fields, in order.
    pub fn numbers(&self) -> [u64; Self::NUMBERS] {
        let Self { requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost } = *self;
        [requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost]
    }

    /// Adds two sums, saturating.
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

/// The usage that one Envoy counted on a shard since its last sync to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The Envoy's unique name.
    pub envoy: Rc<str>,
    /// The shard that holds the counters.
    pub place: embedded::ShardId,
    /// Increases by one with each batch of this Envoy and shard. A batch that is sent again keeps its number.
    pub number: u64,
    /// Each counter once per period.
    pub deltas: Vec<Delta>,
    /// Whether the shard has more deltas for another batch.
    pub more: bool,
}

/// The usage that one Envoy counted since its last exchange. For `Concurrent`, its requests in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The counter that changed.
    pub counter: Counter,
    /// The day or month of the usage, as in [`CounterSnapshot::period`]. For `Minute`, how much drains in a minute, or 0 when this Envoy
    /// does not know.
    pub window: u64,
    /// The change; for `Minute` in millionths.
    pub amount: i64,
}

/// The shared count of all Envoys. For `Concurrent`, the count of all other Envoys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// The counter it belongs to.
    pub counter: Counter,
    /// The period it was counted in; for `Minute` the time in microseconds.
    pub window: u64,
    /// The count; for `Minute` the amount that has not drained, in millionths.
    pub used: u64,
}

/// Days since 1970 and months since January 1970 at `now`, in UTC.
pub fn day_and_month(now: Time) -> (u64, u64) {
    let days = now.seconds() / 86_400;
    (days, sluice_wire::calendar::months_since_1970(days))
}

/// Bytes by name, shared by all workers of an Envoy: Envoy's shared data, or a map in tests.
pub trait SharedData {
    /// Returns the value and its version, which is never zero; `None` when there is none.
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes if the version is unchanged since it was read. Version 0 writes unconditionally.
    fn write(&self, name: &str, value: &[u8], version: u32) -> Result<(), Conflict>;
}

/// Another worker wrote in between, or Envoy rejected the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

#[cfg(test)]
pub(crate) mod fake;
