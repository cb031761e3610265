//! Writes the spans of a finished request: one of the request, with its decisions as events, and one of each attempt.
//!
//! Nothing here is in a request's way, so functions with several callers stay out of line, for the module's size. A span holds what the
//! request state and the log context know at the end. Without `content` no span
//! has a prompt or a response, and none ever has a secret.

use sluice_wire::content_filter::FilterResult;
use sluice_wire::conversation::{Finish, Usage};
use sluice_wire::dialect::{Asks, Client};
use sluice_wire::json::{write_digits, write_string};
use sluice_wire::time::Time;

use crate::guard::Finding;
use crate::guard::judge::JudgeReport;
use crate::otlp::Attributes;
use crate::trace::context::write_id;
use crate::trace::names::Names;
use crate::trace::{Settings, TraceContext, messages};

use super::super::Context;
use super::super::request_state::{AttemptState, RequestState, Stage};
use super::RequestPipeline;
use super::record::{attempt_error, operation, target_name};

/// `SPAN_KIND_SERVER` and `SPAN_KIND_CLIENT`.
const SERVER: &str = "2";
const CLIENT: &str = "3";

/// Most spans of one request and its attempts are shorter.
const ROOM: usize = 3 << 10;

const JSON: &str = "application/json";

impl RequestPipeline {
    /// The trace of the request, if its spans are exported.
    pub(super) fn sampled(&self) -> Option<(&Settings, TraceContext)> {
        let trace = self.log_context.trace.filter(|trace| trace.sampled)?;
        Some((self.worker.config.tracing.as_ref()?, trace))
    }

    /// The prompt, if its spans have contents.
    pub(super) fn prompt(&self, body: &[u8]) -> Option<String> {
        self.sampled().filter(|(settings, _)| settings.content)?;
        messages::in_prompt(self.client, body)
    }

    /// Exports the spans of the request, which has ended.
    pub(super) fn export(&self, state: Option<&RequestState>, cx: &mut Context<'_>) {
        let Some((settings, trace)) = self.sampled() else { return };
        let error = self.error_type(state);
        // Health checks and the description need no key, and have no spans.
        if self.log_context.caller.is_none() && error.is_none() {
            return;
        }
        let (names, now) = (settings.names.all(), cx.now());
        let error = error.as_deref().unwrap_or_default();
        let mut out = String::with_capacity(ROOM);
        let span = Span { trace, id: trace.span, parent: trace.parent, kind: SERVER };
        let model = match state {
            Some(state) => state.request.model.name.as_str(),
            None => self.log_context.model.as_deref().unwrap_or_default(),
        };
        let state_header = self.log_context.trace_state.as_deref();
        span.open(state_header, (operation(self.client), model), (self.log_context.started, now), &mut out);
        out.push_str(r#""attributes":["#);
        let attributes = &mut Attributes::new(&mut out);
        attributes.text(names.kind, "CHAIN");
        attributes.text(names.operation, operation(self.client));
        attributes.text(names.asked_model, model);
        if let Some(state) = state {
            self.outcome(state, names, attributes);
        }
        self.request_attributes(names, attributes);
        attributes.text("error.type", error);
        out.push_str(r#"],"events":["#);
        self.events(state, now, &mut Events { out: &mut out, separator: "" });
        out.push(']');
        close(error, &mut out);
        for attempt in state.iter().flat_map(|state| state.progress.attempts.iter().map(move |of| (*state, of))) {
            out.push(',');
            attempt_span(trace, attempt, names, now, &mut out);
        }
        self.worker.spans().add(out, now, cx.effects);
    }

    /// The attributes that every request has.
    fn request_attributes(&self, names: &Names, attributes: &mut Attributes<'_>) {
        let log = &self.log_context;
        attributes.text("http.request.method", &log.method);
        attributes.text("url.path", &log.path);
        if log.status > 0 {
            attributes.int("http.response.status_code", u64::from(log.status));
        }
        attributes.text("sluice.request_id", log.request_id.as_deref().unwrap_or_default());
        if let Some(caller) = &log.caller {
            attributes.text("sluice.key", &caller.key_id);
            attributes.text("sluice.team", &caller.team);
            attributes.text("sluice.app", caller.app.as_deref().unwrap_or_default());
        }
        attributes.text("sluice.cache", log.about.cache_state.word().unwrap_or_default());
        if let Some(prompt) = &log.prompt {
            attributes.text(names.prompt, prompt);
            attributes.text(names.prompt_type, JSON);
        }
    }

    /// The attributes of a request that was forwarded, or answered from the cache.
    fn outcome(&self, state: &RequestState, names: &Names, attributes: &mut Attributes<'_>) {
        let peek = &state.request.scanned.peek;
        if let Some(most) = peek.amount.max_tokens {
            attributes.int(names.max_tokens, most);
        }
        if peek.amount.n != 1 {
            attributes.int(names.choices, peek.amount.n);
        }
        if peek.stream {
            attributes.flag(names.stream, true);
        }
        attributes.text(names.conversation, peek.stored.conversation.as_deref().unwrap_or_default());
        let served = matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken);
        if let Some(target) = state.progress.current().filter(|_| served) {
            attributes.text(names.provider, target.provider.telemetry_name);
            attributes.text(names.served_model, &target.model);
            attributes.text("sluice.provider", &target.provider.name);
            attributes.int("sluice.tier", u64::from(target.tier));
        } else if let Some((provider, model)) = self.log_context.about.cache_state.made_by() {
            attributes.text(names.served_model, model);
            attributes.text("sluice.provider", provider);
        }
        if served {
            response(state, names, attributes);
        }
        if names.request_has_tokens {
            tokens(state.used(), names, attributes);
        }
        attributes.text("sluice.strategy", state.route.strategy.name());
        if let Some(route) = state.route.matched {
            attributes.int("sluice.route", u64::try_from(route).unwrap_or_default().saturating_add(1));
        }
        attributes.int("sluice.attempts", u64::try_from(state.progress.attempts.len()).unwrap_or_default());
        if let Some(cost) = state.bill.billing.cost() {
            attributes.millionths("sluice.cost_usd", cost.0);
        }
        if let Some(content) = &state.answer.content {
            attributes.text(names.response, content);
            attributes.text(names.response_type, JSON);
        }
    }

    /// The decisions about the request.
    fn events(&self, state: Option<&RequestState>, now: Time, events: &mut Events<'_>) {
        let log = &self.log_context;
        let decided = log.decided.unwrap_or(now);
        if let Some(limit) = &log.limit {
            events.add("sluice.limit", decided, &[("limit", limit), ("action", "reject")]);
        }
        for finding in &log.findings {
            events.finding(finding, decided);
        }
        events.judges(&log.judged, decided);
        if let Some(word) = log.about.cache_state.word() {
            events.add("sluice.cache", decided, &[("result", word)]);
        }
        let Some(state) = state else { return };
        for warning in state.bill.billing.reservation.warnings() {
            let attributes = &mut events.open("sluice.limit", decided);
            attributes.text("limit", &warning.budget);
            attributes.text("action", "warn");
            attributes.int("percent", warning.percent);
            events.close();
        }
        let mut before: Option<&AttemptState> = None;
        for attempt in &state.progress.attempts {
            if let Some(before) = before {
                let (from, to) = (target_name(&before.target), target_name(&attempt.target));
                let name = if from == to { "sluice.retry" } else { "sluice.fallback" };
                let reason = attempt_error(before, state);
                events.add(name, attempt.started, &[("from", &*from), ("to", &*to), ("reason", &*reason)]);
            }
            if let Some(finding) = attempt.failure.as_ref().and_then(|failure| failure.finding.as_deref()) {
                events.finding(finding, attempt.ended.unwrap_or(now));
            }
            for FilterResult { side, category, action } in state.filter_results(attempt).list() {
                let found = [
                    ("provider", attempt.target.provider.name.as_str()),
                    ("side", side),
                    ("category", category),
                    ("action", action),
                ];
                events.add("sluice.content_filter", attempt.ended.unwrap_or(now), &found);
            }
            before = Some(attempt);
        }
        for finding in state.answer.findings.iter().chain(&state.judges.findings) {
            events.finding(finding, state.answer.first_token.unwrap_or(now));
        }
        events.judges(&state.judges.reports, state.answer.first_token.unwrap_or(now));
    }
}

fn attempt_span(
    trace: TraceContext,
    (state, attempt): (&RequestState, &AttemptState),
    names: &Names,
    now: Time,
    out: &mut String,
) {
    let (target, provider) = (&attempt.target, &attempt.target.provider);
    let client = state.request.scanned.client;
    let span = Span { trace, id: attempt.span, parent: Some(trace.span), kind: CLIENT };
    span.open(None, (operation(client), &target.model), (attempt.started, attempt.ended.unwrap_or(now)), out);
    out.push_str(r#""attributes":["#);
    let attributes = &mut Attributes::new(out);
    attributes.text(names.kind, kind(client));
    attributes.text(names.operation, operation(client));
    attributes.text(names.provider, provider.telemetry_name);
    attributes.text(names.asked_model, &target.model);
    attributes.text(names.model, &target.model);
    let error = attempt_error(attempt, state);
    let is_last = state.progress.attempts.last().is_some_and(|last| std::ptr::eq(last, attempt));
    if is_last && matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken) {
        attributes.text(names.served_model, &target.model);
        response(state, names, attributes);
    }
    tokens(attempt.usage, names, attributes);
    if let Some(first) = attempt.chunks.first {
        let waited = first.since(attempt.started).as_micros();
        attributes.millionths(names.first_chunk, u64::try_from(waited).unwrap_or(u64::MAX));
    }
    let (address, port) = provider.server();
    attributes.text("server.address", address);
    if let Ok(port) = port.parse() {
        attributes.int("server.port", port);
    }
    if let Some(status) = attempt.status {
        attributes.int("http.response.status_code", u64::from(status));
    }
    attributes.text("error.type", &error);
    attributes.text("sluice.provider", &provider.name);
    out.push(']');
    close(&error, out);
}

/// OpenInference's kind of a call to a model.
fn kind(client: &Client) -> &'static str {
    if matches!(client.asks, Asks::Embeddings(_)) { "EMBEDDING" } else { "LLM" }
}

/// The response to the last attempt.
#[inline(never)]
fn response(state: &RequestState, names: &Names, attributes: &mut Attributes<'_>) {
    attributes.text(names.response_id, state.answer.id.as_deref().unwrap_or_default());
    attributes.texts(names.finish_reasons, &mut state.answer.reasons.iter().map(Finish::name));
    attributes.text(names.finish_reason, state.answer.reasons.iter().next().map_or("", |finish| finish.name()));
}

#[inline(never)]
fn tokens(usage: Option<Usage>, names: &Names, attributes: &mut Attributes<'_>) {
    let Some(usage) = usage else { return };
    attributes.int(names.input, usage.input);
    attributes.int(names.output, usage.output);
    attributes.int(names.total, usage.input.saturating_add(usage.output));
    for (name, tokens) in
        [(names.cached, usage.cached), (names.cache_write, usage.cache_write), (names.reasoning, usage.reasoning)]
    {
        if tokens > 0 {
            attributes.int(name, tokens);
        }
    }
}

/// The fields that every span has.
struct Span {
    trace: TraceContext,
    id: u64,
    parent: Option<u64>,
    kind: &'static str,
}

impl Span {
    /// Writes them, with a comma behind.
    fn open(
        &self,
        state: Option<&str>,
        (operation, model): (&str, &str),
        (start, end): (Time, Time),
        out: &mut String,
    ) {
        out.push_str(r#"{"traceId":""#);
        write_id(self.trace.trace, 32, out);
        out.push_str(r#"","spanId":""#);
        write_id(u128::from(self.id), 16, out);
        if let Some(parent) = self.parent {
            out.push_str(r#"","parentSpanId":""#);
            write_id(u128::from(parent), 16, out);
        }
        out.push_str(r#"","name":"#);
        if model.is_empty() {
            write_string(operation, out);
        } else {
            let mut name = String::with_capacity(operation.len().saturating_add(1).saturating_add(model.len()));
            name.push_str(operation);
            name.push(' ');
            name.push_str(model);
            write_string(&name, out);
        }
        if let Some(state) = state {
            out.push_str(r#","traceState":"#);
            write_string(state, out);
        }
        out.push_str(r#","kind":"#);
        out.push_str(self.kind);
        out.push_str(r#","startTimeUnixNano":""#);
        write_digits(start.0, 1, out);
        out.push_str(r#"","endTimeUnixNano":""#);
        write_digits(end.0, 1, out);
        out.push_str(r#"","#);
    }
}

/// Ends a span. `STATUS_CODE_ERROR` is 2.
fn close(error: &str, out: &mut String) {
    out.push_str(if error.is_empty() { "}" } else { r#","status":{"code":2}}"# });
}

/// The events of a span.
struct Events<'a> {
    out: &'a mut String,
    separator: &'static str,
}

impl Events<'_> {
    /// Begins an event.
    fn open(&mut self, name: &str, time: Time) -> Attributes<'_> {
        self.out.push_str(std::mem::replace(&mut self.separator, ","));
        self.out.push_str(r#"{"timeUnixNano":""#);
        write_digits(time.0, 1, self.out);
        self.out.push_str(r#"","name":"#);
        write_string(name, self.out);
        self.out.push_str(r#","attributes":["#);
        Attributes::new(self.out)
    }

    fn close(&mut self) {
        self.out.push_str("]}");
    }

    fn add(&mut self, name: &str, time: Time, texts: &[(&str, &str)]) {
        let mut attributes = self.open(name, time);
        texts.iter().for_each(|(name, value)| attributes.text(name, value));
        self.close();
    }

    fn judges(&mut self, reports: &[JudgeReport], time: Time) {
        for report in reports {
            let mut attributes = self.open("sluice.judge", time);
            let texts = [
                ("guard", report.guard.name.as_str()),
                ("judge", report.guard.judge.name.as_str()),
                ("side", report.side.name()),
                ("result", report.result.name()),
            ];
            texts.iter().for_each(|(name, value)| attributes.text(name, value));
            attributes.int("calls", report.calls);
            attributes.int("duration_ms", u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX));
            if let Some(cost) = report.cost {
                attributes.text("cost_usd", &cost.to_string());
            }
            if let Some(failure) = &report.failure {
                attributes.text("error", failure);
            }
            self.close();
        }
    }

    fn finding(&mut self, finding: &Finding, time: Time) {
        let Finding { guard, label, side, action } = finding;
        let found =
            [("guard", guard.as_str()), ("label", label.as_str()), ("side", side.name()), ("action", action.name())];
        self.add("sluice.guardrail", time, &found);
    }
}
