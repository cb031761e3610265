//! Reports budgets that pass 80% and 100% to a webhook: once for each budget, period and threshold.
//!
//! The budgets' state comes from the metrics, so requests pay nothing for it. With Redis, the Envoy that first claims an alert there sends
//! it, and the others do not. The claim lasts as long as the tries, and after the delivery as long as the budget's period: if the Envoy
//! ends before the delivery, another one sends the alert. Without Redis, each Envoy has budgets and alerts of its own.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::json::json_string;
use sluice_wire::time::Time;

use sluice_core::callout::{ALERTS_CLUSTER, Call, Called, Endpoint};
use sluice_core::metrics::instruments::{BUDGET, budget};
use sluice_core::metrics::pages::Snapshot;
use sluice_core::pipeline::Effect;
use sluice_core::pipeline::redis_client::RedisClient;
use sluice_core::store::SharedData;
use sluice_core::store::redis::names;
use sluice_core::store::redis::settings::Redis;
use sluice_core::store::redis::wire::{Command, RedisReply};
use sluice_core::usage::price::MicroUsd;

use super::{BackgroundTask, TIMEOUT};

/// How often budgets are read.
const PERIOD: Duration = Duration::from_secs(2);
/// How often one alert is sent when the webhook fails; the waits between double from [`PERIOD`].
const TRIES: u32 = 8;
/// How long a claim lasts before the delivery: longer than all tries.
const LEASE: Duration = Duration::from_secs(900);
/// The most alerts that wait.
const LONGEST_QUEUE: usize = 1_000;
/// How long Redis remembers an alert after the budget's period.
const REMEMBERED: u64 = 86_400;
/// The same for a budget without a period.
const YEAR: u64 = 366 * 86_400;

/// The thresholds, in percent.
const MARKS: [u64; 2] = [80, 100];

/// The task.
#[derive(Debug)]
pub(super) struct Alerts {
    endpoint: Endpoint,
    redis_client: Option<RedisClient>,
    alerted: Rc<Alerted>,
    in_flight: Cell<Option<Step>>,
}

/// The alerts so far. A changed gateway file begins a new task with those of the task before, so that none is sent again.
#[derive(Debug, Default)]
pub struct Alerted {
    known: RefCell<Vec<Known>>,
    queue: RefCell<VecDeque<Alert>>,
}

/// The call in flight, for the first alert of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim,
    Send,
    /// Makes the claim last. The alert has left the queue.
    Confirm,
}

/// The highest threshold that a budget has passed.
#[derive(Debug)]
struct Known {
    budget: String,
    period: String,
    /// Identifies the period by its end.
    ends: u64,
    mark: u64,
}

#[derive(Debug, Clone)]
struct Alert {
    budget: String,
    period: String,
    ends: u64,
    mark: u64,
    used: u64,
    limit: u64,
    /// Whether this Envoy has asked Redis for it. Without a reply it is sent: twice is better than never.
    claimed: bool,
    /// Whether another Envoy has had its time to send it.
    waited: bool,
    tries: u32,
    not_before: Time,
}

impl Alerts {
    pub(super) fn new(endpoint: Endpoint, redis: Option<Redis>, alerted: Rc<Alerted>) -> Self {
        Self { endpoint, redis_client: redis.map(RedisClient::new), alerted, in_flight: Cell::default() }
    }

    /// Queues an alert for each threshold that a budget has passed since the last time.
    fn look(&self, shared: &dyn SharedData, now: Time) {
        let snapshot = Snapshot::read(shared, now);
        let (mut known, mut queue) = (self.alerted.known.borrow_mut(), self.alerted.queue.borrow_mut());
        for (labels, values) in snapshot.rows(&BUDGET) {
            let value = |at: usize| values.get(at).copied().unwrap_or_default();
            let named = |label: &str| labels.iter().find(|(name, _)| *name == label).map_or("", |(_, value)| value);
            let (name, period) = (named("budget"), named("period"));
            // The end is computed from the time of a request, so it may differ by a second.
            let ends = value(budget::RESETS_AT.at).saturating_add(30) / 60 * 60;
            let place = known.iter().position(|known| known.budget == name && known.period == period);
            let before = place.and_then(|place| known.get(place)).filter(|known| known.ends == ends);
            let before = before.map_or(0, |known| known.mark);
            let percent = value(budget::RATIO.at) / 10_000;
            let mut mark = before;
            for passed in MARKS.into_iter().filter(|mark| *mark > before && percent >= *mark) {
                mark = passed;
                if queue.len() < LONGEST_QUEUE {
                    let (used, limit) = (value(budget::USED.at), value(budget::LIMIT.at));
                    let (budget, period) = (name.to_owned(), period.to_owned());
                    queue.push_back(Alert {
                        budget,
                        period,
                        ends,
                        mark,
                        used,
                        limit,
                        claimed: false,
                        waited: false,
                        tries: 0,
                        not_before: now,
                    });
                }
            }
            if mark > 0 {
                let now_known = Known { budget: name.to_owned(), period: period.to_owned(), ends, mark };
                match place.and_then(|place| known.get_mut(place)) {
                    Some(known) => *known = now_known,
                    None => known.push(now_known),
                }
            }
        }
    }

    /// The next call for the first alert that is due.
    fn next(&self, now: Time) -> Option<Call> {
        let mut queue = self.alerted.queue.borrow_mut();
        let place = queue.iter().position(|alert| alert.not_before <= now)?;
        queue.swap(0, place);
        let alert = queue.front_mut()?;
        let claims = !std::mem::replace(&mut alert.claimed, true);
        if let Some(client) = self.redis_client.as_ref().filter(|client| claims && client.answers(now)) {
            self.in_flight.set(Some(Step::Claim));
            return Some(client.ask(&alert.claim(&client.settings.prefix), now));
        }
        self.in_flight.set(Some(Step::Send));
        Some(self.endpoint.post(ALERTS_CLUSTER, alert.body(now).into_bytes(), TIMEOUT))
    }
}

impl BackgroundTask for Alerts {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn tick(&self, now: Time, shared: &dyn SharedData, _: &mut Vec<Effect>) -> Option<Call> {
        if self.in_flight.get().is_some() {
            return None;
        }
        self.look(shared, now);
        self.next(now)
    }

    fn on_reply(&self, called: &Called, now: Time, _: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call> {
        match self.in_flight.take()? {
            Step::Claim => {
                let reply = self.redis_client.as_ref()?.read(called, now, effects);
                if matches!(reply, Ok(Some(RedisReply::Nil))) {
                    // Another Envoy sends it, unless it ends before.
                    let mut queue = self.alerted.queue.borrow_mut();
                    let alert = queue.pop_front()?;
                    if !alert.waited {
                        queue.push_back(Alert { claimed: false, waited: true, not_before: now.after(LEASE), ..alert });
                    }
                }
            }
            Step::Send => {
                let accepted = called.status.is_some_and(|status| (200..300).contains(&status));
                let mut queue = self.alerted.queue.borrow_mut();
                let mut alert = queue.pop_front()?;
                alert.tries = alert.tries.saturating_add(1);
                if accepted {
                    if let Some(client) = self.redis_client.as_ref().filter(|client| client.answers(now)) {
                        self.in_flight.set(Some(Step::Confirm));
                        return Some(client.ask(&alert.confirmation(&client.settings.prefix, now), now));
                    }
                } else if alert.tries < TRIES {
                    alert.not_before = now.after(PERIOD.saturating_mul(1 << alert.tries.min(TRIES)));
                    queue.push_back(alert);
                } else {
                    let Alert { budget, period, mark, .. } = &alert;
                    effects.push(Effect::Warn(format!(
                        "the alert for the budget {budget}/{period} at {mark}% was dropped: the webhook failed {TRIES} times"
                    )));
                }
            }
            Step::Confirm => drop(self.redis_client.as_ref()?.read(called, now, effects)),
        }
        self.next(now)
    }

    fn forget_call(&self) {
        self.in_flight.take();
    }
}

impl Alert {
    /// Claims the alert among all Envoys.
    fn claim(&self, prefix: &str) -> Command {
        let mut words = self.entry(prefix, LEASE.as_secs());
        words.push("NX".to_owned());
        Command::new(words)
    }

    /// Tells all Envoys that the alert was delivered.
    fn confirmation(&self, prefix: &str, now: Time) -> Command {
        let lasts = match self.ends {
            0 => YEAR,
            ends => ends.saturating_sub(now.seconds()).saturating_add(REMEMBERED),
        };
        Command::new(self.entry(prefix, lasts))
    }

    /// The command that writes its entry in Redis.
    fn entry(&self, prefix: &str, seconds: u64) -> Vec<String> {
        let Self { budget, period, ends, mark, .. } = self;
        let name = names::of(prefix, &format!("alert:{budget}/{period}/{ends}/{mark}"));
        vec!["SET".to_owned(), name, "1".to_owned(), "EX".to_owned(), seconds.to_string()]
    }

    /// The body. `text` is what Slack, Mattermost and others with the same format show.
    fn body(&self, now: Time) -> String {
        let Self { budget, period, ends, mark, used, limit, .. } = self;
        let (used, limit) = (MicroUsd(*used), MicroUsd(*limit));
        let percent = u128::from(used.0) * 100 / u128::from(limit.0.max(1));
        let (spent, whole) = (dollars(used), dollars(limit));
        let text = format!("Budget {budget} ({period}): {percent}% used, ${spent} of ${whole}.");
        let ends = if *ends == 0 { String::new() } else { format!(",\"resets_at\":{ends}") };
        format!(
            r#"{{"type":"budget","budget":{},"period":{},"threshold":{mark},"percent":{percent},"used_usd":{used},"limit_usd":{limit}{ends},"time":{},"text":{}}}"#,
            json_string(budget),
            json_string(period),
            now.seconds(),
            json_string(&text)
        )
    }
}

/// With cents, for people.
fn dollars(amount: MicroUsd) -> String {
    format!("{}.{:02}", amount.0 / 1_000_000, amount.0 % 1_000_000 / 10_000)
}
