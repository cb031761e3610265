//! The state of limits and budgets: the limit, what is used, and what is left.

use std::rc::Rc;

use serde::Serialize;
use sluice_config::file::Key;
use sluice_core::limits::{DIMENSIONS, Rule, Subject, Unit};
use sluice_core::store::dimension::Dimension;
use sluice_core::store::redis::read;
use sluice_core::store::{Counter, CounterSnapshot, LimitWindow, Unavailable, embedded};
use sluice_core::usage::price::MicroUsd;
use sluice_wire::time::whole_seconds;

use super::answer::{AdminError, AdminReply};
use super::records::{self, Names};
use super::route::{Query, no_such_key};
use super::{AdminContext, Next, Step};

/// The maximum number of counters per response.
const MOST: usize = 500;
const LONGEST_NAME: usize = 256;

/// The known dimensions of the requested limits.
#[derive(Debug, Clone, Default)]
struct About {
    key: Option<String>,
    team: Option<String>,
    app: Option<String>,
    model: Option<String>,
    provider: Option<String>,
}

/// A rule with one of its counters.
#[derive(Debug)]
struct LimitRow {
    rule: Rc<Rule>,
    scope: String,
    counter: Option<Counter>,
}

#[derive(Serialize)]
struct Limits {
    limits: Vec<Shown>,
    /// Whether further limits were omitted.
    truncated: bool,
}

#[derive(Serialize)]
struct Shown {
    scope: String,
    unit: &'static str,
    period: &'static str,
    hard: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    then_model: Option<String>,
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_usd: Option<String>,
}

/// `GET /limits`
pub fn limits(mut query: Query, context: &mut AdminContext) -> Step {
    let dimension = query.choice("of", &DIMENSIONS.map(|dimension| (dimension.name(), dimension)))?;
    let name = query.take("name");
    query.finish()?;
    let dimension =
        dimension.ok_or_else(|| AdminError::invalid("of", "Expected one of key, team, app, model, provider."))?;
    let name = name.filter(|name| !name.is_empty() && name.chars().count() <= LONGEST_NAME);
    let name =
        name.ok_or_else(|| AdminError::invalid("name", "Expected the name of a key, team, app, model or provider."))?;
    let service = context.service;
    let mut about = About::default();
    let known = match dimension {
        Dimension::Key => return of_key(&name, context),
        Dimension::Team => service.gateway.teams.contains(&name),
        Dimension::App => service.gateway.apps.contains(&name),
        Dimension::Model => service.gateway.models.contains_key(&name),
        Dimension::Provider => service.providers.contains(&name),
    };
    if !known {
        return Err(AdminError::not_found(
            "not_found",
            format!("The gateway has no {} with this name.", dimension.name()),
        ));
    }
    *about.field(dimension) = Some(name);
    let rules = service.gateway.rules.iter().filter(|rule| rule.holds(dimension)).cloned().collect();
    answer(&about, rules, context)
}

fn of_key(id: &str, context: &mut AdminContext) -> Step {
    if let Some(key) = context.service.keys.iter().find(|key| key.id == id) {
        return with_key(key, context);
    }
    let Some(names) = Names::of(context) else { return Err(no_such_key()) };
    Ok(Next::ask(names.read(id), |reply, context| {
        let record = records::found(reply)?.ok_or_else(no_such_key)?;
        with_key(&record.key, context)
    }))
}

/// All rules that apply to this key's requests: the rules for callers, and the rules that do not depend on the caller.
fn with_key(key: &Key, context: &mut AdminContext) -> Step {
    let gateway = &context.service.gateway;
    let credentials = sluice_config::restore_key(gateway, key).map_err(|diagnostics| {
        let told: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        AdminError::new(
            409,
            "key_not_usable",
            format!("The key conflicts with the current gateway file: {}.", told.join("; ")),
        )
    })?;
    let mut rules: Vec<Rc<Rule>> = Vec::new();
    if let Some((_, credential)) = credentials.first() {
        rules.extend(credential.caller.rules.iter().map(|applied| applied.rule.clone()));
    }
    let callers = [Dimension::Key, Dimension::Team, Dimension::App];
    rules.extend(gateway.rules.iter().filter(|rule| !callers.iter().any(|dimension| rule.holds(*dimension))).cloned());
    let about = About {
        key: Some(key.id.clone()),
        team: Some(key.team.clone()),
        // Keys without an app share a counter.
        app: Some(key.app.clone().unwrap_or_default()),
        ..About::default()
    };
    answer(&about, rules, context)
}

fn answer(about: &About, rules: Vec<Rc<Rule>>, context: &mut AdminContext) -> Step {
    let mut rows = Vec::new();
    for rule in &rules {
        expand(rule, about.clone(), context, &mut rows);
    }
    let truncated = rows.len() > MOST;
    rows.truncate(MOST);
    let counters: Vec<Counter> = rows.iter().filter_map(|row| row.counter.clone()).collect();
    let show = move |readings: Vec<CounterSnapshot>| {
        let mut readings = readings.into_iter();
        let shown = rows.into_iter().map(|row| {
            let reading = row.counter.as_ref().and_then(|_| readings.next());
            row.show(reading)
        });
        Ok(Next::Answer(AdminReply::ok(&Limits { limits: shown.collect(), truncated })?))
    };
    if counters.is_empty() {
        return show(Vec::new());
    }
    let Some(redis) = &context.service.gateway.redis else {
        let read = embedded::read(context.shared, &counters, context.now);
        return show(read.map_err(|Unavailable(why)| AdminError::unavailable(&why))?);
    };
    Ok(Next::ask(read::command(&redis.prefix, redis.mode, &counters), move |reply, _| {
        show(read::snapshots(&counters, &reply).map_err(|_| records::senseless(&reply))?)
    }))
}

impl About {
    fn field(&mut self, dimension: Dimension) -> &mut Option<String> {
        match dimension {
            Dimension::Key => &mut self.key,
            Dimension::Team => &mut self.team,
            Dimension::App => &mut self.app,
            Dimension::Model => &mut self.model,
            Dimension::Provider => &mut self.provider,
        }
    }

    fn subject(&self) -> Subject<'_> {
        fn text(value: &Option<String>) -> &str {
            value.as_deref().unwrap_or_default()
        }
        Subject {
            key: text(&self.key),
            team: text(&self.team),
            app: self.app.as_deref(),
            model: text(&self.model),
            provider: text(&self.provider),
        }
    }
}

/// Lists a rule's counters: one for each value of its unknown dimensions. Keys are not enumerated, since there may be many.
fn expand(rule: &Rc<Rule>, mut about: About, context: &AdminContext, rows: &mut Vec<LimitRow>) {
    if rows.len() > MOST {
        return;
    }
    for dimension in DIMENSIONS.into_iter().filter(|dimension| rule.holds(*dimension)) {
        let fixed = rule.matches.fixed(dimension);
        let known = about.field(dimension);
        match (fixed, known.is_some()) {
            (Some(fixed), true) if known.as_deref() != Some(fixed) => return,
            (Some(fixed), _) => *known = Some(fixed.to_owned()),
            (None, true) => {}
            (None, false) => {
                let service = context.service;
                let values: Vec<&String> = match dimension {
                    Dimension::Key => Vec::new(),
                    Dimension::Team => service.gateway.teams.iter().collect(),
                    Dimension::App => service.gateway.apps.iter().collect(),
                    Dimension::Model => service.gateway.models.keys().collect(),
                    Dimension::Provider => service.providers.iter().collect(),
                };
                for value in values {
                    let mut each = about.clone();
                    *each.field(dimension) = Some(value.clone());
                    expand(rule, each, context, rows);
                }
                return;
            }
        }
    }
    let of = about.subject();
    rows.push(LimitRow { scope: rule.scope(&of), counter: rule.counter(&of), rule: rule.clone() });
}

impl LimitRow {
    fn show(self, reading: Option<CounterSnapshot>) -> Shown {
        let Rule { unit, kind, limit, hard, then_model, .. } = &*self.rule;
        let used = reading.map(|reading| reading.used);
        let remaining = used.map(|used| limit.saturating_sub(used));
        let in_dollars =
            |amount: Option<u64>| amount.filter(|_| *unit == Unit::MicroUsd).map(|amount| MicroUsd(amount).to_string());
        let timed = matches!(kind, Some(LimitWindow::Minute | LimitWindow::Day | LimitWindow::Month));
        let reset = reading.filter(|_| timed).map(|reading| reading.reset);
        Shown {
            scope: self.scope,
            unit: match unit {
                Unit::Requests => "requests",
                Unit::Tokens => "tokens",
                Unit::InputTokens => "input_tokens",
                Unit::OutputTokens => "output_tokens",
                Unit::MicroUsd => "micro_usd",
            },
            period: match kind {
                None => "request",
                Some(LimitWindow::Minute) => "minute",
                Some(LimitWindow::Day) => "day",
                Some(LimitWindow::Month) => "month",
                Some(LimitWindow::Total) => "total",
                Some(LimitWindow::Concurrent) => "concurrent",
            },
            hard: *hard,
            then_model: then_model.as_deref().map(str::to_owned),
            limit: *limit,
            used,
            remaining,
            reset_seconds: reset.map(whole_seconds),
            limit_usd: in_dollars(Some(*limit)),
            used_usd: in_dollars(used),
            remaining_usd: in_dollars(remaining),
        }
    }
}
