//! `sluice doctor`: finds out why a gateway does not start, or does not reach what it needs. It checks the whole path in one run: Envoy, the
//! module, the gateway file, the rendered configuration, the ports, and then every server that the file names. It changes nothing, installs
//! nothing, never prints a secret, and ends in time even if a server does not answer.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Serialize;

use crate::check::{self, Checked};
use crate::cli::{Failure, Module, base, count, duration};
use crate::locate;
use crate::proxy::Proxy;

mod client;
mod credentials;
mod machine;
mod network;
mod redis;

use client::Client;

#[derive(Debug, Args)]
pub struct Doctor {
    /// The gateway file
    file: PathBuf,
    #[command(flatten)]
    module: Module,
    /// The Envoy binary, version 1.39 or newer
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Also try the credentials of providers, with a request for their list of models
    #[arg(long)]
    credentials: bool,
    /// A file with the CA certificates to trust [default: the system's]
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// How long to wait for each step of a server: its address, its connection, its response
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// The subject area of a finding. Scripts rely on the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    Envoy,
    Module,
    File,
    Configuration,
    Port,
    Proxy,
    Credential,
    Connection,
    Redis,
    Clock,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: Check,
    /// The place in the gateway file; empty if it is about the machine.
    subject: String,
    status: Status,
    message: String,
    /// What to do; empty if there is nothing to do, or if the message says it.
    action: String,
}

impl Finding {
    fn new(check: Check, status: Status, message: impl Into<String>) -> Self {
        Self { check, subject: String::new(), status, message: message.into(), action: String::new() }
    }

    fn ok(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Status::Ok, message)
    }

    fn warn(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Status::Warn, message)
    }

    fn fail(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, Status::Fail, message)
    }

    fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    fn action(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, subject, status, message, action } = self;
        let (status, check) = (format!("{status:?}").to_lowercase(), format!("{check:?}").to_lowercase());
        let space = if subject.is_empty() { "" } else { " " };
        let stop = if action.is_empty() { "" } else { ". " };
        // A message of another program may have several lines.
        write!(f, "{status:4}  {check}{space}{subject}: {}{stop}{action}", message.trim().replace('\n', "; "))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    version: &'a str,
    status: Status,
    checks: &'a [Finding],
}

/// Returns the report, and whether it is without failures.
pub fn doctor(arguments: Doctor) -> Result<(String, bool), Failure> {
    let json = arguments.json;
    let findings = examine(arguments)?;
    let worst = findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok);
    let number = |status| findings.iter().filter(|finding| finding.status == status).count();
    let text = if json {
        let report = Report { version: env!("CARGO_PKG_VERSION"), status: worst, checks: &findings };
        let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::new(error.to_string()))?;
        format!("{text}\n")
    } else {
        let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        let [warnings, failures] =
            [(Status::Warn, "warning"), (Status::Fail, "failure")].map(|(status, name)| count(number(status), name));
        format!("{lines}{} ok, {warnings}, {failures}\n", number(Status::Ok))
    };
    Ok((text, worst < Status::Fail))
}

fn examine(arguments: Doctor) -> Result<Vec<Finding>, Failure> {
    let path = arguments.file.as_path();
    let base = base(path)?;
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable(format!("cannot read {}: {error}", path.display())))?;
    let build = arguments.module.build()?;
    let authorities = arguments.ca.unwrap_or_else(locate::authorities);

    let mut findings = Vec::new();
    let envoy = machine::envoy(arguments.envoy, build, &mut findings);
    let module = machine::module(arguments.module, &mut findings);
    let proxy = Proxy::of_environment().unwrap_or_else(|problem| {
        findings.push(Finding::fail(Check::Proxy, problem));
        None
    });
    let checked = match check::check_in(&text, &base) {
        Ok(checked) => checked,
        Err(mistakes) => {
            let fail = |mistake| Finding::fail(Check::File, format!("{}:{mistake}", path.display()));
            findings.extend(mistakes.iter().map(fail));
            return Ok(findings);
        }
    };
    file(&checked, &arguments.file, &base, &mut findings);
    if let (Some(envoy), Some(module)) = (envoy, module) {
        findings.push(machine::configuration(&checked, &base, &envoy, &module, &authorities, proxy.clone()));
    }
    machine::ports(&checked.file, &mut findings);
    credentials::present(&checked.file, &base, &mut findings);
    let client = Client::new(&authorities, proxy, arguments.timeout);
    findings.extend(network::ask(&checked.file, &base, &client, &authorities, arguments.credentials));
    Ok(findings)
}

/// What `sluice check` says of a file without mistakes.
fn file(checked: &Checked, path: &std::path::Path, base: &std::path::Path, findings: &mut Vec<Finding>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let warnings = check::warnings::settings(checked, base, now);
    let file = &checked.file;
    let parts = [
        (file.providers.len(), "provider"),
        (file.models.len(), "model"),
        (file.teams.len(), "team"),
        (file.keys.len(), "key"),
    ];
    let parts = parts.map(|(number, what)| count(number, what)).join(", ");
    findings.push(Finding::ok(Check::File, format!("{} has no mistakes: {parts}", path.display())));
    // A certificate that cannot be read counts as a missing credential: Envoy would not start.
    let counts_elsewhere =
        |path: &str| ["tls.certificate", "tls.key", "tls.client_ca"].iter().any(|end| path.ends_with(end));
    findings.extend(warnings.into_iter().filter(|warning| !counts_elsewhere(&warning.path)).map(|warning| {
        let place = format!("{}:{}: {}", path.display(), warning.line, warning.path);
        Finding::warn(Check::File, format!("{place}: {}", warning.text))
    }));
}
