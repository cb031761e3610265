//! Records a finished request in the metrics.
//!
//! Every label value comes from the gateway file, from a key, or from a fixed list, so a client cannot invent values: a model that a
//! wildcard matched is recorded by the pattern, and an error by its code. Of the words that a judge invents, only the first are recorded.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::content_filter::FilterResult;
use sluice_wire::dialect::{Asks, Client, Id};
use sluice_wire::time::Time;

use crate::guard::Finding;
use crate::metrics::Recorder;
use crate::metrics::instruments::{
    ATTEMPT, ATTEMPT_OUTPUT, BUDGET, CACHE, CONTENT_FILTER, EVENTS, FALLBACK, GUARD, Group, JUDGE, OVERHEAD_TIME,
    REJECTED, REQUEST, REQUEST_SPEED, REQUEST_TIME, SEMANTIC_CACHE, Slot, USAGE, attempt, attempt_output, budget,
    cache, content_filter, events, fallback, guard, judge, overhead, rejected, request, request_speed, request_time,
    semantic_cache, usage,
};
use crate::reservation::BudgetStatus;
use crate::routing::target::Target;
use crate::store::Sums;

use super::super::access_log::SHUT_DOWN;
use super::super::request_state::{AttemptState, RequestState, Stage};
use super::super::similar::Comparison;
use super::{Phase, RequestPipeline};

/// The error type of a client that left, or of a connection that was lost, before the response was complete.
pub(super) const INTERRUPTED: &str = "interrupted";

impl RequestPipeline {
    /// Records the request, which has ended. `error` is the code of the gateway's own error.
    pub(super) fn record_metrics(&self, state: Option<&RequestState>, now: Time) {
        let log_context = &self.log_context;
        let error = self.error_type(state);
        let Some(caller) = &log_context.caller else {
            // Health checks and the description need no key, and are not counted.
            if let Some(code) = error.as_deref() {
                let labels = ["", "", "", "", "", "", "", code];
                self.worker.recorder().record(&REQUEST, &labels, |values| values.add(request::REQUESTS, 1));
                self.rejected(code, "");
            }
            return;
        };
        let recorder = self.worker.recorder();
        let (team, app) = (&*caller.team, caller.app.as_deref().unwrap_or_default());
        let key = if self.worker.config.metrics.key_label { &*caller.key_id } else { "" };
        let model = match state {
            Some(state) => state.request.model.name.as_str(),
            None => log_context.model.as_deref().unwrap_or_default(),
        };
        let error = error.as_deref().unwrap_or_default();
        let served = Served::of(self, state);
        let Served { provider, ref route, ref tier, .. } = served;
        recorder.record(&REQUEST, &[team, app, key, model, provider, route, tier, error], |values| {
            values.add(request::REQUESTS, 1);
        });
        let embedding =
            || Some(Sums { cost: log_context.about.cache_state.similar.as_ref()?.cost?.0, ..Sums::default() });
        let used = || state.map(|state| state.bill.billing.sums()).or_else(embedding);
        let sums = log_context.about.settled.or_else(used).unwrap_or_default();
        let Sums { input_tokens, output_tokens, cost, .. } = sums;
        if (input_tokens, output_tokens, cost) != (0, 0, 0) {
            recorder.record(&USAGE, &[team, app, key, model, provider, route, tier], |values| {
                values.add(usage::INPUT, input_tokens);
                values.add(usage::OUTPUT, output_tokens);
                values.add(usage::COST, cost);
                for spent in state.iter().flat_map(|state| &state.bill.billing.spent) {
                    values.add(usage::CACHED_INPUT, spent.usage.cached);
                    values.add(usage::CACHE_WRITE, spent.usage.cache_write);
                    values.add(usage::REASONING, spent.usage.reasoning);
                    values.add(usage::PROMPT_CACHE_SAVED, spent.prompt_cache.saved.0);
                    values.add(usage::PROMPT_CACHE_SURCHARGE, spent.prompt_cache.surcharge.0);
                }
            });
        }
        if state.is_none() && !error.is_empty() {
            self.rejected(error, model);
        }
        self.semantic_cache([team, app, model]);
        self.findings(state, team, model);
        self.judges(state, team, model);
        if let Some(overhead) = self.overhead(state) {
            let operation = operation(self.client);
            recorder.record(&OVERHEAD_TIME, &[operation], |values| values.observe_time(overhead::OVERHEAD, overhead));
        }
        if let Some(state) = state {
            self.cache(state, [team, app, model]);
            self.content_filter(state, team, model);
            served.record(recorder, state, model, error, now);
            attempts(recorder, state, now);
            state.bill.billing.budgets().for_each(|status| self.budget(&status, now));
        }
    }

    /// Counts a rejection. A client that left was not rejected.
    fn rejected(&self, code: &str, model: &str) {
        if code == INTERRUPTED {
            return;
        }
        let caller = self.log_context.caller.as_ref();
        let team = caller.map_or("", |caller| &*caller.team);
        let app = caller.and_then(|caller| caller.app.as_deref()).unwrap_or_default();
        let recorder = self.worker.recorder();
        recorder.record(&REJECTED, &[team, app, model, code], |values| values.add(rejected::REQUESTS, 1));
    }

    /// Why the request failed; `None` for a success.
    #[inline(never)]
    pub(super) fn error_type<'a>(&'a self, state: Option<&'a RequestState>) -> Option<Cow<'a, str>> {
        let own = match &self.phase {
            Phase::Answered { error } => error.as_deref().map(Cow::Borrowed),
            _ => None,
        };
        let Some(state) = state else { return own };
        match state.progress.stage {
            _ if self.log_context.about.shut_down => Some(SHUT_DOWN.into()),
            Stage::Complete => own,
            // The client left before the response.
            Stage::Underway => own.or(Some(INTERRUPTED.into())),
            Stage::Answering => Some(INTERRUPTED.into()),
            Stage::Broken | Stage::Refused => {
                state.progress.last_failure().map_or(own, |failure| Some(reason(&failure.reason)))
            }
        }
    }

    /// The time that the gateway itself took, once the request was there: until the first attempt, or until its own response.
    pub(super) fn overhead(&self, state: Option<&RequestState>) -> Option<Duration> {
        let first = state.and_then(|state| Some(state.progress.attempts.first()?.started));
        let decided = first.or(self.log_context.replied)?;
        let waited = self.log_context.about.cache_state.waited.unwrap_or_default();
        let judged = self.log_context.judged.iter().map(|report| report.took).max().unwrap_or_default();
        Some(decided.since(self.log_context.received?).saturating_sub(waited.saturating_add(judged)))
    }

    fn findings(&self, state: Option<&RequestState>, team: &str, model: &str) {
        let findings = state.map(RequestState::findings).unwrap_or_default();
        for Finding { guard, label, side, action } in self.log_context.findings.iter().chain(findings) {
            let label = self.worker.finding_label(guard, label);
            self.count(&GUARD, guard::ACTIONS, &[team, model, guard, label, side.name(), action.name()]);
        }
    }

    fn content_filter(&self, state: &RequestState, team: &str, model: &str) {
        for attempt in &state.progress.attempts {
            let provider = &attempt.target.provider.name;
            for FilterResult { side, category, action } in state.filter_results(attempt).list() {
                let labels = [team, model, provider, side, category, action];
                self.count(&CONTENT_FILTER, content_filter::RESULTS, &labels);
            }
        }
    }

    fn count(&self, group: &'static Group, slot: Slot, labels: &[&str; 6]) {
        self.worker.recorder().record(group, labels, |values| values.add(slot, 1));
    }

    fn judges(&self, state: Option<&RequestState>, team: &str, model: &str) {
        let during = state.iter().flat_map(|state| &state.judges.reports);
        for report in self.log_context.judged.iter().chain(during) {
            let guard = &report.guard;
            let labels = [team, model, &guard.name, &guard.judge.name, report.side.name(), report.result.name()];
            self.worker.recorder().record(&JUDGE, &labels, |values| {
                values.add(judge::CALLS, report.calls);
                values.add(judge::COST, report.cost.unwrap_or_default().0);
                values.observe_time(judge::DURATION, report.took);
            });
        }
    }

    fn cache(&self, state: &RequestState, labels: [&str; 3]) {
        let about = &self.log_context.about;
        let slot = match about.cache_state.word() {
            Some("hit") => cache::HIT,
            Some("shared") => cache::SHARED,
            Some("semantic") => cache::SEMANTIC,
            Some("miss") => cache::MISS,
            Some(_) => cache::BYPASS,
            None => return,
        };
        self.worker.recorder().record(&CACHE, &labels, |values| {
            values.add(slot, 1);
            values.add(cache::STORED, u64::from(about.stored));
            if let (Some(saved), Stage::Complete) = (about.saved, state.progress.stage) {
                values.add(cache::SAVED, saved.cost);
                values.add(cache::SAVED_INPUT, saved.input);
                values.add(cache::SAVED_OUTPUT, saved.output);
            }
        });
    }

    fn semantic_cache(&self, labels: [&str; 3]) {
        let Some(similar) = &self.log_context.about.cache_state.similar else { return };
        self.worker.recorder().record(&SEMANTIC_CACHE, &labels, |values| {
            match similar.outcome {
                Some(Comparison::Served(_)) => values.add(semantic_cache::SERVED, 1),
                Some(Comparison::Shadow(_)) => values.add(semantic_cache::SHADOW, 1),
                Some(Comparison::Different) => values.add(semantic_cache::DIFFERENT, 1),
                Some(Comparison::Failed) => values.add(semantic_cache::FAILED, 1),
                None => {}
            }
            values.add(semantic_cache::TOKENS, similar.tokens);
            values.add(semantic_cache::COST, similar.cost.unwrap_or_default().0);
        });
    }

    /// Records a budget as a request leaves it.
    pub(super) fn budget(&self, status: &BudgetStatus<'_>, now: Time) {
        self.worker.recorder().record(&BUDGET, &[status.scope, status.period], |values| {
            values.set(budget::LIMIT, status.limit);
            if status.used > 0 {
                values.set(budget::USED, status.used);
                values.set(budget::RESETS_AT, status.reset.map_or(0, |reset| now.after(reset).seconds()));
            }
        });
    }
}

/// The target that served the request.
struct Served<'a> {
    /// The provider's name in the gateway file, and its kind. A failed request has the last provider that was tried, a cached response the
    /// one that made it.
    provider: &'a str,
    kind: &'a str,
    target: Option<&'a Target>,
    operation: &'static str,
    route: Cow<'static, str>,
    tier: Cow<'static, str>,
}

impl<'a> Served<'a> {
    fn of(pipeline: &'a RequestPipeline, state: Option<&'a RequestState>) -> Self {
        let operation = operation(pipeline.client);
        let none = Self { provider: "", kind: "", target: None, operation, route: "".into(), tier: "".into() };
        let Some(state) = state else { return none };
        let served = matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken);
        let tried = state.progress.current().map(|target| &**target);
        let target = tried.filter(|_| served);
        let cached = pipeline.log_context.about.cache_state.made_by();
        let cached =
            cached.and_then(|(provider, _)| state.route.queue.targets().iter().find(|of| of.provider.name == provider));
        let provider = tried.or(cached.map(|target| &**target)).map(|target| &target.provider);
        Self {
            provider: provider.map_or("", |provider| &provider.name),
            kind: provider.map_or("", |provider| provider.telemetry_name),
            target,
            route: state.route.matched.map_or("".into(), |route| number(route.saturating_add(1))),
            tier: target.map_or("".into(), |target| number(usize::try_from(target.tier).unwrap_or_default())),
            ..none
        }
    }

    /// Records the request as OpenTelemetry's server metrics.
    fn record(&self, recorder: &Recorder, state: &RequestState, model: &str, error: &str, now: Time) {
        let served = self.target.map_or("", Target::metric_model);
        let (provider, kind, route, tier) = (self.provider, self.kind, &*self.route, &*self.tier);
        let labels = [self.operation, kind, model, served, error, provider, route, tier];
        let duration = now.since(state.request.started);
        recorder.record(&REQUEST_TIME, &labels, |values| values.observe_time(request_time::DURATION, duration));
        let streamed = state.request.scanned.peek.stream && error.is_empty() && self.target.is_some();
        let Some(first_token) = state.answer.first_token.filter(|_| streamed) else { return };
        recorder.record(&REQUEST_SPEED, &[self.operation, kind, model, served, provider, route, tier], |values| {
            values.observe_time(request_speed::FIRST_TOKEN, first_token.since(state.request.started));
            let tokens = state.answer.usage.map_or(0, |usage| usage.output).saturating_sub(1);
            if let Some(each) = u32::try_from(tokens).ok().and_then(|tokens| now.since(first_token).checked_div(tokens))
            {
                values.observe_time(request_speed::PER_TOKEN, each);
            }
        });
    }
}

/// Records the attempts, and the moves between their targets.
fn attempts(recorder: &Recorder, state: &RequestState, now: Time) {
    let operation = operation(state.request.scanned.client);
    for attempt in &state.progress.attempts {
        let (target, provider) = (&attempt.target, &attempt.target.provider);
        let (address, port) = provider.server();
        let (name, model) = (provider.telemetry_name, target.metric_model());
        let error = attempt_error(attempt, state);
        recorder.record(&ATTEMPT, &[operation, name, model, address, port, &error, &provider.name], |values| {
            values.add(attempt::ATTEMPTS, 1);
            values.observe_time(attempt::DURATION, attempt.ended.unwrap_or(now).since(attempt.started));
        });
        let chunks = &attempt.chunks;
        if attempt.usage.is_none() && chunks.first.is_none() {
            continue;
        }
        recorder.record(&ATTEMPT_OUTPUT, &[operation, name, model, address, port, &provider.name], |values| {
            if let Some(usage) = attempt.usage {
                values.observe(attempt_output::INPUT, usage.input);
                values.observe(attempt_output::OUTPUT, usage.output);
            }
            if let Some(first) = chunks.first {
                values.observe_time(attempt_output::FIRST_CHUNK, first.since(attempt.started));
                values.observe_all(attempt_output::PER_CHUNK, &chunks.counts, chunks.sum);
            }
        });
    }
    for pair in state.progress.attempts.windows(2) {
        let [before, after] = pair else { continue };
        if !Rc::ptr_eq(&before.target, &after.target) {
            let (model, from, to) =
                (&state.request.model.name, target_name(&before.target), target_name(&after.target));
            let reason = attempt_error(before, state);
            recorder.record(&FALLBACK, &[model, &from, &to, &reason], |values| values.add(fallback::FALLBACKS, 1));
        }
    }
    if state.lower_tier().is_some()
        && matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken)
    {
        recorder.record(&EVENTS, &[], |values| values.add(events::LOWER_TIER, 1));
    }
}

/// Why an attempt failed; empty for a success.
#[inline(never)]
pub(super) fn attempt_error<'a>(attempt: &'a AttemptState, state: &RequestState) -> Cow<'a, str> {
    let is_last = state.progress.attempts.last().is_some_and(|last| std::ptr::eq(last, attempt));
    match &attempt.failure {
        Some(failure) => reason(&failure.reason),
        None if is_last && matches!(state.progress.stage, Stage::Underway | Stage::Answering) => INTERRUPTED.into(),
        None => "".into(),
    }
}

#[inline(never)]
pub(super) fn target_name(target: &Target) -> String {
    format!("{}/{}", target.provider.name, target.metric_model())
}

/// A failure's reason as a label: a provider may respond with any status.
fn reason(reason: &str) -> Cow<'_, str> {
    const KNOWN: [&str; 17] = [
        "400", "401", "402", "403", "404", "408", "409", "413", "415", "422", "429", "500", "501", "502", "503", "504",
        "529",
    ];
    match reason.strip_prefix("status_") {
        Some(status) if !KNOWN.contains(&status) => {
            format!("status_{}xx", status.chars().next().unwrap_or_default()).into()
        }
        _ => reason.into(),
    }
}

/// OpenTelemetry's `gen_ai.operation.name`: a well-known one where one applies.
pub(in crate::pipeline) fn operation(client: &Client) -> &'static str {
    match (&client.asks, client.id()) {
        (_, Id::Completions) => "text_completion",
        (Asks::Chat(_), _) => "chat",
        (Asks::Embeddings(_), _) => "embeddings",
        (Asks::TokenCount(_), _) => "count_tokens",
        (Asks::PassedThrough, id) => id.name(),
    }
}

fn number(number: usize) -> Cow<'static, str> {
    const SMALL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    SMALL.get(number).map_or_else(|| number.to_string().into(), |text| (*text).into())
}
