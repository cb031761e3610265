//! Usage by day, and the top users: read from the accounts, which do not limit anything. As JSON, or as CSV ([`super::csv`]).
//!
//! There is an account for each day and key, team, app and model, and for each combination of these. Redis and Envoy's memory keep them for
//! [`ACCOUNT_DAYS`], Envoy's memory until a restart. A response that is incomplete says so.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use serde::Serialize;
use sluice_core::store::dimension::Grouping;
use sluice_core::store::redis::names;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::store::{ACCOUNT_DAYS, CombinedName, Sums, Unavailable, day_and_month, embedded};
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

/// The values of the `by` parameter. Several of them are in this order, since only a model's name may contain a semicolon (see [`csv`]).
const BY: [(&str, Grouping); 4] =
    [("model", Grouping::Model), ("team", Grouping::Team), ("app", Grouping::App), ("key", Grouping::Key)];

/// The grouping of a response: one of [`BY`], or several, whose rows are sums of combinations.
#[derive(Debug)]
struct By(Vec<(&'static str, Grouping)>);

impl By {
    fn read(query: &mut Query) -> Result<Self, AdminError> {
        let text = query.take("by").unwrap_or_default();
        let words: Vec<&str> = text.split(',').collect();
        let by: Vec<_> = BY.into_iter().filter(|(word, _)| words.contains(word)).collect();
        if by.len() != words.len() {
            return Err(AdminError::invalid("by", "Expected key, team, app or model, or several of them: team,model."));
        }
        Ok(Self(by))
    }

    fn grouping(&self) -> Grouping {
        match *self.0 {
            [(_, only)] => only,
            _ => Grouping::Combination,
        }
    }

    /// The words, joined by commas.
    fn text(&self) -> String {
        self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(",")
    }

    /// The names in a row, from the name of its account.
    fn names(&self, account: String) -> Result<Names, Unavailable> {
        if self.grouping() != Grouping::Combination {
            return Ok(Names { name: Some(account), ..Names::default() });
        }
        let CombinedName { model, team, app, key } =
            CombinedName::parse(&account).ok_or_else(|| Unavailable(format!("the account {account} is damaged")))?;
        let wanted = |grouping| self.0.iter().any(|(_, by)| *by == grouping);
        Ok(Names {
            name: None,
            model: wanted(Grouping::Model).then(|| model.into_owned()),
            team: wanted(Grouping::Team).then(|| team.into_owned()),
            app: wanted(Grouping::App).then(|| app.map(Cow::into_owned)),
            key: wanted(Grouping::Key).then(|| key.into_owned()),
        })
    }
}

/// The names in a row: one, or those of several groupings.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Names {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    /// `Some(None)` is the usage of keys without an app.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Names {
    fn push_csv(&self, out: &mut String) {
        let Self { name, model, team, app, key } = self;
        let app = app.as_ref().map(|app| app.as_deref().unwrap_or_default());
        let names = [name.as_deref(), model.as_deref(), team.as_deref(), app, key.as_deref()];
        for (place, name) in names.into_iter().flatten().enumerate() {
            if place > 0 {
                out.push(',');
            }
            csv::push_name(name, out);
        }
    }
}

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

/// The usage on one day of one name, or of several names together.
#[derive(Debug)]
struct Row {
    day: u64,
    names: Names,
    sums: Sums,
}

#[derive(Debug, Serialize)]
struct Day<'a> {
    date: String,
    #[serde(flatten)]
    names: &'a Names,
    #[serde(flatten)]
    sums: Shown,
}

/// `GET /usage`: the days of one name, or of all.
#[derive(Debug)]
pub struct ByDay {
    by: By,
    name: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
    csv: bool,
}

#[derive(Serialize)]
struct Days<'a> {
    by: String,
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
        let by = By::read(query)?;
        let name = query.take("name");
        if name.is_some() && by.grouping() == Grouping::Combination {
            let wrong = AdminError::invalid("name", "A name needs a grouping by one of key, team, app, model.");
            return Err(AdminError { status: 422, ..wrong });
        }
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
            let first = embedded::first_day(context.shared, today).unwrap_or(today);
            let read = remembered(&self, first, &days, context);
            let (rows, next) = read.map_err(|Unavailable(why)| AdminError::unavailable(&why))?;
            return self.answer(&days, rows, from >= first, next.map(calendar::date));
        };
        let (mut keys, mut arguments) = (Vec::new(), Vec::new());
        for day in days.clone() {
            match &self.name {
                Some(name) => keys.push(names::account(&redis.prefix, self.by.grouping(), name, day)),
                None => {
                    keys.push(names::spenders_of_day(&redis.prefix, self.by.grouping(), day));
                    arguments.push(names::account(&redis.prefix, self.by.grouping(), "", day));
                }
            }
        }
        let complete = from.saturating_add(ACCOUNT_DAYS) > today;
        Ok(Next::ask(words(DAYS, keys, arguments), move |reply, _| {
            let accounts = accounts(&reply, from).ok_or_else(|| senseless(&reply))?;
            let mut rows = Vec::with_capacity(accounts.len());
            for (day, name, sums) in accounts {
                let names = self.by.names(self.name.clone().unwrap_or(name));
                rows.push(Row { day, names: names.map_err(|Unavailable(why)| AdminError::unavailable(&why))?, sums });
            }
            let last = rows.last().map(|row| row.day);
            let next = last.filter(|last| self.name.is_none() && rows.len() >= PAGE && *last < to);
            self.answer(&days, rows, complete, next.map(|last| calendar::date(last.saturating_add(1))))
        }))
    }

    fn answer(&self, days: &RangeInclusive<u64>, mut rows: Vec<Row>, complete: bool, next: Option<String>) -> Step {
        order::by(&mut rows, |one, other| one.day.cmp(&other.day).then_with(|| one.names.cmp(&other.names)));
        rows.dedup_by(|row, earlier| {
            let is_same = row.day == earlier.day && row.names == earlier.names;
            if is_same {
                earlier.sums = earlier.sums.plus(&row.sums);
            }
            is_same
        });
        let rows = rows.iter().filter(|row| row.sums != Sums::default());
        if self.csv {
            let mut text = format!(
                "{},date,requests,input_tokens,output_tokens,cost_usd,estimated_tokens,estimated_cost_usd\r\n",
                self.by.text()
            );
            for Row { day, names, sums } in rows {
                names.push_csv(&mut text);
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
        for Row { day, names, sums } in rows {
            total = total.plus(sums);
            days_shown.push(Day { date: calendar::date(*day), names, sums: (*sums).into() });
        }
        let shown = Days {
            by: self.by.text(),
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

/// The days in Envoy's memory, from the `first` that it has, over all teams; and the first day of the next page.
fn remembered(
    asked: &ByDay,
    first: u64,
    days: &RangeInclusive<u64>,
    context: &AdminContext,
) -> Result<(Vec<Row>, Option<u64>), Unavailable> {
    let mut rows = Vec::new();
    for day in first.max(*days.start())..=*days.end() {
        if rows.len() >= PAGE {
            return Ok((rows, Some(day)));
        }
        for account in of_day(asked.by.grouping(), day, context)? {
            if asked.name.as_ref().is_none_or(|name| *name == account.name) {
                rows.push(Row { day, names: asked.by.names(account.name)?, sums: account.sums });
            }
        }
    }
    Ok((rows, None))
}

/// The accounts in Envoy's memory of one day, of all teams, also those that the file no longer has.
fn of_day(by: Grouping, day: u64, context: &AdminContext) -> Result<Vec<embedded::Account>, Unavailable> {
    let mut accounts = embedded::accounts(context.shared, &context.service.gateway.teams, day)?;
    accounts.retain(|account| account.grouping == by);
    Ok(accounts)
}

/// `GET /usage/top`: the top by cost.
#[derive(Debug)]
pub struct Top {
    by: Grouping,
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
            by: query.choice("by", &BY)?.unwrap_or(Grouping::Team),
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
            let first = embedded::first_day(context.shared, day).unwrap_or(day);
            for day in first.max(from)..=day {
                let accounts = of_day(self.by, day, context);
                for account in accounts.map_err(|Unavailable(why)| AdminError::unavailable(&why))? {
                    let known = sums.entry(account.name).or_default();
                    *known = known.saturating_add(account.sums.cost);
                }
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

/// Parses the reply to [`DAYS`]: days, names and sums. The first day is `from`. For a request for one name, the names are empty.
fn accounts(reply: &RedisReply, from: u64) -> Option<Vec<(u64, String, Sums)>> {
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
        rows.push((day, name.clone(), numbers.into()));
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
