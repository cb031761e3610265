//! Finds what can be served: provider keys in the environment, and servers on this machine.

use std::env;

use serde::Deserialize;
use sluice_core::provider::kind::Kind;
use sluice_core::provider::url::Url;

use crate::reach;

/// A service that `init` looks for.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The kind's name.
    pub kind: &'static str,
    /// The environment variables that hold its key, the usual one first.
    pub variables: &'static [&'static str],
    /// The usual port of a local server.
    pub port: Option<u16>,
    /// A chat model to begin with.
    pub chat: Option<&'static str>,
    /// An embedding model to begin with.
    pub embeddings: Option<&'static str>,
    /// A pattern of its models' names. Without one, its names get the service's name as a prefix.
    pub pattern: Option<&'static str>,
}

const fn cloud(
    kind: &'static str,
    variables: &'static [&'static str],
    chat: &'static str,
    embeddings: Option<&'static str>,
    pattern: Option<&'static str>,
) -> Service {
    Service { kind, variables, port: None, chat: Some(chat), embeddings, pattern }
}

const fn local(kind: &'static str, port: u16) -> Service {
    Service { kind, variables: &[], port: Some(port), chat: None, embeddings: None, pattern: None }
}

/// The services to look for. The variables are those of each service's own SDK or documentation.
pub const SERVICES: &[Service] = &[
    cloud("openai", &["OPENAI_API_KEY"], "gpt-5-mini", Some("text-embedding-3-small"), Some("gpt-*")),
    cloud("anthropic", &["ANTHROPIC_API_KEY"], "claude-haiku-4-5", None, Some("claude-*")),
    cloud(
        "gemini",
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        "gemini-3.5-flash",
        Some("gemini-embedding-001"),
        Some("gemini-*"),
    ),
    cloud("mistral", &["MISTRAL_API_KEY"], "mistral-small-latest", Some("mistral-embed"), Some("mistral-*")),
    cloud("groq", &["GROQ_API_KEY"], "openai/gpt-oss-20b", None, None),
    cloud("deepseek", &["DEEPSEEK_API_KEY"], "deepseek-chat", None, Some("deepseek-*")),
    cloud("xai", &["XAI_API_KEY"], "grok-4.5", None, Some("grok-*")),
    cloud("cohere", &["CO_API_KEY", "COHERE_API_KEY"], "command-a-03-2025", Some("embed-v4.0"), Some("command-*")),
    cloud("perplexity", &["PERPLEXITY_API_KEY", "PPLX_API_KEY"], "perplexity/sonar", None, None),
    cloud("openrouter", &["OPENROUTER_API_KEY"], "openrouter/auto", None, None),
    cloud("together", &["TOGETHER_API_KEY"], "openai/gpt-oss-20b", None, None),
    cloud("fireworks", &["FIREWORKS_API_KEY"], "accounts/fireworks/models/gpt-oss-20b", None, None),
    local("ollama", 11434),
    local("vllm", 8000),
    local("llamacpp", 8080),
    local("lmstudio", 1234),
];

/// Most models of a server that are written one by one.
const MODELS_MAX: usize = 20;

/// A service that was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub kind: Kind,
    pub service: Service,
    /// Its URL, if not the default of its kind.
    pub url: Option<String>,
    /// The environment variable that holds its key.
    pub variable: Option<String>,
    /// Its models, as listed by the server or named by the user.
    pub models: Vec<String>,
}

impl Found {
    /// A description for people.
    pub fn about(&self) -> String {
        let by = match (&self.variable, self.service.port) {
            (Some(variable), _) => format!("from the variable {variable}"),
            (None, Some(port)) => format!("at 127.0.0.1:{port}, with {}", self.models.join(", ")),
            (None, None) => "from your options".to_owned(),
        };
        format!("{:<10} {by}", self.service.kind)
    }
}

/// Finds all services whose keys are set, and all local servers that respond.
pub fn look_around() -> Vec<Found> {
    let mut found: Vec<Found> = SERVICES.iter().filter_map(|service| by_variable(*service)).collect();
    found.extend(azure());
    let servers: Vec<Service> = SERVICES.iter().filter(|service| service.port.is_some()).copied().collect();
    let questions = servers.iter().map(|service| {
        let url = service.port.map(|port| format!("http://127.0.0.1:{port}/v1")).unwrap_or_default();
        Box::new(move || listed(&url)) as Box<dyn FnOnce() -> Option<Vec<String>> + Send>
    });
    for (service, answer) in servers.iter().zip(reach::all(questions.collect(), reach::ALL)) {
        if let Some(models) = answer.flatten().filter(|models| !models.is_empty()) {
            let kind = Kind::named(service.kind);
            found.extend(kind.map(|kind| Found { kind, service: *service, url: None, variable: None, models }));
        }
    }
    found
}

/// Azure OpenAI, whose URL is in the environment too. The names of its deployments are unknown.
fn azure() -> Option<Found> {
    let kind = Kind::named("azure")?;
    let variables: &[&str] = &["AZURE_OPENAI_API_KEY"];
    let service = Service { variables, ..plain(kind) };
    let url = env::var("AZURE_OPENAI_ENDPOINT").ok().filter(|url| Url::parse(url).is_ok());
    by_variable(service).filter(|_| url.is_some()).map(|found| Found { url, ..found })
}

/// The service of a kind that is not in [`SERVICES`].
fn plain(kind: Kind) -> Service {
    Service { kind: kind.row().name, variables: &[], port: None, chat: None, embeddings: None, pattern: None }
}

fn by_variable(service: Service) -> Option<Found> {
    let is_set = |name: &&&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let variable = service.variables.iter().find(is_set)?;
    let (kind, variable) = (Kind::named(service.kind)?, Some((*variable).to_owned()));
    Some(Found { kind, service, url: None, variable, models: Vec::new() })
}

/// A service that the user names, with these models, if any.
pub fn named(kind: Kind, url: Option<String>, models: &[String]) -> Found {
    let plain = plain(kind);
    let service = SERVICES.iter().find(|service| service.kind == plain.kind).copied().unwrap_or(plain);
    // A public service has too many models to list.
    let server = url.as_deref().or(kind.row().url.filter(|_| service.chat.is_none()));
    let models = match models {
        [] => server.and_then(listed).unwrap_or_default(),
        models => models.to_vec(),
    };
    // Self-hosted servers usually need no key.
    let wants_key = url.is_none() || by_variable(service).is_some();
    let usual = service.variables.first().filter(|_| wants_key).map(|name| (*name).to_owned());
    let variable = by_variable(service).and_then(|found| found.variable).or(usual);
    Found { kind, service, url, variable, models }
}

/// The models that a server lists below this base URL, in OpenAI's format.
fn listed(url: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let (status, text) = reach::get(&format!("{url}/models"), None).ok()?;
    let list: List = serde_json::from_str(&text).ok().filter(|_| status == 200)?;
    let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
    Some(list.data.into_iter().map(|model| model.id).filter(is_name).take(MODELS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use sluice_config::file::Provider;

    use super::*;
    use crate::table;

    #[test]
    fn every_service_is_of_a_kind_and_its_models_are_in_the_table() {
        for service in SERVICES {
            let kind = Kind::named(service.kind).unwrap_or_else(|| panic!("{service:?}"));
            if let Some(port) = service.port {
                assert_eq!(kind.row().url, Some(&*format!("http://127.0.0.1:{port}/v1")), "{service:?}");
            }
            let provider: Provider = serde_json::from_str(&format!(r#"{{"kind":"{}"}}"#, service.kind)).unwrap();
            let known = table::known_models(&provider);
            for model in service.chat.iter().chain(&service.embeddings).filter(|_| !known.is_empty()) {
                assert!(known.contains(model), "{} {model}: {known:?}", service.kind);
            }
        }
    }
}
