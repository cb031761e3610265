//! A soak: a gateway under load from clients of every kind, before providers with every fault, for as long as one likes. In
//! the end nothing may be left of it: no stream, no reservation, no line of the log too few or too many, no memory.
//!
//! `SLUICE_SOAK_SECONDS` says for how long (20 by itself), `SLUICE_SOAK_SEED` what comes: the same requests by the same
//! clients, and the same faults in the same order, though not the same ones for the same request.

mod client;
mod memory;
mod report;
mod site;
mod tally;
mod weather;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use sluice_tests::simulator::Simulator;
use sluice_tests::{PATIENCE, eventually, until};
use tokio::task::JoinSet;

use client::{CHAT, Visitor};
use report::Report;
use site::{FEW, MODELS, Site, TEAMS, secret};
use tally::Tally;

/// As many as two cores bear.
const CLIENTS: u64 = 32;

/// Shorter runs say nothing about memory.
const TELLING: Duration = Duration::from_secs(120);

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_long_time_of_faults() {
    let length = Duration::from_secs(setting("SLUICE_SOAK_SECONDS").unwrap_or(20));
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = setting("SLUICE_SOAK_SEED").unwrap_or_else(now);
    println!("seed {seed}, {} s, {CLIENTS} clients", length.as_secs());
    let day = now() / 86_400;
    let site = Site::start().await;
    let mut report = soak(&site, seed, length).await;

    let statistics = quiet(&site).await;
    let tally = logged(&site, &statistics).await;
    report.print(&tally, &statistics);
    let limits = site.limits().await;

    // All of what does not hold is told, not only the first.
    let mut complaints = report.complaints(length >= TELLING);
    complaints.extend(of_statistics(&statistics));
    complaints.extend(of_log(&tally, &report));
    complaints.extend(of_limits(&limits, &tally));
    for team in TEAMS {
        let usage = site.read(&format!("/usage?by=team&name={team}")).await["total"].take();
        complaints.extend(of_usage(team, &usage, &limits, &tally, day == now() / 86_400));
    }
    complaints.extend(of_errors(&site.gateway.errors()));
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    still_serves(&site).await;
}

/// What is to be said of what should hold and does not.
fn unless(holds: bool, what: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(what)
}

/// The load and the faults.
async fn soak(site: &Site, seed: u64, length: Duration) -> Report {
    let end = Instant::now() + length;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut visitor = Visitor::new(&site.gateway, seed, number);
        clients.spawn(async move {
            let mut report = Report::default();
            while Instant::now() < end {
                report.add(visitor.visit().await);
            }
            report
        });
    }
    let every = (length / 60).max(Duration::from_millis(500));
    let watch = memory::watch(&site.gateway, every, end);
    let (samples, outages) = tokio::join!(watch, weather::blow(&site.providers, seed, end));
    let reports = clients.join_all().await;
    let mut report = reports.into_iter().fold(Report::default(), Report::with);
    report.length = length;
    report.outages = outages;
    report.samples = samples;
    report
}

/// Waits until all is over, at the gateway and at the providers; Envoy's counters then.
async fn quiet(site: &Site) -> BTreeMap<String, u64> {
    for provider in &site.providers {
        provider.used().await;
    }
    let active = async || -> Vec<(String, u64)> {
        statistics(site).await.into_iter().filter(|(name, value)| is_active(name) && *value > 0).collect()
    };
    let started = Instant::now();
    while !active().await.is_empty() {
        assert!(started.elapsed() < PATIENCE, "leaked: {:?}", active().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    statistics(site).await
}

/// Whether it counts what is under way.
fn is_active(name: &str) -> bool {
    let of_requests = ["downstream_rq_active", "upstream_rq_active", "upstream_rq_pending_active"];
    // The administration counts its own request, which asks.
    !name.starts_with("http.admin.") && of_requests.iter().any(|ending| name.ends_with(ending))
}

async fn statistics(site: &Site) -> BTreeMap<String, u64> {
    let text = site.gateway.envoy("/stats").await;
    let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// The whole log, once it has a line for each request.
async fn logged(site: &Site, statistics: &BTreeMap<String, u64>) -> Tally {
    let requests = statistics["http.sluice.downstream_rq_total"];
    let mut tally = Tally::of(&site.log);
    until("a line in the access log for each request", || {
        tally.read();
        (tally.lines >= requests).then_some(())
    })
    .await;
    assert_eq!(tally.lines, requests, "lines in the access log");
    tally
}

fn of_statistics(statistics: &BTreeMap<String, u64>) -> Option<String> {
    let trouble = |name: &str| {
        let of_vm = name.starts_with("wasm.") && (name.contains("reload") || name.contains("crash"));
        // Unsettled, unchecked, unleased.
        of_vm || name.contains("sluice.store.un")
    };
    let found: Vec<_> = statistics.iter().filter(|(name, value)| trouble(name) && **value > 0).collect();
    unless(found.is_empty(), || format!("the filter was in trouble: {found:?}"))
}

/// Each request has a line of its own, also each that was answered; who left before may have left before Envoy knew.
fn of_log(tally: &Tally, report: &Report) -> Vec<String> {
    let missing: Vec<_> = report.ids.iter().filter(|id| !tally.ids.contains(*id)).collect();
    let (ids, lines) = (tally.ids.len() as u64, tally.lines);
    let (answered, sent) = (report.ids.len() as u64, report.requests());
    let complaints = [
        unless(ids == lines, || format!("{ids} ids of requests in {lines} lines of the log")),
        unless(missing.is_empty(), || format!("answered and not in the log: {missing:?}")),
        unless((answered..=sent).contains(&lines), || format!("{answered} answered, {lines} lines, {sent} sent")),
    ];
    complaints.into_iter().flatten().collect()
}

/// Nothing is reserved any more, and what was spent is what the log says.
fn of_limits(limits: &[Value], tally: &Tally) -> Vec<String> {
    let of = |period: &'static str| limits.iter().filter(move |limit| limit["period"] == period);
    let held: Vec<_> = of("concurrent").filter(|limit| limit["used"] != 0).collect();
    let spent = |budget: &Value| budget["scope"].as_str().and_then(|scope| tally.costs.get(scope)).copied();
    let wrong: Vec<_> = of("total").filter(|budget| budget["used"].as_u64() != spent(budget)).collect();
    let complaints = [
        unless(of("concurrent").count() > 40 && of("total").count() == 4, || format!("limits are missing: {limits:?}")),
        unless(held.is_empty(), || format!("places that are held: {held:?}")),
        unless(wrong.is_empty(), || format!("not what the log adds up to, {:?}: {wrong:?}", tally.costs)),
    ];
    complaints.into_iter().flatten().collect()
}

/// What a team's accounts say: what the log does, and, unless a new day has begun, what its limit on tokens has counted.
fn of_usage(team: &str, usage: &Value, limits: &[Value], tally: &Tally, same_day: bool) -> Option<String> {
    let scope = format!("team={team}");
    let counted = limits.iter().find(|limit| limit["scope"] == *scope && limit["period"] == "day");
    let tokens = usage["input_tokens"].as_u64().zip(usage["output_tokens"].as_u64());
    let is_counted = !same_day || counted.is_some_and(|limit| limit["used"].as_u64() == tokens.map(|(a, b)| a + b));
    let is_logged = usage["cost_micro_usd"].as_u64() == tally.costs.get(&scope).copied();
    unless(is_counted && is_logged, || format!("accounts of {scope}: {usage}, {counted:?}, {:?}", tally.costs))
}

/// Nothing of the filter's, and nothing of Envoy's about it.
fn of_errors(said: &str) -> Option<String> {
    let words = ["[error]", "[critical]", "panic", "wasm log", "Envoy refused"];
    let serious = |line: &&str| words.iter().any(|word| line.contains(word));
    let found: Vec<&str> = said.lines().filter(serious).take(20).collect();
    unless(found.is_empty(), || format!("said: {found:#?}"))
}

/// Every model is served, and as many requests at the same time pass as a limit allows, not one less.
async fn still_serves(site: &Site) {
    let client = site.gateway.with_key(&secret("wide"));
    let ask = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "say hi"}]});
    for model in MODELS {
        eventually(model, async || client.post(CHAT, &ask(model)).await.status == 200).await;
    }
    site.providers.iter().for_each(|provider| {
        provider.clear();
        provider.hold();
    });
    let client = site.gateway.with_key(&secret("few"));
    let mut waiting = JoinSet::new();
    for _ in 0..FEW {
        let (client, body) = (client.clone(), ask("fallback"));
        waiting.spawn(async move { client.post(CHAT, &body).await.status });
    }
    let arrived = || site.providers.iter().map(|provider| provider.count()).sum::<usize>();
    until("as many requests as may be to arrive", || (arrived() >= FEW).then_some(())).await;
    assert_eq!(client.post(CHAT, &ask("fallback")).await.status, 429);
    site.providers.iter().for_each(Simulator::release);
    assert_eq!(waiting.join_all().await, [200; FEW]);
}
