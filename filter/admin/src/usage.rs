//! Usage by day, and the top users: read from the accounts, which do not limit anything. As JSON, or as CSV ([`super::csv`]).
//!
//! There is an account for each key, team, app and model and day, and none for a combination of them. Redis keeps accounts for more than a
//! year, by days of its own clock. Envoy's memory keeps today, yesterday and the month; a response that is incomplete says so.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use serde::Serialize;
use sluice_core::store::dimension::Dimension;
use sluice_core::store::redis::names;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::store::{Sums, Unavailable, day_and_month, embedded};
use sluice_core::usage::price::MicroUsd;
use sluice_wire::calendar;
use sluice_wire::json;
use sluice_wire::order;

use super::answer::{AdminError, AdminReply};
use super::csv;
use super::records::{senseless, words};
use super::route::Query;
use super::{AdminContext, Next, Step};

/// The maximum number of days per response.
const MOST_DAYS: u64 = 366;
const LONGEST_NAME: usize = 256;
/// For how many days Redis keeps an account (`ACCOUNT_TTL` of `settle.lua`).
const KEPT_DAYS: u64 = 400;

/// Returns the index of the day, the name and six numbers per account. KEYS: for one name, its account of each day. For all names, the
/// ranking of each day, and ARGV: the account of each day without the name. Stops after the day with the last row of a page.
const DAYS: &str = "local all = {} \
                    for i, key in ipairs(KEYS) do \
                    for _, name in ipairs(ARGV[i] and redis.call('ZRANGE', key, 0, -1) or {''}) do \
                    all[#all + 1] = i \
                    all[#all + 1] = name \
                    for _, sum in ipairs(redis.call('HMGET', ARGV[i] and ARGV[i] .. name or key, 'requests', \
                    'input', 'output', 'cost', 'estimated_tokens', 'estimated_cost')) do \
                    all[#all + 1] = sum or '0' \
                    end end \
                    if #all >= 8000 then break end \
                    end \
                    return all";
/// The number of rows after which the script returns no further day.
const PAGE: usize = 1000;
/// The number of values per row of the script.
const VALUES: usize = 2 + Sums::NUMBERS;

/// The values of the `format` parameter, and whether they are CSV.
const FORMATS: [(&str, bool); 2] = [("json", false), ("csv", true)];

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

/// The usage of one name on one day.
#[derive(Debug)]
struct Row {
    day: u64,
    name: String,
    sums: Sums,
}

#[derive(Debug, Serialize)]
struct Day<'a> {
    date: String,
    name: &'a str,
    #[serde(flatten)]
    sums: Shown,
}

/// `GET /usage`: the days of one name, or of all.
#[derive(Debug)]
pub struct ByDay {
    by: Dimension,
    name: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
    csv: bool,
}

#[derive(Serialize)]
struct Days<'a> {
    by: &'static str,
    name: Option<&'a str>,
    from: String,
    to: String,
    /// Whether the store has every requested day.
    complete: bool,
    days: Vec<Day<'a>>,
    total: Shown,
    /// The first day that this response leaves out.
    next: Option<&'a str>,
}

impl ByDay {
    /// Reads the query.
    pub fn read(query: &mut Query) -> Result<Self, AdminError> {
        let by = query
            .choice("by", &BY)?
            .ok_or_else(|| AdminError::invalid("by", "Expected one of key, team, app, model."))?;
        let name = query.take("name");
        if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST_NAME) {
            return Err(AdminError::invalid("name", "Expected the name of a key, team, app or model."));
        }
        let csv = query.choice("format", &FORMATS)?.unwrap_or(false);
        let mut date = |name: &'static str| {
            let wrong = AdminError::invalid(name, "Expected a date such as 2027-01-31, in 1970 or later.");
            let wrong = || AdminError { status: 422, ..wrong };
            query.take(name).map(|text| calendar::day(&text).ok_or_else(wrong)).transpose()
        };
        Ok(Self { by, name, from: date("from")?, to: date("to")?, csv })
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
            let rows =
                remembered(&self, today, &days, context).map_err(|Unavailable(why)| AdminError::unavailable(&why))?;
            let complete = from >= today.saturating_sub(1);
            return self.answer(&days, rows, complete, None);
        };
        let (mut keys, mut arguments) = (Vec::new(), Vec::new());
        for day in days.clone() {
            match &self.name {
                Some(name) => keys.push(names::account(&redis.prefix, self.by, name, day)),
                None => {
                    keys.push(names::spenders_of_day(&redis.prefix, self.by, day));
                    arguments.push(names::account(&redis.prefix, self.by, "", day));
                }
            }
        }
        let complete = from.saturating_add(KEPT_DAYS) > today;
        Ok(Next::ask(words(DAYS, keys, arguments), move |reply, _| {
            let rows = rows(&reply, from, self.name.as_deref()).ok_or_else(|| senseless(&reply))?;
            let last = rows.last().map(|row| row.day);
            let next = last.filter(|last| self.name.is_none() && rows.len() >= PAGE && *last < to);
            self.answer(&days, rows, complete, next.map(|last| calendar::date(last.saturating_add(1))))
        }))
    }

    fn answer(&self, days: &RangeInclusive<u64>, mut rows: Vec<Row>, complete: bool, next: Option<String>) -> Step {
        order::by(&mut rows, |one, other| one.day.cmp(&other.day).then_with(|| one.name.cmp(&other.name)));
        let rows = rows.iter().filter(|row| row.sums != Sums::default());
        if self.csv {
            let mut text = format!(
                "{},date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd\r\n",
                self.by.name()
            );
            for Row { day, name, sums } in rows {
                csv::push_name(name, &mut text);
                let Sums { requests, input_tokens, output_tokens, cost, estimated_tokens, estimated_cost } = sums;
                // Writing to a `String` cannot fail.
                let _ = write!(text, ",{},{requests},{input_tokens},{output_tokens}", calendar::date(*day));
                let _ = write!(text, ",{},{estimated_tokens},{}\r\n", MicroUsd(*cost), MicroUsd(*estimated_cost));
            }
            let mut reply = AdminReply::text(csv::CONTENT_TYPE, text);
            reply = reply.header("x-sluice-complete", complete.to_string());
            if let Some(next) = next {
                reply = reply.header("x-sluice-next", next);
            }
            return Ok(Next::Answer(reply));
        }
        let mut total = Sums::default();
        let mut days_shown = Vec::new();
        for Row { day, name, sums } in rows {
            total = total.plus(sums);
            days_shown.push(Day { date: calendar::date(*day), name, sums: (*sums).into() });
        }
        let shown = Days {
            by: self.by.name(),
            name: self.name.as_deref(),
            from: calendar::date(*days.start()),
            to: calendar::date(*days.end()),
            complete,
            days: days_shown,
            total: total.into(),
            next: next.as_deref(),
        };
        Ok(Next::Answer(AdminReply::ok(&shown)?))
    }
}

/// The days in Envoy's memory: today and yesterday, over all teams.
fn remembered(
    asked: &ByDay,
    today: u64,
    days: &RangeInclusive<u64>,
    context: &AdminContext,
) -> Result<Vec<Row>, Unavailable> {
    let mut accounts = all(context)?;
    accounts.retain(|account| {
        account.dimension == asked.by && asked.name.as_ref().is_none_or(|name| *name == account.name)
    });
    order::by(&mut accounts, |one, other| one.name.cmp(&other.name));
    let mut rows: Vec<Row> = Vec::new();
    for day in [today.saturating_sub(1), today] {
        for account in accounts.iter().filter(|_| days.contains(&day)) {
            let sums = if day == today { account.day } else { account.day_before };
            match rows.last_mut() {
                Some(row) if row.day == day && row.name == account.name => row.sums = row.sums.plus(&sums),
                _ => rows.push(Row { day, name: account.name.clone(), sums }),
            }
        }
    }
    Ok(rows)
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
    csv: bool,
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
            csv: query.choice("format", &FORMATS)?.unwrap_or(false),
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
        let period = if self.monthly { "month" } else { "day" };
        if self.csv {
            let mut text = format!("{},period,from,cost_usd\r\n", self.by.name());
            for (name, cost) in ranks {
                csv::push_name(&name, &mut text);
                // Writing to a `String` cannot fail.
                let _ = write!(text, ",{period},{},{}\r\n", calendar::date(from), MicroUsd(cost));
            }
            return Ok(Next::Answer(AdminReply::text(csv::CONTENT_TYPE, text)));
        }
        let rank = |(name, cost)| Rank { name, cost_usd: MicroUsd(cost).to_string(), cost_micro_usd: cost };
        let shown = Ranking {
            by: self.by.name(),
            period,
            from: calendar::date(from),
            top: ranks.into_iter().map(rank).collect(),
        };
        Ok(Next::Answer(AdminReply::ok(&shown)?))
    }
}

/// Parses the reply to [`DAYS`]. The first day is `from`. Rows of a request for one name have this name.
fn rows(reply: &RedisReply, from: u64, only: Option<&str>) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    let values = match reply {
        RedisReply::List(values) => values,
        RedisReply::Nil => return Some(rows),
        _ => return None,
    };
    let (read, []) = values.as_chunks::<VALUES>() else { return None };
    for [index, name, sums @ ..] in read {
        let RedisReply::Text(name) = name else { return None };
        let mut numbers = [0; Sums::NUMBERS];
        for (to, reply) in numbers.iter_mut().zip(sums) {
            *to = number(reply)?;
        }
        let day = from.saturating_add(number(index)?.checked_sub(1)?);
        rows.push(Row { day, name: only.unwrap_or(name).to_owned(), sums: numbers.into() });
    }
    Some(rows)
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
            Err(_) => json::number(text).filter(|number| (0.0..9e18).contains(number)).map(|number| number as u64),
        },
        _ => None,
    }
}
