//! The servers that the gateway file names: all are asked concurrently. From their responses, and from Redis, it also tells whether this
//! machine's clock is right.

use std::path::Path;
use std::time::Duration;

use sluice_config::file::File;
use sluice_core::provider::url::Url;

use crate::reach;

use super::client::Client;
use super::{Check, Finding, credentials, redis};

/// The largest difference without a warning, in milliseconds. AWS rejects signatures that are minutes off, and windows of budgets begin at the
/// wrong time.
const LARGEST_SKEW: i64 = 5_000;

/// A question to a server.
pub struct Question {
    pub check: Check,
    pub subject: String,
    pub ask: Box<dyn FnOnce() -> Told + Send>,
}

/// The answer of a server.
#[derive(Default)]
pub struct Told {
    pub findings: Vec<Finding>,
    /// How far this machine's clock is ahead of the server's, in milliseconds.
    pub ahead: Option<i64>,
}

impl From<Finding> for Told {
    fn from(finding: Finding) -> Self {
        Self { findings: vec![finding], ahead: None }
    }
}

pub fn ask(file: &File, base: &Path, client: &Client, authorities: &Path, tries: bool) -> Vec<Finding> {
    let mut questions: Vec<Question> = servers(file)
        .filter_map(|(subject, url)| {
            let (url, client) = (Url::parse(&url).ok()?, client.clone());
            Some(Question { check: Check::Connection, subject, ask: Box::new(move || connect(&client, &url)) })
        })
        .collect();
    questions.extend(redis::question(file, base, client));
    if tries {
        questions.extend(credentials::questions(file, base, client, authorities));
    }
    let (asked, tasks): (Vec<_>, Vec<_>) =
        questions.into_iter().map(|question| ((question.check, question.subject), question.ask)).unzip();
    let mut findings = Vec::new();
    let mut clocks = Vec::new();
    for ((check, subject), told) in asked.into_iter().zip(reach::all(tasks, client.longest())) {
        let told = told.unwrap_or_else(|| Finding::fail(check, "no answer before the timeout").into());
        let server = if check == Check::Redis { "redis".to_owned() } else { subject.clone() };
        clocks.extend(told.ahead.map(|ahead| (server, ahead)));
        findings.extend(told.findings.into_iter().map(|finding| finding.of(subject.clone())));
    }
    findings.push(clock(clocks));
    findings
}

/// Every server with its place in the gateway file, except Redis.
fn servers(file: &File) -> impl Iterator<Item = (String, String)> {
    let providers = file.providers.iter().flat_map(|(name, provider)| {
        let own = provider.url().map(|url| (format!("providers.{name}"), url.to_owned()));
        let entra = provider.entra.as_ref();
        let authority = entra.map(|entra| (format!("providers.{name}.entra"), entra.authority().to_owned()));
        own.into_iter().chain(authority)
    });
    let judges = file.judges.iter().flat_map(|(name, judge)| {
        let own = judge.url().map(|url| (format!("judges.{name}"), url.into_owned()));
        let entra = judge.entra.as_ref();
        own.into_iter().chain(entra.map(|entra| (format!("judges.{name}.entra"), entra.authority().to_owned())))
    });
    let others = [
        ("tracing", file.tracing.as_ref().map(|tracing| &tracing.url)),
        ("metrics.otlp", file.metrics.otlp.as_ref().map(|otlp| &otlp.url)),
        ("log.otlp", file.log.otlp.as_ref().map(|otlp| &otlp.url)),
        ("alerts", file.alerts.as_ref().map(|alerts| &alerts.url)),
    ];
    providers
        .chain(judges)
        .chain(others.into_iter().filter_map(|(subject, url)| Some((subject.to_owned(), url?.clone()))))
}

fn connect(client: &Client, url: &Url) -> Told {
    match client.ask("HEAD", url, "/", &[]) {
        Ok(answer) => {
            let certificate = if url.tls { " with a valid certificate" } else { "" };
            let through = client.proxy_for(url).map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
            let text = format!("{} answers{certificate}{through}", url.authority());
            Told { findings: vec![Finding::ok(Check::Connection, text)], ahead: answer.ahead }
        }
        Err(problem) => Finding::fail(Check::Connection, problem.text).action(problem.action).into(),
    }
}

/// Compares this machine's clock with that of the server that differs most.
fn clock(clocks: Vec<(String, i64)>) -> Finding {
    match clocks.into_iter().max_by_key(|(_, ahead)| ahead.abs()) {
        None => Finding::warn(Check::Clock, "not compared, because no server gave its time"),
        Some((server, ahead)) if ahead.abs() <= LARGEST_SKEW => Finding::ok(
            Check::Clock,
            format!("within {} s of the clocks of all servers, such as {server}", LARGEST_SKEW / 1000),
        ),
        Some((server, ahead)) => {
            let (by, way) =
                (Duration::from_millis(ahead.unsigned_abs()), if ahead > 0 { "ahead of" } else { "behind" });
            Finding::warn(Check::Clock, format!("this machine's clock is {} s {way} that of {server}", by.as_secs())).action(
                "Synchronize the clocks by NTP: AWS rejects signatures of a wrong time, and budgets begin at the wrong time",
            )
        }
    }
}
