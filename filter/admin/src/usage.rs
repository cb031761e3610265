//! Usage by day, and the top users: read from the accounts, which do not limit anything.
//!
//! Redis keeps them for more than a year, by days of its own clock. Envoy's memory keeps today, yesterday and the month; a response that is
//! incomplete says so.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Serialize;
use sluice_core::store::dimension::Dimension;
use sluice_core::store::redis::names;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::store::{Sums, Unavailable, day_and_month, embedded};
use sluice_core::usage::price::MicroUsd;
use sluice_wire::calendar;
use sluice_wire::order;

use super::answer::{AdminError, AdminReply};
use super::records::{senseless, words};
use super::route::Query;
use super::{AdminContext, Next, Step};

/// The maximum number of days per response.
const MOST_DAYS: u64 = 366;
const LONGEST_NAME: usize = 256;

/// Returns six numbers per account.
const DAYS: &str = "local all = {} \
                    for i, account in ipairs(KEYS) do \
                    for j, sum in ipairs(redis.call('HMGET', account, 'requests', 'input', 'output', 'cost', \
                    'estimated_tokens', 'estimated_cost')) do \
                    all[6 * i + j - 6] = sum or '0' \
                    end end \
                    return all";

/// The values of the `by` parameter.
const BY: [(&str, Dimension); 4] =
    [("key", Dimension::Key), ("team", Dimension::Team), ("app", Dimension::App), ("model", Dimension::Model)];

/// Sums in a response. Dollars are decimal strings, since floating point would be inexact.
#[derive(Debug, Clone, Serialize)]
struct Shown {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: String,
    cost_micro_usd: u64,
    /// The part of the tokens and of the cost that is estimated, not reported by a provider.
    estimated_tokens: u64,
    estimated_cost_usd: String,
    estimated_cost_micro_usd: u64,
}

impl From<Sums> for Shown {
    fn from(Sums { requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost }: Sums) -> Self {
        Self {
            requests,
            input_tokens,
            output_tokens,
            cost_usd: MicroUsd(cost).to_string(),
            cost_micro_usd: cost,
            estimated_tokens,
            estimated_cost_usd: MicroUsd(estimated_cost).to_string(),
            estimated_cost_micro_usd: estimated_cost,
        }
    }
}

#[derive(Debug, Serialize)]
struct Day {
    date: String,
    #[serde(flatten)]
    sums: Shown,
}

/// `GET /usage`: the days of one name.
#[derive(Debug)]
pub struct ByDay {
    by: Dimension,
    name: String,
    from: Option<u64>,
    to: Option<u64>,
}

#[derive(Serialize)]
struct Days<'a> {
    by: &'static str,
    name: &'a str,
    from: String,
    to: String,
    /// Whether the store has every requested day.
    complete: bool,
    days: Vec<Day>,
    total: Shown,
}

impl ByDay {
    /// Reads the query.
    pub fn read(query: &mut Query) -> Result<Self, AdminError> {
        let by = query
            .choice("by", &BY)?
            .ok_or_else(|| AdminError::invalid("by", "Expected one of key, team, app, model."))?;
        let name = query.take("name").filter(|name| !name.is_empty() && name.chars().count() <= LONGEST_NAME);
        let name =
            name.ok_or_else(|| AdminError::invalid("name", "Expected the name of a key, team, app or model."))?;
        let mut date = |name: &'static str| {
            let wrong = AdminError::invalid(name, "Expected a date such as 2027-01-31, in 1970 or later.");
            let wrong = || AdminError { status: 422, ..wrong };
            query.take(name).map(|text| calendar::day(&text).ok_or_else(wrong)).transpose()
        };
        Ok(Self { by, name, from: date("from")?, to: date("to")? })
    }

    /// Reads the accounts. The default is the current month.
    pub fn step(self, context: &mut AdminContext) -> Step {
        let (today, _) = day_and_month(context.now);
        let to = self.to.unwrap_or(today);
        let (_, month) = day_and_month(sluice_wire::time::Time(to.saturating_mul(86_400_000_000_000)));
        let from = self.from.unwrap_or_else(|| calendar::first_day_of(month));
        if from > to || to - from >= MOST_DAYS {
            let message = format!("The range from `from` to `to` must have 1 to {MOST_DAYS} days.");
            return Err(AdminError { status: 422, ..AdminError::invalid("from", message) });
        }
        let days = from..=to;
        let Some(redis) = &context.service.gateway.redis else {
            let found = remembered(&self, today, context).map_err(|Unavailable(why)| AdminError::unavailable(&why))?;
            let found = order::gathered(found.into_iter().filter(|(day, _)| days.contains(day)));
            let complete = from >= today.saturating_sub(1);
            return self.answer(&days, &found, complete);
        };
        let accounts = days.clone().map(|day| names::account(&redis.prefix, self.by, &self.name, day));
        let command = words(DAYS, accounts.collect(), Vec::new());
        Ok(Next::ask(command, move |reply, _| {
            let sums = sums(&reply).ok_or_else(|| senseless(&reply))?;
            let found = order::gathered(days.clone().zip(sums).filter(|(_, sums)| *sums != Sums::default()));
            self.answer(&days, &found, true)
        }))
    }

    fn answer(&self, days: &RangeInclusive<u64>, found: &BTreeMap<u64, Sums>, complete: bool) -> Step {
        let total = found.values().fold(Sums::default(), |total, sums| total.plus(sums));
        let shown = Days {
            by: self.by.name(),
            name: &self.name,
            from: calendar::date(*days.start()),
            to: calendar::date(*days.end()),
            complete,
            days: found.iter().map(|(day, sums)| Day { date: calendar::date(*day), sums: (*sums).into() }).collect(),
            total: total.into(),
        };
        Ok(Next::Answer(AdminReply::ok(&shown)?))
    }
}

/// The days in Envoy's memory: today and yesterday, over all teams.
fn remembered(asked: &ByDay, today: u64, context: &AdminContext) -> Result<BTreeMap<u64, Sums>, Unavailable> {
    let mut found = BTreeMap::new();
    for account in
        all(context)?.into_iter().filter(|account| account.dimension == asked.by && account.name == asked.name)
    {
        for (day, sums) in [(today, account.day), (today.saturating_sub(1), account.day_before)] {
            if sums != Sums::default() {
                let known = found.entry(day).or_insert_with(Sums::default);
                *known = known.plus(&sums);
            }
        }
    }
    Ok(found)
}

fn all(context: &AdminContext) -> Result<Vec<embedded::Account>, Unavailable> {
    let mut accounts = Vec::new();
    for team in &context.service.gateway.teams {
        accounts.extend(embedded::accounts(context.shared, team, context.now)?);
    }
    Ok(accounts)
}

/// `GET /usage/top`: the top by cost.
#[derive(Debug)]
pub struct Top {
    by: Dimension,
    monthly: bool,
    limit: usize,
}

#[derive(Serialize)]
struct Ranking {
    by: &'static str,
    period: &'static str,
    /// The first day of the period.
    from: String,
    top: Vec<Rank>,
}

#[derive(Serialize)]
struct Rank {
    name: String,
    cost_usd: String,
    cost_micro_usd: u64,
}

impl Top {
    /// Reads the query.
    pub fn read(query: &mut Query) -> Result<Self, AdminError> {
        Ok(Self {
            by: query.choice("by", &BY)?.unwrap_or(Dimension::Team),
            monthly: query.choice("period", &[("day", false), ("month", true)])?.unwrap_or(false),
            limit: query.count("limit", 10, 1000)?,
        })
    }

    /// Reads the accounts.
    pub fn step(self, context: &mut AdminContext) -> Step {
        let (day, month) = day_and_month(context.now);
        let from = if self.monthly { calendar::first_day_of(month) } else { day };
        let Some(redis) = &context.service.gateway.redis else {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            let accounts = all(context).map_err(|Unavailable(why)| AdminError::unavailable(&why))?;
            for account in accounts.into_iter().filter(|account| account.dimension == self.by) {
                let cost = if self.monthly { account.month.cost } else { account.day.cost };
                let known = sums.entry(account.name).or_default();
                *known = known.saturating_add(cost);
            }
            let mut ranks: Vec<(String, u64)> = sums.into_iter().filter(|(_, cost)| *cost > 0).collect();
            order::by_numbers(&mut ranks, |(_, cost)| (u64::MAX - *cost, 0));
            ranks.truncate(self.limit);
            return self.answer(from, ranks);
        };
        let ranking = match self.monthly {
            true => names::spenders_of_month(&redis.prefix, self.by, month),
            false => names::spenders_of_day(&redis.prefix, self.by, day),
        };
        let last = (self.limit - 1).to_string();
        let command = Command::new(["ZREVRANGE", &ranking, "0", &last, "WITHSCORES"]);
        Ok(Next::ask(command, move |reply, _| {
            let ranks = ranks(&reply).ok_or_else(|| senseless(&reply))?;
            self.answer(from, ranks)
        }))
    }

    fn answer(&self, from: u64, ranks: Vec<(String, u64)>) -> Step {
        let rank = |(name, cost)| Rank { name, cost_usd: MicroUsd(cost).to_string(), cost_micro_usd: cost };
        let shown = Ranking {
            by: self.by.name(),
            period: if self.monthly { "month" } else { "day" },
            from: calendar::date(from),
            top: ranks.into_iter().map(rank).collect(),
        };
        Ok(Next::Answer(AdminReply::ok(&shown)?))
    }
}

/// Parses the reply to [`DAYS`].
fn sums(reply: &RedisReply) -> Option<Vec<Sums>> {
    let RedisReply::List(values) = reply else { return None };
    let (accounts, []) = values.as_chunks::<{ Sums::NUMBERS }>() else { return None };
    let read = |account: &[RedisReply; Sums::NUMBERS]| {
        let mut numbers = [0; Sums::NUMBERS];
        for (to, reply) in numbers.iter_mut().zip(account) {
            *to = number(reply)?;
        }
        Some(Sums::from(numbers))
    };
    accounts.iter().map(read).collect()
}

/// Parses names and scores, as one list or as an object.
fn ranks(reply: &RedisReply) -> Option<Vec<(String, u64)>> {
    let RedisReply::List(values) = reply else { return None };
    let (pairs, []) = values.as_chunks::<2>() else { return None };
    let read = |[name, score]: &[RedisReply; 2]| match name {
        RedisReply::Text(name) => Some((name.clone(), number(score)?)),
        _ => None,
    };
    pairs.iter().map(read).collect()
}

/// Parses a whole number from a hash or a ranking. Redis writes large scores with an exponent.
fn number(reply: &RedisReply) -> Option<u64> {
    match reply {
        RedisReply::Int(number) => u64::try_from(*number).ok(),
        RedisReply::Text(text) => match text.parse::<u64>() {
            Ok(number) => Some(number),
            Err(_) => {
                text.parse::<f64>().ok().filter(|number| (0.0..9e18).contains(number)).map(|number| number as u64)
            }
        },
        _ => None,
    }
}
