//! The conditions at the end: nothing is in flight, nothing is reserved, the filter had no errors, and the access log, the accounts, and
//! the counts of limits and budgets agree.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use sluice_tests::{PATIENCE, until};

use crate::site::Site;
use crate::tally::Tally;
use crate::unless;

/// Waits until no request is in flight, at the gateway and at the providers; returns Envoy's counters.
pub async fn quiet(site: &Site) -> BTreeMap<String, u64> {
    for provider in &site.providers {
        provider.used().await;
    }
    let active = async || -> Vec<(String, u64)> {
        site.statistics().await.into_iter().filter(|(name, value)| is_active(name) && *value > 0).collect()
    };
    let started = Instant::now();
    while !active().await.is_empty() {
        assert!(started.elapsed() < PATIENCE, "leaked: {:?}", active().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    site.statistics().await
}

/// Whether it counts requests in flight.
fn is_active(name: &str) -> bool {
    let of_requests = ["downstream_rq_active", "upstream_rq_active", "upstream_rq_pending_active"];
    // The administration's statistic includes the request that reads it.
    !name.starts_with("http.admin.") && of_requests.iter().any(|ending| name.ends_with(ending))
}

/// The complete log, once it has a line for each request.
pub async fn logged(site: &Site, statistics: &BTreeMap<String, u64>) -> Tally {
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

/// Envoy's counters of ended VMs, and of failures of the filter.
pub fn trouble(statistics: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let is_trouble = |name: &str| {
        let of_vm = name.starts_with("wasm.") && (name.contains("reload") || name.contains("crash"));
        // `unsettled`, `unchecked` and `unleased`.
        of_vm || name.contains("sluice.store.un")
    };
    let found = statistics.iter().filter(|(name, value)| is_trouble(name) && **value > 0);
    found.map(|(name, value)| (name.as_str(), *value)).collect()
}

pub fn of_statistics(statistics: &BTreeMap<String, u64>) -> Option<String> {
    let found = trouble(statistics);
    unless(found.is_empty(), || format!("the filter was in trouble: {found:?}"))
}

/// Asserts that nothing is reserved, and that spending equals the log's: for this many concurrency limits and total budgets.
pub fn of_limits(limits: &[Value], (places, budgets): (usize, usize), tally: &Tally) -> Vec<String> {
    let of = |period: &'static str| limits.iter().filter(move |limit| limit["period"] == period);
    let held: Vec<_> = of("concurrent").filter(|limit| limit["used"] != 0).collect();
    let wrong: Vec<_> = of("total").filter(|budget| budget["used"].as_u64() != Some(spent(budget, tally))).collect();
    let complaints = [
        unless(of("concurrent").count() >= places && of("total").count() == budgets, || {
            format!("limits are missing: {limits:?}")
        }),
        unless(held.is_empty(), || format!("places that are held: {held:?}")),
        unless(wrong.is_empty(), || format!("not what the log adds up to, {:?}: {wrong:?}", tally.costs)),
    ];
    complaints.into_iter().flatten().collect()
}

/// The log's spending on this budget.
fn spent(budget: &Value, tally: &Tally) -> u64 {
    budget["scope"].as_str().and_then(|scope| tally.costs.get(scope)).copied().unwrap_or_default()
}

/// A team's accounts must equal the log, and, unless a new day has begun, the count of its token limit.
pub fn of_usage(team: &str, usage: &Value, limits: &[Value], tally: &Tally, same_day: bool) -> Option<String> {
    let scope = format!("team={team}");
    let counted = limits.iter().find(|limit| limit["scope"] == *scope && limit["period"] == "day");
    let tokens = usage["input_tokens"].as_u64().zip(usage["output_tokens"].as_u64());
    let is_counted = !same_day || counted.is_some_and(|limit| limit["used"].as_u64() == tokens.map(|(a, b)| a + b));
    let is_logged = usage["cost_micro_usd"].as_u64() == Some(tally.costs.get(&scope).copied().unwrap_or_default());
    unless(is_counted && is_logged, || format!("accounts of {scope}: {usage}, {counted:?}, {:?}", tally.costs))
}

/// The filter must log no errors, and Envoy must log none about the filter.
pub fn of_errors(said: &str) -> Option<String> {
    let words = ["[error]", "[critical]", "panic", "wasm log", "Envoy rejected"];
    // A slow Redis is one of the faults. On a slow machine a call may exceed the gateway's timeout.
    let tried = ["Redis does not answer (HTTP status 504", "Redis answers again"];
    let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let serious = |line: &&str| has(line, &words) && !has(line, &tried);
    let found: Vec<&str> = said.lines().filter(serious).take(20).collect();
    unless(found.is_empty(), || format!("said: {found:#?}"))
}
