//! Converts a LiteLLM configuration file into a gateway file: models, targets, limits, fallbacks and aliases. Everything that it does not
//! convert is reported. Secrets are not copied.
//!
//! The fields follow LiteLLM's documentation of `config.yaml` (proxy settings, load balancing, fallbacks).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use sluice_core::provider::kind::Kind;
use sluice_core::provider::url::Url;
use sluice_core::routing::pattern::Pattern;

use crate::check;
use crate::cli::Failure;

use super::detect::SERVICES;
use super::draft::{Draft, Model, Provider, Target};

/// LiteLLM's name of a provider, and the kind.
const KINDS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("text-completion-openai", "openai"),
    ("openai_like", "openai"),
    ("custom_openai", "openai"),
    ("anthropic", "anthropic"),
    ("azure", "azure"),
    ("azure_ai", "azure"),
    ("gemini", "gemini"),
    ("vertex_ai", "vertex"),
    ("bedrock", "bedrock"),
    ("bedrock_converse", "bedrock"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
    ("deepseek", "deepseek"),
    ("fireworks_ai", "fireworks"),
    ("groq", "groq"),
    ("hosted_vllm", "vllm"),
    ("llamafile", "llamacpp"),
    ("lm_studio", "lmstudio"),
    ("mistral", "mistral"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("openrouter", "openrouter"),
    ("perplexity", "perplexity"),
    ("together_ai", "together"),
    ("xai", "xai"),
];

/// LiteLLM's routing strategy, Sluice's strategy, and whether the two are exactly the same.
const STRATEGIES: &[(&str, &str, bool)] = &[
    ("simple-shuffle", "weighted", true),
    ("least-busy", "least_busy", true),
    ("latency-based-routing", "fastest", true),
    ("cost-based-routing", "cheapest", true),
    ("usage-based-routing", "least_busy", false),
    ("usage-based-routing-v2", "least_busy", false),
];

/// Why a setting has no equivalent.
const REASONS: &[(&str, &str)] = &[
    ("master_key", "create a new administrator's key: sluice keys new --admin"),
    ("database_url", "Sluice has no database: keys are in the file or in Redis"),
    (
        "context_window_fallbacks",
        "when a prompt is too long, the gateway tries the model's other targets (retry.on: context_length)",
    ),
    ("content_policy_fallbacks", "the gateway does not retry requests that a provider rejects for their content"),
    ("drop_params", "the gateway rejects or drops unsupported fields: see docs/translation.md"),
    ("num_retries", "the gateway tries each target in turn; a model's retry sets the reasons"),
    ("redis_host", "use redis: { url: ... } with the URL of Webdis in front of Redis"),
    ("redis_url", "use redis: { url: ... } with the URL of Webdis in front of Redis"),
    ("cache", "use cache: { ttl: ... } of a model"),
    ("cache_params", "use cache: { ttl: ... } of a model"),
    ("callbacks", "use tracing: { url: ... } for traces; the access log goes to standard output, or where `log` says"),
    (
        "success_callback",
        "use tracing: { url: ... } for traces; the access log goes to standard output, or where `log` says",
    ),
    (
        "failure_callback",
        "use tracing: { url: ... } for traces; the access log goes to standard output, or where `log` says",
    ),
    ("guardrails", "use guards: { NAME: { detect: [...] } }"),
    (
        "model_info",
        "prices and capabilities come from the built-in table; override them under `prices` and `capabilities`",
    ),
    ("environment_variables", "set environment variables before you run the command"),
    ("temperature", "clients set it in their requests"),
    ("max_tokens", "clients set it in their requests"),
    ("timeout", "use timeouts, for a model or at the top level"),
    ("stream_timeout", "use timeouts, for a model or at the top level"),
    ("allowed_fails", "use circuit: { failures: ... }"),
    ("cooldown_time", "use circuit: { open: ... }"),
];

/// Reads and converts the file at `path`.
pub fn convert(path: &Path) -> Result<Draft, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable(format!("cannot read {}: {error}", path.display())))?;
    let value = check::yaml_of(&text).map_err(|located| Failure::new(format!("{}:{located}", path.display())))?;
    Ok(converted(&value))
}

fn converted(value: &Value) -> Draft {
    let mut converter = Converter::default();
    let sections = value.as_object().cloned().unwrap_or_default();
    for deployment in list(sections.get("model_list")) {
        converter.deployment(deployment);
    }
    for (section, fields) in &sections {
        match section.as_str() {
            "model_list" => {}
            "router_settings" | "litellm_settings" | "general_settings" => converter.settings(section, fields),
            other => converter.note(other, other),
        }
    }
    converter.finish()
}

#[derive(Default)]
struct Converter {
    draft: Draft,
    strategy: Option<&'static str>,
    /// Models and their fallbacks.
    fallbacks: Vec<(Option<String>, Vec<String>)>,
    place: usize,
}

impl Converter {
    fn note(&mut self, place: &str, field: &str) {
        let reason = REASONS.iter().find(|(known, _)| *known == field).map(|(_, reason)| *reason);
        let note = format!("{place}: {}", reason.unwrap_or("Sluice has no equivalent"));
        if !self.draft.notes.contains(&note) {
            self.draft.notes.push(note);
        }
    }

    fn say(&mut self, note: String) {
        self.draft.notes.push(note);
    }

    /// Converts one entry of `model_list`.
    fn deployment(&mut self, deployment: &Value) {
        let place = format!("model_list[{}]", self.place);
        self.place += 1;
        let empty = Map::new();
        let params = deployment["litellm_params"].as_object().unwrap_or(&empty);
        let (Some(name), Some(model)) =
            (deployment["model_name"].as_str(), params.get("model").and_then(Value::as_str))
        else {
            return self.say(format!("{place}: model_name or litellm_params.model is missing"));
        };
        for field in deployment.as_object().into_iter().flat_map(Map::keys) {
            if !["model_name", "litellm_params"].contains(&field.as_str()) {
                self.note(&format!("{place}.{field}"), field);
            }
        }
        let Some((kind, model)) = self.kind(params, model, &place) else { return };
        let provider = self.provider(kind, params, &place);
        let Some(target) = self.target(name, &provider, &model, &place) else { return };
        let weight = ["weight", "rpm"].iter().find_map(|field| params.get(*field)?.as_u64());
        let target = Target { weight: weight.filter(|weight| (1..=1_000_000).contains(weight)).unwrap_or(1), ..target };
        self.limits(name, &provider, params);
        match self.draft.models.iter_mut().find(|model| model.name == name) {
            Some(model) => model.targets.push(target),
            None => self.draft.models.push(Model { name: name.to_owned(), targets: vec![target], strategy: None }),
        }
        for field in params.keys() {
            let taken = [
                "model",
                "api_key",
                "api_base",
                "base_url",
                "api_version",
                "rpm",
                "tpm",
                "weight",
                "custom_llm_provider",
                "aws_region_name",
            ];
            if !taken.contains(&field.as_str()) {
                self.note(&format!("{place}.litellm_params.{field}"), field);
            }
        }
    }

    /// The kind of a deployment's provider, and the provider's own name for the model.
    fn kind(&mut self, params: &Map<String, Value>, model: &str, place: &str) -> Option<(Kind, String)> {
        let said = params.get("custom_llm_provider").and_then(Value::as_str);
        let known = |name: &str| KINDS.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
        let split = model
            .split_once('/')
            .filter(|(front, _)| said.is_some_and(|said| said == *front) || known(front).is_some());
        let (name, rest) = match (said, split) {
            (Some(said), Some((front, rest))) if said == front => (said, rest),
            (Some(said), _) => (said, model),
            (None, Some((front, rest))) => (front, rest),
            (None, None) if model.starts_with("claude") => ("anthropic", model),
            (None, None) if model.starts_with("gemini") => ("vertex_ai", model),
            (None, None) if model.contains('/') => {
                self.say(format!("{place}: {model}: Sluice has no equivalent kind of provider"));
                return None;
            }
            (None, None) => ("openai", model),
        };
        let rest =
            ["converse/", "responses/", "deployments/"].iter().find_map(|way| rest.strip_prefix(way)).unwrap_or(rest);
        let kind = known(name).and_then(Kind::named);
        if kind.is_none() {
            self.say(format!("{place}: {model}: Sluice has no equivalent kind of provider"));
        }
        Some((kind?, rest.to_owned()))
    }

    /// Returns the name of a deployment's provider; adds the provider if it is new.
    fn provider(&mut self, kind: Kind, params: &Map<String, Value>, place: &str) -> String {
        let text = |field: &str| params.get(field).and_then(Value::as_str).map(str::to_owned);
        let url = text("api_base").or_else(|| text("base_url")).and_then(|url| self.url(kind, &url, place));
        let variable = match text("api_key").as_deref().map(|key| (key, key.strip_prefix("os.environ/"))) {
            Some((_, Some(variable))) => Some(variable.to_owned()),
            Some((_, None)) if kind.row().url.is_some_and(|url| url.starts_with("http://")) => None,
            Some((_, None)) => {
                let variable = usual_variable(kind);
                self.say(format!(
                    "{place}.litellm_params.api_key: the secret is in LiteLLM's file; set {variable} to it"
                ));
                Some(variable)
            }
            None if url.is_none() && kind.row().url.is_some_and(|url| url.starts_with("https:")) => {
                Some(usual_variable(kind))
            }
            None => None,
        };
        let name = kind.row().name;
        let region = text("aws_region_name").filter(|_| name.starts_with("bedrock"));
        let url = url.or_else(|| {
            let region = region.as_ref()?;
            Some(format!("https://bedrock-runtime.{region}.amazonaws.com"))
        });
        let made = Provider {
            name: String::new(),
            kind: name.to_owned(),
            url: url.or_else(|| needed_url(kind)),
            api_version: text("api_version").filter(|_| name == "azure"),
            variable: variable.filter(|_| region.is_none()),
            region,
        };
        if kind.row().url.is_none() && made.url == needed_url(kind) {
            self.say(format!("{place}: LiteLLM's file has no URL for the provider; add its url"));
        }
        let same = |known: &&Provider| Provider { name: String::new(), ..(*known).clone() } == made;
        if let Some(known) = self.draft.providers.iter().find(same) {
            return known.name.clone();
        }
        let count = self.draft.providers.iter().filter(|known| known.kind == name).count();
        let own = if count == 0 { name.to_owned() } else { format!("{name}-{}", count + 1) };
        self.draft.providers.push(Provider { name: own.clone(), ..made });
        own
    }

    /// Normalizes a base URL to include the version's path.
    fn url(&mut self, kind: Kind, url: &str, place: &str) -> Option<String> {
        let url = match url.strip_prefix("os.environ/") {
            None => url.to_owned(),
            Some(variable) => match std::env::var(variable) {
                Ok(url) => url,
                Err(_) => {
                    self.say(format!("{place}.litellm_params.api_base: {variable} is not set; add the provider's url"));
                    return None;
                }
            },
        };
        let read = match Url::parse(&url) {
            Ok(read) => read,
            Err(wrong) => {
                self.say(format!("{place}.litellm_params.api_base: {wrong}; add the provider's url"));
                return None;
            }
        };
        let usual = kind.row().url.and_then(|url| Url::parse(url).ok()).map(|url| url.base_path).unwrap_or_default();
        let path = if read.base_path.is_empty() { usual } else { read.base_path.clone() };
        let path = path.strip_suffix("/chat/completions").unwrap_or(&path);
        let scheme = if read.tls { "https" } else { "http" };
        Some(format!("{scheme}://{}{path}", read.authority()))
    }

    /// A target. A star in it stands for the same part of the requested name.
    fn target(&mut self, name: &str, provider: &str, model: &str, place: &str) -> Option<Target> {
        let good =
            |text: &str| !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !good(name) || !good(model) {
            self.say(format!("{place}: the model's name must have visible ASCII characters only, without spaces"));
            return None;
        }
        let (asked, wanted) = (Pattern::read(name), Pattern::read(model));
        let front = format!("{provider}/");
        let same = asked.as_ref().is_some_and(|asked| Some(&asked.without(&front)) == wanted.as_ref());
        match (&asked, &wanted) {
            (None, None) if !name.contains('*') && !model.contains('*') => {}
            (Some(_), Some(_)) if same => return Some(Target::new(provider, "*")),
            (Some(_), Some(_)) if model != "*" => {}
            (Some(_), None) if !model.contains('*') => {}
            _ => {
                self.say(format!("{place}: {name}: Sluice has no pattern that maps to {model} of {provider}"));
                return None;
            }
        }
        Some(Target::new(provider, model))
    }

    fn limits(&mut self, model: &str, provider: &str, params: &Map<String, Value>) {
        let amount = |field: &str| params.get(field).and_then(Value::as_u64).filter(|amount| *amount > 0);
        let (requests, tokens) = (amount("rpm"), amount("tpm"));
        if requests.is_none() && tokens.is_none() {
            return;
        }
        let sum = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.saturating_add(b)).or(a).or(b);
        match self.draft.limits.iter_mut().find(|(of, at, _, _)| of == model && at == provider) {
            Some((_, _, all_requests, all_tokens)) => {
                (*all_requests, *all_tokens) = (sum(*all_requests, requests), sum(*all_tokens, tokens));
            }
            None => self.draft.limits.push((model.to_owned(), provider.to_owned(), requests, tokens)),
        }
    }

    fn settings(&mut self, section: &str, fields: &Value) {
        for (field, value) in fields.as_object().into_iter().flatten() {
            let place = format!("{section}.{field}");
            match field.as_str() {
                "routing_strategy" => {
                    let text = value.as_str().unwrap_or_default();
                    match STRATEGIES.iter().find(|(theirs, _, _)| *theirs == text) {
                        Some((_, ours, same)) => {
                            self.strategy = Some(ours);
                            if !same {
                                self.say(format!(
                                    "{place}: {text} was converted to strategy: {ours}, which is similar but not the \
                                     same"
                                ));
                            }
                        }
                        None => self.note(&place, field),
                    }
                }
                "fallbacks" => {
                    for (model, others) in list(Some(value)).flat_map(|rule| rule.as_object().into_iter().flatten()) {
                        self.fallbacks.push((Some(model.clone()), names(others)));
                    }
                }
                "default_fallbacks" => self.fallbacks.push((None, names(value))),
                "model_group_alias" => {
                    for (alias, model) in value.as_object().into_iter().flatten() {
                        match model.as_str().or_else(|| model["model"].as_str()) {
                            Some(model) => self.draft.aliases.push((alias.clone(), model.to_owned())),
                            None => self.note(&format!("{place}.{alias}"), field),
                        }
                    }
                }
                "request_timeout" if section == "litellm_settings" => {
                    match value.as_u64().filter(|seconds| *seconds > 0) {
                        Some(seconds) => self.draft.total = Some(seconds),
                        None => self.note(&place, "timeout"),
                    }
                }
                _ => self.note(&place, field),
            }
        }
    }

    fn finish(mut self) -> Draft {
        for model in self.draft.models.iter_mut().filter(|model| model.targets.len() > 1) {
            // The default of LiteLLM's router.
            model.strategy = Some(self.strategy.unwrap_or("weighted"));
        }
        let primary: Vec<(String, Vec<Target>)> =
            self.draft.models.iter().map(|model| (model.name.clone(), model.targets.clone())).collect();
        for (model, others) in std::mem::take(&mut self.fallbacks) {
            for other in &others {
                match primary.iter().find(|(name, _)| name == other) {
                    None => self.say(format!("fallbacks: {other} is not in model_list")),
                    Some((_, targets)) => {
                        let fitting = |known: &&mut Model| model.as_ref().is_none_or(|model| *model == known.name);
                        for known in self.draft.models.iter_mut().filter(fitting) {
                            add_behind(known, other, targets);
                        }
                    }
                }
            }
        }
        let known = |name: &String| self.draft.models.iter().any(|model| model.name == *name);
        let (good, lost): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.draft.aliases).into_iter().partition(|(alias, name)| known(name) && !known(alias));
        self.draft.aliases = good;
        for (alias, name) in lost {
            self.say(format!("router_settings.model_group_alias.{alias}: {name} is not in model_list, or {alias} is"));
        }
        let used = |name: &String| {
            self.draft.models.iter().any(|model| model.targets.iter().any(|target| target.provider == *name))
        };
        let unused: Vec<String> =
            self.draft.providers.iter().map(|provider| provider.name.clone()).filter(|name| !used(name)).collect();
        self.draft.providers.retain(|provider| !unused.contains(&provider.name));
        self.draft
    }
}

/// Adds `others` as fallbacks behind a model's own targets.
fn add_behind(model: &mut Model, name: &str, others: &[Target]) {
    if model.name == name {
        return;
    }
    for target in others {
        let is_there = |known: &Target| known.provider == target.provider && known.model == target.model;
        // A star in another model's target has no meaning here.
        if !model.targets.iter().any(is_there) && !target.model.contains('*') {
            model.targets.push(Target { behind: true, weight: 1, ..target.clone() });
        }
    }
}

/// The usual environment variable of the provider's key.
fn usual_variable(kind: Kind) -> String {
    let service = SERVICES.iter().find(|service| service.kind == kind.row().name);
    let usual = service.and_then(|service| service.variables.first()).map(|name| (*name).to_owned());
    usual.unwrap_or_else(|| format!("{}_API_KEY", kind.row().name.to_uppercase().replace('-', "_")))
}

/// A placeholder URL, for kinds without a default.
fn needed_url(kind: Kind) -> Option<String> {
    kind.row().url.is_none().then(|| "https://write-the-url.invalid".to_owned())
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn names(value: &Value) -> Vec<String> {
    list(Some(value)).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
