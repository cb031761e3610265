//! Checks a model's routing policy: strategy, routes, tiers, retries and timeouts.

use std::rc::Rc;
use std::time::Duration;

use sluice_core::guard::schema::Schema;
#[cfg(not(target_arch = "wasm32"))]
use sluice_core::guard::schema::{Flaw, FlawStep};
use sluice_core::keys::Glob;
use sluice_core::matching;
use sluice_core::routing::conditional_timeout::ConditionalTimeout;
use sluice_core::routing::policy::{Match, Retry, Route, RoutingPolicy, TimeWindow};
use sluice_core::routing::spec::Sticky;
use sluice_core::routing::spec::{Strategy, Trigger};
use sluice_core::routing::target_health::circuit::Settings;
use sluice_core::routing::{target::Target, timeouts::Timeouts};
use sluice_wire::calendar;

use super::super::file::{self, Day};
use super::place::{Path, one_of, quoted, text};
use super::{Check, LONGEST_WAIT, ONLY_COMPILES};

/// Longer waits for one target would look like a hang to clients.
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(10);
const WEIGHT_MAX: u32 = 1_000_000;
const TIER_MAX: u32 = 100;
/// All days of the week.
const DAYS: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

impl Check<'_> {
    /// A model's routing policy. `targets` are those that could be compiled, in order.
    pub(super) fn way(
        &mut self,
        model: &file::Model,
        targets: &[Rc<Target>],
        timeouts: Timeouts,
        path: &Path,
    ) -> RoutingPolicy {
        self.targets_standing(model, path);
        if let Some(Sticky::Header(name)) = &model.sticky {
            self.header_name(name, &path.key("sticky").key("header"));
        }
        let routes = path.key("routes");
        RoutingPolicy {
            strategy: model.strategy,
            sticky: model.sticky.clone().map(|sticky| match sticky {
                Sticky::Header(name) => Sticky::Header(name.to_ascii_lowercase()),
                other => other,
            }),
            prompt_cache: model.prompt_cache,
            routes: model
                .routes
                .iter()
                .enumerate()
                .map(|(index, route)| self.route(model, route, targets, &routes.index(index)))
                .collect(),
            allow_lower_tier: model.allow_lower_tier,
            delivery: model.delivery,
            check_structured_output: model.check_structured_output,
            answer_schema: self.answer_schema(&model.answers, &path.key("answers")),
            retry: self.retry(&model.retry, &path.key("retry")),
            timeouts: self.model_timeouts(&model.timeouts, timeouts, &path.key("timeouts")),
        }
    }

    fn answer_schema(&mut self, answers: &file::Answers, path: &Path) -> Option<Rc<Schema>> {
        let text = answers.schema.as_ref()?.as_str();
        let path = path.key("schema");
        let schema = Schema::parse(text);
        let Some(schema) = schema else {
            self.diagnostic(&path, quoted(text), "a JSON Schema: an object, true or false, at most 128 levels deep");
            return None;
        };
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(Flaw { path: steps, found, expected }) = schema.flaw() {
            let path = steps.iter().fold(path, |path, step| match step {
                FlawStep::Key(key) => path.key(key),
                FlawStep::Index(index) => path.index(*index),
            });
            self.diagnostic(&path, found, expected);
        }
        Some(Rc::new(schema))
    }

    /// Checks weights and tiers.
    fn targets_standing(&mut self, model: &file::Model, path: &Path) {
        if ONLY_COMPILES {
            return;
        }
        let section = path.key("targets");
        for (index, target) in model.targets.iter().enumerate() {
            if target.weight > WEIGHT_MAX {
                let path = section.index(index).key("weight");
                self.diagnostic(&path, text!("{}", target.weight), text!("a number from 0 to {WEIGHT_MAX}"));
            }
            if !(1..=TIER_MAX).contains(&target.tier) {
                let path = section.index(index).key("tier");
                self.diagnostic(&path, text!("{}", target.tier), text!("a number from 1, the best, to {TIER_MAX}"));
            }
        }
        let weighted = model.strategy == Strategy::Weighted;
        if weighted && !model.targets.is_empty() && model.targets.iter().all(|target| target.weight == 0) {
            self.diagnostic(&section, "only weights of 0", "a weight above 0 for at least one target");
        }
        // A target that no request reaches points to a mistake in another field.
        let best = model.targets.iter().map(|target| target.tier).min();
        for (index, target) in model.targets.iter().enumerate() {
            let lower = best.is_some_and(|best| target.tier > best) && !model.allow_lower_tier;
            let named = model.routes.iter().filter_map(|route| route.targets.as_ref()).flatten();
            if lower && !named.into_iter().any(|name| names(name, target)) {
                let path = section.index(index).key("tier");
                let found = text!("{}, which no request can reach", target.tier);
                self.diagnostic(
                    &path,
                    found,
                    "allow_lower_tier: true, a route that lists the target, or the same tier as the others",
                );
            }
        }
    }

    fn route(&mut self, model: &file::Model, route: &file::Route, targets: &[Rc<Target>], path: &Path) -> Route {
        let matches = self.route_match(&route.matches, &path.key("match"));
        let named = route.targets.as_ref().map(|named| {
            let path = path.key("targets");
            if named.is_empty() {
                self.diagnostic(
                    &path,
                    "an empty list",
                    "at least one of the model's targets (remove the field to use all)",
                );
            }
            let mut indexes = Vec::new();
            for (index, name) in named.iter().enumerate() {
                if !model.targets.iter().any(|target| names(name, target)) {
                    let known: Vec<String> = model.targets.iter().map(file::Target::price_name).collect();
                    let expected = one_of(name, known.iter().map(String::as_str));
                    self.diagnostic(&path.index(index), quoted(name), expected);
                }
                let is = |target: &Rc<Target>| name_of(name, &target.provider.name, &target.model);
                indexes.extend((0..targets.len()).filter(|place| targets.get(*place).is_some_and(is)));
            }
            let mut seen = Vec::new();
            indexes.retain(|place| {
                let new = !seen.contains(place);
                seen.push(*place);
                new
            });
            indexes
        });
        Route { matches, strategy: route.strategy.unwrap_or(model.strategy), targets: named }
    }

    fn route_match(&mut self, matches: &file::RouteMatch, path: &Path) -> Match {
        if *matches == file::RouteMatch::default() {
            self.diagnostic(
                path,
                "nothing",
                "at least one condition: a route without conditions hides all routes after it",
            );
        }
        let file::RouteMatch { key, team, app, .. } = matches.clone();
        let whose = matching::Match { key, team, app, ..Default::default() };
        self.matching(&whose, path);
        for name in matches.headers.keys() {
            self.header_name(name, &path.key("headers").key(name));
        }
        if let (Some(least), Some(most)) = (matches.min_input_tokens, matches.max_input_tokens)
            && least > most
        {
            let expected = text!("at least min_input_tokens, {least}");
            self.diagnostic(&path.key("max_input_tokens"), text!("{most}"), expected);
        }
        Match {
            whose,
            headers: matches
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), Glob::new(value)))
                .collect(),
            min_input_tokens: matches.min_input_tokens.unwrap_or_default(),
            max_input_tokens: matches.max_input_tokens,
            needs: matches.needs.clone(),
            time: matches.time.as_ref().map(|window| self.window(window, &path.key("time"))),
        }
    }

    fn window(&mut self, window: &file::TimeWindow, path: &Path) -> TimeWindow {
        let mut minutes = |field: &str, text: Option<&str>| {
            let Some(text) = text else { return 0 };
            let read = time_of_day(text);
            if read.is_none() {
                self.diagnostic(&path.key(field), quoted(text), "a time of day in UTC, such as 09:00 or 22:30");
            }
            read.unwrap_or_default()
        };
        let (from, to) = (minutes("from", window.from.as_deref()), minutes("to", window.to.as_deref()));
        if window.from.is_some() && window.from == window.to {
            self.diagnostic(&path.key("to"), "the same time as from", "another time (remove both for the whole day)");
        }
        let days = DAYS.map(|day| window.days.is_empty() || window.days.contains(&day));
        TimeWindow { from, to, days }
    }

    fn retry(&mut self, retry: &file::Retry, path: &Path) -> Retry {
        let wait = calendar::duration(&retry.wait).filter(|wait| *wait <= LONGEST_RETRY_WAIT);
        if wait.is_none() {
            self.diagnostic(&path.key("wait"), quoted(&retry.wait), "a time from 0s to 10s, such as 1s");
        }
        Retry::new(retry.on.as_deref().unwrap_or(&Trigger::ALL), wait.unwrap_or_default())
    }

    fn model_timeouts(&mut self, own: &file::ModelTimeouts, all: Timeouts, path: &Path) -> Timeouts {
        let total = own.total.as_ref().map_or(all.total, |text| self.wait(text, &path.key("total")));
        let mut timeout = |field: &str, text: &Option<String>, otherwise: ConditionalTimeout| match text {
            None => otherwise,
            Some(text) => ConditionalTimeout::configured(self.wait(text, &path.key(field))),
        };
        Timeouts {
            total,
            answer: timeout("answer", &own.answer, all.answer),
            first_token: timeout("first_token", &own.first_token, all.first_token),
            whole: timeout("whole", &own.whole, all.whole),
            idle: timeout("idle", &own.idle, all.idle),
            ..all
        }
    }

    /// Parses a time that is neither zero nor unlimited.
    pub(super) fn wait(&mut self, text: &str, path: &Path) -> Duration {
        let duration = calendar::duration(text).filter(|d| !d.is_zero() && *d <= LONGEST_WAIT);
        if duration.is_none() {
            self.diagnostic(path, quoted(text), "a time above zero and up to 24h, such as 500ms, 30s, 5m or 1h");
        }
        duration.unwrap_or_default()
    }

    pub(super) fn circuit(&mut self) -> Settings {
        let section = Path::section("circuit");
        let written = &self.file.circuit;
        if written.failures == 0 {
            self.diagnostic(&section.key("failures"), "0", "at least one failure");
        }
        let settings = Settings {
            failures: written.failures,
            open: self.wait(&written.open, &section.key("open")),
            longest: self.wait(&written.longest, &section.key("longest")),
            ramp: self.wait(&written.ramp, &section.key("ramp")),
        };
        if settings.longest < settings.open {
            let expected = text!("at least open, {}", written.open);
            self.diagnostic(&section.key("longest"), quoted(&written.longest), expected);
        }
        settings
    }

    fn header_name(&mut self, name: &str, path: &Path) {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(good) {
            self.diagnostic(path, quoted(name), "the name of a header");
        }
        let lower = name.to_ascii_lowercase();
        if ["authorization", "x-api-key", "api-key", "cookie"].contains(&lower.as_str()) {
            self.diagnostic(path, quoted(name), "a header that carries no credential");
        }
    }
}

/// Whether `name`, a provider or `provider/model`, means this target.
fn names(name: &str, target: &file::Target) -> bool {
    name_of(name, &target.provider, &target.model)
}

fn name_of(name: &str, provider: &str, model: &str) -> bool {
    name == provider || name.split_once('/') == Some((provider, model))
}

fn time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Diagnostic;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn compile(model: &str) -> Result<Rc<sluice_core::routing::target::Model>, Vec<Diagnostic>> {
        let text = format!(
            r#"{{"providers":{{"p":{{"kind":"openai"}},"q":{{"kind":"anthropic"}}}},
                "models":{{"m":{{"targets":[{{"provider":"p","model":"x"}},{{"provider":"q","model":"y"}},{{"provider":"p","model":"z"}}]{model}}}}},
                "teams":{{"t":{{}}}},"keys":[]}}"#
        );
        let config = crate::compile(&serde_json::from_str::<file::File>(&text).unwrap())?;
        Ok(config.models["m"].clone())
    }

    #[test]
    fn a_model_without_words_falls_back_for_every_reason() {
        let model = compile("").unwrap();
        assert_eq!(model.policy.strategy, Strategy::Fallback);
        assert!(Trigger::ALL.into_iter().all(|trigger| model.policy.retry.covers(trigger)));
        assert_eq!(model.policy.retry.wait, Duration::from_secs(2));
        assert_eq!(model.policy.timeouts.first_token.plain, Duration::from_secs(30));
    }

    #[test]
    fn a_route_names_targets_or_all_of_a_provider() {
        let routes = r#","routes":[{"match":{"team":"t"},"targets":["p","q/y","p/z"]},{"match":{"team":"t"},"targets":["q"],"strategy":"pinned"}]"#;
        let model = compile(routes).unwrap();
        let indexes: Vec<_> = model.policy.routes.iter().map(|route| route.targets.clone().unwrap()).collect();
        assert_eq!(indexes, [vec![0, 2, 1], vec![1]]);
        assert_eq!(model.policy.routes[1].strategy, Strategy::Pinned);
    }

    #[test]
    fn a_models_own_times_stand_before_the_gateways() {
        let model = compile(r#","timeouts":{"first_token":"2s"}"#).unwrap();
        assert_eq!(model.policy.timeouts.first_token, ConditionalTimeout::configured(Duration::from_secs(2)));
        assert_eq!(model.policy.timeouts.total, Duration::from_secs(600));
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        for (model, expected) in [
            (r#""retry":{"wait":"11s"}"#, "models.m.retry.wait: found \"11s\", expected a time from 0s to 10s"),
            (r#""timeouts":{"idle":"0s"}"#, "models.m.timeouts.idle: found \"0s\""),
            (r#""strategy":"weighted","sticky":{"header":"a b"}"#, "models.m.sticky.header: found \"a b\""),
            (r#""routes":[{"match":{}}]"#, "models.m.routes[0].match: found nothing, expected at least one condition"),
            (
                r#""routes":[{"match":{"team":"t"},"targets":["q/x"]}]"#,
                "models.m.routes[0].targets[0]: found \"q/x\", expected one of: p/x,",
            ),
            (r#""routes":[{"match":{"team":"u"}}]"#, "models.m.routes[0].match.team: found \"u\""),
            (r#""routes":[{"match":{"key":"nobody"}}]"#, "models.m.routes[0].match.key: found \"nobody\""),
            (r#""routes":[{"match":{"app":"a"}}]"#, "models.m.routes[0].match.app: found \"a\""),
            (
                r#""routes":[{"match":{"headers":{"Authorization":"*"}}}]"#,
                "models.m.routes[0].match.headers.Authorization: found \"Authorization\", expected a header that carries no",
            ),
            (
                r#""routes":[{"match":{"min_input_tokens":9,"max_input_tokens":8}}]"#,
                "models.m.routes[0].match.max_input_tokens: found 8, expected at least min_input_tokens, 9",
            ),
            (
                r#""routes":[{"match":{"time":{"from":"24:00"}}}]"#,
                "models.m.routes[0].match.time.from: found \"24:00\", expected a time of day",
            ),
        ] {
            let diagnostics = compile(&format!(",{model}")).unwrap_err();
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().starts_with(expected), "{}", diagnostics[0]);
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn a_target_that_nothing_leads_to_is_a_mistake() {
        let compile = |rest: &str| {
            let text = format!(
                r#"{{"providers":{{"p":{{"kind":"openai"}}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"x"}},
                    {{"provider":"p","model":"y","tier":2}}]{rest}}}}},"teams":{{"t":{{}}}},"keys":[]}}"#
            );
            crate::compile(&serde_json::from_str::<file::File>(&text).unwrap()).map(|_| ())
        };
        let diagnostics = compile("").unwrap_err();
        assert_eq!(diagnostics[0].path, "models.m.targets[1].tier");
        assert_eq!(compile(r#","allow_lower_tier":true"#), Ok(()));
        assert_eq!(compile(r#","routes":[{"match":{"team":"t"},"targets":["p/y"]}]"#), Ok(()));
    }
}
