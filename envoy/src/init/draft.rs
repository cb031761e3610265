//! The draft of a gateway file.

use std::fmt::Write;

use sluice_core::routing::pattern::may_fit;

use crate::keys::Entry;
use crate::render::quote;

use super::detect::Found;

/// A gateway file before it is written.
#[derive(Debug, Default)]
pub struct Draft {
    pub listen: String,
    pub providers: Vec<Provider>,
    pub models: Vec<Model>,
    /// The requested name, and the model it maps to.
    pub aliases: Vec<(String, String)>,
    /// By provider and model: requests and tokens per minute.
    pub limits: Vec<(String, String, Option<u64>, Option<u64>)>,
    /// The timeout of a whole request, in seconds.
    pub total: Option<u64>,
    pub id: String,
    pub team: String,
    pub sha256: String,
    /// Notes for the author of the file.
    pub notes: Vec<String>,
}

/// A provider of the draft.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provider {
    pub name: String,
    pub kind: String,
    pub url: Option<String>,
    pub api_version: Option<String>,
    pub region: Option<String>,
    /// The environment variable that holds its key.
    pub variable: Option<String>,
}

/// A model of the draft.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub name: String,
    pub targets: Vec<Target>,
    /// The routing strategy, if it is not the listed order.
    pub strategy: Option<&'static str>,
}

/// A target of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub provider: String,
    pub model: String,
    pub weight: u64,
    /// Whether it is only a fallback for the others.
    pub behind: bool,
}

impl Target {
    pub fn new(provider: &str, model: &str) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), weight: 1, behind: false }
    }
}

/// Drafts a file for the services that were found. `chat` is the first one's model, with the others as fallbacks, and `embeddings`
/// likewise; each model also gets its own name.
pub fn of(services: &[Found]) -> Draft {
    let mut draft = Draft::default();
    let (mut chat, mut embeddings) = (Vec::new(), Vec::new());
    let mut others: Vec<Model> = Vec::new();
    for found in services {
        let kind = found.service.kind;
        let named = draft.providers.iter().filter(|provider| provider.kind == kind).count();
        let name = if named == 0 { kind.to_owned() } else { format!("{kind}-{}", named + 1) };
        draft.providers.push(Provider {
            name: name.clone(),
            kind: kind.to_owned(),
            url: found.url.clone(),
            variable: found.variable.clone(),
            ..Provider::default()
        });
        let embeds = |model: &&String| model.to_lowercase().contains("embed");
        let listed = found.models.iter().find(|model| !embeds(model)).map(String::as_str);
        chat.extend(listed.or(found.service.chat).map(|model| Target::new(&name, model)));
        let listed = found.models.iter().find(embeds).map(String::as_str);
        let usual = found.service.embeddings.filter(|_| found.models.is_empty());
        // Embeddings of another model are no fallback: the vectors are not comparable.
        if embeddings.is_empty() {
            embeddings.extend(listed.or(usual).map(|model| Target::new(&name, model)));
        }
        // Names at a self-hosted server do not follow the pattern.
        let pattern = found.service.pattern.filter(|_| found.url.is_none());
        let pattern = pattern.map_or_else(|| format!("{name}/*"), str::to_owned);
        if pattern == "claude-*" {
            // Agents request a longer context under this name.
            draft.aliases.push(("claude-*[1m]".to_owned(), pattern.clone()));
        }
        let patterns = [pattern];
        for model in found.models.iter().filter(|model| may_fit(model)).cloned().chain(patterns) {
            let target = Target::new(&name, "*");
            match others.iter_mut().find(|other| other.name == model) {
                Some(other) => other.targets.push(target),
                None => others.push(Model { name: model, targets: vec![target], strategy: None }),
            }
        }
    }
    let first = [("chat", chat), ("embeddings", embeddings)].into_iter().filter(|(_, targets)| !targets.is_empty());
    draft.models =
        first.map(|(name, targets)| Model { name: name.to_owned(), targets, strategy: None }).chain(others).collect();
    // Drops models whose name is taken already.
    let mut seen = Vec::new();
    draft.models.retain(|model| {
        let new = !seen.contains(&model.name);
        seen.push(model.name.clone());
        new
    });
    draft
}

impl Draft {
    /// The environment variables that hold keys.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().filter_map(|provider| provider.variable.as_deref())
    }

    /// The draft as YAML. Writing to a `String` does not fail.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "# yaml-language-server: $schema={}", super::SCHEMA)?;
        writeln!(text, "listen: {}", quote(&self.listen))?;
        writeln!(text, "providers:")?;
        for provider in &self.providers {
            writeln!(text, "  {}: {{ {} }}", provider.name, provider.fields())?;
        }
        writeln!(text, "models:")?;
        for model in &self.models {
            model.write(text)?;
        }
        if !self.aliases.is_empty() {
            writeln!(text, "aliases:")?;
        }
        for (alias, name) in &self.aliases {
            writeln!(text, "  {}: {}", quote(alias), quote(name))?;
        }
        if !self.limits.is_empty() {
            writeln!(text, "limits:")?;
        }
        for (model, provider, requests, tokens) in &self.limits {
            let amounts = [("requests_per_minute", requests), ("tokens_per_minute", tokens)];
            let amounts = amounts.into_iter().filter_map(|(name, amount)| Some(format!("{name}: {}", (*amount)?)));
            let amounts = amounts.collect::<Vec<_>>().join(", ");
            let matches = format!("{{ model: {}, provider: {provider} }}", quote(model));
            writeln!(text, "  - {{ match: {matches}, limits: {{ {amounts} }} }}")?;
        }
        if let Some(total) = self.total {
            writeln!(text, "timeouts: {{ total: {total}s }}")?;
        }
        writeln!(text, "teams:\n  {}: {{}}", quote(&self.team))?;
        let entry = Entry { id: &self.id, team: &self.team, sha256: &self.sha256, ..Entry::default() };
        write!(text, "keys: # another one: sluice keys new --id NAME --team {}\n{entry}", self.team)
    }
}

impl Provider {
    fn fields(&self) -> String {
        let mut fields = vec![format!("kind: {}", self.kind)];
        fields.extend(self.url.as_ref().map(|url| format!("url: {}", quote(url))));
        fields.extend(self.api_version.as_ref().map(|version| format!("api_version: {}", quote(version))));
        fields.extend(self.region.as_ref().map(|region| format!("aws: {{ region: {} }}", quote(region))));
        fields.extend(self.variable.as_ref().map(|name| format!("key: {{ env: {name} }}")));
        fields.join(", ")
    }
}

impl Model {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "  {}:", quote(&self.name))?;
        if let Some(strategy) = self.strategy {
            writeln!(text, "    strategy: {strategy}")?;
        }
        if self.targets.iter().any(|target| target.behind) {
            writeln!(text, "    allow_lower_tier: true")?;
        }
        writeln!(text, "    targets:")?;
        for target in &self.targets {
            let weight = if target.weight == 1 { String::new() } else { format!(", weight: {}", target.weight) };
            let tier = if target.behind { ", tier: 2" } else { "" };
            writeln!(
                text,
                "      - {{ provider: {}, model: {}{weight}{tier} }}",
                target.provider,
                quote(&target.model)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sluice_core::provider::kind::Kind;

    use super::super::detect::{SERVICES, Service};
    use super::*;
    use crate::check::check;

    fn found(service: &Service, models: &[&str]) -> Found {
        let variable = service.variables.first().map(|name| (*name).to_owned());
        let kind = Kind::named(service.kind).unwrap();
        Found {
            kind,
            service: *service,
            url: None,
            variable,
            models: models.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn text(services: &[Found]) -> String {
        let mut draft = of(services);
        draft.listen = "127.0.0.1:8088".to_owned();
        (draft.id, draft.team, draft.sha256) = ("me".to_owned(), "default".to_owned(), "9f86d081884c7d65".repeat(4));
        draft.text()
    }

    #[test]
    fn whatever_is_found_the_file_is_good() {
        let all: Vec<Found> =
            SERVICES.iter().map(|service| found(service, &[])).filter(|found| found.service.chat.is_some()).collect();
        for services in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
            let checked =
                check(&text(services)).unwrap_or_else(|diagnostics| panic!("{}{diagnostics:?}", text(services)));
            assert!(checked.gateway.find("chat", false).is_some());
        }
        let local = SERVICES.iter().find(|service| service.kind == "ollama").unwrap();
        let models = ["nomic-embed-text:latest", "llama3.2:3b", "chat"];
        let checked = check(&text(&[found(local, &models)])).unwrap();
        let target = |name: &str| checked.gateway.find(name, false).unwrap().model.targets[0].name.clone();
        assert_eq!(target("chat"), "ollama/llama3.2:3b");
        assert_eq!(target("embeddings"), "ollama/nomic-embed-text:latest");
        assert_eq!(target("llama3.2:3b"), "ollama/llama3.2:3b");
        assert_eq!(target("ollama/qwen3:8b"), "ollama/qwen3:8b");
    }
}
