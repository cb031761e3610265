//! What is no mistake in a gateway file and yet will not work, or not as its author means it: for `sluice check` alone, which
//! looks at the machine and the time too. Never a secret is in what is said.

use std::fmt;
use std::path::Path as Base;

use sluice_core::config::file::{File, Model, Protocol, Provider, Secret};
use sluice_core::config::layout::Surface;
use sluice_core::config::mistake::{Path, quoted};
use sluice_core::config::suggest::closest;
use sluice_core::config::url::Url;
use sluice_core::config::{KeyHash, time};

use super::Checked;
use crate::{reach, secrets, table};

/// What will not work, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub line: usize,
    pub path: String,
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: warning: {}: {}", self.line, self.path, self.text)
    }
}

/// Where a request goes, below a base URL: people copy that with it.
const ENDPOINTS: [&str; 10] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    "/embeddings",
    "/models",
    "/converse",
    "/chat",
    "/generate",
    "/api",
];

/// Words in the names of models that the table has not, because they are not asked for text.
const OTHERS: [&str; 14] = [
    "image",
    "dall-e",
    "tts",
    "whisper",
    "audio",
    "transcribe",
    "moderation",
    "realtime",
    "sora",
    "veo",
    "imagen",
    "rerank",
    "voxtral",
    "ocr",
];

/// Finds all of it. Files are found from `base`, the gateway file's directory; `now` is in Unix seconds. Where `asks` is set, Redis and
/// servers nearby are asked whether they answer.
pub fn find(checked: &Checked, base: &Base, now: u64, asks: bool) -> Vec<Warning> {
    let mut finder = Finder { checked, base, found: Vec::new() };
    finder.listeners();
    finder.keys(now);
    for (name, provider) in &checked.file.providers {
        finder.provider(name, provider);
    }
    for (name, model) in &checked.file.models {
        finder.model(name, model);
    }
    finder.credentials();
    if asks {
        finder.answers();
    }
    let mut found = finder.found;
    found.sort_by_key(|warning| warning.line);
    found
}

struct Finder<'a> {
    checked: &'a Checked,
    base: &'a Base,
    found: Vec<Warning>,
}

impl Finder<'_> {
    fn warn(&mut self, path: &Path, text: impl Into<String>) {
        let path = path.to_string();
        self.found.push(Warning { line: self.checked.lines.of(&path), path, text: text.into() });
    }

    fn listeners(&mut self) {
        let file = &self.checked.file;
        let mut listeners = vec![(Path::root().key("listen"), &file.listen, "clients' keys")];
        let admin = file.admin.as_ref();
        listeners.extend(
            admin.map(|admin| (Path::root().key("admin").key("listen"), &admin.listen, "the administrator's key")),
        );
        for (path, listen, whose) in listeners {
            let everybody = listen.parse().is_ok_and(|address: std::net::SocketAddr| address.ip().is_unspecified());
            if everybody && !is_behind_tls(file, &path) {
                let text = format!(
                    "{listen} is every network of this machine, in plain HTTP: {whose} can be read on the way. Listen on \
                     127.0.0.1 or a private address, or put TLS before it"
                );
                self.warn(&path, text);
            }
        }
    }

    fn keys(&mut self, now: u64) {
        let file = &self.checked.file;
        if file.keys.is_empty() && file.redis.is_none() {
            self.warn(
                &Path::root().key("keys"),
                "nobody can call without a key: sluice keys new --id NAME --team TEAM",
            );
        }
        for (index, key) in file.keys.iter().enumerate() {
            let path = Path::root().key("keys").index(index);
            let again = format!("sluice keys new --id {} --team {}", key.id, key.team);
            self.hash(&key.sha256, &path.key("sha256"), &again);
            let is_over = |text: &str| time::rfc3339(text).is_some_and(|moment| moment <= now);
            if let Some(expires) = key.expires.as_ref().filter(|expires| is_over(expires) && !key.revoked) {
                let text = format!(
                    "the key has ended at {expires}: whoever uses it reads 401; give it another time, or take it out"
                );
                self.warn(&path.key("expires"), text);
            }
            if let Some(previous) = &key.previous {
                let path = path.key("previous");
                self.hash(&previous.sha256, &path.key("sha256"), &again);
                if is_over(&previous.until) {
                    let text =
                        format!("the secret before has ended at {}: `previous` can be taken out", previous.until);
                    self.warn(&path.key("until"), text);
                }
            }
        }
        if let Some(admin) = &file.admin {
            self.hash(&admin.sha256, &Path::root().key("admin").key("sha256"), "sluice keys new --admin");
        }
    }

    /// No secret has a hash of one digit, or of a few that come again and again.
    fn hash(&mut self, text: &str, path: &Path, command: &str) {
        let is_made_up = |length: usize| {
            let (first, rest) = text.split_at_checked(length).unwrap_or_default();
            !first.is_empty() && rest.as_bytes().chunks(length).all(|chunk| first.as_bytes().starts_with(chunk))
        };
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        if [1, 2, 4, 8, 10, 16].into_iter().any(is_made_up) || text.eq_ignore_ascii_case(of_nothing) {
            debug_assert!(KeyHash::from_hex(text).is_some());
            self.warn(path, format!("a placeholder, which no secret has: {command} prints a secret and its hash"));
        }
    }

    fn provider(&mut self, name: &str, provider: &Provider) {
        let path = Path::root().key("providers").key(name).key("url");
        let Some(url) = provider.url().and_then(|url| Url::parse(url).ok()) else { return };
        if let Some(text) = provider.url.as_deref() {
            self.base_url(provider, &url, text, &path);
        }
        let has_credential =
            provider.secrets().next().is_some() || provider.entra.is_some() || provider.google.is_some();
        if !url.tls && has_credential && !reach::is_near(&url) && url.host.contains('.') {
            self.warn(&path, "the provider's key travels in plain HTTP, where it can be read: https://, please");
        }
        let targets = self.checked.file.models.values().flat_map(|model| &model.targets);
        let is_used = targets.into_iter().any(|target| target.provider == name);
        if !is_used && self.checked.file.stored.as_deref() != Some(name) {
            let path = Path::root().key("providers").key(name);
            self.warn(&path, "no model has a target here, so nothing is ever asked of it");
        }
    }

    fn base_url(&mut self, provider: &Provider, url: &Url, text: &str, path: &Path) {
        let base = &url.base_path;
        let row = provider.kind.row();
        let ending = ENDPOINTS.iter().find(|ending| base.ends_with(**ending));
        let own = row.url.and_then(|own| Url::parse(own).ok());
        let usual = own.as_ref().map(|own| own.base_path.as_str()).unwrap_or_default();
        let host = text.trim_end_matches('/').strip_suffix(base.as_str()).unwrap_or(text);
        if let Some(ending) = ending {
            let rest = base.strip_suffix(ending).unwrap_or(base);
            let rest = if rest.is_empty() { usual } else { rest };
            self.warn(path, format!("it ends in an endpoint, which is added to it: the base URL is {host}{rest}"));
        } else if row.surface == Surface::Plain && base.is_empty() && !usual.is_empty() {
            self.warn(path, format!("it has no path: a server of kind {} is usually found at {host}{usual}", row.name));
        } else if own.as_ref().is_some_and(|own| own.host == url.host && own.base_path != *base) {
            self.warn(path, format!("this service is found at {host}{usual}"));
        } else if base.ends_with("/v1/v1") {
            let rest = base.strip_suffix("/v1").unwrap_or(base);
            self.warn(path, format!("it has /v1 twice: the base URL is {host}{rest}"));
        }
    }

    fn model(&mut self, name: &str, model: &Model) {
        let file = &self.checked.file;
        for (index, target) in model.targets.iter().enumerate() {
            let path = Path::root().key("models").key(name).key("targets").index(index).key("model");
            let Some(provider) = file.providers.get(&target.provider) else { continue };
            if target.model.contains('*') || file.prices.models.contains_key(&target.price_name()) {
                continue;
            }
            // Deployments and profiles have names of their own.
            let own_names = provider.kind.row().surface == Surface::Azure || target.model.starts_with("arn:");
            let lower = target.model.to_lowercase();
            if own_names || OTHERS.iter().any(|word| lower.contains(word)) {
                continue;
            }
            let known = table::known_models(provider);
            let bare = target.model.split_once('/').map(|(_, rest)| rest).filter(|rest| known.contains(rest));
            let meant = bare.or_else(|| closest(&target.model, known.iter().copied()));
            let meant = meant.map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
            if !known.is_empty() {
                let found = quoted(&target.model);
                let text = format!(
                    "the table of {} has no model {found} of {}{meant}; if there is one, give it a price under prices.models",
                    table::date(),
                    target.provider
                );
                self.warn(&path, text);
            }
        }
    }

    /// Credentials that are not there, where `sluice run` would end.
    fn credentials(&mut self) {
        let file = &self.checked.file;
        let mut wanted: Vec<(Path, &Secret, &str)> = Vec::new();
        for (name, provider) in &file.providers {
            let path = Path::root().key("providers").key(name);
            wanted.extend(provider.key.iter().map(|key| (path.key("key"), key, "key")));
            let more = provider.keys.iter().enumerate();
            wanted.extend(more.map(|(index, key)| (path.key("keys").index(index), key, "key")));
            let client = provider.entra.iter().map(|entra| &entra.client_secret);
            wanted.extend(client.map(|secret| (path.key("entra").key("client_secret"), secret, "client secret")));
            let account = provider.google.iter().filter_map(|google| google.service_account.as_ref());
            wanted.extend(account.map(|secret| (path.key("google").key("service_account"), secret, "account's key")));
            if let Some(aws) = &provider.aws {
                let parts = [
                    ("access_key_id", &aws.access_key_id),
                    ("secret_access_key", &aws.secret_access_key),
                    ("session_token", &aws.session_token),
                ];
                let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)));
                wanted.extend(parts.map(|(name, part)| (path.key("aws").key(name), part, "access key")));
            }
        }
        let redis = file.redis.iter().filter_map(|redis| redis.token.as_ref());
        wanted.extend(redis.map(|token| (Path::root().key("redis").key("token"), token, "token")));
        let tracing = file.tracing.iter().filter_map(|tracing| tracing.token.as_ref());
        wanted.extend(tracing.map(|token| (Path::root().key("tracing").key("token"), token, "token")));
        for (path, secret, what) in wanted {
            let read = match what {
                "account's key" => secrets::text(secret, what, self.base).map(drop),
                _ => secrets::read(secret, what, self.base).map(drop),
            };
            if let Err(problem) = read {
                self.warn(&path, problem);
            }
        }
    }

    /// Whether Redis answers, and providers nearby.
    fn answers(&mut self) {
        type Question = Box<dyn FnOnce() -> Option<String> + Send>;
        let file = &self.checked.file;
        let (mut places, mut questions): (Vec<Path>, Vec<Question>) = (Vec::new(), Vec::new());
        for (name, provider) in &file.providers {
            let url = provider.url().and_then(|url| Url::parse(url).ok()).filter(reach::is_near);
            if let Some(url) = url {
                let section = Path::root().key("providers").key(name);
                places.push(if provider.url.is_some() { section.key("url") } else { section });
                questions.push(Box::new(move || {
                    let why = reach::connects(&url).err()?;
                    Some(format!("nobody answers at {}: {why}", url.authority()))
                }));
            }
        }
        if let Some(redis) = &file.redis
            && let Ok(url) = Url::parse(&redis.url)
        {
            let token = redis.token.as_ref().and_then(|token| secrets::read(token, "token", self.base).ok());
            let (text, protocol) = (redis.url.clone(), redis.protocol);
            places.push(Path::root().key("redis").key("url"));
            questions.push(Box::new(move || ask_redis(&url, &text, protocol, token.as_deref())));
        }
        for (place, answer) in places.iter().zip(reach::all(questions)) {
            match answer {
                Some(None) => {}
                Some(Some(text)) => self.warn(place, text),
                None => self.warn(place, "no answer in time"),
            }
        }
    }
}

/// What is wrong with a Redis over HTTP.
fn ask_redis(url: &Url, text: &str, protocol: Protocol, token: Option<&str>) -> Option<String> {
    let base = text.trim_end_matches('/');
    let path = match protocol {
        Protocol::Webdis => "PING",
        Protocol::Upstash => "ping",
    };
    match reach::get(&format!("{base}/{path}"), token) {
        Ok((200, answer)) if answer.contains("PONG") => None,
        Ok((401 | 403, _)) => Some(format!("what listens at {} refuses the token", url.authority())),
        Ok((status, _)) => {
            Some(format!("{} answers PING with {status} and not with PONG: is it Webdis or Upstash?", url.authority()))
        }
        Err(_) if reach::is_redis(url) => Some(format!(
            "a Redis itself listens at {}, which speaks no HTTP: put Webdis before it (it listens on port 7379), and write its address",
            url.authority()
        )),
        Err(why) => Some(format!("no Redis answers at {}: {why}", url.authority())),
    }
}

/// Whether a listener has certificates. Which fields those are is the listener's business; that there are some is all that matters.
fn is_behind_tls(file: &File, listen: &Path) -> bool {
    let written = serde_json::to_value(file).unwrap_or_default();
    let section = if listen.as_str() == "listen" { &written } else { &written["admin"] };
    !section["tls"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;

    /// Of a file like that of [`GOOD`], with this in place of that.
    fn warnings(changes: &[(&str, &str)]) -> Vec<String> {
        let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let checked = check(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        find(&checked, Base::new(env!("CARGO_MANIFEST_DIR")), 1_800_000_000, true)
            .iter()
            .map(Warning::to_string)
            .collect()
    }

    const GOOD: &str = "\
listen: 127.0.0.1:8080
providers:
  openai: { kind: openai, key: { file: Cargo.lock.absent } }
  claude: { kind: anthropic, key: { env: PATH_OF_NOBODY } }
models:
  chat: { targets: [{ provider: openai, model: gpt-5 }, { provider: claude, model: claude-haiku-4-5 }] }
teams: { t: {} }
keys:
  - { id: a, team: t, sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\" }
";
    const FOUND: [(&str, &str); 2] =
        [(", key: { file: Cargo.lock.absent }", ""), (", key: { env: PATH_OF_NOBODY }", "")];

    fn one(from: &str, to: &str) -> Vec<String> {
        warnings(&[FOUND[0], FOUND[1], (from, to)])
    }

    #[test]
    fn a_file_that_will_work_has_no_warning() {
        assert_eq!(warnings(&FOUND), [""; 0]);
    }

    #[test]
    fn credentials_that_are_not_there_are_named_with_what_to_do() {
        let found = warnings(&[]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("3: warning: providers.openai.key: cannot read its key from "), "{found:?}");
        let unset =
            "4: warning: providers.claude.key: the environment variable PATH_OF_NOBODY is not set; set it: export ";
        assert!(found[1].starts_with(unset), "{found:?}");
    }

    #[test]
    fn each_of_what_will_not_work_is_said_with_what_to_write() {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let zeros = "0".repeat(64);
        let counted = "0123456789abcdef".repeat(4);
        for (from, to, expected) in [
            (
                hash,
                zeros.as_str(),
                "9: warning: keys[0].sha256: a placeholder, which no secret has: sluice keys new --id a --team t",
            ),
            (hash, &counted, "9: warning: keys[0].sha256: a placeholder"),
            (
                "id: a,",
                "id: a, expires: 2026-11-01T00:00:00Z,",
                "9: warning: keys[0].expires: the key has ended at 2026-11",
            ),
            (
                "kind: openai",
                "kind: openai, url: https://api.openai.com/v1/chat/completions",
                "3: warning: providers.openai.url: it ends in an endpoint, which is added to it: the base URL is https://api.openai.com/v1",
            ),
            (
                "kind: openai",
                "kind: openai, url: https://api.openai.com/chat/completions",
                "the base URL is https://api.openai.com/v1",
            ),
            (
                "kind: openai",
                "kind: openai, url: https://api.openai.com",
                "3: warning: providers.openai.url: it has no path: a server of kind openai is usually found at https://api.openai.com/v1",
            ),
            (
                "kind: anthropic",
                "kind: anthropic, url: https://api.anthropic.com/",
                "usually found at https://api.anthropic.com/v1",
            ),
            (
                "kind: anthropic",
                "kind: anthropic, url: https://api.anthropic.com/v1/messages",
                "the base URL is https://api.anthropic.com/v1",
            ),
            (
                "kind: openai",
                "kind: openai, url: https://api.openai.com/v2",
                "this service is found at https://api.openai.com/v1",
            ),
            (
                "kind: openai",
                "kind: openai, url: https://x.test/v1/v1",
                "it has /v1 twice: the base URL is https://x.test/v1",
            ),
            (
                "kind: openai",
                "kind: openai, key: { file: Cargo.toml.absent }, url: http://x.test/v1",
                "the provider's key travels in plain HTTP",
            ),
            (
                "gpt-5",
                "gpt-5-mni",
                "6: warning: models.chat.targets[0].model: the table of 2026-11-22 has no model \"gpt-5-mni\" of openai (did you mean \"gpt-5-mini\"?)",
            ),
            ("model: gpt-5", "model: openai/gpt-5", "(did you mean \"gpt-5\"?)"),
            ("claude-haiku-4-5", "claude-haiku-4.5", "(did you mean \"claude-haiku-4-5\"?)"),
            (
                "listen: 127.0.0.1:8080",
                "listen: 0.0.0.0:8080",
                "1: warning: listen: 0.0.0.0:8080 is every network of this machine, in plain HTTP",
            ),
            ("listen: 127.0.0.1:8080", "listen: \"[::]:8080\"", "1: warning: listen: [::]:8080 is every network"),
            (
                "teams:",
                "admin: { listen: 0.0.0.0:8081, sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09\" }\nteams:",
                "admin.listen: 0.0.0.0:8081 is every network",
            ),
            (
                "  claude:",
                "  unused: { kind: groq }\n  claude:",
                "4: warning: providers.unused: no model has a target here",
            ),
            (
                "teams:",
                "redis: { url: \"http://127.0.0.1:1\" }\nteams:",
                "redis.url: no Redis answers at 127.0.0.1:1: ",
            ),
            (
                "kind: openai",
                "kind: vllm, url: http://127.0.0.1:1/v1",
                "3: warning: providers.openai.url: nobody answers at 127.0.0.1:1: ",
            ),
        ] {
            let found = one(from, to);
            let said = found.iter().find(|found| found.contains(expected));
            assert!(said.is_some(), "{to}: {found:?}");
        }
    }

    #[test]
    fn what_may_well_be_meant_is_no_warning() {
        for (from, to) in [
            ("gpt-5", "gpt-image-1"),
            ("model: gpt-5", "model: whisper-1"),
            ("gpt-5", "ft:gpt-4.1-2025-04-14:me::id"),
            ("kind: openai", "kind: openai, url: https://api.openai.com/v1/"),
            ("kind: openai", "kind: azure, url: https://x.openai.azure.com"),
            ("kind: openai", "kind: openai, url: https://mine.test/proxy"),
            ("gpt-5", "\"*\""),
        ] {
            assert_eq!(
                one(from, to).iter().filter(|found| !found.contains("has no model \"chat\"")).count(),
                0,
                "{to}"
            );
        }
    }

    #[test]
    fn a_redis_that_speaks_no_http_is_recognised_and_one_that_answers_is_fine() {
        use std::io::{Read, Write};
        let serve = |answer: &'static [u8]| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            // Each question is one connection; the last one ends it.
            let server = std::thread::spawn(move || {
                for stream in listener.incoming().take(2) {
                    let mut stream = stream.unwrap();
                    let _ = stream.read(&mut [0; 1024]);
                    let _ = stream.write_all(answer);
                }
            });
            (address, server)
        };
        let ask = |address: std::net::SocketAddr| {
            let text = format!("http://{address}");
            ask_redis(&Url::parse(&text).unwrap(), &text, Protocol::Webdis, None)
        };
        let (address, server) = serve(b"+PONG\r\n");
        assert!(ask(address).unwrap().contains("put Webdis before it"));
        server.join().unwrap();
        let (address, server) =
            serve(b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\nconnection: close\r\n\r\n{\"PING\":[true,\"PONG\"]}");
        assert_eq!(ask(address), None);
        assert!(ask(address).is_none());
        server.join().unwrap();
    }
}
