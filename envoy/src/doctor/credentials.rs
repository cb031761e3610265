//! The credentials of the gateway file: whether they are there, and if asked, whether their providers accept them.

use std::path::Path;

use sluice_config::file::{File, Provider, Secret};
use sluice_core::provider::layout::Layout;
use sluice_core::provider::url::Url;

use crate::cli::count;
use crate::credentials::google;
use crate::secrets;

use super::client::Client;
use super::network::{Question, Told};
use super::{Check, Finding, Status};

/// The version of Anthropic's API, which it requires.
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

pub fn present(file: &File, base: &Path, findings: &mut Vec<Finding>) {
    let found = secrets::each(file, base);
    let number = found.len();
    let google = google::wanted(file, base).err().unwrap_or_default();
    let problems: Vec<String> = found.into_iter().filter_map(|(_, text)| text.err()).chain(google).collect();
    if problems.is_empty() {
        let text = match number {
            0 => "the gateway file names no credential".to_owned(),
            1 => "1 credential is present".to_owned(),
            _ => format!("{} are present", count(number, "credential")),
        };
        findings.push(Finding::ok(Check::Credential, text));
    }
    findings.extend(problems.into_iter().map(|problem| Finding::fail(Check::Credential, problem)));
}

/// A question for each credential of a provider.
pub fn questions(file: &File, base: &Path, client: &Client, authorities: &Path) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut push = |subject: String, ask: Box<dyn FnOnce() -> Told + Send>| {
        questions.push(Question { check: Check::Credential, subject, ask });
    };
    for (name, provider) in &file.providers {
        let place = format!("providers.{name}");
        let more = provider.keys.iter().enumerate().map(|(index, key)| (format!("{place}.keys[{index}]"), key));
        let keys = provider.key.iter().map(|key| (format!("{place}.key"), key)).chain(more);
        for (subject, key) in keys {
            if let Some(ask) = of_key(provider, key, base, client) {
                push(subject, ask);
            }
        }
        let others = [("aws", provider.aws.is_some()), ("entra", provider.entra.is_some())];
        for (part, _) in others.into_iter().filter(|(_, is_there)| *is_there) {
            let finding =
                Finding::warn(Check::Credential, "not tried, because Envoy itself signs or fetches what it sends");
            push(format!("{place}.{part}"), Box::new(|| finding.action("Send a request through the gateway").into()));
        }
    }
    // A missing credential has a finding already.
    for wanted in google::wanted(file, base).unwrap_or_default() {
        let authorities = authorities.to_owned();
        push(
            wanted.owner().to_owned(),
            Box::new(move || match wanted.fetch(&authorities) {
                Ok(()) => Finding::ok(Check::Credential, "Google gives an access token for it").into(),
                Err(problem) => Finding::fail(Check::Credential, problem).into(),
            }),
        );
    }
    questions
}

fn of_key(provider: &Provider, key: &Secret, base: &Path, client: &Client) -> Option<Box<dyn FnOnce() -> Told + Send>> {
    // A key that is missing has a finding already.
    let (text, source) = secrets::text(key, "key", base).ok()?;
    let url = Url::parse(provider.url()?).ok()?;
    let Some(path) = path(provider, &url) else {
        let text = "not tried, because this kind of provider has no list of models at its address";
        let finding = Finding::warn(Check::Credential, text).action("Send a request through the gateway");
        return Some(Box::new(|| finding.into()));
    };
    let (row, client) = (provider.kind.row(), client.clone());
    Some(Box::new(move || {
        let value = format!("{}{text}", row.credential.prefix);
        let version = (row.name == "anthropic").then_some(VERSION);
        let headers: Vec<(&str, &str)> = [(row.credential.header, &*value)].into_iter().chain(version).collect();
        match client.ask("GET", &url, &path, &headers) {
            Ok(answer) => judge(&url, answer.status, &answer.body, &source).into(),
            // The connection has a finding of its own.
            Err(problem) => Finding::warn(Check::Credential, format!("not tried: {}", problem.text)).into(),
        }
    }))
}

/// The path of the provider's list of models, which requires the key. Sources: the services' documentation, November 2026.
fn path(provider: &Provider, url: &Url) -> Option<String> {
    let row = provider.kind.row();
    let base = match row.name {
        // Their models are listed at other hosts.
        "bedrock" | "bedrock-anthropic" | "vertex" | "vertex-anthropic" => return None,
        // Anyone may read its list of models.
        "openrouter" => return Some(format!("{}/key", url.base_path)),
        "cohere" => url.base_path.strip_suffix("/v2").map_or(url.base_path.clone(), |base| format!("{base}/v1")),
        _ => url.base_path.clone(),
    };
    Some(Layout::new(row.surface, &base, provider.api_version.as_deref()).passed("/models", ""))
}

fn judge(url: &Url, status: u16, body: &str, source: &str) -> Finding {
    let host = url.authority();
    // Google's status for a wrong key is 400.
    let is_rejected = matches!(status, 401 | 403) || body.contains("API_KEY_INVALID");
    match status {
        200..300 => Finding::new(Check::Credential, Status::Ok, format!("{host} accepts the key in {source}")),
        _ if is_rejected => {
            Finding::fail(Check::Credential, format!("{host} rejects the key in {source} with status {status}"))
                .action("Put a valid key there, with permission for the models that you need")
        }
        _ => {
            let text = format!(
                "{host} answers with status {status}, which does not say whether it accepts the key in {source}"
            );
            Finding::warn(Check::Credential, text).action("Send a request through the gateway")
        }
    }
}
