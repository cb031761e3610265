//! The access log's fields for a request, as the rest of a JSON object that Envoy has started.
//!
//! Never a prompt, a response, or a secret. A field without a value is omitted, as are empty lists and flags that are not set.
//! `examples/access-log.schema.json` describes the line.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use sluice_wire::content_filter::FilterResult;
use sluice_wire::conversation::Usage;
use sluice_wire::error::ApiError;
use sluice_wire::time::Time;

use crate::cache::Spent;
use crate::compiled::spec::Log;
use crate::compiled::spec::{LoggedClient, LoggedMessages};
use crate::guard::judge::JudgeReport;
use crate::routing::spec::Strategy;
use crate::store::Sums;
use crate::usage::price::MicroUsd;

use super::View;
use super::cache_state::CacheState;
use super::provider_error::ProviderError;
use super::redaction::RetainedBody;
use super::request_state::{AttemptState, Counted, RequestState, SkippedTarget, Stage};
use super::similar::{Comparison, Similar};

mod json;

use json::{Json, field, fields};

/// The initial capacity; more than most lines need.
const ROOM: usize = 1024;

/// The fields, in the order of the log.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Record<'a> {
    /// Envoy's request id, also the response's `x-request-id`.
    pub request_id: Option<&'a str>,
    /// The request's trace: 32 hexadecimal digits.
    pub trace_id: Option<&'a str>,
    /// The HTTP method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The network of the client's address. None where the log has the full address, because Envoy writes that.
    pub client: Option<String>,
    /// The client's `user-agent`.
    pub user_agent: Option<&'a str>,
    /// The key's public id.
    pub key: Option<&'a str>,
    /// The key's team.
    pub team: Option<&'a str>,
    /// The key's application.
    pub app: Option<&'a str>,
    /// The requested model's name, truncated; the model need not exist.
    pub asked_model: Option<&'a str>,
    /// The matched model of the gateway file.
    pub model: Option<&'a str>,
    /// The model that served instead, because a budget is used up.
    pub instead: Option<&'a str>,
    /// Whether the client requested a stream.
    pub stream: Option<bool>,
    /// The provider that served the response.
    pub served_provider: Option<&'a str>,
    /// The provider's model that served the response.
    pub served_model: Option<&'a str>,
    /// The number of attempts.
    pub attempts: usize,
    /// Each attempt: target, milliseconds, the failure if there was one, and its usage.
    pub tried: Vec<AttemptRecord<'a>>,
    /// The routing strategy.
    pub strategy: Option<Strategy>,
    /// Whether the conversation's own target served: `kept`, or `moved` to another one. None where requests do not stick by it.
    pub sticky: Option<&'a str>,
    /// The tier that served, if it is lower than the model's best.
    pub lower_tier: Option<u32>,
    /// The cache result: `hit`, `shared`, `semantic`, `miss`, or `bypass`; none where the model has no cache.
    pub cache: Option<&'a str>,
    /// The result of the comparison with earlier requests: `served`, `shadow`, `different`, or `failed`; none where there was none.
    pub semantic: Option<&'a str>,
    /// The similarity of the request whose response served, or would have.
    pub similarity: Option<String>,
    /// The age in seconds of that response.
    pub semantic_age_s: Option<u64>,
    /// Tokens of the embedding.
    pub embedding_tokens: Option<u64>,
    /// US dollars of the embedding, a part of `cost_usd`.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    pub embedding_usd: Option<MicroUsd>,
    /// Milliseconds that it waited for the response to an identical request.
    pub cache_wait_ms: Option<u64>,
    /// The request's optional fields that the serving provider does not support.
    pub dropped: &'a [String],
    /// Guardrail findings: `secrets: api_key (prompts, block)`.
    pub guards: Vec<String>,
    /// The work of judges.
    pub judges: Vec<JudgeRecord<'a>>,
    /// Results of the content filter of the last provider: `answer:hate:blocked`.
    pub content_filter: Vec<String>,
    /// Input tokens of all attempts.
    pub input_tokens: Option<u64>,
    /// Output tokens of all attempts.
    pub output_tokens: Option<u64>,
    /// Input tokens that were read from the provider's cache.
    pub cached_tokens: Option<u64>,
    /// Input tokens that were written to the provider's cache, if there are any.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens for reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Marks that the gateway added for the provider's prompt cache, if any.
    pub prompt_cache_marks: Option<usize>,
    /// US dollars that reads from the provider's prompt cache have saved.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    pub prompt_cache_saved_usd: Option<MicroUsd>,
    /// US dollars that writes to the provider's prompt cache have cost in addition.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    pub prompt_cache_surcharge_usd: Option<MicroUsd>,
    /// How much of its own tokens the serving provider counted.
    #[cfg_attr(test, serde(serialize_with = "tests::counted"))]
    pub usage: Option<Counted>,
    /// Whether any of these were estimated, failed attempts included, because a provider did not count them.
    pub estimated: bool,
    /// Whether the client left before its response was complete and counted, or waited for less time than the gateway would have.
    pub abandoned: bool,
    /// US dollars of all attempts, with six decimals; none when a price is not known.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    pub cost_usd: Option<MicroUsd>,
    /// Budgets with at least 80% used: `team=research/month 80%`.
    pub budgets: Vec<String>,
    /// Milliseconds from the request's headers to the first token (to the end of a response that is not streamed).
    pub first_token_ms: Option<u64>,
    /// The status of the last provider's response.
    pub provider_status: Option<u16>,
    /// Why the last connection failed: `refused`, `tls: certificate has expired`.
    pub transport: Option<&'a str>,
    /// Why the gateway rejected the request, or how the response broke off.
    pub error: Option<&'a str>,
    /// The client's error message.
    pub message: Option<&'a str>,
    /// The request's field at fault.
    pub param: Option<&'a str>,
}

/// Facts about a forwarded request that only the gateway role needs.
#[derive(Debug, Default)]
pub struct About {
    /// The result of its cache lookup.
    pub cache_state: CacheState,
    /// Why the last attempt's connection failed, where Envoy reports it.
    pub transport: Option<String>,
    /// It was ended during shutdown.
    pub shut_down: bool,
    /// The usage that its cached response has saved.
    pub saved: Option<Spent>,
    /// Its response was stored in the cache.
    pub stored: bool,
    /// The usage of the batch that this request has settled.
    pub settled: Option<Sums>,
}

/// The logged error of a request that was ended at shutdown.
pub const SHUT_DOWN: &str = "shutdown";

/// A provider's message is cut where it shares at least this many characters with the request.
const PROVIDERS_RUN: usize = 12;

/// The same for the gateway's own messages, which name fields and models, and repeat only the request's wrong values.
const OWN_RUN: usize = 40;

/// The longest field name.
const LONGEST_NAME: usize = 128;

/// Error texts of a request, cut for the log.
#[derive(Debug, Default)]
pub struct Words {
    /// The client's error message.
    pub message: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
    /// The providers' errors, one for each attempt; empty if there were none.
    pub of_attempts: Vec<Option<ProviderError>>,
}

impl Words {
    /// For a request that the gateway rejected (the error is already cut), or whose attempts all failed.
    pub fn of(refused: Option<&ApiError>, state: Option<&RequestState>, log: Log) -> Self {
        let attempts = state.map(|state| state.progress.attempts.as_slice()).unwrap_or_default();
        let mut words = Self::default();
        if let Some(state) = state {
            let said = |attempt: &AttemptState| Some(cut(attempt.provider_error.as_deref()?, &state.memory.body, log));
            if attempts.iter().any(|attempt| attempt.provider_error.is_some()) {
                words.of_attempts = attempts.iter().map(said).collect();
            }
        }
        let ended = state.and_then(|state| Some((state, state.progress.refusal.as_deref()?)));
        if let Some(refused) = refused {
            words.message = Some(refused.message.clone());
            words.param.clone_from(&refused.param);
        } else if let Some((state, error)) = ended {
            // The message may quote the last provider.
            let quoted = attempts.last().and_then(|attempt| attempt.provider_error.as_ref()).is_some();
            words.message = match quoted {
                true => of_provider(&error.message, &state.memory.body, log),
                false => Some(own(&error.message, || state.memory.body.clone())),
            };
            words.param = error.param.as_deref().map(|param| name_or_cut(param, &state.memory.body));
        }
        words
    }
}

/// Cuts one of the gateway's own errors for the log. Most quote nothing, so the request is rarely searched.
pub fn for_the_log(error: ApiError, body: impl Fn() -> RetainedBody) -> ApiError {
    let message = own(&error.message, &body);
    let param =
        error.param.as_deref().map(|param| if is_name(param) { param.to_owned() } else { name_or_cut(param, &body()) });
    ApiError { message, param, ..error }
}

/// The response begins, and the request's body is no longer needed: the providers' errors so far are cut now.
pub fn forget_body(state: &mut RequestState, log: Log) {
    let body = state.memory.forget();
    for provider_error in state.progress.attempts.iter_mut().filter_map(|attempt| attempt.provider_error.as_mut()) {
        **provider_error = cut(provider_error, &body, log);
    }
}

/// Cuts the request's parts out of a provider's error.
fn cut(said: &ProviderError, body: &RetainedBody, log: Log) -> ProviderError {
    if said.is_cut {
        return said.clone();
    }
    let word = |word: &Option<String>| word.as_deref().map(|word| name_or_cut(word, body));
    let message = said.message.as_deref().and_then(|message| of_provider(message, body, log));
    ProviderError { kind: word(&said.kind), code: word(&said.code), param: word(&said.param), message, is_cut: true }
}

fn of_provider(message: &str, body: &RetainedBody, log: Log) -> Option<String> {
    match log.provider_messages {
        LoggedMessages::Off => None,
        LoggedMessages::Cut => Some(body.without(message, PROVIDERS_RUN)),
        LoggedMessages::Full => Some(message.to_owned()),
    }
}

/// Cuts one of the gateway's own messages, which puts everything it repeats in quotes.
fn own(message: &str, body: impl Fn() -> RetainedBody) -> String {
    if message.contains(['`', '\'', '"']) { body().without(message, OWN_RUN) } else { message.to_owned() }
}

/// Whether it may be the name of a field or an error type. Requests contain the same names, so names are not cut.
fn is_name(word: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/[]#$".contains(&byte);
    word.len() <= LONGEST_NAME && word.bytes().all(is_of_names)
}

/// Returns a name unchanged. Text in its place is cut like a message.
fn name_or_cut(word: &str, body: &RetainedBody) -> String {
    match is_name(word) {
        true => word.to_owned(),
        false => body.without(word, PROVIDERS_RUN).chars().take(LONGEST_NAME).collect(),
    }
}

/// The client's address, if the filter logs it. With [`LoggedClient::Full`], Envoy logs it.
pub fn logged_client(logged: LoggedClient, view: &dyn View) -> Option<String> {
    match logged {
        LoggedClient::Network => view.source().map(network),
        LoggedClient::Full | LoggedClient::Off => None,
    }
}

fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            format!("{first}.{second}.{third}.0/24")
        }
        IpAddr::V6(address) => {
            let [first, second, third, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0))
        }
    }
}

impl<'a> Record<'a> {
    /// Adds the fields of a comparison with earlier requests, and its cost.
    pub fn with_similar(self, similar: &'a Similar) -> Self {
        let near = similar.outcome.and_then(Comparison::near);
        Self {
            semantic: similar.outcome.map(Comparison::name),
            similarity: near.map(|near| near.text()),
            semantic_age_s: near.map(|near| similar.age(near).as_secs()),
            embedding_tokens: Some(similar.tokens),
            embedding_usd: similar.cost,
            cost_usd: similar.cost,
            ..self
        }
    }

    /// Adds the fields of a request state.
    pub fn with_state(self, state: &'a RequestState, about: &'a About, said: &'a [Option<ProviderError>]) -> Self {
        let served = matches!(state.progress.stage, Stage::Answering | Stage::Complete | Stage::Broken);
        let target = state.progress.current().filter(|_| served);
        let served_by = target.map(|target| (target.provider.name.as_str(), target.model.as_str()));
        let served_by = served_by.or_else(|| about.cache_state.made_by());
        // A request for a stored object costs nothing itself; a settled batch has its own sums.
        let (batch, cost) = (about.settled, state.bill.billing.cost());
        let used = state.used();
        let last_failure = state.progress.last_failure();
        let prompt_cache = state.bill.billing.prompt_cache();
        let some = |amount: MicroUsd| (amount.0 > 0).then_some(amount);
        let results = state.progress.attempts.last().map(|attempt| state.filter_results(attempt)).unwrap_or_default();
        Self {
            model: Some(&state.request.model.name),
            instead: Some(state.route.model.name.as_str()).filter(|name| *name != state.request.model.name),
            stream: Some(state.request.scanned.peek.stream),
            served_provider: served_by.map(|(provider, _)| provider),
            // Stored objects have a provider, but no model.
            served_model: served_by.map(|(_, model)| model).filter(|model| !model.is_empty()),
            attempts: state.progress.attempts.len(),
            tried: attempt_records(state, said),
            provider_status: state.progress.attempts.last().and_then(|attempt| attempt.status),
            transport: about.transport.as_deref(),
            strategy: Some(state.route.strategy),
            sticky: state.route.home.as_ref().zip(target).map(
                |(home, target)| {
                    if Rc::ptr_eq(home, target) { "kept" } else { "moved" }
                },
            ),
            lower_tier: state.lower_tier().filter(|_| served),
            dropped: &state.answer.dropped,
            guards: {
                let mut guards = self.guards;
                for finding in state.findings() {
                    let finding = finding.to_string();
                    // Several attempts may find the same.
                    if !guards.contains(&finding) {
                        guards.push(finding);
                    }
                }
                guards
            },
            judges: self.judges.into_iter().chain(state.judges.reports.iter().map(JudgeRecord::of)).collect(),
            content_filter: results.list().into_iter().map(FilterResult::text).collect(),
            input_tokens: batch.map(|sums| sums.input_tokens).or(used.map(|usage| usage.input)),
            output_tokens: batch.map(|sums| sums.output_tokens).or(used.map(|usage| usage.output)),
            cached_tokens: used.map(|usage| usage.cached),
            cache_write_tokens: used.map(|usage| usage.cache_write).filter(|tokens| *tokens > 0),
            reasoning_tokens: used.map(|usage| usage.reasoning),
            prompt_cache_marks: Some(state.answer.marks).filter(|marks| *marks > 0),
            prompt_cache_saved_usd: some(prompt_cache.saved),
            prompt_cache_surcharge_usd: some(prompt_cache.surcharge),
            usage: state.bill.counted,
            estimated: state.bill.estimated,
            abandoned: state.bill.abandoned,
            cost_usd: batch.map(|sums| MicroUsd(sums.cost)).or(cost),
            budgets: state.bill.billing.warnings(),
            first_token_ms: state.answer.first_token.map(|moment| milliseconds(state.request.started, moment)),
            error: match state.progress.stage {
                _ if about.shut_down => Some(SHUT_DOWN),
                Stage::Underway | Stage::Complete => self.error,
                // The filter got no callback: the client left, or the provider's connection was lost. Envoy's response flags say which.
                Stage::Answering => Some("interrupted"),
                Stage::Broken | Stage::Refused => {
                    last_failure.map_or(self.error, |failure| failure.error.code.as_deref().or(Some(&*failure.reason)))
                }
            },
            ..self
        }
    }

    /// The rest of the JSON object: `,"request_id":…,"param":…`. Envoy closes the brace.
    pub fn fragment(&self) -> String {
        let mut line = String::with_capacity(ROOM);
        let out = &mut line;
        fields!(out, self, request_id, trace_id, method, path, client, user_agent, key, team, app, asked_model, model);
        fields!(
            out,
            self,
            instead,
            stream,
            served_provider,
            served_model,
            attempts,
            tried,
            strategy,
            sticky,
            lower_tier,
            cache,
            semantic,
            similarity,
            semantic_age_s,
            embedding_tokens,
            embedding_usd,
            cache_wait_ms
        );
        fields!(
            out,
            self,
            dropped,
            guards,
            judges,
            content_filter,
            input_tokens,
            output_tokens,
            cached_tokens,
            cache_write_tokens
        );
        fields!(
            out,
            self,
            reasoning_tokens,
            prompt_cache_marks,
            prompt_cache_saved_usd,
            prompt_cache_surcharge_usd,
            usage
        );
        fields!(out, self, estimated, abandoned, cost_usd, budgets, first_token_ms, provider_status, transport);
        fields!(out, self, error, message, param);
        line
    }
}

/// The attempts, with the skipped targets in between.
fn attempt_records<'a>(state: &'a RequestState, said: &'a [Option<ProviderError>]) -> Vec<AttemptRecord<'a>> {
    let said = said.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let mut records: Vec<AttemptRecord<'_>> =
        state.progress.attempts.iter().zip(said).map(|(attempt, said)| AttemptRecord::of(attempt, said)).collect();
    for (before, passed) in state.progress.skipped_targets.iter().enumerate() {
        let place = passed.after.saturating_add(before).min(records.len());
        records.insert(place, AttemptRecord::skipped(passed));
    }
    records
}

/// The work of a guardrail's judge.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct JudgeRecord<'a> {
    guard: &'a str,
    judge: &'a str,
    side: &'a str,
    result: &'a str,
    /// Calls.
    calls: u64,
    /// Milliseconds until the verdict; of several windows, in all.
    ms: u64,
    /// US dollars of the calls, if the judge has a price.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    usd: Option<MicroUsd>,
    /// Why it did not judge all texts.
    error: Option<&'a str>,
}

/// One attempt, or a skipped target.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct AttemptRecord<'a> {
    provider: &'a str,
    model: &'a str,
    /// The key's number, from 1; none where the target has at most one.
    key: Option<usize>,
    /// Duration; none for a skipped target.
    ms: Option<u64>,
    /// Why it failed, if it did.
    failure: Option<&'a str>,
    /// Its input tokens, if it used any tokens.
    input_tokens: Option<u64>,
    /// Its output tokens, likewise.
    output_tokens: Option<u64>,
    /// Among its input tokens: those read from the provider's cache, if there are any.
    cached_tokens: Option<u64>,
    /// Among its output tokens: those for reasoning, if there are any.
    reasoning_tokens: Option<u64>,
    /// Its cost, if it used anything and has a price.
    #[cfg_attr(test, serde(serialize_with = "tests::dollars"))]
    cost_usd: Option<MicroUsd>,
    /// The provider's own error.
    error: Option<ProviderErrorRecord<'a>>,
}

/// A provider's own error.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
struct ProviderErrorRecord<'a> {
    #[cfg_attr(test, serde(rename = "type"))]
    kind: Option<&'a str>,
    code: Option<&'a str>,
    param: Option<&'a str>,
    message: Option<&'a str>,
}

impl Json for AttemptRecord<'_> {
    fn write(&self, out: &mut String) {
        out.push('{');
        fields!(out, self, provider, model, key, ms, failure, input_tokens, output_tokens, cached_tokens);
        fields!(out, self, reasoning_tokens, cost_usd, error);
        out.push('}');
    }
}

impl Json for JudgeRecord<'_> {
    fn write(&self, out: &mut String) {
        out.push('{');
        fields!(out, self, guard, judge, side, result, calls, ms, usd, error);
        out.push('}');
    }
}

impl<'a> JudgeRecord<'a> {
    pub(super) fn of(report: &'a JudgeReport) -> Self {
        Self {
            guard: &report.guard.name,
            judge: &report.guard.judge.name,
            side: report.side.name(),
            result: report.result.name(),
            calls: report.calls,
            ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            usd: report.cost,
            error: report.failure.as_deref(),
        }
    }
}

impl Json for ProviderErrorRecord<'_> {
    fn write(&self, out: &mut String) {
        out.push('{');
        field(out, "\"type\":", &self.kind);
        fields!(out, self, code, param, message);
        out.push('}');
    }
}

impl<'a> AttemptRecord<'a> {
    fn skipped(passed: &'a SkippedTarget) -> Self {
        Self {
            provider: &passed.target.provider.name,
            model: &passed.target.model,
            failure: Some(passed.reason),
            ..Self::default()
        }
    }

    fn of(attempt: &'a AttemptState, said: Option<&'a ProviderError>) -> Self {
        let used = attempt.usage.filter(|usage| *usage != Usage::default());
        let cost = attempt.cost.filter(|cost| used.is_some() || *cost != MicroUsd::default());
        let some = |tokens: u64| (tokens > 0).then_some(tokens);
        let error = said.filter(|said| !said.is_empty()).map(|said| ProviderErrorRecord {
            kind: said.kind.as_deref(),
            code: said.code.as_deref(),
            param: said.param.as_deref(),
            message: said.message.as_deref(),
        });
        Self {
            error,
            provider: &attempt.target.provider.name,
            model: &attempt.target.model,
            key: attempt.target.keys.several().then_some(attempt.key.saturating_add(1)),
            ms: attempt.ended.map(|ended| milliseconds(attempt.started, ended)),
            failure: attempt.failure.as_ref().map(|failure| &*failure.reason),
            input_tokens: used.map(|usage| usage.input),
            output_tokens: used.map(|usage| usage.output),
            cached_tokens: used.and_then(|usage| some(usage.cached)),
            reasoning_tokens: used.and_then(|usage| some(usage.reasoning)),
            cost_usd: cost,
        }
    }
}

fn milliseconds(from: Time, to: Time) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

/// The trace id of a W3C `traceparent`, or else the request id's 32 digits.
pub fn trace_id(traceparent: Option<&str>, request_id: Option<&str>) -> Option<String> {
    let is_id = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let from_parent = traceparent.and_then(|text| text.split('-').nth(1)).filter(|id| is_id(id)).map(str::to_owned);
    let joined = |id: &str| id.split('-').fold(String::with_capacity(id.len()), |all, part| all + part);
    from_parent.or_else(|| request_id.map(joined).filter(|id| is_id(id)))
}

#[cfg(test)]
mod tests;
