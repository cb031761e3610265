//! A gateway under load from clients of every kind, with providers with every fault. Every response is correct or visibly failed. In the
//! end nothing is left over, and memory has not grown.

mod client;
mod report;
mod site;
mod weather;

use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};
use tokio::task::JoinSet;

use self::client::Visitor;
use self::report::Report;
use self::site::{FEW, MODELS, TEAMS, secret};
use crate::after::{logged, of_errors, of_limits, of_statistics, of_usage, quiet};
use crate::site::Site;
use crate::tally::Tally;
use crate::{CHAT, Run, memory, unless};

/// The most that two cores can serve.
const CLIENTS: u64 = 32;

/// Shorter runs reveal nothing about memory.
const TELLING: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_long_time_of_faults() {
    let run = Run::new(&format!("{CLIENTS} clients"));
    let site = site::start().await;
    let mut report = soak(&site, run).await;

    let statistics = quiet(&site).await;
    let tally = logged(&site, &statistics).await;
    report.print(&tally, &statistics);
    let limits = site.limits(site::limited()).await;

    // Reports all violations, not only the first.
    let mut complaints = report.complaints(run.length >= TELLING);
    complaints.extend(of_statistics(&statistics));
    complaints.extend(of_log(&tally, &report));
    complaints.extend(of_limits(&limits, (41, 4), &tally));
    for team in TEAMS {
        complaints.extend(of_usage(team, &site.usage(team).await, &limits, &tally, run.is_same_day()));
    }
    complaints.extend(of_errors(&site.gateway.errors()));
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    still_serves(&site).await;
}

/// Runs the load and the faults.
async fn soak(site: &Site, Run { length, seed, .. }: Run) -> Report {
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

/// Every request that got a response has one line in the log. A client may have disconnected before Envoy saw its request.
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

/// Every model is served, and the gateway admits exactly as many concurrent requests as a limit allows.
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
