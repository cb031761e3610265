//! Warnings: a gateway file without mistakes that will not work, or not as its author intends. Only `sluice check` reports them, since they
//! depend on the machine and the time. They never contain a secret.

use std::fmt;
use std::path::Path as Base;

use sluice_config::diagnostic::{Path, quoted};
use sluice_config::file::{Aws, Credentials, Model, Provider, Secret, Tls};
use sluice_core::cache::sealer::{SHORTEST_SECRET, Sealer};
use sluice_core::key_hash::KeyHash;
use sluice_core::pipeline::redis_cache::SECRET;
use sluice_core::provider::layout::Surface;
use sluice_core::provider::url::Url;
use sluice_core::store::redis::settings::Protocol;
use sluice_core::suggest::closest;
use sluice_wire::calendar;

use crate::reach;
use crate::secrets;
use crate::table;

use super::Checked;

/// A warning and its place.
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

/// API paths below a base URL, which people copy along with it.
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

/// Words in the names of models that the table omits, because they do not generate text.
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

/// The secrets of a provider or judge, each with its place and what it is.
fn secrets_of<'f>(credentials: Credentials<'f>, path: &Path) -> Vec<(Path, &'f Secret, &'static str)> {
    let Credentials { key, aws, google, entra } = credentials;
    let aws = |part: fn(&Aws) -> &Option<Secret>| aws.and_then(|aws| part(aws).as_ref());
    let account = google.and_then(|google| google.service_account.as_ref());
    let each = [
        (path.key("key"), key, "key"),
        (path.key("entra").key("client_secret"), entra.map(|entra| &entra.client_secret), "client secret"),
        (path.key("google").key("service_account"), account, "account key"),
        (path.key("aws").key("access_key_id"), aws(|aws| &aws.access_key_id), "access key id"),
        (path.key("aws").key("secret_access_key"), aws(|aws| &aws.secret_access_key), "secret access key"),
        (path.key("aws").key("session_token"), aws(|aws| &aws.session_token), "session token"),
    ];
    each.into_iter().filter_map(|(path, secret, what)| Some((path, secret?, what))).collect()
}

/// Finds all warnings. Paths are relative to `base`, the gateway file's directory; `now` is in Unix seconds. With `asks`, Redis and servers
/// nearby are contacted.
pub fn find(checked: &Checked, base: &Base, now: u64, asks: bool) -> Vec<Warning> {
    let mut finder = Finder { checked, base, found: settings(checked, base, now) };
    finder.credentials();
    if asks {
        finder.answers();
    }
    finder.in_order()
}

/// Finds the warnings about the gateway file's own settings: neither about missing credentials nor about servers.
pub fn settings(checked: &Checked, base: &Base, now: u64) -> Vec<Warning> {
    let mut finder = Finder { checked, base, found: Vec::new() };
    finder.listeners();
    finder.keys(now);
    for (name, provider) in &checked.file.providers {
        finder.provider(name, provider);
    }
    for (name, model) in &checked.file.models {
        finder.model(name, model);
        finder.semantic_cache(name, model);
    }
    for (name, judge) in &checked.file.judges {
        finder.judge(name, judge);
    }
    for (name, guard) in &checked.file.guards {
        finder.guard(name, guard);
    }
    finder.shared_cache();
    finder.budgets();
    finder.in_order()
}

/// Checks the line that names the schema for editors, if there is one: copied files often contain a stale path.
pub fn schema(text: &str, base: &Base) -> Option<String> {
    let name = text.lines().next()?.strip_prefix("# yaml-language-server: $schema=")?.trim();
    let path = base.join(name);
    if name.contains("://") || path.exists() {
        return None;
    }
    Some(format!(
        "the schema {name} does not exist, so editors cannot complete this file. Create it: sluice schema > {}",
        path.display()
    ))
}

mod judges;

struct Finder<'a> {
    checked: &'a Checked,
    base: &'a Base,
    found: Vec<Warning>,
}

impl Finder<'_> {
    fn in_order(mut self) -> Vec<Warning> {
        self.found.sort_by_key(|warning| warning.line);
        self.found
    }

    fn warn(&mut self, path: &Path, text: impl Into<String>) {
        let path = path.to_string();
        self.found.push(Warning { line: self.checked.lines.of(&path), path, text: text.into() });
    }

    fn listeners(&mut self) {
        let file = &self.checked.file;
        let mut listeners = vec![(Path::root(), &file.listen, file.tls.as_ref(), "clients' keys")];
        let of_admin = file.admin.as_ref().map(|admin| (Path::root().key("admin"), admin));
        listeners
            .extend(of_admin.map(|(path, admin)| (path, &admin.listen, admin.tls.as_ref(), "the administrator's key")));
        for (path, listen, tls, whose) in listeners {
            for (name, file) in tls.into_iter().flat_map(files) {
                let place = self.base.join(file);
                if let Err(error) = std::fs::File::open(&place) {
                    let text = format!("cannot read {}: {error}", place.display());
                    self.warn(&path.key("tls").key(name), text);
                }
            }
            let path = path.key("listen");
            let everybody = listen.parse().is_ok_and(|address: std::net::SocketAddr| address.ip().is_unspecified());
            if everybody && tls.is_none() {
                let text = format!(
                    "{listen} accepts plain HTTP from every network, so others can intercept {whose}. Listen on \
                     127.0.0.1 or a private address, or set tls: {{ certificate: PATH, key: PATH }}"
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
                "the file has no keys, so the gateway rejects every request. Create a key: sluice keys new --id NAME \
                 --team TEAM",
            );
        }
        for (index, key) in file.keys.iter().enumerate() {
            let path = Path::root().key("keys").index(index);
            let again = format!("sluice keys new --id {} --team {}", key.id, key.team);
            self.hash(&key.sha256, &path.key("sha256"), &again);
            let is_over = |text: &str| calendar::rfc3339(text).is_some_and(|moment| moment <= now);
            if let Some(expires) = key.expires.as_ref().filter(|expires| is_over(expires) && !key.revoked) {
                let text = format!(
                    "the key expired at {expires}, so the gateway rejects it with status 401. Set a later time, or \
                     remove the key"
                );
                self.warn(&path.key("expires"), text);
            }
            if let Some(previous) = &key.previous {
                let path = path.key("previous");
                self.hash(&previous.sha256, &path.key("sha256"), &again);
                if is_over(&previous.until) {
                    let text = format!("the previous secret expired at {}. Remove `previous`", previous.until);
                    self.warn(&path.key("until"), text);
                }
            }
        }
        if let Some(admin) = &file.admin {
            self.hash(&admin.sha256, &Path::root().key("admin").key("sha256"), "sluice keys new --admin");
        }
        let path = Path::root().key("metrics").key("sha256");
        if let Some(hash) = &file.metrics.sha256 {
            self.hash(hash, &path, "sluice keys new --admin");
        }
        let path = if file.metrics.public { Path::root().key("metrics").key("public") } else { path };
        if (file.metrics.public || file.metrics.sha256.is_some()) && file.admin.is_none() {
            self.warn(&path, "the file has no section `admin`, so the gateway does not serve /metrics. Add one");
        }
    }

    /// A hash of one digit, or of a few repeated digits, is a placeholder.
    fn hash(&mut self, text: &str, path: &Path, command: &str) {
        let is_made_up = |length: usize| {
            let (first, rest) = text.split_at_checked(length).unwrap_or_default();
            !first.is_empty() && rest.as_bytes().chunks(length).all(|chunk| first.as_bytes().starts_with(chunk))
        };
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        if [1, 2, 4, 8, 10, 16].into_iter().any(is_made_up) || text.eq_ignore_ascii_case(of_nothing) {
            debug_assert!(KeyHash::from_hex(text).is_some());
            self.warn(
                path,
                format!("a placeholder, which is not the hash of a secret. Create a secret and its hash: {command}"),
            );
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
            self.warn(
                &path,
                "the gateway sends the provider's key over plain HTTP, so others can intercept it. Use https://",
            );
        }
        let targets = self.checked.file.models.values().flat_map(|model| &model.targets);
        let is_used = targets.into_iter().any(|target| target.provider == name);
        if !is_used && self.checked.file.stored.as_deref() != Some(name) {
            let path = Path::root().key("providers").key(name);
            self.warn(&path, "no model has a target at this provider, so the gateway never uses it");
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
            self.warn(
                path,
                format!("the URL contains the endpoint, which the gateway adds itself. Use the base URL {host}{rest}"),
            );
        } else if row.surface == Surface::Plain && base.is_empty() && !usual.is_empty() {
            self.warn(
                path,
                format!("the URL has no path. Servers of kind {} usually listen at {host}{usual}", row.name),
            );
        } else if own.as_ref().is_some_and(|own| own.host == url.host && own.base_path != *base) {
            self.warn(path, format!("the base URL of this service is {host}{usual}"));
        } else if base.ends_with("/v1/v1") {
            let rest = base.strip_suffix("/v1").unwrap_or(base);
            self.warn(path, format!("the URL contains /v1 twice. Use {host}{rest}"));
        }
    }

    /// A semantic cache that may not work, or not as its author intends.
    fn semantic_cache(&mut self, name: &str, model: &Model) {
        let file = &self.checked.file;
        let Some(semantic) = model.cache.as_ref().and_then(|cache| cache.semantic.as_ref()) else { return };
        let path = Path::root().key("models").key(name).key("cache").key("semantic");
        let Some(embedder) = file.models.get(&semantic.embeddings) else { return };
        let Some(first) = embedder.targets.first() else { return };
        let mut warnings = Vec::new();
        if !model.targets.iter().any(|target| target.provider == first.provider) {
            warnings.push(format!(
                "the texts of users go to {}, which is no provider of this model",
                quoted(&first.provider)
            ));
        }
        if embedder.targets.len() > 1 {
            warnings.push(format!(
                "the semantic cache uses only the first target of {}, because embeddings of different models cannot be \
                 compared",
                quoted(&semantic.embeddings)
            ));
        }
        let compiled = self.checked.gateway.models.get(&semantic.embeddings);
        let priced = compiled.and_then(|model| model.targets.first()).is_some_and(|target| target.price.is_some());
        if !priced {
            warnings.push(format!(
                "{} has no price, so requests with a budget are not compared. Set one under prices.models",
                quoted(&semantic.embeddings)
            ));
        }
        for text in warnings {
            self.warn(&path.key("embeddings"), text);
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
            // Deployments and profiles have custom names.
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
                    "the price table of {} has no model {found} of {}{meant}. If the model exists, set its price \
                     under prices.models",
                    table::date(),
                    target.provider
                );
                self.warn(&path, text);
            }
        }
    }

    /// Missing credentials, with which `sluice run` would not start.
    fn credentials(&mut self) {
        let file = &self.checked.file;
        let mut wanted: Vec<(Path, &Secret, &str)> = Vec::new();
        for (name, provider) in &file.providers {
            let path = Path::root().key("providers").key(name);
            let more = provider.keys.iter().enumerate();
            wanted.extend(more.map(|(index, key)| (path.key("keys").index(index), key, "key")));
            let credentials = Credentials { key: provider.key.as_ref(), ..provider.credentials() };
            wanted.extend(secrets_of(credentials, &path));
        }
        for (name, judge) in &file.judges {
            wanted.extend(secrets_of(judge.credentials(), &Path::root().key("judges").key(name)));
        }
        wanted.extend(
            secrets::tokens(file).into_iter().map(|(_, section, token)| (section.key("token"), token, "token")),
        );
        for (path, secret, what) in wanted {
            let read = match what {
                "account key" => secrets::text(secret, what, self.base).map(drop),
                _ => secrets::read(secret, what, self.base).map(drop),
            };
            if let Err(problem) = read {
                self.warn(&path, problem);
            }
        }
    }

    /// A shared cache without its secret.
    fn shared_cache(&mut self) {
        let secret = std::env::var_os(SECRET).unwrap_or_default();
        if self.checked.file.cache.shared && Sealer::new(secret.as_encoded_bytes()).is_none() {
            let text = format!(
                "the environment variable {SECRET} has no secret of {SHORTEST_SECRET} bytes or more, so this Envoy will \
                 share no responses. Create one for all Envoys: openssl rand -hex 32"
            );
            self.warn(&Path::root().key("cache").key("shared"), text);
        }
    }

    /// Budgets of keys that may be in Redis. The check itself knows only the keys of the file.
    fn budgets(&mut self) {
        if self.checked.file.redis.is_none() {
            return;
        }
        for (path, target) in sluice_config::unpriced_for_stored_keys(&self.checked.file) {
            let target = quoted(&target);
            let text = format!(
                "{target} has no price, so a key in Redis that this budget applies to cannot use it. Set one under \
                 prices.models, or a default at prices.unpriced"
            );
            self.warn(&path, text);
        }
    }

    /// Whether Redis and the providers nearby respond.
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
                    Some(format!("no server answers at {}: {why}", url.authority()))
                }));
            }
        }
        if let Some(redis) = &file.redis
            && let Ok(url) = Url::parse(&redis.url)
        {
            let token = redis.token.as_ref().and_then(|token| secrets::read(token, "token", self.base).ok());
            let (text, protocol) = (redis.url.clone(), redis.protocol);
            places.push(Path::root().key("redis").key("url"));
            let ask = move || ask_redis(&url, &text, protocol, |url| reach::get(url, token.as_deref()));
            questions.push(Box::new(ask));
        }
        for (place, answer) in places.iter().zip(reach::all(questions, reach::ALL)) {
            match answer {
                Some(None) => {}
                Some(Some(text)) => self.warn(place, text),
                None => self.warn(place, "no answer before the timeout"),
            }
        }
    }
}

/// The files of a listener's TLS section, by field.
fn files(tls: &Tls) -> impl Iterator<Item = (&'static str, &String)> {
    let files = [("certificate", &tls.certificate), ("key", &tls.key), ("client_ca", &tls.client_ca)];
    let sds = tls.sds.as_ref().map(|sds| ("sds", &sds.file));
    files.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?))).chain(sds)
}

/// Says why a Redis over HTTP does not serve. `get` asks for the status and body of a URL.
pub fn ask_redis(
    url: &Url,
    text: &str,
    protocol: Protocol,
    get: impl Fn(&str) -> Result<(u16, String), String>,
) -> Option<String> {
    let base = text.trim_end_matches('/');
    let path = match protocol {
        Protocol::Webdis => "PING",
        Protocol::Upstash => "ping",
    };
    match get(&format!("{base}/{path}")) {
        Ok((200, answer)) if answer.contains("PONG") => None,
        Ok((401 | 403, _)) => Some(format!("the server at {} rejects the token", url.authority())),
        Ok((status, _)) => Some(format!(
            "{} answers PING with status {status} instead of PONG. Check that it is Webdis or Upstash",
            url.authority()
        )),
        Err(_) if reach::is_redis(url) => Some(format!(
            "a Redis server listens at {}, and Redis does not speak HTTP. Put Webdis in front of it (default port \
             7379), and set its URL",
            url.authority()
        )),
        Err(why) => Some(format!("no Redis answers at {}: {why}", url.authority())),
    }
}

#[cfg(test)]
mod tests;
