//! Field names and values of other gateways, and their equivalents in a gateway file.
//!
//! A word is listed if it is common and its spelling differs much from ours; similar spellings are found by edit distance.
//! `docs/migration.md` has the same words. A value in place of a secret is never repeated.

use serde_json::Value;
use sluice_config::diagnostic::{Path, quoted};
use sluice_core::provider::kind::Kind;

use super::shape::Step;

/// A part of a gateway file with its own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Provider,
    Model,
    Target,
    Key,
    /// A team or an application.
    Group,
    Limits,
    Budget,
    Redis,
    Secret,
    Times,
}

use Part::{Budget, Group, Key, Limits, Model, Provider, Redis, Secret, Target, Times, Top};

const SECRET: &str = "key: { env: NAME }, with the secret in that environment variable, or key: { file: PATH }";
const RATES: &str = "limits: { requests_per_minute: NUMBER }";
const TOKENS: &str = "limits: { tokens_per_minute: NUMBER }";
const FALLBACKS: &str = "more targets of the model: the gateway tries them in order";
const CLIENTS: &str = "no such field: clients set it in their requests";
const NEITHER: &str = "daily, monthly or total: other periods are not supported";

/// The parts where a word occurs, the words without `_` and `-`, and the replacement.
const WORDS: &[(&[Part], &[&str], &str)] = &[
    (&[Provider], &["apikey", "apikeys", "token", "secret", "credential", "authtoken"], SECRET),
    (&[Provider], &["apibase", "baseurl", "endpoint", "host", "base", "uri", "address", "azureendpoint"], "url"),
    (&[Provider], &["type", "provider", "vendor", "customllmprovider", "apitype", "service"], "kind"),
    (&[Provider, Model, Group, Key], &["rpm", "maxrpm", "rpmlimit", "requestsperminute", "ratelimit"], RATES),
    (&[Provider, Model, Group, Key], &["tpm", "maxtpm", "tpmlimit", "tokensperminute"], TOKENS),
    (&[Model, Group, Key], &["maxparallelrequests", "concurrency"], "limits: { concurrent_requests: NUMBER }"),
    (
        &[Model, Group, Key],
        &["maxbudget", "budgetduration", "spend", "budgets"],
        "budget: { daily: DOLLARS }, or monthly, or total",
    ),
    (
        &[Provider],
        &["models", "model", "deployments", "deployment"],
        "no such field: list models under `models`, with targets that name the provider",
    ),
    (&[Provider], &["region", "awsregion", "awsregionname"], "aws: { region: NAME }"),
    (
        &[Provider],
        &["project", "vertexproject", "vertexlocation", "location"],
        "no such field: set it in `url`, and the account file in google: { service_account: { file: PATH } }",
    ),
    (&[Provider, Target], &["weight", "priority", "order"], "weight, for a target under `models`"),
    (
        &[Provider, Target],
        &["timeout", "requesttimeout", "streamtimeout"],
        "timeouts: { answer: 30s }, for a model or at the top level",
    ),
    (
        &[Provider, Target],
        &["headers", "extraheaders", "organization", "extrabody"],
        "no such field: the gateway adds no headers or fields of its own (`forward_headers` passes on only the \
         clients' tracestate and baggage)",
    ),
    (
        &[Model],
        &["litellmparams", "params", "modelinfo", "provider", "model", "target", "deployments", "upstream"],
        "targets: [{ provider: NAME, model: NAME }]",
    ),
    (&[Model], &["fallbacks", "fallback", "contextwindowfallbacks"], FALLBACKS),
    (&[Model], &["timeout", "requesttimeout", "streamtimeout"], "timeouts: { answer: 30s }"),
    (
        &[Model],
        &["retries", "numretries", "maxretries", "retrypolicy"],
        "retry: { on: [...] }, and more targets: the gateway tries each in turn",
    ),
    (&[Model], &["alias", "aliases", "name", "modelname"], "aliases: { OTHER: NAME }, at the top level"),
    (&[Model], &["loadbalancing", "routing", "routingstrategy", "loadbalancer"], "strategy"),
    (&[Model, Target], &["maxtokens", "temperature", "topp", "systemprompt", "stream"], CLIENTS),
    (
        &[Model, Target],
        &["apikey", "apibase", "baseurl", "url", "key", "apiversion", "kind"],
        "no such field: set it for the provider, under `providers`",
    ),
    (
        &[Model, Target],
        &["price", "cost", "inputcostpertoken", "outputcostpertoken"],
        "prices: { models: { PROVIDER/MODEL: { input: DOLLARS, output: DOLLARS } } }, at the top level, per million \
         tokens",
    ),
    (&[Target], &["name", "id", "modelname", "deployment", "deploymentname"], "model"),
    (&[Target], &["rpm", "tpm", "limits"], "limits, for the provider or for the model"),
    (
        &[Top],
        &["modellist", "deployments"],
        "models: { NAME: { targets: [{ provider: NAME, model: NAME }] } }; `sluice init --from-litellm FILE` converts",
    ),
    (
        &[Top],
        &["litellmsettings", "routersettings", "generalsettings", "environmentvariables"],
        "no such section: `sluice init --from-litellm FILE` converts the supported settings",
    ),
    (&[Top], &["fallbacks", "fallback", "defaultfallbacks"], FALLBACKS),
    (
        &[Top],
        &["masterkey", "adminkey", "uimasterkey"],
        "admin: { sha256: HASH }, which `sluice keys new --admin` prints",
    ),
    (
        &[Top],
        &["virtualkeys", "apikeys", "apikey", "users", "tokens", "consumers"],
        "keys: [{ id: NAME, team: NAME, sha256: HASH }], which `sluice keys new` prints",
    ),
    (&[Top], &["port", "host", "bind", "address", "server", "listener", "listeners"], "listen: 127.0.0.1:8080"),
    (&[Top], &["ratelimits", "ratelimit", "rpm", "tpm"], "limits: [{ limits: { requests_per_minute: NUMBER } }]"),
    (&[Top], &["modelaliases", "modelgroupalias", "alias"], "aliases: { OTHER: NAME }"),
    (&[Top], &["guardrails", "guardrail", "pii"], "guards: { NAME: { detect: [...] } }"),
    (&[Top, Model], &["allowedfails", "cooldowntime"], "circuit: { failures: 5, open: 2s }, at the top level"),
    (
        &[Top, Model, Target],
        &["dropparams"],
        "no such field: the gateway rejects or drops unsupported parameters, and reports it",
    ),
    (&[Top], &["retries", "numretries", "maxretries"], "more targets of a model: the gateway tries each in turn"),
    (&[Group, Key], &["softbudget"], "budget: { daily: DOLLARS, soft: true }"),
    (&[Top], &["ssl", "https", "sslcertfile", "sslkeyfile", "certificate"], "tls: { certificate: PATH, key: PATH }"),
    (&[Top], &["corsorigins", "allowedorigins", "alloworigins"], "cors: { origins: [\"https://chat.example.com\"] }"),
    (&[Top], &["timeout", "requesttimeout"], "timeouts: { total: 10m }"),
    (&[Top], &["caching", "cacheparams"], "cache: { ttl: 10m }, for a model"),
    (
        &[Top],
        &["telemetry", "otel", "opentelemetry", "callbacks", "logging", "langfuse"],
        "tracing: { url: \"http://127.0.0.1:4318\" } for traces; the access log goes to standard output, or where `log` says",
    ),
    (
        &[Top],
        &["databaseurl", "database", "redisurl", "redishost"],
        "redis: { url: \"http://127.0.0.1:7379\" }, the URL of Webdis",
    ),
    (&[Top], &["upstreams", "backends", "endpoints", "services", "llms"], "providers: { NAME: { kind: KIND } }"),
    (&[Top], &["routes", "router", "routing", "targets"], "targets, strategy and routes of each model"),
    (&[Top], &["organizations", "projects", "groups"], "teams: { NAME: {} }"),
    (
        &[Key],
        &["key", "secret", "apikey", "token", "value", "hash", "keyhash"],
        "sha256, the secret's hash: `sluice keys new` prints both",
    ),
    (&[Key], &["name", "keyname", "keyalias", "alias"], "id"),
    (&[Key], &["teamid", "group", "organization", "tenant"], "team"),
    (&[Key], &["user", "userid", "email", "holder"], "owner"),
    (&[Key], &["allowedmodels", "model", "accessgroups"], "models: [NAME]"),
    (&[Key], &["expiresat", "expiry", "expiration", "duration", "ttl", "validuntil"], "expires: 2027-01-31T00:00:00Z"),
    (&[Key], &["metadata", "tags", "tag"], "labels: { NAME: VALUE }"),
    (&[Key], &["enabled", "disabled", "active", "blocked"], "revoked: true, to disable the key"),
    (&[Key], &["allowedips", "ips", "ipallowlist", "allowedipaddresses"], "sources: [10.0.0.0/8]"),
    (&[Key], &["allowedroutes", "paths", "routes", "permissions"], "endpoints: [\"/v1/chat/*\"]"),
    (
        &[Group],
        &["members", "keys", "users", "models"],
        "no such field: each key names its team, and has its own `models`",
    ),
    (&[Limits], &["rpm", "requests", "maxrequests", "requestlimit"], "requests_per_minute"),
    (&[Limits], &["tpm", "tokens", "tokenlimit"], "tokens_per_minute"),
    (&[Limits], &["tpd", "dailytokens"], "tokens_per_day"),
    (&[Limits], &["concurrency", "maxparallelrequests", "parallel", "connections"], "concurrent_requests"),
    (&[Limits], &["maxtokens", "maxinputtokens"], "max_request_tokens"),
    (
        &[Limits],
        &["rps", "requestspersecond", "rpd", "requestsperday", "requestsperhour"],
        "requests_per_minute: other periods are not supported for requests",
    ),
    (
        &[Limits, Group, Key, Model],
        &["window", "period", "interval", "limit"],
        "limits: { requests_per_minute: NUMBER }: the field name contains the period",
    ),
    (
        &[Budget],
        &["maxbudget", "limit", "amount", "usd", "max", "dollars", "hard"],
        "daily, monthly or total, in US dollars",
    ),
    (&[Budget], &["duration", "budgetduration", "period", "reset", "weekly", "hourly", "yearly"], NEITHER),
    (&[Budget], &["softbudget", "warn", "alert"], "soft: true"),
    (&[Budget], &["fallback", "fallbackmodel", "downgrade"], "then_model: NAME"),
    (&[Redis], &["host", "port", "address", "addr"], "url: \"http://127.0.0.1:7379\", the URL of Webdis"),
    (&[Redis], &["password", "username", "auth"], "token: { env: NAME }, the bearer token for Webdis or Upstash"),
    (&[Secret], &["name", "var", "variable", "environment", "fromenv", "envvar"], "env: NAME"),
    (&[Secret], &["path", "filename", "fromfile"], "file: PATH"),
    (
        &[Secret],
        &["value", "key", "secret", "literal", "text", "inline"],
        "env: NAME or file: PATH: the gateway file must not contain secrets",
    ),
    (
        &[Secret],
        &["vault", "secretmanager", "awssecret", "secretref", "secretkeyref"],
        "file: PATH: another tool writes this file, and the gateway watches it",
    ),
    (&[Times], &["connect", "read", "write", "request"], "total, answer, first_token or idle"),
];

/// Example values of fields whose type alone says too little.
const EXAMPLES: &[(Part, &str, &str)] = &[
    (Top, "listen", "an address and a port: 127.0.0.1:8080"),
    (Top, "providers", "NAME: { kind: KIND }"),
    (Top, "models", "NAME: { targets: [{ provider: NAME, model: NAME }] }"),
    (Top, "teams", "NAME: {}"),
    (Top, "apps", "NAME: {}"),
    (Top, "aliases", "OTHER: NAME"),
    (Top, "guards", "NAME: { detect: [...] }"),
    (Top, "keys", KEYS),
    (Top, "stored", "the name of one of `providers`"),
    (Provider, "url", "a base URL such as https://api.openai.com/v1"),
    (Model, "targets", "a list: [{ provider: NAME, model: NAME }]"),
    (Target, "provider", "the name of one of `providers`"),
    (Target, "model", "the provider's name for the model, such as gpt-5-mini"),
    (Key, "id", "a name such as alice"),
    (Key, "team", "the name of one of `teams`"),
    (Key, "app", "the name of one of `apps`"),
    (Key, "sha256", "64 hexadecimal digits, as `sluice keys new` prints them"),
    (Key, "expires", "a date and time such as 2027-01-31T00:00:00Z"),
    (Budget, "then_model", "the name of a model"),
    (Redis, "url", "the URL of Webdis, such as http://127.0.0.1:7379"),
    (Secret, "env", "the name of an environment variable, such as OPENAI_API_KEY"),
    (Secret, "file", "the path of a file"),
];
const KEYS: &str = "a list: [{ id: NAME, team: NAME, sha256: HASH }], as `sluice keys new` prints it";

/// Choices: the field, other gateways' values, and the equivalent.
const CHOICES: &[(&str, &[&str], &str)] = &[
    ("kind", &["claude", "anthropicapi"], "anthropic"),
    ("kind", &["google", "googleai", "googleaistudio", "palm", "geminiapi"], "gemini"),
    ("kind", &["aws", "amazon", "awsbedrock", "bedrockconverse", "amazonbedrock"], "bedrock"),
    ("kind", &["azureopenai", "microsoft", "azureai", "aoai"], "azure"),
    (
        "kind",
        &[
            "openaicompatible",
            "openailike",
            "custom",
            "customopenai",
            "generic",
            "chatgpt",
            "gpt",
            "localai",
            "local",
            "sglang",
            "tgi",
        ],
        "openai",
    ),
    ("kind", &["hostedvllm"], "vllm"),
    ("kind", &["vertexai", "googlevertex", "gcp"], "vertex"),
    ("kind", &["llamaserver", "llamacppserver", "ggml"], "llamacpp"),
    ("kind", &["togetherai"], "together"),
    ("kind", &["fireworksai"], "fireworks"),
    ("kind", &["mistralai", "codestral"], "mistral"),
    ("kind", &["grok"], "xai"),
    ("kind", &["ollamachat"], "ollama"),
    ("strategy", &["roundrobin", "random", "simpleshuffle", "shuffle", "loadbalance", "weight", "ab"], "weighted"),
    ("strategy", &["latencybasedrouting", "latency", "lowestlatency"], "fastest"),
    ("strategy", &["costbasedrouting", "cost", "lowestcost"], "cheapest"),
    (
        "strategy",
        &["leastbusy", "usagebasedrouting", "usagebasedroutingv2", "leastconnections", "leastrequest"],
        "least_busy",
    ),
    ("strategy", &["failover", "priority", "order", "ordered", "sequential"], "fallback"),
    ("strategy", &["single", "none", "first"], "pinned"),
    ("action", &["deny", "reject", "refuse", "error"], "block"),
    ("action", &["redact", "anonymize", "replace"], "mask"),
    ("action", &["warn", "allow", "observe", "monitor"], "log"),
    ("delivery", &["buffered", "buffer", "complete"], "whole"),
    ("mode", &["exact", "sync"], "strict"),
    ("mode", &["async", "eventual"], "relaxed"),
    ("when_down", &["open", "failopen"], "allow"),
    ("when_down", &["closed", "failclosed", "block"], "deny"),
];

/// Fields whose values are times.
const TIMES: [&str; 11] =
    ["total", "answer", "first_token", "idle", "wait", "open", "longest", "ramp", "timeout", "sync", "ttl"];
const MORE_TIMES: [&str; 4] = ["key_cache", "key_rest", "interval", "base_ejection_time"];
/// Fields whose values are sizes.
const SIZES: [&str; 5] = ["rewritten_body", "worker", "key", "memory", "largest"];

/// The replacement of an unknown field.
pub fn field(steps: &[Step], name: &str) -> Option<&'static str> {
    let (part, name) = (part(steps)?, plain(name));
    let row = WORDS.iter().find(|(parts, words, _)| parts.contains(&part) && words.contains(&&*name))?;
    Some(row.2)
}

/// The equivalent of an unknown value of a choice.
pub fn choice(steps: &[Step], text: &str) -> Option<&'static str> {
    let Some(Step::Key(field)) = steps.last() else { return None };
    let text = plain(text);
    CHOICES.iter().find(|(of, words, _)| of == field && words.contains(&&*text)).map(|(_, _, meant)| *meant)
}

/// An example value for a place where something is missing or wrong.
pub fn example(steps: &[Step]) -> Option<&'static str> {
    let (Step::Key(field), outer) = steps.split_last()? else { return None };
    let part = part(outer)?;
    EXAMPLES.iter().find(|(of, name, _)| *of == part && name == field).map(|(_, _, example)| *example)
}

/// The replacement of a value whose type is not `wanted`, a type of JSON Schema.
pub fn value(steps: &[Step], found: &Value, wanted: &str) -> Option<String> {
    special(steps, found, wanted).or_else(|| example(steps).map(str::to_owned))
}

fn special(steps: &[Step], found: &Value, wanted: &str) -> Option<String> {
    let last = match steps.last() {
        Some(Step::Key(name)) => name.as_str(),
        _ => "",
    };
    match (wanted, found) {
        ("string", Value::Number(number)) if last == "listen" => {
            Some(format!("an address and a port: 127.0.0.1:{number}"))
        }
        ("string", Value::Number(number)) if TIMES.contains(&last) || MORE_TIMES.contains(&last) => {
            Some(format!("a time with its unit: {number}s, or in ms, m, h"))
        }
        ("string", Value::Number(_)) if SIZES.contains(&last) => Some("a size with its unit, such as 64MiB".to_owned()),
        ("integer" | "number", Value::String(text)) => {
            let start = text.find(|c: char| c.is_ascii_digit())?;
            let rest = text.get(start..)?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            Some(format!("{}, the number alone", rest.get(..end)?.trim_end_matches('.')))
        }
        ("object", _) => mapping(steps, found),
        ("array", _) if last == "keys" && steps.len() == 1 => Some(KEYS.to_owned()),
        ("array", Value::String(text)) if last == "targets" && part(steps.split_last()?.1) == Some(Model) => {
            Some(format!("a list: [{}]", target(text)))
        }
        ("array", Value::String(text)) if part(steps.split_last()?.1) != Some(Provider) => {
            Some(format!("a list: [{}]", shown(text)))
        }
        ("array", Value::Object(_)) if last == "targets" => {
            Some("a list: [{ provider: NAME, model: NAME }]".to_owned())
        }
        ("array", Value::Object(_)) => Some("a list: [{ ... }]".to_owned()),
        _ => None,
    }
}

/// The replacement of a value that has to be a mapping.
fn mapping(steps: &[Step], found: &Value) -> Option<String> {
    let example = match part(steps) {
        Some(Secret) => "{ env: NAME }, with the secret in that environment variable, or { file: PATH }",
        Some(Limits) => match found.as_number() {
            Some(number) => return Some(format!("{{ requests_per_minute: {number} }}")),
            None => "{ requests_per_minute: NUMBER }",
        },
        Some(Budget) => match found.as_number() {
            Some(number) => return Some(format!("{{ monthly: {number} }}, or daily, or total")),
            None => "{ monthly: DOLLARS }, or daily, or total",
        },
        Some(Redis) => "{ url: \"http://127.0.0.1:7379\" }, the URL of Webdis: Redis itself does not speak HTTP",
        Some(Group) => "{}",
        Some(Target) => return found.as_str().map(target),
        Some(Model) => match found {
            Value::String(text) => return Some(format!("{{ targets: [{}] }}", target(text))),
            _ => "{ targets: [{ provider: NAME, model: NAME }] }",
        },
        Some(Provider) => match found.as_str().and_then(Kind::named) {
            Some(kind) => return Some(format!("{{ kind: {}, key: {{ env: NAME }} }}", kind.row().name)),
            None => "{ kind: KIND, key: { env: NAME } }",
        },
        Some(Times) => "{ total: 10m }",
        Some(Key) => "{ id: NAME, team: NAME, sha256: HASH }, as `sluice keys new` prints it",
        _ => return None,
    };
    Some(example.to_owned())
}

/// Writes `openai/gpt-5-mini` as a target.
fn target(text: &str) -> String {
    let (provider, model) = text.split_once('/').unwrap_or(("NAME", text));
    format!("{{ provider: {provider}, model: {} }}", shown(model))
}

/// Quotes a text, unless it may be a key in the wrong place.
fn shown(text: &str) -> String {
    let front = ["sk-", "sk_", "gsk_", "xai-", "pplx-", "AIza", "AKIA", "Bearer ", "key-"];
    let is_key = front.iter().any(|front| text.starts_with(front));
    let is_random = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_key || is_random { "NAME".to_owned() } else { quoted(text) }
}

/// The variable that the whole text refers to, in the syntax of shells and other gateways.
pub fn variable(text: &str) -> Option<&str> {
    let text = text.trim();
    let braced = || text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let double = || text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let named = |text: &'_ str| {
        let name = ["os.environ/", "process.env.", "env.", "env:", "env/", "ENV:"];
        name.iter().find_map(|front| text.strip_prefix(front)).map(str::len).map(|length| text.len() - length)
    };
    let name = braced().or_else(double).or_else(|| text.strip_prefix('$')).unwrap_or(text);
    let (name, marked) = match named(name) {
        Some(start) => (&name[start..], true),
        None => (name, name.len() < text.len()),
    };
    let name = name.split([':', '-', '?']).next().unwrap_or(name);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (marked && is_name).then_some(name)
}

/// All places whose value is a variable reference, and the replacements.
pub fn variables(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut |steps, text| {
        let Some(name) = variable(text) else { return };
        let last = match steps.last() {
            Some(Step::Key(last)) => last.as_str(),
            _ => "",
        };
        let outer = part(steps.split_last().map_or(&[], |(_, outer)| outer));
        let expected = match (part(steps), last) {
            (Some(Secret), _) => format!("{{ env: {name} }}"),
            (_, "env") => format!("{name}, the variable's name alone"),
            // Unknown fields have their own replacement.
            (_, word) if outer.is_some() && field(&steps[..steps.len() - 1], word) == Some(SECRET) => {
                format!("key: {{ env: {name} }}")
            }
            _ => "the value itself: only secrets may come from environment variables, as key: { env: NAME }".to_owned(),
        };
        let place = steps.iter().fold(Path::root(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(index) => path.index(*index),
        });
        found.push((place.to_string(), expected));
    });
    found
}

fn walk(value: &Value, steps: &mut Vec<Step>, found: &mut impl FnMut(&[Step], &str)) {
    match value {
        Value::String(text) => found(steps, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Index(index));
                walk(item, steps, found);
                steps.pop();
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                steps.push(Step::Key(key.clone()));
                walk(field, steps, found);
                steps.pop();
            }
        }
        _ => {}
    }
}

/// A hint about a line that is not YAML.
pub fn line(text: &str) -> Option<&'static str> {
    let indent: String = text.chars().take_while(|c| c.is_whitespace()).collect();
    let unquoted = text.trim_start_matches([' ', '-', '{', '[', ',']);
    if indent.contains('\t') {
        Some("spaces for indentation, not tabs")
    } else if text.contains("${") || text.contains("{{") {
        Some("no variables in the file: write a secret as key: { env: NAME }")
    } else if unquoted.starts_with('*') || text.contains(": *") || text.contains("[*") || text.contains(", *") {
        Some("quotes around a name that begins with a star: \"*-mini\"")
    } else if text.contains(": @") || text.contains(": `") || text.contains(": %") {
        Some("quotes around text that begins with this character")
    } else {
        None
    }
}

/// The part of the file that a place belongs to.
fn part(steps: &[Step]) -> Option<Part> {
    let names: Vec<&str> = steps.iter().map(|step| if let Step::Key(key) = step { key } else { "#" }).collect();
    Some(match names.as_slice() {
        [] => Top,
        ["providers", _] => Provider,
        ["providers" | "judges", _, "key"] | ["providers", _, "keys", "#"] => Secret,
        ["providers" | "judges", _, _, "client_secret" | "access_key_id" | "secret_access_key" | "session_token"] => {
            Secret
        }
        ["redis" | "tracing", "token"] | ["log", "otlp", "token"] => Secret,
        ["models", _] => Model,
        ["models", _, "targets", "#"] => Target,
        ["keys", "#"] => Key,
        ["teams" | "apps", _] => Group,
        [_, _, "limits"] => Limits,
        [_, _, "budget"] => Budget,
        ["redis"] => Redis,
        ["timeouts"] | ["models", _, "timeouts"] => Times,
        _ => return None,
    })
}

/// Normalizes a word's spelling.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_are_recognised_however_they_are_written() {
        for (text, name) in [
            ("$X", Some("X")),
            ("${OPENAI_API_KEY}", Some("OPENAI_API_KEY")),
            ("${X:-y}", Some("X")),
            ("os.environ/X_1", Some("X_1")),
            ("{{ env.X }}", Some("X")),
            ("process.env.X", Some("X")),
            ("env:X", Some("X")),
            ("OPENAI_API_KEY", None),
            ("sk-abc", None),
            ("$", None),
            ("$5", None),
            ("a$X", None),
            ("https://x.test/${X}", None),
            ("", None),
        ] {
            assert_eq!(variable(text), name, "{text}");
        }
    }

    #[test]
    fn every_word_of_the_page_on_migration_is_known() {
        let page = include_str!("../../../docs/migration.md");
        let column = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let words: Vec<&str> = column
            .flat_map(|cell| cell.split(['`', ',', ' ', ':']))
            .filter(|word| word.contains('_') || word.contains('-'))
            .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-'))
            .collect();
        assert!(words.len() >= 20, "{words:?}");
        for word in words {
            let word = plain(word);
            let known = |rows: &[&str]| rows.contains(&&*word);
            let is_known =
                WORDS.iter().any(|(_, rows, _)| known(rows)) || CHOICES.iter().any(|(_, rows, _)| known(rows));
            assert!(is_known, "{word}");
        }
    }

    #[test]
    fn every_word_is_written_as_words_are_compared_and_stands_once_in_its_part() {
        let mut seen = Vec::new();
        for (parts, words, expected) in WORDS {
            assert!(!expected.is_empty());
            for word in *words {
                assert_eq!(plain(word), *word);
                for part in *parts {
                    assert!(!seen.contains(&(format!("{part:?}"), *word)), "{part:?} {word}");
                    seen.push((format!("{part:?}"), *word));
                }
            }
        }
        assert!(CHOICES.iter().all(|(_, words, _)| words.iter().all(|word| plain(word) == **word)));
    }
}
