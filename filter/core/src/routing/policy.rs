//! A model's routing policy, validated and compiled from the configuration.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::time::Time;

use crate::guard::schema::Schema;
use crate::keys::Glob;
use crate::keys::caller::Caller;
use crate::matching;
use crate::routing::spec::{Delivery, Need, PromptCache, Sticky, Strategy, Trigger};
use crate::routing::timeouts::Timeouts;
use crate::store::dimension::Dimension;

use super::needs::Needs;
use super::routing_headers::RoutingHeaders;

/// The routing policy of a model.
#[derive(Debug, Clone)]
pub struct RoutingPolicy {
    /// The order of targets.
    pub strategy: Strategy,
    /// The value by which requests stick to a target.
    pub sticky: Option<Sticky>,
    /// Whether the gateway makes use of the provider's prompt cache.
    pub prompt_cache: PromptCache,
    /// Routes that override the policy for some requests. The first match wins.
    pub routes: Vec<Route>,
    /// Whether a request may use a target of a lower tier.
    pub allow_lower_tier: bool,
    /// How much of a streamed response must have arrived before the client receives any of it.
    pub delivery: Delivery,
    /// Whether a structured response is validated before the client receives it.
    pub check_structured_output: bool,
    /// The schema of every response.
    pub answer_schema: Option<Rc<Schema>>,
    /// When a request is retried.
    pub retry: Retry,
    /// The timeouts.
    pub timeouts: Timeouts,
}

impl RoutingPolicy {
    /// The default policy: targets in the listed order, retries for every reason.
    pub fn plain(timeouts: Timeouts) -> Self {
        Self {
            strategy: Strategy::Fallback,
            sticky: None,
            prompt_cache: PromptCache::Off,
            routes: Vec::new(),
            allow_lower_tier: false,
            delivery: Delivery::Stream,
            check_structured_output: false,
            answer_schema: None,
            retry: Retry::new(&Trigger::ALL, Duration::from_secs(2)),
            timeouts,
        }
    }

    /// Whether responses may have to match a schema.
    pub fn checks_formats(&self) -> bool {
        self.check_structured_output || self.answer_schema.is_some()
    }

    /// Whether requests stick by their conversation.
    pub fn follows_conversations(&self) -> bool {
        self.sticky == Some(Sticky::Conversation)
    }

    /// The index of the first matching route; `None` if the model's own policy applies.
    pub fn route(&self, caller: &Caller, needs: &Needs, routing_headers: &RoutingHeaders, now: Time) -> Option<usize> {
        self.routes.iter().position(|route| route.matches.fits(caller, needs, routing_headers, now))
    }

    /// The names of the headers that the policy matches on.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let sticky = match &self.sticky {
            Some(Sticky::Header(name)) => Some(name.as_str()),
            _ => None,
        };
        let matched = self.routes.iter().flat_map(|route| &route.matches.headers).map(|(name, _)| name.as_str());
        sticky.into_iter().chain(matched)
    }
}

/// The reasons for which a request is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// A bit for each trigger.
    reasons: u16,
    /// The longest wait that a provider may ask for so that the same target is tried again. After a longer one, the next target is tried.
    pub wait: Duration,
}

impl Retry {
    /// Retries for these reasons.
    pub fn new(on: &[Trigger], wait: Duration) -> Self {
        Self { reasons: on.iter().fold(0, |reasons, trigger| reasons | bit(*trigger)), wait }
    }

    /// Whether this is a reason to retry.
    pub fn covers(&self, trigger: Trigger) -> bool {
        self.reasons & bit(trigger) != 0
    }
}

fn bit(trigger: Trigger) -> u16 {
    1 << trigger as u16
}

/// A route: a policy for the requests that match.
#[derive(Debug, Clone)]
pub struct Route {
    /// The requests it applies to.
    pub matches: Match,
    /// The order of targets.
    pub strategy: Strategy,
    /// The indices of its targets among the model's targets; `None` is all.
    pub targets: Option<Vec<usize>>,
}

/// The conditions of a route. `None` or empty matches any request.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// The key, team or application.
    pub whose: matching::Match,
    /// Required headers, with the name in lower case.
    pub headers: Vec<(String, Glob)>,
    /// The minimum tokens of the prompt.
    pub min_input_tokens: u64,
    /// The maximum tokens of the prompt.
    pub max_input_tokens: Option<u64>,
    /// Required needs.
    pub needs: Vec<Need>,
    /// The time of the request.
    pub time: Option<TimeWindow>,
}

impl Match {
    /// Whether all conditions hold.
    pub fn fits(&self, caller: &Caller, needs: &Needs, routing_headers: &RoutingHeaders, now: Time) -> bool {
        self.conditions(caller, needs, routing_headers, now).into_iter().all(|(_, holds)| holds)
    }

    /// The conditions that do not hold, by their names in the gateway file.
    pub fn misfits(
        &self,
        caller: &Caller,
        needs: &Needs,
        routing_headers: &RoutingHeaders,
        now: Time,
    ) -> Vec<&'static str> {
        let conditions = self.conditions(caller, needs, routing_headers, now).into_iter();
        conditions.filter(|(_, holds)| !holds).map(|(name, _)| name).collect()
    }

    fn conditions(
        &self,
        caller: &Caller,
        needs: &Needs,
        routing_headers: &RoutingHeaders,
        now: Time,
    ) -> [(&'static str, bool); 8] {
        let header =
            |(name, glob): &(String, Glob)| routing_headers.header(name).is_some_and(|value| glob.matches(value));
        [
            ("key", self.whose.allows(Dimension::Key, Some(&caller.key_id))),
            ("team", self.whose.allows(Dimension::Team, Some(&caller.team))),
            ("app", self.whose.allows(Dimension::App, caller.app.as_deref())),
            ("headers", self.headers.iter().all(header)),
            ("min_input_tokens", needs.input_tokens >= self.min_input_tokens),
            ("max_input_tokens", self.max_input_tokens.is_none_or(|most| needs.input_tokens <= most)),
            ("needs", self.needs.iter().all(|need| has(needs, *need))),
            ("time", self.time.as_ref().is_none_or(|window| window.holds(now))),
        ]
    }
}

fn has(needs: &Needs, need: Need) -> bool {
    match need {
        Need::Tools => needs.tools,
        Need::Images => needs.images,
        Need::Audio => needs.audio,
        Need::Documents => needs.documents,
        Need::StructuredOutput => needs.structured_output,
    }
}

/// A time of day and days of the week, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeWindow {
    /// The start, in minutes after midnight.
    pub from: u16,
    /// The end (exclusive), in minutes after midnight. If it is not above `from`, the window crosses midnight.
    pub to: u16,
    /// The days on which the window starts, Monday first.
    pub days: [bool; 7],
}

const DAY: u16 = 24 * 60;

impl TimeWindow {
    /// Whether `now` is in the window.
    pub fn holds(&self, now: Time) -> bool {
        let minutes = now.seconds() / 60;
        let minute = u16::try_from(minutes % u64::from(DAY)).unwrap_or_default();
        // 1970 began on a Thursday.
        let today = usize::try_from((minutes / u64::from(DAY) + 3) % 7).unwrap_or_default();
        let yesterday = (today + 6) % 7;
        let begins = |day: usize| self.days.get(day).copied().unwrap_or_default();
        if self.from < self.to {
            return begins(today) && (self.from..self.to).contains(&minute);
        }
        (begins(today) && minute >= self.from) || (begins(yesterday) && minute < self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// 2026-11-22 is a Sunday.
    fn at(text: &str) -> Time {
        Time(sluice_wire::calendar::rfc3339(text).unwrap() * 1_000_000_000)
    }

    #[test]
    fn a_window_ends_before_its_last_minute_and_knows_its_days() {
        let weekdays = [true, true, true, true, true, false, false];
        let office = TimeWindow { from: 9 * 60, to: 17 * 60, days: weekdays };
        assert!(office.holds(at("2026-11-23T09:00:00Z")) && office.holds(at("2026-11-23T16:59:59Z")));
        assert!(!office.holds(at("2026-11-23T08:59:59Z")) && !office.holds(at("2026-11-23T17:00:00Z")));
        assert!(!office.holds(at("2026-11-22T12:00:00Z")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let mut days = [false; 7];
        days[4] = true;
        let night = TimeWindow { from: 22 * 60, to: 6 * 60, days };
        assert!(night.holds(at("2026-11-20T22:00:00Z")) && night.holds(at("2026-11-21T05:59:00Z")));
        assert!(!night.holds(at("2026-11-20T05:00:00Z")) && !night.holds(at("2026-11-21T22:00:00Z")));
        let always = TimeWindow { from: 0, to: 0, days: [true; 7] };
        assert!(always.holds(at("2026-11-20T00:00:00Z")) && always.holds(at("2026-11-20T23:59:00Z")));
    }

    #[test]
    fn every_reason_has_a_bit_of_its_own() {
        for trigger in Trigger::ALL {
            let retry = Retry::new(&[trigger], Duration::ZERO);
            let covered: Vec<Trigger> = Trigger::ALL.into_iter().filter(|other| retry.covers(*other)).collect();
            assert_eq!(covered, [trigger]);
        }
    }
}
