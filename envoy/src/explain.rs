//! `sluice explain`: what the gateway would decide about a request, without sending it. The filter's own code decides, with a gateway that
//! has no state yet.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};
use sluice_core::cache::semantic;
use sluice_core::cache::spec::SemanticMode;
use sluice_core::compiled::CompiledConfig;
use sluice_core::guard::answer::Checks;
use sluice_core::limits::Unit;
use sluice_core::pipeline::cache_state::{CachePolicy, sharer};
use sluice_core::pipeline::gateway::dry_run::{Caching, DryRun, Foreseen, Question, dry_run};
use sluice_core::reservation::{Candidate, Part};
use sluice_core::routing::decision::Rank;
use sluice_core::routing::routing_headers::Override;
use sluice_core::routing::spec::{Sticky, Strategy};
use sluice_core::usage::price::MicroUsd;
use sluice_wire::calendar;
use sluice_wire::error::ApiError;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::cli::Failure;

/// The state that only a running gateway has.
const UNKNOWN: &str = "This command does not know the usage of limits and budgets, or the health of targets. A \
                       running gateway moves targets with an open circuit breaker or a pending retry-after time to \
                       the end; `fastest` and `least_busy` use its measurements.";

#[derive(Debug, Args)]
pub struct Explain {
    /// The gateway file
    pub file: PathBuf,
    /// The request body, a JSON file
    pub request: PathBuf,
    /// The id of the key that the request uses
    #[arg(long, value_name = "ID")]
    key: String,
    /// The request's path, such as /v1/messages
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    endpoint: String,
    /// A request header, such as 'x-sluice-route: cheapest'; repeatable
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The time of the request (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'NAME: VALUE'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn moment(text: &str) -> Result<u64, String> {
    calendar::rfc3339(text).ok_or_else(|| "expected a time such as 2027-01-31T00:00:00Z (RFC 3339)".to_owned())
}

/// Returns the output, and whether the request would be served.
pub fn explain(arguments: &Explain, gateway: CompiledConfig) -> Result<(String, bool), Failure> {
    let body = read(&arguments.request)?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|passed| passed.as_secs()).unwrap_or_default();
    let seconds = arguments.at.unwrap_or_else(now);
    let headers: HeaderMap = arguments.headers.iter().map(|(name, value)| (name, value)).collect();
    let now = Time(seconds.saturating_mul(1_000_000_000));
    let (key, path) = (&arguments.key, &arguments.endpoint);
    let dry_run = dry_run(&Rc::new(gateway), &Question { key, path, headers: &headers, body: &body, now });
    let served = dry_run.is_ok();
    let text = match (dry_run, arguments.json) {
        (Ok(dry_run), true) => format!("{:#}\n", as_json(&dry_run, seconds)),
        (Ok(dry_run), false) => as_text(&dry_run, seconds),
        (Err(error), true) => format!("{:#}\n", json!({ "served": false, "error": error_json(&error) })),
        (Err(error), false) => format!("rejected: {}\n", said(&error)),
    };
    Ok((text, served))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Unreadable(format!("cannot read {}: {error}", path.display())))
}

/// The error as its client would read it.
fn said(error: &ApiError) -> String {
    let field = error.param.as_deref().map(|param| format!(" ({param})")).unwrap_or_default();
    format!("{} {}{field}: {}", error.status, error.code.as_deref().unwrap_or("no code"), error.message)
}

fn as_text(dry_run: &DryRun, seconds: u64) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = request(&mut text, dry_run, seconds);
    let _ = targets(&mut text, dry_run);
    let _ = counters(&mut text, dry_run);
    let _ = writeln!(text, "\n{UNKNOWN}");
    text
}

fn request(text: &mut String, dry_run: &DryRun, seconds: u64) -> std::fmt::Result {
    let DryRun { caller, model, .. } = dry_run;
    let app = caller.app.as_deref().map(|app| format!(", app {app}")).unwrap_or_default();
    writeln!(text, "key {} of team {}{app}, at {}", caller.key_id, caller.team, calendar::moment(seconds))?;
    let stream = if dry_run.stream { ", streamed" } else { "" };
    let by = if dry_run.name == model.name { String::new() } else { format!(", which is {}", model.name) };
    writeln!(text, "asks for {}{by}{stream}; needs {}", dry_run.name, needs(dry_run).join(", "))?;
    let wishes = wishes(dry_run);
    if !wishes.is_empty() {
        writeln!(text, "its headers request {}", wishes.join(", "))?;
    }
    if !dry_run.forbidden.is_empty() {
        writeln!(text, "it must not contain {}", dry_run.forbidden.join(", "))?;
    }
    for finding in &dry_run.findings {
        writeln!(text, "guardrails found {finding}")?;
    }
    for guard in &dry_run.judges {
        let when = if guard.during { "while the provider works" } else { "first" };
        writeln!(text, "the judge {} judges the prompt {when}, for the guardrail {}", guard.judge.name, guard.name)?;
    }
    if let Some(checks) = &dry_run.checks {
        let how = if !dry_run.stream || checks.hold_whole() {
            "buffers the whole answer until it passes"
        } else {
            "holds back of the stream what may become a match of"
        };
        writeln!(text, "the gateway {how} {}", passes(checks).join(", "))?;
        if checks.restores() {
            writeln!(text, "the client gets back what was masked, and the cache is bypassed")?;
        }
    }
    writeln!(text)?;
    for (place, misfits) in dry_run.routes.iter().enumerate() {
        match misfits.is_empty() {
            true => writeln!(text, "routes[{place}] matches and is used")?,
            false => writeln!(text, "routes[{place}] does not match: {}", misfits.join(", "))?,
        }
    }
    if let Some(cache) = cache(dry_run) {
        writeln!(text, "cache: {cache}")?;
    }
    writeln!(text, "strategy {}: {}", dry_run.strategy.name(), ordering(dry_run))
}

/// The checks that a response has to pass.
fn passes(checks: &Checks) -> Vec<String> {
    let form = (!checks.formats.is_empty()).then(|| "the structured output check".to_owned());
    let names = checks.guards.iter().map(|guard| &guard.name).chain(checks.judges.iter().map(|guard| &guard.name));
    names.map(|name| format!("the guardrail {name}")).chain(form).collect()
}

/// How the model's cache applies to the request.
fn cache(dry_run: &DryRun) -> Option<String> {
    let rule = dry_run.model.cache?;
    let shared = match sharer(rule.scope, &dry_run.caller) {
        (_, "") => "all keys that may use the model".to_owned(),
        (scope, whose) => format!("{scope} {whose}"),
    };
    let Caching { policy, ignored, semantic } = dry_run.cache.as_ref()?;
    let equal = match ignored.as_deref() {
        None => "; only a request with the same bytes is equal".to_owned(),
        Some([]) => String::new(),
        Some(names) => format!("; ignores {}", names.join(", ")),
    };
    let namespace = dry_run.routing_headers.namespace.as_ref();
    let shared = shared + &namespace.map(|name| format!(" in the namespace {name}")).unwrap_or_default();
    let only = if dry_run.routing_headers.caching.only_if_cached { "; refused with 504 if there is none" } else { "" };
    let similar = match (semantic, &dry_run.model.semantic) {
        (Some(Err(reason)), _) => format!("; similar requests are not looked for, because {reason}"),
        (Some(Ok(())), Some(rule)) => similar(rule, dry_run),
        _ => String::new(),
    };
    Some(match policy {
        CachePolicy::Look => {
            let most = dry_run.routing_headers.caching.max_age.map_or(rule.ttl, |most| most.min(rule.ttl));
            format!("looks for an answer shared by {shared}, no older than {most:?}{equal}{similar}{only}")
        }
        CachePolicy::Fill => {
            let ttl = rule.ttl;
            format!("lookup skipped because of cache-control; stores the answer for {shared}, {ttl:?}{equal}{only}")
        }
        CachePolicy::Neither(reason) => format!("bypassed: {reason}{only}"),
    })
}

/// How the semantic cache compares the request.
fn similar(rule: &semantic::Rule, dry_run: &DryRun) -> String {
    let raised = dry_run.routing_headers.similarity.map(|least| f64::from(least) / 10_000.0);
    let least = raised.map_or_else(|| f64::from(rule.threshold), |raised| raised.max(f64::from(rule.threshold)));
    let does = if rule.mode == SemanticMode::Shadow { "would serve" } else { "serves" };
    let (embedder, scope) = (&rule.embeddings, rule.scope.name());
    format!(
        "; {does} the answer to a similar request of the same {scope}, with a similarity of {least:.4} by {embedder} or more"
    )
}

/// The capabilities that the request needs.
fn needs(dry_run: &DryRun) -> Vec<String> {
    let needs = &dry_run.needs;
    let named = [
        (needs.tools, "tools"),
        (needs.structured_output, "structured output"),
        (needs.images, "images"),
        (needs.audio, "audio"),
        (needs.documents, "documents"),
    ];
    let room = std::iter::once(format!("room for a prompt of about {} tokens", needs.input_tokens));
    room.chain(named.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name.to_owned())).collect()
}

fn wishes(dry_run: &DryRun) -> Vec<String> {
    let hints = &dry_run.routing_headers;
    let overriding = hints.overriding.as_ref().map(|overriding| match overriding {
        Override::Strategy(strategy) => format!("the strategy {}", strategy.name()),
        Override::Target(target) => format!("{target} first"),
    });
    let alone = hints.no_fallback.then(|| "no fallback".to_owned());
    let timeout = hints.timeout.map(|timeout| {
        let allowed = timeout.min(dry_run.model.policy.timeouts.total);
        format!("a timeout of {allowed:?}")
    });
    [overriding, alone, timeout].into_iter().flatten().collect()
}

/// Explains the order of the targets.
fn ordering(dry_run: &DryRun) -> String {
    let follows = dry_run.model.policy.follows_conversations();
    match (dry_run.strategy, &dry_run.model.policy.sticky) {
        (Strategy::Fallback, _) => "in the listed order".to_owned(),
        (Strategy::Pinned, _) => "only the first target".to_owned(),
        (Strategy::Cheapest, _) if follows => {
            "by expected cost of the conversation's first request, then by its hash; targets without a price are last"
                .to_owned()
        }
        (Strategy::Fastest | Strategy::LeastBusy, _) if follows => {
            "by weight, and constant for the conversation, because it is sticky".to_owned()
        }
        (Strategy::Cheapest, _) => "by expected cost of this request; targets without a price are last".to_owned(),
        (Strategy::Fastest, _) => {
            "by measured speed, which this command does not know: this is one possible order".to_owned()
        }
        (Strategy::LeastBusy, _) => {
            "by concurrent requests, which this command does not know: this is one possible order".to_owned()
        }
        (Strategy::Weighted, None) => "random for each request: this is one possible order".to_owned(),
        (Strategy::Weighted, Some(sticky)) => {
            let by = match sticky {
                Sticky::Key => "the key".to_owned(),
                Sticky::User => "the request's user, otherwise the key".to_owned(),
                Sticky::Header(name) => format!("the header {name}, otherwise the key"),
                Sticky::Conversation => "the conversation".to_owned(),
            };
            format!("by weight, and constant for {by}")
        }
    }
}

fn targets(text: &mut String, dry_run: &DryRun) -> std::fmt::Result {
    let (lined_up, out): (Vec<&Foreseen>, Vec<&Foreseen>) = dry_run.targets.iter().partition(|target| target.lined_up);
    writeln!(text, "\ntargets in fallback order:")?;
    let whole: u32 = lined_up.iter().map(|target| target.ranked.target.weight).sum();
    for (place, foreseen) in (1..).zip(&lined_up) {
        let target = &foreseen.ranked.target;
        let share = match dry_run.strategy {
            Strategy::Weighted if whole > 0 => {
                format!(" ({:.1}% of {whole})", f64::from(target.weight) / f64::from(whole) * 100.0)
            }
            _ => String::new(),
        };
        let expected = foreseen.expected;
        let cost = foreseen.cost.map_or_else(|| "no price".to_owned(), |cost| format!("${cost}"));
        writeln!(
            text,
            "  {place}. {}  tier {}, weight {}{share}, {cost} for {} input tokens and {} output tokens",
            target.name, target.tier, target.weight, expected.input, expected.output
        )?;
        if let Some(error) = &foreseen.exceeded {
            writeln!(text, "     cannot serve the request, and ends the fallbacks here: {}", said(error))?;
        }
        if !foreseen.dropped.is_empty() {
            writeln!(text, "     would drop unsupported fields: {}", foreseen.dropped.join(", "))?;
        }
        if foreseen.marks > 0 {
            let marks = if foreseen.marks == 1 { "mark" } else { "marks" };
            writeln!(text, "     would get {} {marks} for its prompt cache if the prompt repeats", foreseen.marks)?;
        }
        if let Some(key) = &foreseen.cache_key {
            writeln!(text, "     would get the prompt_cache_key {key}")?;
        }
    }
    if !out.is_empty() {
        writeln!(text, "\nexcluded targets:")?;
    }
    for foreseen in out {
        writeln!(text, "  -  {}  {}", foreseen.ranked.target.name, why_not(foreseen))?;
    }
    Ok(())
}

/// Why a target would be skipped.
fn why_not(foreseen: &Foreseen) -> String {
    match (foreseen.ranked.place, &foreseen.exceeded) {
        (Rank::Out(reason), _) => reason.to_string(),
        (_, Some(error)) => said(error),
        (Rank::InTurn | Rank::Probe | Rank::Last(_), None) => String::new(),
    }
}

fn counters(text: &mut String, dry_run: &DryRun) -> std::fmt::Result {
    let Some(first) = dry_run.plan.candidates.first() else { return Ok(()) };
    if first.parts.is_empty() {
        writeln!(text, "\nno limits or budgets apply")?;
    } else {
        writeln!(text, "\nlimits and budgets at {}:", first.target.name)?;
    }
    for part in &first.parts {
        let (counter, limit, amount) =
            (&part.debit.counter.name, amount(part, part.debit.limit), amount(part, part.debit.amount));
        let soft = if part.debit.hard { "" } else { ", soft (only warns)" };
        let then = part.rule.then_model.as_deref().map(|then| format!(", fallback {then}")).unwrap_or_default();
        writeln!(text, "  {counter}  limit {limit}{soft}{then}; this request reserves {amount}")?;
    }
    let elsewhere = elsewhere(dry_run);
    if elsewhere > 0 {
        writeln!(
            text,
            "  this includes {elsewhere} tokens for content that the request only refers to \
             (reservation.unknown_input)"
        )?;
    }
    for way in instead(dry_run) {
        writeln!(text, "  fallback when a budget is used up: {}, at {}", way.model.name, way.target.name)?;
    }
    Ok(())
}

/// Input tokens that are reserved at the first target for content that the request only references.
fn elsewhere(dry_run: &DryRun) -> u64 {
    dry_run.targets.first().map_or(0, |foreseen| foreseen.elsewhere)
}

/// Candidates that are used only after a budget is used up.
fn instead(dry_run: &DryRun) -> impl Iterator<Item = &Candidate> {
    dry_run.plan.candidates.iter().filter(|way| way.instead_of.is_some())
}

fn amount(part: &Part, number: u64) -> String {
    match part.rule.unit {
        Unit::MicroUsd => format!("${}", MicroUsd(number)),
        Unit::Requests | Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => number.to_string(),
    }
}

fn error_json(error: &ApiError) -> Value {
    json!({ "status": error.status, "code": error.code, "message": error.message, "param": error.param })
}

fn target_json(foreseen: &Foreseen) -> Value {
    let target = &foreseen.ranked.target;
    json!({
        "target": target.name,
        "tier": target.tier,
        "weight": target.weight,
        "input_tokens": foreseen.expected.input,
        "output_tokens": foreseen.expected.output,
        "cost_usd": foreseen.cost.map(|cost| cost.to_string()),
        "dropped": foreseen.dropped,
        "prompt_cache_marks": foreseen.marks,
        "prompt_cache_key": foreseen.cache_key,
        "left_out": (!foreseen.lined_up).then(|| why_not(foreseen)),
        "ends_the_list": foreseen.exceeded.as_ref().filter(|_| foreseen.lined_up).map(said),
    })
}

fn part_json(part: &Part) -> Value {
    json!({
        "counter": *part.debit.counter.name,
        "allowed": amount(part, part.debit.limit),
        "reserves": amount(part, part.debit.amount),
        "refuses": part.debit.hard,
        "then_model": part.rule.then_model.as_deref(),
    })
}

fn as_json(dry_run: &DryRun, seconds: u64) -> Value {
    let DryRun { caller, model, needs, .. } = dry_run;
    let route = |(place, misfits): (usize, &Vec<&str>)| json!({ "route": place, "taken": misfits.is_empty(), "misfits": misfits });
    let other = |way: &Candidate| json!({ "model": way.model.name, "target": way.target.name });
    let first = dry_run.plan.candidates.first();
    json!({
        "served": true,
        "at": calendar::moment(seconds),
        "key": *caller.key_id,
        "team": *caller.team,
        "app": caller.app.as_deref(),
        "model": model.name,
        "asked": dry_run.name,
        "stream": dry_run.stream,
        "needs": {
            "input_tokens": needs.input_tokens,
            "tools": needs.tools,
            "structured_output": needs.structured_output,
            "images": needs.images,
            "audio": needs.audio,
            "documents": needs.documents,
        },
        "forbidden": dry_run.forbidden,
        "guards": dry_run.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "judges": dry_run.judges.iter().map(|guard| &guard.name).collect::<Vec<_>>(),
        "answer_passes": dry_run.checks.as_deref().map(passes).unwrap_or_default(),
        "wishes": wishes(dry_run),
        "routes": dry_run.routes.iter().enumerate().map(route).collect::<Vec<_>>(),
        "strategy": dry_run.strategy.name(),
        "cache": cache(dry_run),
        "targets": dry_run.targets.iter().map(target_json).collect::<Vec<_>>(),
        "elsewhere_tokens": elsewhere(dry_run),
        "counted": first.map(|way| way.parts.iter().map(part_json).collect::<Vec<_>>()),
        "instead": instead(dry_run).map(other).collect::<Vec<_>>(),
        "not_known": UNKNOWN,
    })
}
